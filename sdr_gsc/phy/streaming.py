"""A receiver that is fed samples as they come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..capture import Gap
from ..errors import SettingsError
from ._losses import Losses, usable_samples
from ._reporting import Air
from ._scan import Scan
from .received import ReceivedFrame
from .receiver import Receiver

__all__ = ["StreamingReceiver"]

_FIRST_CAPACITY = 1 << 16


class StreamingReceiver:
    """Finds every frame of an endless stream exactly once, whatever the sizes of the blocks it comes in.

    The frames are those that `Receiver.receive` finds in all samples together, to the bit; their reports count samples
    from the first one fed. What can no longer matter is dropped: memory is bounded by the longest frame that the
    receiver believes (`frame_symbols`), and by the largest block.

    Args:
        receiver: how to receive.
        sample_rate_hz: of the samples.
        center_frequency_hz: for reports; 0 at baseband.

    Raises:
        SettingsError: a rate that is not positive.
    """

    def __init__(self, receiver: Receiver, sample_rate_hz: float, center_frequency_hz: float = 0.0) -> None:
        if not sample_rate_hz > 0:
            raise SettingsError(f"sample_rate_hz is {sample_rate_hz}; it must be positive")
        self._scanner = receiver.scanner
        self._air = Air(sample_rate_hz, center_frequency_hz, 0)
        self._buffer = np.zeros(_FIRST_CAPACITY, np.complex64)
        self._lost = np.zeros(_FIRST_CAPACITY, bool)
        self._size = 0
        self._losses = 0
        self._limit_until = 0
        self._state = Scan()
        self._finished = False

    @property
    def buffered_samples(self) -> int:
        """Samples that are kept because a frame may depend on them."""
        return self._size

    def feed(self, samples: np.ndarray, gaps: Sequence[Gap] = ()) -> tuple[ReceivedFrame, ...]:
        """Frames that these samples complete.

        Args:
            samples: complex64 [n], any n.
            gaps: runs of lost samples in this block.

        Raises:
            SettingsError: the stream was finished, or samples are not one row.
        """
        if self._finished:
            raise SettingsError("this stream was finished; make a new StreamingReceiver for another one")
        if np.ndim(samples) != 1:
            raise SettingsError(f"samples of shape {np.shape(samples)}; needed one dimension")
        usable, losses = usable_samples(samples, gaps)
        self._append(usable, losses)
        return self._scan(ended=False)

    def finish(self) -> tuple[ReceivedFrame, ...]:
        """Frames that the end of the stream completes, or cuts."""
        if self._finished:
            return ()
        self._finished = True
        return self._scan(ended=True)

    def _append(self, samples: np.ndarray, losses: Losses) -> None:
        size = self._size + samples.size
        if size > self._buffer.size:
            capacity = 1 << (size - 1).bit_length()
            buffer, lost = np.zeros(capacity, np.complex64), np.zeros(capacity, bool)
            buffer[: self._size] = self._buffer[: self._size]
            lost[: self._size] = self._lost[: self._size]
            self._buffer, self._lost = buffer, lost
        self._buffer[self._size : size] = samples
        self._lost[self._size : size] = np.diff(losses.before) if losses.before.size else False
        self._losses += int(losses.before[-1]) if losses.before.size else 0
        self._size = size
        if losses.at_limit:
            self._limit_until = size

    def _scan(self, *, ended: bool) -> tuple[ReceivedFrame, ...]:
        pending = self._state.pending
        if not ended and self._size < (self._state.needed if pending is None else pending.needed):
            return ()
        samples = self._buffer[: self._size]
        losses = Losses(at_limit=self._limit_until > 0)
        if self._losses:
            before = np.concatenate([[0], np.cumsum(self._lost[: self._size], dtype=np.int64)])
            losses = Losses(before, losses.at_limit)
        frames, self._state = self._scanner.scan(samples, losses, self._air, self._state, ended)
        self._drop()
        return frames

    def _drop(self) -> None:
        """Forget what lies behind the scan, unless a frame is waiting for its end."""
        state, stride = self._state, self._scanner.stride
        # Whole strides: the search grid stays where it was.
        dropped = (min(state.position, self._size) - self._scanner.hindsight) // stride * stride
        if state.pending is not None or dropped <= 0:
            return
        kept = self._size - dropped
        self._losses -= int(np.count_nonzero(self._lost[:dropped])) if self._losses else 0
        self._buffer[:kept] = self._buffer[dropped : self._size].copy()
        self._lost[:kept] = self._lost[dropped : self._size].copy()
        self._size = kept
        self._limit_until -= dropped
        self._state = Scan(state.position - dropped, max(state.needed - dropped, 0))
        self._air = replace(self._air, first_sample=self._air.first_sample + dropped)
