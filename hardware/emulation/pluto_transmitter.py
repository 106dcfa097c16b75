"""The transmit side of an emulated Pluto: cyclic or streamed buffers, on the air and in the chip's own loopback."""

from __future__ import annotations

import errno
import threading
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from .ad936x import Ad936x, RfPath
from .device_clock import DeviceClock, next_sample
from .iio_tree import IioRefusalError
from .pluto_converters import codes_to_levels

if TYPE_CHECKING:
    from .air import Antenna, Emission

__all__ = ["Transmitter"]

# Gaps in a stream up to this long are silence inside one emission; after a longer one, the stream starts anew.
_LONGEST_GAP_S = 0.1
# What the loopback inside the chip may look back on.
_MEMORY_SAMPLES = 1 << 23


class Transmitter:
    """Puts what the host sends on the air.

    Args:
        antenna: where it goes.
        clock: of the converters.
        chip: says how, and learns about underflows.
        n_channels: of them.
    """

    def __init__(self, antenna: Antenna, clock: DeviceClock, chip: Ad936x, n_channels: int) -> None:
        self._antenna, self._clock, self._chip, self._n_channels = antenna, clock, chip, n_channels
        self._lock = threading.RLock()
        self._path: RfPath | None = None
        self._emissions: list[Emission] = []
        self._clear()

    def _clear(self) -> None:
        self._cyclic = False
        self._first = self._end = 0  # numbers of samples at the present rate
        self._blocks: deque[tuple[int, np.ndarray]] = deque()

    @property
    def active(self) -> bool:
        """Whether a buffer with samples is open."""
        return bool(self._blocks)

    @property
    def on_air(self) -> bool:
        """Whether it reaches the antenna."""
        return bool(self._emissions)

    def repeat(self, codes: np.ndarray) -> None:
        """Transmit codes, int16 [n, lanes], over and over.

        Raises:
            IioRefusalError: EBUSY while a cyclic buffer is on its way already.
        """
        with self._lock:
            if self._blocks:
                raise IioRefusalError(errno.EBUSY)
            self._path = self._chip.transmit_path
            self._cyclic = True
            self._first = next_sample(self._clock.now_s() + self._clock.lead_s, self._path.sample_rate_hz)
            self._blocks.append((self._first, codes))
            self._radiate(self._first)

    def append(self, codes: np.ndarray) -> float:
        """Queue codes, int16 [n, lanes], behind those before; returns the time at which they have been sent."""
        with self._lock:
            if self._path is None:
                self._path = self._chip.transmit_path
            rate = self._path.sample_rate_hz
            soonest = next_sample(self._clock.now_s() + self._clock.lead_s, rate)
            if not self._blocks:
                self._first = self._end = soonest
            elif self._end < next_sample(self._clock.now_s(), rate):
                self._chip.underflowed = True
                self._bridge(soonest, rate)
            first = self._end
            self._blocks.append((first, codes))
            self._end += len(codes)
            if self._emissions:
                for port, emission in enumerate(self._emissions):
                    emission.append(codes_to_levels(codes, port))
            else:
                self._radiate(first)
            self._forget()
            return self._end / rate

    def _bridge(self, resumed: int, rate: float) -> None:
        """Go on at a later sample than planned."""
        gap = resumed - self._end
        if gap > _LONGEST_GAP_S * rate:
            self._silence()
            self._blocks.clear()
            self._first = self._end = resumed
            return
        silence = np.zeros((gap, self._blocks[-1][1].shape[1]), np.int16)
        self._blocks.append((self._end, silence))
        for port, emission in enumerate(self._emissions):
            emission.append(codes_to_levels(silence, port))
        self._end += gap

    def _forget(self) -> None:
        while len(self._blocks) > 1 and self._end - self._blocks[1][0] > _MEMORY_SAMPLES:
            self._blocks.popleft()

    def stop(self) -> None:
        """Fall silent at once; what is still queued is lost."""
        with self._lock:
            self._silence()
            self._clear()
            self._path = None

    def _silence(self, at_s: float | None = None) -> None:
        at_s = self._clock.now_s() if at_s is None else at_s
        for emission in self._emissions:
            emission.stop(at_s)
        self._emissions = []

    def _radiate(self, first: int) -> None:
        """Put everything from the sample of that number on the air."""
        path = self._path
        if path is None or not path.on:
            return
        codes = self._from(first)
        self._emissions = [
            self._antenna.transmit(
                port,
                codes_to_levels(codes, port),
                start_s=first / path.sample_rate_hz,
                sample_rate_hz=path.sample_rate_hz,
                center_frequency_hz=path.center_frequency_hz,
                gain_db=path.gains_db[port],
                repeat=self._cyclic,
            )
            for port in range(self._n_channels)
        ]

    def _from(self, first: int) -> np.ndarray:
        """All codes from the sample of that number; of a cyclic buffer one period."""
        if self._cyclic:
            start, codes = self._blocks[0]
            return np.roll(codes, -((first - start) % len(codes)), axis=0)
        tail = [codes[max(0, first - start) :] for start, codes in self._blocks if start + len(codes) > first]
        return np.concatenate(tail)

    def refresh(self) -> None:
        """Follow the chip: another gain, frequency or power state takes effect in the middle of a transmission."""
        with self._lock:
            path = self._chip.transmit_path
            if self._path is None or path == self._path:
                return
            now_s = self._clock.now_s() + self._clock.lead_s
            if path.sample_rate_hz != self._path.sample_rate_hz:
                self._change_rate(path, now_s)
            first = max(self._first, next_sample(now_s, path.sample_rate_hz))
            self._path = path
            self._silence(first / path.sample_rate_hz)
            if self._blocks and (self._cyclic or first < self._end):
                self._radiate(first)

    def _change_rate(self, path: RfPath, now_s: float) -> None:
        """Number what is still to come by the new rate's samples."""
        old = self._path
        if old is None or not self._blocks:
            return
        played = max(self._first, next_sample(now_s, old.sample_rate_hz))
        first = next_sample(now_s, path.sample_rate_hz)
        self._blocks = deque((first + start - played, codes) for start, codes in self._blocks)
        self._end += first - played
        self._first = self._blocks[0][0] if self._cyclic else first

    def transmitted(self, first: int, n_samples: int) -> np.ndarray:
        """Codes as the chip's own loopback sees them.

        Args:
            first: number of the first sample.
            n_samples: how many.

        Returns:
            int16 [n_samples, lanes]; zero where nothing was transmitted.
        """
        out = np.zeros((n_samples, 2 * self._n_channels), np.int16)
        with self._lock:
            blocks, cyclic = list(self._blocks), self._cyclic
        if cyclic:
            start, codes = blocks[0]
            done = min(n_samples, max(0, start - first))
            while done < n_samples:
                piece = codes[(first + done - start) % len(codes) :][: n_samples - done]
                out[done : done + len(piece)] = piece
                done += len(piece)
            return out
        for start, codes in blocks:
            low, high = max(first, start), min(first + n_samples, start + len(codes))
            if low < high:
                out[low - first : high - first] = codes[low - start : high - start]
        return out
