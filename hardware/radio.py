"""The one contract of every radio: control (settings, read back) apart from data (bursts)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from sdr_gsc.capture import Capture

from .errors import BadValueError

__all__ = ["Capabilities", "Radio", "RadioSettings", "Range", "require_within"]


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
        center_frequency_hz: local oscillator of both directions; 0.0 at baseband.
        sample_rate_hz: rate of both directions.
        tx_gain_db: transmit gain in the radio's own scale.
        rx_gain_db: receive gain in the radio's own scale.
    """

    center_frequency_hz: float = 0.0
    sample_rate_hz: float = 4e6
    tx_gain_db: float = 0.0
    rx_gain_db: float = 0.0


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
    """

    model: str
    transmits: bool
    center_frequency_hz: Range
    sample_rate_hz: Range
    tx_gain_db: Range
    rx_gain_db: Range


def require_within(settings: RadioSettings, capabilities: Capabilities) -> None:
    """Refuse settings that a radio cannot take.

    Raises:
        BadValueError: names the setting, its value and the range.
    """
    for field in fields(settings):
        value, limits = getattr(settings, field.name), getattr(capabilities, field.name)
        if value not in limits:
            raise BadValueError(f"{field.name} is {value:g}; {capabilities.model} needs {limits}")


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
            BadValueError: outside the capabilities.
            DisconnectedError: closed.
        """

    def exchange(self, burst: Capture, *, listen_s: float | None = None) -> Capture:
        """Transmit one burst and return what was received around it. The transmitter is muted before it returns.

        Args:
            burst: samples at the configured rate, full scale 1.0.
            listen_s: length of the received capture; None listens for as long as the burst needs.

        Raises:
            BadValueError: wrong rate or listening time.
            ClippingError: a transmit rail beyond full scale.
            DisconnectedError: closed.
        """

    def mute(self) -> None:
        """Stop transmitting, whatever is going on; allowed at any time."""

    def close(self) -> None:
        """Mute and release the radio; a second call does nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
