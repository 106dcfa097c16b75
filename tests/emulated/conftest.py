"""Real vendor libraries and the emulated radios that they talk to."""

# pyadi-iio and pylibiio have no public names for their buffers.
# ruff: noqa: SLF001

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest

from hardware.emulation.air import Air
from hardware.emulation.pluto import EmulatedPluto
from sdr_gsc.channel.profile import ChannelProfile


@pytest.fixture(scope="session")
def libiio():
    """The modules adi and iio."""
    try:
        import adi
        import iio
    except (ImportError, OSError, AttributeError) as error:  # what they raise depends on the part that is missing
        pytest.fail(
            f"pyadi-iio cannot be used: {error}. Install libiio (Debian: apt install libiio0) and the extra pluto "
            "(pip install 'sdr-gsc[pluto]'; pylibiio 0.25 goes with libiio 0.2x)"
        )
    return SimpleNamespace(adi=adi, iio=iio)


class IioClient:
    """pyadi-iio held so that no buffer and no context ever reaches the garbage collector."""

    def __init__(self, libiio, radio, timeout_ms=5000):
        scheme, address = radio.uri.split(":", 1)
        self.context = libiio.iio.Context(address)
        try:
            self.context.set_timeout(timeout_ms)
            self.adc = self.context.find_device("cf-ad9361-lpc")
            self.dac = self.context.find_device("cf-ad9361-dds-core-lpc")
            self.sdr = (libiio.adi.Pluto if scheme == "pluto" else libiio.adi.ad9361)(self.context)
        except BaseException:
            self._destroy(self.context, "_context")
            raise

    @staticmethod
    def _destroy(owner, handle):
        if owner and getattr(owner, handle, None) is not None:
            owner.__del__()
            setattr(owner, handle, None)

    def tune(self, rate=4_000_000, frequency=2_400_000_000, tx_gain=-10, rx_gain=40):
        self.sdr.sample_rate = rate
        self.sdr.rx_lo = self.sdr.tx_lo = frequency
        for channel in range(len(self.sdr.rx_enabled_channels)):
            setattr(self.sdr, f"gain_control_mode_chan{channel}", "manual")
            setattr(self.sdr, f"rx_hardwaregain_chan{channel}", rx_gain)
            setattr(self.sdr, f"tx_hardwaregain_chan{channel}", tx_gain)
        return self

    def receive(self, n_samples=None, n_blocks=None):
        """One block; a size or number of blocks opens a new buffer."""
        if n_samples:
            self.stop_receiving()
            self.sdr.rx_buffer_size = n_samples
        if n_blocks:
            self.stop_receiving()
            self.adc.set_kernel_buffers_count(n_blocks)
        if not self.sdr._rxbuf:
            self.sdr._rx_init_channels()
        buffer = self.sdr._rxbuf
        try:
            return np.asarray(self.sdr.rx())
        except BaseException:
            # The traceback keeps the buffer; destroyed now, it is harmless later.
            self._destroy(buffer, "_buffer")
            self.sdr._rxbuf = None
            raise

    def transmit(self, samples, cyclic=True):
        """Samples (or one array of them for each channel) of +-32768."""
        if cyclic:
            self.stop_transmitting()
            self.sdr.tx_cyclic_buffer = True
        try:
            self.sdr.tx(samples)
        except BaseException:
            self.stop_transmitting()
            raise

    def stop_receiving(self):
        self._destroy(self.sdr._rxbuf, "_buffer")
        self.sdr._rxbuf = None

    def stop_transmitting(self):
        self._destroy(self.sdr._txbuf, "_buffer")
        self.sdr._txbuf = None

    def close(self):
        self.stop_transmitting()
        self.stop_receiving()
        self._destroy(self.context, "_context")

    @property
    def overflowed(self):
        return bool(self.adc.reg_read(0x80000088) & 4)

    @property
    def underflowed(self):
        return bool(self.dac.reg_read(0x80000088) & 1)

    def clear_flags(self):
        self.adc.reg_write(0x80000088, 4)
        self.dac.reg_write(0x80000088, 1)


@pytest.fixture
def iio_client(libiio):
    """Connect pyadi-iio to an emulated radio; everything is destroyed in order at the end."""
    clients = []

    def connect(radio, **options):
        client = IioClient(libiio, radio, **options)
        clients.append(client)
        return client

    yield connect
    for client in reversed(clients):
        client.close()


@pytest.fixture
def flat_air():
    """A quiet air without echoes; at transmit gain -10 and receive gain 40, received equals sent."""
    return Air(ChannelProfile(name="flat"), seed=5, noise_dbfs=-90)


@pytest.fixture
def emulated_pluto(flat_air):
    """Start an emulated Pluto, on an air of its own unless one is given."""
    with contextlib.ExitStack() as stack:

        def start(air=None, *, two_channels=False, clock_ppm=0.0, **options):
            antenna = (air or flat_air).antenna("pluto", n_ports=2 if two_channels else 1, clock_ppm=clock_ppm)
            return stack.enter_context(EmulatedPluto(antenna, two_channels=two_channels, **options))

        yield start


@pytest.fixture
def waveform():
    """Seeded noise-like samples of whole numbers, rails up to 2^14."""

    def make(n_samples, seed=0):
        rails = np.random.default_rng(seed).integers(-(2**14), 2**14, (2, n_samples))
        return rails[0] + 1j * rails[1]

    return make
