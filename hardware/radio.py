"""The one contract of every radio: control (settings, read back) apart from data (bursts, captures, streams)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

import numpy as np

from sdr_gsc.capture import Capture

from .errors import BadValueError

__all__ = [
    "Capabilities",
    "Radio",
    "RadioSettings",
    "Range",
    "ReceiveStream",
    "StreamBlock",
    "TransmitStream",
    "require_near",
    "require_within",
]


@dataclass(frozen=True, slots=True)
class Range:
    """Closed interval of values that a setting can take.

    >>> 0.5 in Range(0.0, 1.0)
    True
    """

    minimum: float
    maximum: float

    def __contains__(self, value: float) -> bool:
        return self.minimum <= value <= self.maximum

    def __str__(self) -> str:
        return f"{self.minimum:g} ... {self.maximum:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioSettings:
    """What is asked of a radio, and, read back, what it does.

    Attributes:
        center_frequency_hz: local oscillator of the receiver, and of the transmitter but for its offset; 0.0 at
            baseband.
        sample_rate_hz: rate of both directions.
        tx_gain_db: transmit gain of every channel in the radio's own scale.
        rx_gain_db: receive gain of every channel in the radio's own scale.
        bandwidth_hz: of the analogue filters; None leaves them to the driver, which then opens them for the rate.
        channels: of both directions that are used; the first one carries what is given to `exchange`.
        clock_source: "internal", or another reference that the radio names.
        tx_offset_hz: how far above `center_frequency_hz` the transmitter's oscillator runs: what is sent is received so
            much higher, and what the transmitter leaks and mirrors parts from what the receiver adds.
    """

    center_frequency_hz: float = 0.0
    sample_rate_hz: float = 4e6
    tx_gain_db: float = 0.0
    rx_gain_db: float = 0.0
    bandwidth_hz: float | None = None
    channels: tuple[int, ...] = (0,)
    clock_source: str = "internal"
    tx_offset_hz: float = 0.0

    @property
    def tx_frequency_hz(self) -> float:
        """Oscillator of the transmitter."""
        return self.center_frequency_hz + self.tx_offset_hz


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a radio can do; the ranges carry the names of the settings that they bound.

    Attributes:
        model: name of the device for people.
        transmits: whether a burst leaves the radio.
        center_frequency_hz: range of local oscillators.
        sample_rate_hz: range of rates.
        tx_gain_db: range of transmit gains.
        rx_gain_db: range of receive gains.
        bandwidth_hz: range of analogue bandwidths; None where there is no filter to set.
        n_channels: of each direction.
        clock_sources: references it can follow.
        serial: of the device; empty where it has none.
        keeps_time: bursts and captures start at an exact sample of the radio's own clock.
        tx_offset_hz: range of offsets of the transmitter's oscillator; 0 alone where both directions share one.
    """

    model: str
    transmits: bool
    center_frequency_hz: Range
    sample_rate_hz: Range
    tx_gain_db: Range
    rx_gain_db: Range
    bandwidth_hz: Range | None = None
    n_channels: int = 1
    clock_sources: tuple[str, ...] = ("internal",)
    serial: str = ""
    keeps_time: bool = False
    tx_offset_hz: Range = Range(0.0, 0.0)

    @property
    def has_tx_offset(self) -> bool:
        """Whether the transmitter's oscillator can run beside the receiver's."""
        return self.tx_offset_hz.maximum > self.tx_offset_hz.minimum


@dataclass(frozen=True, slots=True)
class StreamBlock:
    """A piece of a continuous reception.

    Attributes:
        samples: complex64 [n] of the first channel in use, full scale 1.0.
        first_sample: number of the first one, counted from the start of the stream, lost ones included.
        lost_before: samples that were lost between the block before and this one; a Pluto does not count them, so its
            driver estimates them by the clock.
        clipped: samples with a rail at the converter's limit.
    """

    samples: np.ndarray
    first_sample: int
    lost_before: int
    clipped: int


class ReceiveStream(Protocol):
    """An endless reception, block by block; leaving the context ends it."""

    def __iter__(self) -> Iterator[StreamBlock]:
        """Blocks in order; blocks until one is full."""
        ...


