"""Settings of an AD936x radio over IIO: written in the order that the chip needs, and read back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .errors import BadValueError, RadioError, RadioNotFoundError
from .iio_link import IioLink
from .radio import Capabilities, RadioSettings, Range, require_near, require_within

__all__ = ["Ad936xControl", "check_settings"]

_FLOOR_DB = -89.75
# The slowest rate that pyadi-iio has a filter for; the chip's own limit with that filter is 520.8 kHz.
_SLOWEST_WITH_FIR_HZ = 521e3
# What the dividers and synthesizers leave of what is asked for. Oscillators are worse: 1 ppm and more.
_LO_TOLERANCE_HZ = 16.0
_RATE_TOLERANCE_HZ, _RATE_TOLERANCE = 1.0, 1e-6  # what is read back is cut to whole hertz
_BANDWIDTH_TOLERANCE_HZ = 1e3
_TX_GAIN_TOLERANCE_DB = 0.126  # half of its step of 0.25 dB
_RX_GAIN_TOLERANCE_DB = 0.51  # half of its step of 1 dB
# Half of the widest band that the converters can sample: beyond it, the receiver would hear nothing of the transmitter.
_TX_OFFSET_HZ = 30.72e6


class Ad936xControl:
    """The attributes of an AD936x, on a link that someone else owns.

    Args:
        link: open link.
        adi: pyadi-iio's module.
        two_channels: the radio is used as a 2x2 one.

    Attributes:
        n_channels: of each direction.
        serial: number of the device; empty where it has none.
        token: what an emulator shows to prove that it is one.
        bandwidth_hz: of both analogue filters, as last read back.
        quiet: nothing is to leave the radio, whatever is transmitted inside it.

    Raises:
        RadioNotFoundError: not a radio of that kind.
    """

    def __init__(self, link: IioLink, adi: Any, *, two_channels: bool) -> None:  # noqa: ANN401 - the vendor's module
        self.quiet = False
        self.bandwidth_hz = 0.0
        self._link = link
        self._vendor = adi
        context = link.context
        names = ("ad9361-phy", "cf-ad9361-lpc", "cf-ad9361-dds-core-lpc")
        phy, self.receiver, self.transmitter = (context.find_device(name) for name in names)
        if phy is None or self.receiver is None or self.transmitter is None:
            raise RadioNotFoundError(f"{link.address} is not an ADALM-PLUTO or another AD936x radio")
        self._phy: Any = phy
        # Before anything else: what comes may fail, or let out what the program before has left.
        self.keep_in()
        self.n_channels = 2 if self.transmitter.find_channel("voltage2", True) is not None else 1
        if two_channels and self.n_channels == 1:
            raise RadioNotFoundError(
                f"{link.address} has one channel only", "address it with pluto: instead of ad9361:"
            )
        if not two_channels:
            self.n_channels = 1
        self.serial = str(context.attrs.get("hw_serial", ""))
        self.token = str(context.attrs.get("sdr_gsc_token", ""))
        self.firmware = str(context.attrs.get("fw_version", ""))
        self.model = str(context.attrs.get("hw_model", "AD936x radio"))
        with link.asking("opening the radio"):
            self._adi = adi.ad9361(context) if two_channels else adi.Pluto(context)
            self._phy.attrs["ensm_mode"].value = "fdd"
            # Left on by somebody, it would feed what is transmitted into what is received.
            self._phy.debug_attrs["loopback"].value = "0"

    def on(self, link: IioLink) -> Ad936xControl:
        """The same radio over another link."""
        return Ad936xControl(link, self._vendor, two_channels=False)

    def capabilities(self) -> Capabilities:
        """What the device says of itself; the receive gains are those of the present band."""
        with self._link.asking("reading the radio's ranges"):
            receive, transmit = self._path(0, output=False), self._path(0, output=True)
            rates = _range(receive.attrs["sampling_frequency_available"].value)
            los = [_range(self._oscillator(name).attrs["frequency_available"].value) for name in ("rx", "tx")]
            bandwidths = [_range(path.attrs["rf_bandwidth_available"].value) for path in (receive, transmit)]
            rx_gains = _range(receive.attrs["hardwaregain_available"].value)
            tx_gains = Range(_FLOOR_DB, 0.0)
            if "hardwaregain_available" in transmit.attrs:
                tx_gains = _range(transmit.attrs["hardwaregain_available"].value)
        return Capabilities(
            model=self.model,
            transmits=True,
            center_frequency_hz=_common(los),
            sample_rate_hz=Range(_SLOWEST_WITH_FIR_HZ, rates.maximum),
            tx_gain_db=tx_gains,
            rx_gain_db=rx_gains,
            bandwidth_hz=_common(bandwidths),
            n_channels=self.n_channels,
            serial=self.serial,
            tx_offset_hz=Range(-_TX_OFFSET_HZ, _TX_OFFSET_HZ),
        )

    def apply(self, settings: RadioSettings, capabilities: Capabilities) -> RadioSettings:
        """Write settings and return what the radio made of them. The transmit gains are tried, then put to the floor.

        A bandwidth that is left to the driver stays so: the next rate will need another one.

        Args:
            settings: within the capabilities but for the receive gain, whose range depends on the frequency.
            capabilities: as last read.

        Raises:
            BadValueError: refused, or read back outside the tolerance.
        """
        with self._link.asking("setting the sample rate"):
            # pyadi-iio loads the filter that slow rates need; it wants a whole number.
            self._adi.sample_rate = round(settings.sample_rate_hz)
            rate_hz = float(self._path(0, output=False).attrs["sampling_frequency"].value)
            for device, output in ((self.receiver, False), (self.transmitter, True)):
                self._follow(device, output, rate_hz)
        require_near("sample_rate_hz", settings.sample_rate_hz, rate_hz, _rate_tolerance_hz(rate_hz))
        self.bandwidth_hz = self._set_bandwidths(settings.bandwidth_hz, rate_hz, capabilities)
        center_hz = self._tune("rx", settings.center_frequency_hz)
        tx_offset_hz = self._tune("tx", settings.tx_frequency_hz) - center_hz
        rx_gain_db = self._set_receive_gains(settings)
        return replace(
            settings,
            sample_rate_hz=rate_hz,
            bandwidth_hz=None if settings.bandwidth_hz is None else self.bandwidth_hz,
            center_frequency_hz=center_hz,
            rx_gain_db=rx_gain_db,
            tx_gain_db=self._try_transmit_gain(settings),
            tx_offset_hz=tx_offset_hz,
        )

    def set_receive_gains(self, settings: RadioSettings) -> float:
        """Change the receive gains alone, which harms no transmission; returns what was read back."""
        return self._set_receive_gains(settings)

    def let_out(self, settings: RadioSettings) -> None:
        """Power the transmit oscillator and set the gains of the channels in use, just before a transmission."""
        if self.quiet:
            return
        with self._link.asking("switching the transmitter on"):
            self._oscillator("tx").attrs["powerdown"].value = "0"
            for channel in settings.channels:
                self._write_gain(channel, settings.tx_gain_db)
            actual = [_number(self._path(channel, output=True).attrs["hardwaregain"]) for channel in settings.channels]
        for gain_db in actual:
            require_near("tx_gain_db", settings.tx_gain_db, gain_db, _TX_GAIN_TOLERANCE_DB)

    def keep_in(self) -> None:
        """Power the transmit oscillator down and put all transmit gains to the floor; as much of it as succeeds.

        Raises:
            RadioError: the first failure.
        """
        failures = []
        for attribute, value in self._silencing():
            # Whatever one write meets, the others may still help.
            try:
                with self._link.asking("muting the transmitter"):
                    attribute.value = value
            except RadioError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _silencing(self) -> list[tuple[Any, str]]:
        """Attributes that keep everything in, with their values; what helps most comes first."""
        with self._link.asking("muting the transmitter"):
            writes = [(self._oscillator("tx").attrs["powerdown"], "1")]
            for channel in range(2):
                # The second one of a radio that is used as a 1x1 one, too.
                path = self._path(channel, output=True)
                if path is not None and "hardwaregain" in path.attrs:
                    writes.append((path.attrs["hardwaregain"], f"{_FLOOR_DB:.2f}"))
        return writes

    def silence_tones(self) -> None:
        """Switch off the tone generators, which transmit while there is no buffer."""
        with self._link.asking("switching the tone generators off"):
            self._adi.disable_dds()

    def set_digital_loopback(self, on: bool) -> None:
        """Feed what is transmitted into what is received, inside the chip; nothing leaves the radio meanwhile."""
        with self._link.asking("switching the digital loopback"):
            self._phy.debug_attrs["loopback"].value = "1" if on else "0"
        self.quiet = on

    def temperature_c(self) -> float | None:
        """The chip's own temperature, or that of the FPGA beside it; None where neither is told."""
        with self._link.asking("reading the temperature"):
            chip = self._phy.find_channel("temp0")
            if chip is not None and "input" in chip.attrs:
                return float(chip.attrs["input"].value) / 1e3
            monitor = self._link.context.find_device("xadc")
            fpga = None if monitor is None else monitor.find_channel("temp0")
            if fpga is None:
                return None
            raw, offset, scale = (float(fpga.attrs[name].value) for name in ("raw", "offset", "scale"))
            return (raw + offset) * scale / 1e3

    def tracking(self) -> dict[str, bool]:
        """Which of the chip's own corrections are at work; they disturb calibrations."""
        with self._link.asking("reading the radio's corrections"):
            attributes = self._path(0, output=False).attrs
            return {name: attributes[name].value.strip() == "1" for name in attributes if name.endswith("_tracking_en")}

    def _path(self, channel: int, *, output: bool) -> Any:  # noqa: ANN401 - the vendor's object
        return self._phy.find_channel(f"voltage{channel}", output)

    def _oscillator(self, direction: str) -> Any:  # noqa: ANN401 - the vendor's object
        # Both oscillators are output channels.
        return self._phy.find_channel({"rx": "altvoltage0", "tx": "altvoltage1"}[direction], True)

    @staticmethod
    def _follow(device: Any, output: bool, rate_hz: float) -> None:  # noqa: ANN401 - the vendor's object
        # The FPGA can decimate by another 8, and somebody may have left that on.
        channel = device.find_channel("voltage0", output)
        attribute = channel.attrs.get("sampling_frequency")
        if attribute is not None and abs(float(attribute.value) - rate_hz) > _rate_tolerance_hz(rate_hz):
            attribute.value = str(round(rate_hz))
            require_near("sample_rate_hz", rate_hz, float(attribute.value), _rate_tolerance_hz(rate_hz))

    def _set_bandwidths(self, wanted_hz: float | None, rate_hz: float, capabilities: Capabilities) -> float:
        limits = capabilities.bandwidth_hz or Range(rate_hz, rate_hz)
        # Open for the whole sampled band where nothing else is asked for.
        asked_hz = min(max(rate_hz, limits.minimum), limits.maximum) if wanted_hz is None else wanted_hz
        actual = []
        with self._link.asking("setting the bandwidth"):
            for output in (False, True):
                attribute = self._path(0, output=output).attrs["rf_bandwidth"]
                attribute.value = str(round(asked_hz))
                actual.append(float(attribute.value))
        for bandwidth_hz in actual:
            require_near("bandwidth_hz", asked_hz, bandwidth_hz, _BANDWIDTH_TOLERANCE_HZ)
        return actual[0]

    def _tune(self, direction: str, wanted_hz: float) -> float:
        with self._link.asking("setting the frequency"):
            attribute = self._oscillator(direction).attrs["frequency"]
            # The driver cuts a decimal point and all that follows: round before.
            attribute.value = str(round(wanted_hz))
            actual_hz = float(attribute.value)
        require_near("center_frequency_hz", wanted_hz, actual_hz, _LO_TOLERANCE_HZ)
        return actual_hz

    def _set_receive_gains(self, settings: RadioSettings) -> float:
        with self._link.asking("setting the receive gain"):
            for channel in settings.channels:
                path = self._path(channel, output=False)
                # Under automatic control the gain is refused, or, by pyadi-iio, silently not written.
                path.attrs["gain_control_mode"].value = "manual"
            limits = _range(self._path(0, output=False).attrs["hardwaregain_available"].value)
            if settings.rx_gain_db not in limits:
                raise BadValueError(
                    f"rx_gain_db is {settings.rx_gain_db:g}; {self.model} needs {limits} at "
                    f"{settings.center_frequency_hz / 1e6:g} MHz"
                )
            actual = []
            for channel in settings.channels:
                attribute = self._path(channel, output=False).attrs["hardwaregain"]
                # The driver cuts what follows the decimal point: round before.
                attribute.value = f"{round(settings.rx_gain_db)}"
                actual.append(_number(attribute))
        for gain_db in actual:
            require_near("rx_gain_db", settings.rx_gain_db, gain_db, _RX_GAIN_TOLERANCE_DB)
        return actual[0]

    def _try_transmit_gain(self, settings: RadioSettings) -> float:
        actual = []
        with self._link.asking("setting the transmit gain"):
            for channel in settings.channels:
                # Without a buffer and with the oscillator down, nothing leaves the radio meanwhile.
                self._write_gain(channel, settings.tx_gain_db)
                actual.append(_number(self._path(channel, output=True).attrs["hardwaregain"]))
                self._write_gain(channel, _FLOOR_DB)
        for gain_db in actual:
            require_near("tx_gain_db", settings.tx_gain_db, gain_db, _TX_GAIN_TOLERANCE_DB)
        return actual[0]

    def _write_gain(self, channel: int, gain_db: float) -> None:
        # The driver cuts the attenuation to its steps, away from zero: round to the nearest before.
        self._path(channel, output=True).attrs["hardwaregain"].value = f"{round(gain_db * 4) / 4:.2f}"


def check_settings(settings: RadioSettings, capabilities: Capabilities) -> None:
    """Refuse what lies outside the capabilities, but for a receive gain at another frequency.

    Raises:
        BadValueError: names the setting and its range.
    """
    known = capabilities.rx_gain_db
    anything = Range(min(known.minimum, settings.rx_gain_db), max(known.maximum, settings.rx_gain_db))
    require_within(settings, replace(capabilities, rx_gain_db=anything))


def _rate_tolerance_hz(rate_hz: float) -> float:
    return _RATE_TOLERANCE_HZ + _RATE_TOLERANCE * rate_hz


def _number(attribute: Any) -> float:  # noqa: ANN401 - the vendor's object
    # Gains carry their unit: "-10.000000 dB".
    return float(attribute.value.split()[0])


def _range(text: str) -> Range:
    # "[minimum step maximum]".
    words = text.strip().strip("[]").split()
    if len(words) != 3:
        raise RadioError(f"the radio gives {text!r} as a range; needed [minimum step maximum]", "update its firmware")
    return Range(float(words[0]), float(words[2]))


def _common(ranges: list[Range]) -> Range:
    return Range(max(one.minimum for one in ranges), min(one.maximum for one in ranges))
