"""RF side of an emulated USRP: gains, oscillators and the rate of its AD9361."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

__all__ = ["ChannelSettings", "UsrpFrontend"]

TX_GAIN_MAXIMUM_DB, TX_GAIN_STEP_DB = 89.75, 0.25
RX_GAIN_MAXIMUM_DB, RX_GAIN_STEP_DB = 76.0, 1.0
FREQUENCY_RANGE_HZ = 70e6, 6e9
RATE_RANGE_HZ = 220e3, 61.44e6
BANDWIDTH_RANGE_HZ = 200e3, 56e6


def _clamp(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """One direction of one channel.

    Attributes:
        center_frequency_hz: of the oscillator, shared by the channels of a direction.
        gain_db: in the device's own scale.
        bandwidth_hz: of the analogue filter; kept, without effect on samples.
    """

    center_frequency_hz: float
    gain_db: float
    bandwidth_hz: float


class UsrpFrontend:
    """Settings by port name as the device's management uses them: RX1, RX2, TX1, TX2.

    Args:
        n_channels: of each direction.

    Attributes:
        on_transmit_change: called after a gain or an oscillator of the transmitter has changed.
    """

    def __init__(self, n_channels: int) -> None:
        self.on_transmit_change: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        names = [f"{direction}{channel + 1}" for direction in ("RX", "TX") for channel in range(n_channels)]
        self._settings = {name: ChannelSettings(2.4e9, 0.0, BANDWIDTH_RANGE_HZ[1]) for name in names}

    def settings(self, direction: str, channel: int) -> ChannelSettings:
        """Settings of a channel, counted from 0, of direction "RX" or "TX"."""
        return self._settings[f"{direction}{channel + 1}"]

    def tx_gain_below_maximum_db(self, channel: int) -> float:
        """Transmit gain relative to the largest one, at most 0."""
        return self.settings("TX", channel).gain_db - TX_GAIN_MAXIMUM_DB

    def set_gain(self, port: str, gain_db: float) -> float:
        """Set a gain; returns what the device makes of it."""
        maximum, step = (
            (TX_GAIN_MAXIMUM_DB, TX_GAIN_STEP_DB) if port.startswith("TX") else (RX_GAIN_MAXIMUM_DB, RX_GAIN_STEP_DB)
        )
        actual = _clamp(round(gain_db / step) * step, (0.0, maximum))
        self._change(port, gain_db=actual)
        return actual

    def tune(self, port: str, frequency_hz: float) -> float:
        """Set the oscillator of a port's direction; returns what the device makes of it."""
        actual = _clamp(frequency_hz, FREQUENCY_RANGE_HZ)
        self._require(port)
        for name in self._settings:
            if name[:2] == port[:2]:
                self._change(name, center_frequency_hz=actual)
        return actual

    def set_bandwidth(self, port: str, bandwidth_hz: float) -> float:
        """Set a filter; returns what the device makes of it."""
        actual = _clamp(bandwidth_hz, BANDWIDTH_RANGE_HZ)
        self._change(port, bandwidth_hz=actual)
        return actual

    def frequency(self, port: str) -> float:
        """Frequency of a port's oscillator."""
        self._require(port)
        return self._settings[port].center_frequency_hz

    def mute(self) -> None:
        """Transmit gains to their floor."""
        for name in self._settings:
            if name.startswith("TX"):
                self._change(name, gain_db=0.0)

    @staticmethod
    def nearest_rate(rate_hz: float) -> float:
        """What the device makes of a sample rate."""
        return _clamp(rate_hz, RATE_RANGE_HZ)

    def _require(self, port: str) -> None:
        if port not in self._settings:
            raise RuntimeError(f"no port {port!r}; this device has {', '.join(self._settings)}")

    def _change(self, port: str, **values: float) -> None:
        self._require(port)
        with self._lock:
            old = self._settings[port]
            new = self._settings[port] = replace(old, **values)
        if new != old and port.startswith("TX"):
            self.on_transmit_change()
