"""Streams whose samples pass through slots of memory shared with the worker."""

from __future__ import annotations

import math
import struct
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np

from ..errors import BadValueError, RadioBusyError, RadioTimeoutError
from ..radio import StreamBlock
from .process import VendorWorker

__all__ = ["BlockReader", "BlockWriter", "clipped_samples"]

#: A slot of received blocks: its number, that of its first sample, samples lost before it. Slot -1: the stream ended.
_RECEIVED = struct.Struct("<3q")
#: To transmit: slot and samples; samples -1: the stream ends. Back: slot and underflows so far.
_TAKEN = struct.Struct("<2q")
#: Messages under way in a link at most: a socket holds no more than a few hundred, however small, and then blocks.
_SLOTS = 128
#: What a slow reader may fall behind before samples are lost, and what waits to be transmitted.
_RECEIVE_DEPTH_S, _TRANSMIT_DEPTH_S = 0.5, 0.2
_TRANSMIT_SLOT_S = 0.01
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


class BlockReader:
    """A continuous reception, block by block.

    Args:
        worker: that receives.
        block_samples: length of a block.
        sample_rate_hz: of the samples.

    Attributes:
        shape: slots and samples of each: one or more whole blocks.
    """

    def __init__(self, worker: VendorWorker, block_samples: int, sample_rate_hz: float) -> None:
        worker.forget(worker.receive_link)
        depth = max(_RECEIVE_DEPTH_S * sample_rate_hz, 8.0 * block_samples)
        blocks = math.ceil(depth / (_SLOTS * block_samples))
        slot_samples = blocks * block_samples
        self.shape = (min(_SLOTS, math.ceil(depth / slot_samples)), slot_samples)
        self._worker = worker
        self._block_samples = block_samples
        self._slots = worker.memory(worker.received, 0, self.shape)
        self._patience_s = slot_samples / sample_rate_hz + _PATIENCE_S

    def __iter__(self) -> Iterator[StreamBlock]:
        """Blocks in order; ends with an error when the radio does not deliver any more."""
        worker, link = self._worker, self._worker.receive_link
        pending = b""
        while True:
            got = worker.take(link, _RECEIVED.size - len(pending), self._patience_s)
            if not got:
                raise RadioTimeoutError(f"no block of samples came within {self._patience_s:.1f} s")
            pending += got
            if len(pending) < _RECEIVED.size:
                continue
            slot, first, lost = _RECEIVED.unpack(pending)
            pending = b""
            if slot < 0:
                # The worker says why when the stream is stopped; here the user learns that nothing more comes.
                worker.request("receive_stream_stop", _PATIENCE_S)
                raise RadioTimeoutError("the receive stream has ended")
            samples = self._slots[slot].copy()
            worker.give(link, b"+")
            for begin in range(0, samples.size, self._block_samples):
                block = samples[begin : begin + self._block_samples]
                yield StreamBlock(block, first + begin, 0 if begin else lost, clipped_samples(block))


class BlockWriter:
    """A continuous transmission.

    Args:
        worker: that transmits.
        n_channels: of the radio's stream; the first one carries the samples, the others are silent.
        sample_rate_hz: of the samples.
        check: raises when samples exceed full scale.

    Attributes:
        shape: slots, channels, and samples of each.
        underflows: times that the radio ran out of samples so far.
        muted: set by who mutes the radio meanwhile.
        longest_wait_s: until everything that is queued has been transmitted.
    """

    def __init__(
        self, worker: VendorWorker, n_channels: int, sample_rate_hz: float, check: Callable[[np.ndarray], None]
    ) -> None:
        worker.forget(worker.transmit_link)
        slot_samples = max(1024, round(_TRANSMIT_SLOT_S * sample_rate_hz))
        self.shape = (_SLOTS, n_channels, slot_samples)
        self.underflows = 0
        self.muted = threading.Event()
        self._worker = worker
        self._slots = worker.memory(worker.transmitted, 0, (_SLOTS, n_channels * slot_samples))
        self._check = check
        # The slot that came back last is used first: it is in the cache, and most of the memory is never touched.
        self._free = list(range(_SLOTS))
        self._lengths = [0] * _SLOTS
        self._queued = 0
        self._most_queued = max(round(_TRANSMIT_DEPTH_S * sample_rate_hz), 4 * slot_samples)
        self.longest_wait_s = self._most_queued / sample_rate_hz + _PATIENCE_S
        self._pending = b""

    def write(self, samples: np.ndarray) -> None:
        """Queue samples, complex64 [n], full scale 1.0; waits while the queue is full."""
        samples = np.ascontiguousarray(samples)
        if samples.ndim != 1 or samples.dtype != np.complex64:
            raise BadValueError(
                f"samples are {samples.dtype} {list(samples.shape)}, not complex64 [n]",
                "convert them with np.asarray(x, np.complex64)",
            )
        self._check(samples)
        _, n_channels, slot_samples = self.shape
        for begin in range(0, samples.size, slot_samples):
            piece = samples[begin : begin + slot_samples]
            slot = self._free_slot()
            target = self._slots[slot, : n_channels * piece.size].reshape(n_channels, piece.size)
            target[0], target[1:] = piece, 0
            self._lengths[slot] = piece.size
            self._queued += piece.size
            self._worker.give(self._worker.transmit_link, _TAKEN.pack(slot, piece.size))

    def end(self) -> None:
        """Say that nothing follows."""
        self._worker.give(self._worker.transmit_link, _TAKEN.pack(0, -1))

    def _free_slot(self) -> int:
        self._collect(0.0)
        deadline = time.monotonic() + self.longest_wait_s
        while (not self._free or self._queued > self._most_queued) and not self.muted.is_set():
            if time.monotonic() > deadline:
                raise RadioTimeoutError("the radio takes no more transmit samples")
            self._collect(0.1)
        if self.muted.is_set():
            raise RadioBusyError("the transmission was muted meanwhile", "begin a new one")
        return self._free.pop()

    def _collect(self, timeout_s: float) -> None:
        """Take back the slots that the worker has handed over to the radio."""
        while got := self._worker.take(self._worker.transmit_link, 1 << 12, timeout_s):
            self._pending += got
            whole = len(self._pending) // _TAKEN.size * _TAKEN.size
            for slot, underflows in _TAKEN.iter_unpack(self._pending[:whole]):
                self._free.append(slot)
                self._queued -= self._lengths[slot]
                self.underflows = underflows
            self._pending = self._pending[whole:]
            timeout_s = 0.0
