"""Two radios that work as one: the first transmits, the second receives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta

from sdr_gsc.capture import Capture, Gap

from .burst_alignment import RepeatedBurst, folded_power
from .errors import BadValueError, RadioError
from .radio import Capabilities, Radio, RadioSettings, Range, ReceiveStream, TransmitStream, require_near
from .session import RadioSession

__all__ = ["RadioPair"]

# Synthesizers of different makes hit a frequency by a few hertz, clocks a rate by a few millionths.
_SAME_FREQUENCY_HZ, _SAME_RATE = 1e3, 1e-5


class RadioPair(RadioSession):
    """A radio that transmits with one device and receives with another.

    The devices know nothing of each other's clocks: a burst is repeated while the other one receives, and found in what
    was received by its power.

    Args:
        tx_radio: transmits; the pair closes it.
        rx_radio: receives; the pair closes it.

    Raises:
        BadValueError: their rates or frequencies differ.
    """

    def __init__(self, tx_radio: Radio, rx_radio: Radio) -> None:
        super().__init__()
        self._tx, self._rx = tx_radio, rx_radio
        self.uri = f"{tx_radio.uri} -> {rx_radio.uri}"
        self._require_same()

    @property
    def capabilities(self) -> Capabilities:
        """What both can do; the gains are those of the sender's transmitter and the receiver's receiver."""
        tx, rx = self._tx.capabilities, self._rx.capabilities
        bandwidths = [one for one in (tx.bandwidth_hz, rx.bandwidth_hz) if one is not None]
        return Capabilities(
            model=f"{tx.model} -> {rx.model}",
            transmits=tx.transmits,
            center_frequency_hz=_common([tx.center_frequency_hz, rx.center_frequency_hz]),
            sample_rate_hz=_common([tx.sample_rate_hz, rx.sample_rate_hz]),
            tx_gain_db=tx.tx_gain_db,
            rx_gain_db=rx.rx_gain_db,
            bandwidth_hz=_common(bandwidths) if bandwidths else None,
            n_channels=min(tx.n_channels, rx.n_channels),
            clock_sources=tuple(one for one in tx.clock_sources if one in rx.clock_sources),
            serial=f"{tx.serial} -> {rx.serial}",
            tx_offset_hz=tx.tx_offset_hz,
        )

    @property
    def settings(self) -> RadioSettings:  # type: ignore[override] # read only, as the contract has it
        """The receiver's, with the sender's transmit gain and oscillator."""
        sent = self._tx.settings
        return replace(self._rx.settings, tx_gain_db=sent.tx_gain_db, tx_offset_hz=sent.tx_offset_hz)

    @property
    def muted(self) -> bool:
        """True while neither transmits."""
        return self._tx.muted and self._rx.muted

    def configure(self, settings: RadioSettings) -> RadioSettings:
        """Apply settings to both; see `Radio.configure`. The gains that the pair does not use stay as they are."""
        self.require_open()
        self._tx.configure(replace(settings, rx_gain_db=self._tx.settings.rx_gain_db))
        self._rx.configure(
            replace(settings, tx_gain_db=self._rx.settings.tx_gain_db, tx_offset_hz=self._rx.settings.tx_offset_hz)
        )
        self._require_same()
        return self.settings

    def exchange(self, burst: Capture, *, listen_s: float | None = None) -> Capture:
        """Transmit a burst with one radio and return what the other received around it; see `Radio.exchange`."""
        self.require_open()
        listen = self.listen_samples(burst, self.settings.sample_rate_hz, listen_s)
        plan = RepeatedBurst.plan(burst.samples.size, listen)
        # The sender checks full scale and permission before anything leaves it.
        with self._tx.repeat(replace(burst, samples=plan.padded(burst.samples))):
            received = self._rx.capture(plan.least_capture_samples)
        window = plan.window([burst.samples], folded_power(received.samples, plan.period_samples))
        return _cut(received, window)

    def exchange_channels(self, bursts: Sequence[Capture], *, listen_s: float | None = None) -> tuple[Capture, ...]:
        """`exchange` for the one channel that a pair has in common.

        Raises:
            BadValueError: more than one burst.
        """
        if len(bursts) != 1 or len(self.settings.channels) != 1:
            raise BadValueError(
                f"{len(bursts)} bursts for a pair of radios", "use one channel, or one radio with two channels"
            )
        return (self.exchange(bursts[0], listen_s=listen_s),)

    def repeat(self, burst: Capture) -> AbstractContextManager[None]:
        """Transmit with the sender; see `Radio.repeat`."""
        self.require_open()
        return self._tx.repeat(burst)

    def capture(self, n_samples: int) -> Capture:
        """Receive with the receiver; see `Radio.capture`."""
        self.require_open()
        return self._rx.capture(n_samples)

    def receive_stream(self, block_samples: int) -> AbstractContextManager[ReceiveStream]:
        """Receive with the receiver; see `Radio.receive_stream`."""
        self.require_open()
        return self._rx.receive_stream(block_samples)

    def transmit_stream(self) -> AbstractContextManager[TransmitStream]:
        """Transmit with the sender; see `Radio.transmit_stream`."""
        self.require_open()
        return self._tx.transmit_stream()

    def temperature_c(self) -> float | None:
        """The sender's temperature, or else the receiver's."""
        self.require_open()
        sent = self._tx.temperature_c()
        return self._rx.temperature_c() if sent is None else sent

    def mute(self) -> None:
        """Mute both."""
        _both(self._tx.mute, self._rx.mute)

    def release(self) -> None:
        """Close both."""
        _both(self._tx.close, self._rx.close)

    def _require_same(self) -> None:
        tx, rx = self._tx.settings, self._rx.settings
        remedy = "open both radios with the same sample_rate_hz and center_frequency_hz"
        try:
            require_near("sample_rate_hz", tx.sample_rate_hz, rx.sample_rate_hz, _SAME_RATE * tx.sample_rate_hz)
            require_near("center_frequency_hz", tx.center_frequency_hz, rx.center_frequency_hz, _SAME_FREQUENCY_HZ)
        except BadValueError as error:
            raise BadValueError(f"{self.uri}: {error.problem}", remedy) from None


def _both(*acts: Callable[[], None]) -> None:
    # The second one is not to stay on because the first one is gone.
    failure: RadioError | None = None
    for act in acts:
        try:
            act()
        except RadioError as error:
            failure = failure or error
    if failure is not None:
        raise failure


def _common(ranges: Sequence[Range]) -> Range:
    return Range(max(one.minimum for one in ranges), min(one.maximum for one in ranges))


def _cut(received: Capture, window: slice) -> Capture:
    gaps = []
    for gap in received.gaps:
        start = max(gap.start_sample, window.start)
        end = min(gap.start_sample + gap.sample_count, window.stop)
        if start < end:
            gaps.append(Gap(start - window.start, end - start))
    start_time = received.start
    if start_time is not None:
        start_time += timedelta(seconds=window.start / received.sample_rate_hz)
    samples = received.samples[window].copy()
    # Which of the samples were clipped is not known; those of the whole reception are reported.
    return replace(received, samples=samples, start=start_time, gaps=tuple(gaps))
