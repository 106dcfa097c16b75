"""Streams whose samples pass through slots of memory shared with the worker."""

from __future__ import annotations

import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np

from ..errors import BadValueError, RadioBusyError, RadioTimeoutError
from ..radio import StreamBlock
from .process import VendorWorker

__all__ = ["BlockReader", "BlockWriter", "clipped_samples", "slots_for"]

_BLOCK = struct.Struct("<4q")
_TAKEN = struct.Struct("<2q")
#: Without a block or a free slot for so much longer than it should take, the stream counts as broken.
_PATIENCE_S = 3.0
#: A rail at or above this is at the converter's limit, whichever way its codes are scaled.
_LIMIT = 0.999


def clipped_samples(samples: np.ndarray) -> int:
    """Number of samples, complex64 [n], with a rail at the converter's limit."""
    rails = samples.view(np.float32)
    if rails.size == 0 or max(float(rails.max()), -float(rails.min())) < _LIMIT:
        return 0
    return int(np.count_nonzero((np.abs(rails) >= _LIMIT).reshape(-1, 2).any(axis=1)))


def slots_for(slot_samples: int, sample_rate_hz: float, depth_s: float) -> int:
    """Slots that hold so many seconds, and enough of them that neither side waits for the other."""
    return min(max(8, round(depth_s * sample_rate_hz / slot_samples)), 4096)


class BlockReader:
    """A continuous reception, block by block.

    Args:
        worker: that receives.
        slots: number of them.
        slot_samples: length of a block.
        sample_rate_hz: of the samples.
    """

    def __init__(self, worker: VendorWorker, slots: int, slot_samples: int, sample_rate_hz: float) -> None:
        while worker.take(worker.receive_link, 1 << 16, 0.0):
            pass  # what an earlier stream left
        self._worker = worker
        self._slots = worker.memory(worker.received, 0, (slots, slot_samples))
        self._patience_s = slot_samples / sample_rate_hz + _PATIENCE_S

    def __iter__(self) -> Iterator[StreamBlock]:
        """Blocks in order; ends with an error when the radio does not deliver any more."""
        worker, link = self._worker, self._worker.receive_link
        pending = b""
        while True:
            got = worker.take(link, _BLOCK.size - len(pending), self._patience_s)
            if not got:
                raise RadioTimeoutError(f"no block of samples came within {self._patience_s:.1f} s")
            pending += got
            if len(pending) < _BLOCK.size:
                continue
            slot, count, first, lost = _BLOCK.unpack(pending)
            pending = b""
            if slot < 0:
                # The worker says why when the stream is stopped; here the user learns that nothing more comes.
                worker.request("receive_stream_stop", _PATIENCE_S)
                raise RadioTimeoutError("the receive stream has ended")
            samples = self._slots[slot, :count].copy()
            worker.give(link, b"+")
            yield StreamBlock(samples, first, lost, clipped_samples(samples))


class BlockWriter:
    """A continuous transmission.

    Args:
        worker: that transmits.
        slots: number of them.
        n_channels: of the radio's stream; the first one carries the samples, the others are silent.
        slot_samples: largest piece that is handed over at a time.
        sample_rate_hz: of the samples.
        check: raises when samples exceed full scale.
    """

    def __init__(
        self,
        worker: VendorWorker,
        slots: int,
        n_channels: int,
        slot_samples: int,
        sample_rate_hz: float,
        check: Callable[[np.ndarray], None],
    ) -> None:
        while worker.take(worker.transmit_link, 1 << 16, 0.0):
            pass  # what an earlier stream left
        self.underflows = 0
        self.muted = threading.Event()
        self._worker = worker
        self._slots = worker.memory(worker.transmitted, 0, (slots, n_channels * slot_samples))
        self._n_channels = n_channels
        self._slot_samples = slot_samples
        self._rate_hz = sample_rate_hz
        self._check = check
        self._free = deque(range(slots))
        self._pending = b""

    @property
    def queued_s(self) -> float:
        """The queue's length if all slots were full."""
        return self._slots.shape[0] * self._slot_samples / self._rate_hz

    def write(self, samples: np.ndarray) -> None:
        """Queue samples, complex64 [n], full scale 1.0; waits while the queue is full."""
        samples = np.ascontiguousarray(samples)
        if samples.ndim != 1 or samples.dtype != np.complex64:
            raise BadValueError(
                f"samples are {samples.dtype} {list(samples.shape)}, not complex64 [n]",
                "convert them with np.asarray(x, np.complex64)",
            )
        self._check(samples)
        for begin in range(0, samples.size, self._slot_samples):
            piece = samples[begin : begin + self._slot_samples]
            slot = self._free_slot()
            target = self._slots[slot, : self._n_channels * piece.size].reshape(self._n_channels, piece.size)
            target[0], target[1:] = piece, 0
            self._worker.give(self._worker.transmit_link, _TAKEN.pack(slot, piece.size))

    def end(self) -> None:
        """Say that nothing follows."""
        self._worker.give(self._worker.transmit_link, _TAKEN.pack(0, -1))

    def _free_slot(self) -> int:
        self._collect(0.0)
        deadline = time.monotonic() + self.queued_s + _PATIENCE_S
        while not self._free:
            if self.muted.is_set():
                raise RadioBusyError("the transmission was muted meanwhile", "begin a new one")
            if time.monotonic() > deadline:
                raise RadioTimeoutError("the radio takes no more transmit samples")
            self._collect(0.1)
        if self.muted.is_set():
            raise RadioBusyError("the transmission was muted meanwhile", "begin a new one")
        return self._free.popleft()

    def _collect(self, timeout_s: float) -> None:
        """Take back the slots that the worker has handed over to the radio."""
        while got := self._worker.take(self._worker.transmit_link, 1 << 12, timeout_s):
            self._pending += got
            whole = len(self._pending) // _TAKEN.size * _TAKEN.size
            for slot, underflows in _TAKEN.iter_unpack(self._pending[:whole]):
                self._free.append(slot)
                self.underflows = underflows
            self._pending = self._pending[whole:]
            timeout_s = 0.0
