"""What one channel of an emulated USRP has put on the air: from its samples' places to emissions, and off again."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

import numpy as np

from .air import Antenna, Emission
from .sample_clock import SampleClock
from .usrp_frontend import UsrpFrontend

__all__ = ["ChannelEmissions"]


class _Piece(NamedTuple):
    start: int  # number of the first sample
    samples: np.ndarray

    @property
    def end(self) -> int:
        return self.start + self.samples.size


class ChannelEmissions:
    """Samples on the air, also those that are to come, at the settings of the moment. Thread-safe.

    Args:
        antenna: the RF side.
        clock: the device's time.
        frontend: gain and oscillator.
        channel: number of the channel, and of the antenna's port.
    """

    def __init__(self, antenna: Antenna, clock: SampleClock, frontend: UsrpFrontend, channel: int) -> None:
        self._antenna, self._clock, self._frontend, self._channel = antenna, clock, frontend, channel
        self._emissions: list[Emission] = []
        self._pieces: deque[_Piece] = deque()  # not yet over; to be sent again at other settings
        self._continued = -1  # number of the sample with which the last emission would go on
        self._lock = threading.Lock()

    @property
    def end(self) -> int:
        """Number of the sample behind the last one; 0 without any."""
        with self._lock:
            return self._pieces[-1].end if self._pieces else 0

    def play(self, start: int, samples: np.ndarray) -> None:
        """Put complex64 [n], n > 0, on the air from sample number `start` on."""
        with self._lock:
            now = self._clock.now()
            while self._pieces and self._pieces[0].end <= now:
                self._pieces.popleft()
            if not self._pieces and start != self._continued:
                self._emissions.clear()  # all over
            self._pieces.append(_Piece(start, samples))
            self._emit(start, samples)

    def separate(self) -> None:
        """What comes next is another burst, even where it begins at once."""
        with self._lock:
            self._continued = -1

    def stop(self) -> None:
        """Off the air, and nothing to come."""
        with self._lock:
            self._silence(self._clock.now())
            self._pieces.clear()

    def retune(self) -> None:
        """Go on at other settings from now on."""
        with self._lock:
            now = self._clock.now()
            self._silence(now)
            left = [_Piece(max(now, start), samples[max(0, now - start) :]) for start, samples in self._pieces]
            self._pieces = deque(piece for piece in left if piece.samples.size)
            for start, samples in self._pieces:
                self._emit(start, samples)

    def _silence(self, now: int) -> None:
        for emission in self._emissions:
            emission.stop(self._clock.seconds(now))
        self._emissions.clear()
        self._continued = -1

    def _emit(self, start: int, samples: np.ndarray) -> None:
        if start == self._continued:
            self._emissions[-1].append(samples)
        else:
            emission = self._antenna.transmit(
                self._channel,
                samples,
                start_s=self._clock.seconds(start),
                sample_rate_hz=self._clock.rate_hz,
                center_frequency_hz=self._frontend.settings("TX", self._channel).center_frequency_hz,
                gain_db=self._frontend.tx_gain_below_maximum_db(self._channel),
            )
            self._emissions.append(emission)
        self._continued = start + samples.size
