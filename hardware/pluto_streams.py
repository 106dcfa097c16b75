"""Continuous reception and transmission with an AD936x over IIO; the radio counts nothing, so losses are inferred."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import numpy as np

from sdr_gsc.channel.converters import require_full_scale

from .ad936x_samples import from_lanes, to_lanes
from .errors import BadValueError, ForbiddenError
from .iio_buffers import CoreStatus, ReceiveBuffer, TransmitBuffer
from .radio import StreamBlock

__all__ = ["PlutoReceiveStream", "PlutoTransmitStream"]

# Asking for the status takes a turn to the radio and back; losses are not missed in between, for the bit stays.
_STATUS_EVERY_S = 0.005


class PlutoReceiveStream:
    """An endless reception; see `ReceiveStream`.

    The radio tells that samples were lost, neither how many nor where exactly. The number is what the host's clock
    makes of the delay; the loss is reported before the block that was read when the radio told of it.

    Args:
        buffer: open receive buffer.
        status: of the receiving core.
        lane_channel: place of the wanted channel among those in use.
        rate_hz: of the samples.
    """

    def __init__(self, buffer: ReceiveBuffer, status: CoreStatus, lane_channel: int, rate_hz: float) -> None:
        self._buffer, self._status, self._lane_channel, self._rate_hz = buffer, status, lane_channel, rate_hz
        self._next_sample = 0
        self._asked_s = -math.inf
        self._offset_s = math.inf  # smallest arrival time of a block less the time of its last sample

    def __iter__(self) -> Iterator[StreamBlock]:
        """Blocks in order; see `ReceiveStream`."""
        while True:
            yield self._block()

    def _block(self) -> StreamBlock:
        codes = self._buffer.read()
        now_s = time.monotonic()
        late_s = now_s - (self._next_sample + len(codes)) / self._rate_hz - self._offset_s
        lost = 0
        if self._asked_s + _STATUS_EVERY_S <= now_s or late_s > _STATUS_EVERY_S:
            self._asked_s = now_s
            if self._status.lost():
                lost = max(1, round(late_s * self._rate_hz)) if math.isfinite(late_s) else 1
        samples, clipped = from_lanes(codes, self._lane_channel)
        first = self._next_sample + lost
        self._next_sample = first + samples.size
        self._offset_s = min(self._offset_s, now_s - self._next_sample / self._rate_hz)
        return StreamBlock(samples, first, lost, clipped)


class PlutoTransmitStream:
    """An endless transmission; see `TransmitStream`.

    Args:
        buffer: open transmit buffer, not cyclic.
        status: of the transmitting core.
        lane_channel: place of the channel among those in use.
        rate_hz: of the samples.
        muted: whether the radio was muted meanwhile.
    """

    def __init__(
        self,
        buffer: TransmitBuffer,
        status: CoreStatus,
        lane_channel: int,
        rate_hz: float,
        muted: Callable[[], bool],
    ) -> None:
        self._buffer, self._status, self._lane_channel, self._rate_hz = buffer, status, lane_channel, rate_hz
        self._muted = muted
        self._underflows = 0
        self._codes = np.zeros((buffer.block_samples, buffer.n_lanes), np.int16)
        self._filled = 0
        self._asked_s = math.inf  # from when on the status is of interest
        self._ends_s = 0.0  # when the last queued sample has been sent, on the host's clock

    @property
    def underflows(self) -> int:
        """Times that the radio was seen to have run out of samples."""
        return self._underflows

    def write(self, samples: np.ndarray) -> None:
        """Queue samples; see `TransmitStream`."""
        if samples.dtype != np.complex64 or samples.ndim != 1:
            raise BadValueError(
                f"the samples are {samples.dtype} {list(samples.shape)}",
                "convert them with np.asarray(x, np.complex64)",
            )
        samples = np.ascontiguousarray(samples)
        require_full_scale(samples)
        while samples.size:
            room = self._codes.shape[0] - self._filled
            part, samples = samples[:room], samples[room:]
            to_lanes(part, self._codes[self._filled : self._filled + part.size], self._lane_channel)
            self._filled += part.size
            if self._filled == self._codes.shape[0]:
                self._push()

    def finish(self) -> None:
        """Send what is left of a block, with silence behind it, and wait until all is on the air.

        Does nothing once the radio is muted.
        """
        if self._muted():
            return
        if self._filled:
            self._codes[self._filled :] = 0
            self._push()
        self._count_underflow(time.monotonic())
        time.sleep(max(0.0, self._ends_s - time.monotonic()))

    def _push(self) -> None:
        if self._muted():
            raise ForbiddenError("the radio was muted in the middle of the stream", "transmit for a shorter time")
        self._buffer.write(self._codes)
        self._filled = 0
        now_s = time.monotonic()
        begins_s = max(self._ends_s, now_s)
        self._ends_s = begins_s + self._codes.shape[0] / self._rate_hz
        if not math.isfinite(self._asked_s):
            # Some firmware reports an underflow whenever nothing is transmitted: forget what was before the stream.
            self._status.clear()
            self._asked_s = now_s
        elif self._asked_s + _STATUS_EVERY_S <= now_s:
            self._count_underflow(now_s)

    def _count_underflow(self, now_s: float) -> None:
        if math.isfinite(self._asked_s):
            self._asked_s = now_s
            self._underflows += self._status.lost()
