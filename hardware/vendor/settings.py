"""What a radio made of its settings: read back from the worker, compared with what was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import BadValueError, UnlockedError
from ..radio import Capabilities, RadioSettings, Range, require_near

__all__ = ["Description", "checked", "request_for", "safe_settings"]

#: Steps of a fractional synthesizer are a few Hz; a radio that tunes further off was asked for something else.
_FREQUENCY_TOLERANCE_HZ = 20.0
_RATE_TOLERANCE = 1e-6
#: Both directions have oscillators of their own; where they have not, what is read back gives it away. Beyond half of
#: the rate a receiver hears nothing of the transmitter, and few radios are faster than this.
_TX_OFFSET_HZ = 50e6
#: Analogue filters come in steps, or are tuned by a calibration.
_BANDWIDTH_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Description:
    """What a worker found when it opened a radio.

    Attributes:
        capabilities: for the user.
        token: shown by the radio; empty for a real one.
        tx_gain_step_db: of the transmit gain; 0.0 where unknown.
        rx_gain_step_db: of the receive gain.
    """

    capabilities: Capabilities
    token: str
    tx_gain_step_db: float
    rx_gain_step_db: float

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Description:
        """From the answer to "open"."""
        names = ("center_frequency_hz", "sample_rate_hz", "tx_gain_db", "rx_gain_db", "bandwidth_hz")
        ranges = {name: Range(*found[name]) if found[name] is not None else None for name in names}
        bandwidth = ranges["bandwidth_hz"]
        if bandwidth is not None and not bandwidth.maximum > 0:
            ranges["bandwidth_hz"] = None  # how libraries say that there is no filter to set
        return cls(
            capabilities=Capabilities(
                model=found["model"],
                transmits=True,
                n_channels=found["n_channels"],
                clock_sources=tuple(found["clock_sources"]) or ("internal",),
                serial=found["serial"],
                keeps_time=found["keeps_time"],
                tx_offset_hz=Range(-_TX_OFFSET_HZ, _TX_OFFSET_HZ),
                **ranges,  # type: ignore[arg-type]
            ),
            token=found["token"],
            tx_gain_step_db=found["tx_gain_step_db"],
            rx_gain_step_db=found["rx_gain_step_db"],
        )


def safe_settings(capabilities: Capabilities, *, emulated: bool) -> RadioSettings:
    """Settings for a radio that has just been opened: a real one starts with its lowest transmit gain."""

    def within(limits: Range, value: float) -> float:
        return min(max(value, limits.minimum), limits.maximum)

    gain = capabilities.tx_gain_db
    return RadioSettings(
        center_frequency_hz=within(capabilities.center_frequency_hz, 2.45e9),
        sample_rate_hz=within(capabilities.sample_rate_hz, 4e6),
        tx_gain_db=within(gain, gain.maximum - 10.0) if emulated else gain.minimum,
        rx_gain_db=within(capabilities.rx_gain_db, 40.0),
        clock_source=capabilities.clock_sources[0],
    )


def request_for(settings: RadioSettings, description: Description) -> dict[str, object]:
    """Settings as the worker takes them: no choice is left to it.

    Gains are rounded to the radio's steps here: libuhd 4.3 hands others on, and reads back what it was asked for, not
    what the radio made of it.
    """
    capabilities = description.capabilities
    limits = capabilities.bandwidth_hz
    bandwidth_hz = settings.bandwidth_hz
    if bandwidth_hz is None and limits is not None:
        bandwidth_hz = min(max(settings.sample_rate_hz, limits.minimum), limits.maximum)
    return {
        "center_frequency_hz": settings.center_frequency_hz,
        "tx_frequency_hz": settings.tx_frequency_hz,
        "sample_rate_hz": settings.sample_rate_hz,
        "tx_gain_db": _stepped(settings.tx_gain_db, capabilities.tx_gain_db, description.tx_gain_step_db),
        "rx_gain_db": _stepped(settings.rx_gain_db, capabilities.rx_gain_db, description.rx_gain_step_db),
        "bandwidth_hz": bandwidth_hz,
        "channels": list(settings.channels),
        "clock_source": settings.clock_source,
    }


def _stepped(gain_db: float, limits: Range, step_db: float) -> float:
    if not step_db > 0:
        return gain_db
    steps = round((gain_db - limits.minimum) / step_db)
    return min(limits.minimum + steps * step_db, limits.maximum)


def checked(asked: RadioSettings, actual: Mapping[str, Any], description: Description) -> RadioSettings:
    """Settings as read back.

    Args:
        asked: settings.
        actual: the worker's answer: for each setting, the values of all channels and directions.
        description: of the radio.

    Raises:
        BadValueError: a value is off by more than its tolerance: the radio would not take it, and did not say so.
        UnlockedError: an oscillator or reference did not lock.
    """

    def near(name: str, wanted: float, tolerance: float) -> float:
        values: Sequence[float] = actual[name]
        worst = max(values, key=lambda value: abs(value - wanted))
        require_near(name, wanted, worst, tolerance)
        return values[0]

    rate_hz = near("sample_rate_hz", asked.sample_rate_hz, _RATE_TOLERANCE * asked.sample_rate_hz)
    frequency_hz = near("center_frequency_hz", asked.center_frequency_hz, _FREQUENCY_TOLERANCE_HZ)
    tx_frequency_hz = near("tx_frequency_hz", asked.tx_frequency_hz, _FREQUENCY_TOLERANCE_HZ)
    tx_gain_db = near("tx_gain_db", asked.tx_gain_db, max(description.tx_gain_step_db / 2, 0.05) + 1e-6)
    rx_gain_db = near("rx_gain_db", asked.rx_gain_db, max(description.rx_gain_step_db / 2, 0.05) + 1e-6)
    bandwidth_hz = asked.bandwidth_hz
    if bandwidth_hz is not None:
        bandwidth_hz = near("bandwidth_hz", bandwidth_hz, _BANDWIDTH_TOLERANCE * bandwidth_hz)
    if actual["clock_source"] != asked.clock_source:
        raise BadValueError(
            f"clock_source was set to {asked.clock_source!r} and the radio reports {actual['clock_source']!r}"
        )
    if actual["unlocked"]:
        raise UnlockedError(f"not locked: {', '.join(actual['unlocked'])}")
    return replace(
        asked,
        center_frequency_hz=frequency_hz,
        sample_rate_hz=rate_hz,
        tx_gain_db=tx_gain_db,
        rx_gain_db=rx_gain_db,
        bandwidth_hz=bandwidth_hz,
        tx_offset_hz=tx_frequency_hz - frequency_hz,
    )
