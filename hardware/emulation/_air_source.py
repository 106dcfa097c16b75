"""The samples that one emission puts on the air, as far as they are known and still needed."""

from __future__ import annotations

import threading
from bisect import bisect_right

import numpy as np

from sdr_gsc.channel.levels import count_nonzero, energy

__all__ = ["ENDLESS", "Source"]

#: Index that no sample reaches.
ENDLESS = 1 << 62
#: Samples of an emission that are kept at most while nobody listens.
_LONGEST_QUEUE = 1 << 25


class Source:
    """A queue of samples that grows at its end and is forgotten from its beginning; all methods are thread-safe.

    Args:
        samples: complex64 [n]; copied.
        repeat: over and over, back to back.
    """

    def __init__(self, samples: np.ndarray, repeat: bool) -> None:
        self._lock = threading.Lock()
        self._pieces: list[np.ndarray] = []
        self._firsts: list[int] = []
        self._size = 0
        self._end = ENDLESS
        self._energy = 0.0
        self._nonzero = 0
        self.period = samples.size if repeat else 0
        self.append(samples)

    @property
    def size(self) -> int:
        """Samples queued so far, forgotten ones included; of one period where they repeat."""
        return self._size

    @property
    def end(self) -> int:
        """Index behind the last sample known: more may be appended, unless the emission was stopped."""
        return min(self._end, ENDLESS if self.period else self._size)

    @property
    def silent(self) -> bool:
        """Whether all samples so far are zero."""
        return self._nonzero == 0

    @property
    def mean_power(self) -> float:
        """Mean |x|^2 of the samples that are not zero; 0 where all are."""
        return self._energy / max(self._nonzero, 1)

    @property
    def first_kept(self) -> int:
        """Index of the oldest sample that is still known."""
        return 0 if self.period else self._firsts[0] if self._firsts else self._size

    def append(self, samples: np.ndarray) -> None:
        """Put samples, complex64 [n], behind the last; after the end of the emission they go nowhere."""
        piece = np.array(samples, np.complex64)
        with self._lock:
            if piece.size == 0 or self._size >= self._end:
                return
            self._firsts.append(self._size)
            self._pieces.append(piece)
            self._size += piece.size
            self._energy += energy(piece)
            self._nonzero += count_nonzero(piece)
        self.forget(self._size - _LONGEST_QUEUE)

    def stop(self, index: int) -> None:
        """End the emission before the sample `index`, if it does not end earlier."""
        with self._lock:
            self._end = min(self._end, max(0, index))

    def forget(self, index: int) -> None:
        """Drop the pieces that end before the sample `index`."""
        with self._lock:
            n = 0 if self.period else bisect_right(self._firsts, index) - 1
            if n > 0:
                del self._pieces[:n], self._firsts[:n]

    def read(self, first: int, out: np.ndarray) -> int:
        """Copy samples from `first` on to `out`, complex64 [n]; zeros where there are none.

        Returns:
            How many of them lie before the end of what is known.
        """
        with self._lock:
            known = max(0, min(out.size, self.end - first))
            at = 0
            while at < known:
                index = (first + at) % self.period if self.period else first + at
                k = bisect_right(self._firsts, index) - 1
                if k < 0:  # forgotten
                    n = min(known - at, (self._firsts[0] if self._firsts else self._size) - index)
                    out[at : at + n] = 0
                else:
                    part = self._pieces[k][index - self._firsts[k] :]
                    n = min(known - at, part.size)
                    out[at : at + n] = part[:n]
                at += n
        out[known:] = 0
        return known
