"""A simulated pair of radios with a simulated channel between them; nothing leaves the computer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.channel.converters import require_full_scale
from sdr_gsc.channel.front_end_faults import FrontEnd
from sdr_gsc.channel.profile import ChannelProfile
from sdr_gsc.channel.simulator import simulate

from .errors import BadValueError, DisconnectedError, RadioBusyError
from .radio import Capabilities, RadioSettings, Range, ReceiveStream, StreamBlock, TransmitStream, require_within
from .session import RadioSession
from .virtual_air import VirtualAir, VirtualTuning

__all__ = ["LoopbackRadio"]

#: Noise floor of a radio with imperfect front ends, at a receive gain of 40 dB.
_FLOOR_DBFS = -70.0

_CAPABILITIES = Capabilities(
    model="simulated radio",
    transmits=True,
    center_frequency_hz=Range(0.0, 300e9),
    sample_rate_hz=Range(1e3, 1e9),
    tx_gain_db=Range(0.0, 0.0),
    rx_gain_db=Range(0.0, 0.0),
    n_channels=2,
    tx_offset_hz=Range(-500e6, 500e6),
)
#: With imperfect front ends it has gains like an AD936x, and a clock that both directions share.
_IMPAIRED = replace(
    _CAPABILITIES,
    model="simulated radio with imperfect front ends",
    tx_gain_db=Range(-89.75, 0.0),
    rx_gain_db=Range(0.0, 76.0),
    keeps_time=True,
)
_IMPAIRED_SETTINGS = RadioSettings(center_frequency_hz=2.45e9, tx_gain_db=-10.0, rx_gain_db=40.0)


class LoopbackRadio(RadioSession):
    """Radio that hears its own bursts.

    `exchange` sends a burst through `simulate`, each time through a new realization of the channel from the generator.
    Everything else goes over an air of the radio's own (`VirtualAir`), whose time passes only as it is used: every
    transmission is a new realization there, channels of different numbers do not hear each other, and there is no gain
    control: a signal arrives as strong as it was sent, faded. The gains are fixed at 0 dB.

    With imperfect front ends `exchange` goes over that air, too, and the radio has gains: at -10 dB and 40 dB a signal
    arrives as strong as it was sent, next to noise that moves with the receive gain. It transmits with the front end's
    clock and receives with one that is right. A burst begins with the first sample that is received.

    Args:
        profile: the channel.
        generator: source of randomness.
        uri: address for reports.
        front_ends: imperfections of both channels, or none.
        serial: of the radio.
        noise_dbfs: noise floor of imperfect front ends, at a receive gain of 40 dB.
    """

    def __init__(
        self,
        profile: ChannelProfile,
        generator: np.random.Generator,
        uri: str = "loopback:",
        *,
        front_ends: Sequence[FrontEnd] = (),
        serial: str = "",
        noise_dbfs: float = _FLOOR_DBFS,
    ) -> None:
        super().__init__()
        self.uri = uri
        self.capabilities = replace(_IMPAIRED if front_ends else _CAPABILITIES, serial=serial)
        self.settings = _IMPAIRED_SETTINGS if front_ends else RadioSettings()
        self.front_ends = tuple(front_ends)
        self._noise_dbfs = noise_dbfs if front_ends else -math.inf
        self.muted = True
        self._profile = profile
        self._generator = generator
        self._air: VirtualAir | None = None
        self._airs = 0
        self._start_s = 0.0
        self._sending = False

    def configure(self, settings: RadioSettings) -> RadioSettings:
        """Apply settings; a simulated radio does exactly what it is asked."""
        self.require_open()
        require_within(settings, self.capabilities)
        if abs(settings.tx_offset_hz) >= settings.sample_rate_hz / 2:
            raise BadValueError(
                f"tx_offset_hz is {settings.tx_offset_hz:g} at a sample rate of {settings.sample_rate_hz:g} Hz, where "
                "nothing would be received",
                "stay within half the sample rate",
            )
        if settings != self.settings:
            self._require_silence()
            if self._air is not None and self.front_ends:
                self._start_s = self._air.now_s  # oscillators drift on
            self._air = None
        self.settings = settings
        return settings

    def exchange(self, burst: Capture, *, listen_s: float | None = None) -> Capture:
        """Send a burst through one new realization of the channel; see `Radio.exchange`."""
        self.require_open()
        n_samples = self.listen_samples(burst, self.settings.sample_rate_hz, listen_s)
        if self.front_ends:
            return self._exchange_on_air([burst], n_samples)[0]
        self._require_silence()
        profile = self._profile
        if self.settings.tx_offset_hz:
            profile = replace(profile, cfo_hz=profile.cfo_hz + self.settings.tx_offset_hz)
        self.muted = False
        try:
            received = simulate(burst, profile, self._generator, n_samples=n_samples)
        finally:
            self.mute()
        return replace(
            received,
            center_frequency_hz=self.settings.center_frequency_hz,
            start=datetime.now(UTC),
            settings={**received.settings, **self._about()},
        )

    def exchange_channels(self, bursts: Sequence[Capture], *, listen_s: float | None = None) -> tuple[Capture, ...]:
        """Send one burst per channel in use, together; see `Radio.exchange_channels`."""
        self.require_open()
        channels = self.settings.channels
        if len(bursts) != len(channels):
            raise BadValueError(f"there are {len(bursts)} bursts for {len(channels)} channels", "give one to each")
        if len(bursts) == 1:
            return (self.exchange(bursts[0], listen_s=listen_s),)
        counts = [self.listen_samples(burst, self.settings.sample_rate_hz, listen_s) for burst in bursts]
        lengths = sorted({burst.samples.size for burst in bursts})
        if len(lengths) > 1:
            raise BadValueError(f"the bursts have {lengths} samples", "fill them up to one length")
        return self._exchange_on_air(bursts, counts[0])

    def _exchange_on_air(self, bursts: Sequence[Capture], n_samples: int | None) -> tuple[Capture, ...]:
        with self._transmission([burst.samples for burst in bursts], repeat=False) as air:
            longest = bursts[0].samples.size + air.settling_samples + self._profile.tail_samples
            found = {"burst_start_sample": 0} if self.front_ends else {}
            return self._captures(air, self.settings.channels[: len(bursts)], n_samples or longest, found)

    @contextmanager
    def repeat(self, burst: Capture) -> Iterator[None]:
        """Send a burst over and over through one realization; see `Radio.repeat`."""
        self.require_open()
        self.listen_samples(burst, self.settings.sample_rate_hz, None)
        with self._transmission([burst.samples], repeat=True) as air:
            air.settle()
            yield

    def capture(self, n_samples: int) -> Capture:
        """Receive what comes next; see `Radio.capture`."""
        self.require_open()
        if n_samples < 1:
            raise BadValueError(f"n_samples is {n_samples}", "capture at least one sample")
        return self._captures(self._own_air(), self.settings.channels[:1], n_samples)[0]

    @contextmanager
    def receive_stream(self, block_samples: int) -> Iterator[ReceiveStream]:
        """Receive without end; see `Radio.receive_stream`."""
        self.require_open()
        if block_samples < 1:
            raise BadValueError(f"block_samples is {block_samples}", "receive at least one sample at a time")
        air = self._own_air()
        air.listen()
        stream = _Reception(self, air, block_samples)
        try:
            yield stream
        finally:
            stream.ended = True
            air.leave()

    @contextmanager
    def transmit_stream(self) -> Iterator[TransmitStream]:
        """Transmit without end; see `Radio.transmit_stream`."""
        self.require_open()
        with self._transmission([], repeat=False) as air:
            air.open_stream()
            yield _Sending(self, air)

    def mute(self) -> None:
        """Stop transmitting."""
        self.muted = True
        if self._air is not None:
            self._air.silence()

    def _about(self) -> dict[str, object]:
        return {"uri": self.uri, "radio": asdict(self.settings)}

    def _require_silence(self) -> None:
        if self._sending:
            raise RadioBusyError(
                "the radio is transmitting already", "leave the block of repeat() or transmit_stream() first"
            )

    @contextmanager
    def _transmission(self, bursts: Sequence[np.ndarray], *, repeat: bool) -> Iterator[VirtualAir]:
        self._require_silence()
        for samples in bursts:
            require_full_scale(samples)
        air = self._own_air()
        self._sending, self.muted = True, False
        try:
            air.transmit(bursts, self.settings.channels[: len(bursts)], repeat=repeat)
            yield air
        finally:
            self._sending = False
            self.mute()

    def temperature_c(self) -> float | None:
        """Temperature of imperfect front ends; see `Radio.temperature_c`."""
        self.require_open()
        return self.front_ends[0].temperature_c if self.front_ends else None

    def _captures(
        self, air: VirtualAir, channels: Sequence[int], n_samples: int, found: Mapping[str, object] | None = None
    ) -> tuple[Capture, ...]:
        heard, now = air.hear(channels, n_samples), datetime.now(UTC)
        profile = {field.name: getattr(self._profile, field.name) for field in fields(self._profile)}
        return tuple(
            Capture(
                samples=samples,
                sample_rate_hz=self.settings.sample_rate_hz,
                center_frequency_hz=self.settings.center_frequency_hz,
                start=now,
                clipped=clipped,
                settings={"profile": profile, **self._about(), **(found or {})},
            )
            for samples, clipped in zip(heard.samples, heard.clipped, strict=True)
        )

    def _virtual_tuning(self) -> VirtualTuning:
        settings = self.settings
        tuning = VirtualTuning(settings.sample_rate_hz, settings.tx_frequency_hz, settings.center_frequency_hz)
        if not self.front_ends:
            return tuning
        return replace(tuning, tx_gain_db=settings.tx_gain_db, rx_gain_db=settings.rx_gain_db)

    def _own_air(self) -> VirtualAir:
        if self._air is None:
            # From a copy of the generator: exchanges draw the same whether the air is used or not.
            seed = int(deepcopy(self._generator).integers(2**63)) + self._airs
            self._airs += 1
            self._air = VirtualAir(
                self._profile,
                seed,
                self._virtual_tuning(),
                n_ports=self.capabilities.n_channels,
                noise_dbfs=self._noise_dbfs,
                front_ends=self.front_ends,
                start_s=self._start_s,
            )
        return self._air


class _Reception:
    """Blocks of an endless reception."""

    def __init__(self, radio: LoopbackRadio, air: VirtualAir, block_samples: int) -> None:
        self.ended = False
        self._radio = radio
        self._air = air
        self._block_samples = block_samples
        self._start: int | None = None
        self._next = 0

    def __iter__(self) -> Iterator[StreamBlock]:
        while not self.ended:
            self._radio.require_open()
            heard = self._air.hear(self._radio.settings.channels[:1], self._block_samples)
            if self._start is None:
                self._start = self._next = heard.first
            lost = heard.first - self._next
            self._next = heard.first + self._block_samples
            yield StreamBlock(heard.samples[0], heard.first - self._start, lost, heard.clipped[0])


class _Sending:
    """The sending end of an endless transmission."""

    def __init__(self, radio: LoopbackRadio, air: VirtualAir) -> None:
        self._radio = radio
        self._air = air

    @property
    def underflows(self) -> int:
        """See `TransmitStream`."""
        return self._air.underflows

    def write(self, samples: np.ndarray) -> None:
        """See `TransmitStream`."""
        self._radio.require_open()
        require_full_scale(np.asarray(samples, np.complex64))
        if not self._air.write(samples, self._radio.settings.channels[0]):
            raise DisconnectedError("the stream has ended, or was muted", "open a new transmit_stream()")
