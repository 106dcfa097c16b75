"""A device's clock: a counter of samples that never jumps, and a settable time next to it."""

from __future__ import annotations

import math
import threading

from .air import Antenna

__all__ = ["SampleClock"]

_LARGEST_TICKS = (1 << 64) - 1


class SampleClock:
    """Sample counter and device time of a radio, driven by its antenna's clock.

    Sample number n lies n / rate seconds after the start of the antenna's clock. Device time, in ticks of the sample
    rate, is that number plus an offset: setting the time moves the offset only, so running streams do not notice.

    Args:
        antenna: whose clock drives it; its whole seconds are the pulses per second.
        rate_hz: sample rate to begin with.
    """

    def __init__(self, antenna: Antenna, rate_hz: float) -> None:
        self._antenna = antenna
        self._rate_hz = rate_hz
        self._offset = 0
        self._at_pulse: tuple[float, int] | None = None  # when, and the offset from then on
        self._lock = threading.Lock()

    @property
    def rate_hz(self) -> float:
        """Samples, and ticks, in a second."""
        return self._rate_hz

    def now(self) -> int:
        """Number of the sample on the air now."""
        return math.floor(self._antenna.now_s() * self._rate_hz)

    def seconds(self, sample: int) -> float:
        """When a sample is on the air, in seconds of the antenna's clock."""
        return sample / self._rate_hz

    def seconds_until(self, sample: int) -> float:
        """Time until a sample is on the air; negative afterwards."""
        return sample / self._rate_hz - self._antenna.now_s()

    def ticks(self, sample: int) -> int:
        """Device time of a sample, 64 bits; 0 before time began."""
        return max(0, sample + self._current_offset()) & _LARGEST_TICKS

    def sample(self, ticks: int) -> int:
        """Number of the sample at a device time."""
        return ticks - self._current_offset()

    def set_ticks(self, ticks: int) -> None:
        """Set the device time now."""
        with self._lock:
            self._at_pulse = None
            self._offset = ticks - self.now()

    def set_ticks_at_next_pulse(self, ticks: int) -> None:
        """Set the device time at the next pulse per second."""
        with self._lock:
            pulse_s = math.floor(self._antenna.now_s()) + 1.0
            self._at_pulse = pulse_s, ticks - round(pulse_s * self._rate_hz)

    def ticks_at_last_pulse(self) -> int:
        """Device time at the latest pulse per second."""
        return self.ticks(round(math.floor(self._antenna.now_s()) * self._rate_hz))

    def set_rate(self, rate_hz: float) -> None:
        """Change the rate; the device time in seconds goes on."""
        offset = self._current_offset()
        with self._lock:
            self._offset = round(offset / self._rate_hz * rate_hz)
            self._at_pulse = None
            self._rate_hz = rate_hz

    def _current_offset(self) -> int:
        with self._lock:
            if self._at_pulse is not None and self._antenna.now_s() >= self._at_pulse[0]:
                self._offset, self._at_pulse = self._at_pulse[1], None
            return self._offset