class TransmitStream(Protocol):
    """An endless transmission; leaving the context ends and mutes it."""

    @property
    def underflows(self) -> int:
        """Times that the radio ran out of samples so far."""

    def write(self, samples: np.ndarray) -> None:
        """Queue samples, complex64 [n], full scale 1.0; waits while the radio's queue is full.

        Raises:
            ClippingError: a rail beyond full scale.
            SampleUnderflowError: never; underflows are counted.
        """


def require_within(settings: RadioSettings, capabilities: Capabilities) -> None:
    """Refuse settings that a radio cannot take.

    Raises:
        BadValueError: names the setting, its value and the range.
    """
    for field in fields(settings):
        value, limits = getattr(settings, field.name), getattr(capabilities, field.name, None)
        if isinstance(limits, Range) and value is not None and value not in limits:
            raise BadValueError(f"{field.name} is {value:g}; {capabilities.model} needs {limits}")
    channels = settings.channels
    if not channels or len(set(channels)) < len(channels) or not set(channels) <= set(range(capabilities.n_channels)):
        raise BadValueError(
            f"channels are {list(channels)}; {capabilities.model} needs some of 0 ... {capabilities.n_channels - 1}"
        )
    if settings.clock_source not in capabilities.clock_sources:
        known = ", ".join(capabilities.clock_sources)
        raise BadValueError(f"clock_source is {settings.clock_source!r}; {capabilities.model} needs one of {known}")


def require_near(name: str, asked: float, actual: float, tolerance: float) -> None:
    """Refuse what a radio made of a setting where it is not what was asked.

    Args:
        name: of the setting.
        asked: value asked for.
        actual: value read back.
        tolerance: largest difference.

    Raises:
        BadValueError: names both values.
    """
    if not abs(actual - asked) <= tolerance:
        raise BadValueError(f"{name} was set to {asked:.9g} and the radio reports {actual:.9g}")


@runtime_checkable
class Radio(Protocol):
    """A radio, real or simulated.

    Used as a context manager: leaving the block - by return, exception, Ctrl-C or SIGTERM - mutes and closes.
    """

    @property
    def uri(self) -> str:
        """Address under which it was opened."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    @property
    def settings(self) -> RadioSettings:
        """Settings as last read back."""

    @property
    def muted(self) -> bool:
        """True while nothing is transmitted."""

    def configure(self, settings: RadioSettings) -> RadioSettings:
        """Apply settings and return what was read back.

        Raises:
            BadValueError: outside the capabilities, or read back outside the tolerance.
            UnlockedError: an oscillator or reference did not lock.
            DisconnectedError: closed, or gone.
        """

    def exchange(self, burst: Capture, *, listen_s: float | None = None) -> Capture:
        """Transmit one burst and return what was received around it. The transmitter is muted before it returns.

        Args:
            burst: samples at the configured rate, full scale 1.0.
            listen_s: length of the received capture; None listens for as long as the burst needs.

        Raises:
            BadValueError: wrong rate or listening time.
            ClippingError: a transmit rail beyond full scale.
            ForbiddenError: outside what bench.toml allows.
            RadioTimeoutError, SampleOverflowError, SampleUnderflowError, LateBurstError: what the radio reports.
            DisconnectedError: closed, or gone.
        """

    def exchange_channels(self, bursts: Sequence[Capture], *, listen_s: float | None = None) -> tuple[Capture, ...]:
        """`exchange` on all channels in use: bursts of one length start together, captures begin together."""

    def repeat(self, burst: Capture) -> AbstractContextManager[None]:
        """Transmit a burst over and over, back to back, until the context is left; then the transmitter is muted."""

    def capture(self, n_samples: int) -> Capture:
        """Receive contiguous samples, none of which is older than the call.

        Raises:
            SampleOverflowError: samples were lost on the way.
            RadioTimeoutError: they did not come.
        """

    def receive_stream(self, block_samples: int) -> AbstractContextManager[ReceiveStream]:
        """Receive without end; losses are counted, not raised."""

    def transmit_stream(self) -> AbstractContextManager[TransmitStream]:
        """Transmit without end; losses are counted, not raised."""

    def temperature_c(self) -> float | None:
        """Temperature of the radio's own sensor in degrees Celsius; None where it has none.

        Raises:
            DisconnectedError: closed, or gone.
        """

    def mute(self) -> None:
        """Stop transmitting, whatever is going on; allowed at any time."""

    def close(self) -> None:
        """Mute and release the radio; a second call does nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
