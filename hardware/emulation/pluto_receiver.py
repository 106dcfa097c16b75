"""The receive side of an emulated Pluto: a ring of blocks that the converters fill whether the host reads or not."""

from __future__ import annotations

import errno
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from .ad936x import Ad936x
from .device_clock import DeviceClock, next_sample
from .iio_tree import IioRefusalError
from .pluto_converters import levels_to_codes, loop_codes
from .pluto_transmitter import Transmitter

if TYPE_CHECKING:
    from .air import Antenna

__all__ = ["ReceiveRing", "Receiver"]

# Long enough to make the calls cheap, short enough for a processor's cache.
_PIECE_SAMPLES = 1 << 16


class ReceiveRing:
    """When the blocks of a buffer are filled.

    All blocks are handed to the converters when the buffer is opened, and filled back to back; each returns to them
    when the host asks for the next. If all are full the converters lose samples: the host, when it comes back, finds
    old blocks, and a gap behind them.

    Args:
        clock: of the converters.
        n_blocks: in the ring.
        block_samples: length of each.
        rate_hz: of the samples.
    """

    def __init__(self, clock: DeviceClock, n_blocks: int, block_samples: int, rate_hz: float) -> None:
        opened_s = clock.now_s()
        self._clock = clock
        self._block_samples = block_samples
        self._rate_hz = rate_hz
        self._free_s: deque[float] = deque([opened_s] * n_blocks)
        self._end = next_sample(opened_s, rate_hz)
        self._filled_any = False
        self._at_host = False

    def next_block(self, rate_hz: float) -> tuple[int, int]:
        """Give the last block back and take the oldest one.

        Args:
            rate_hz: at present.

        Returns:
            Number of the first sample of the block, and how many were lost before it.
        """
        if self._at_host:
            self._free_s.append(self._clock.now_s())
            self._at_host = False
        if rate_hz != self._rate_hz:
            self._end = next_sample(self._end / self._rate_hz, rate_hz)
            self._rate_hz = rate_hz
        first = max(self._end, next_sample(self._free_s[0], rate_hz))
        return first, first - self._end if self._filled_any else 0

    def take(self, end: int) -> None:
        """The block that was shown by `next_block` goes to the host; it ends before the sample of that number."""
        self._free_s.popleft()
        self._end = end
        self._filled_any = self._at_host = True


class Receiver:
    """An open receive buffer.

    Args:
        antenna: where samples come from.
        clock: of the converters.
        chip: says how, and learns about overflows.
        transmitter: what the chip's own loopback feeds back.
        block_samples: length of a block.
        n_blocks: in the ring.
        lanes: wanted, two for each channel.
        release: called when it is closed.
    """

    def __init__(
        self,
        antenna: Antenna,
        clock: DeviceClock,
        chip: Ad936x,
        transmitter: Transmitter,
        *,
        block_samples: int,
        n_blocks: int,
        lanes: tuple[int, ...],
        release: Callable[[], None],
    ) -> None:
        self._antenna, self._clock, self._chip, self._transmitter = antenna, clock, chip, transmitter
        self._lanes = lanes
        self.close = release
        self._ports = tuple(sorted({lane // 2 for lane in lanes}))
        self._ring = ReceiveRing(clock, n_blocks, block_samples, chip.receive_path.sample_rate_hz)
        self._block = np.zeros((block_samples, len(lanes)), np.int16)

    @property
    def block_bytes(self) -> int:
        """Length of a block."""
        return self._block.nbytes

    def read(self, *, timeout_s: float, lost_samples: int, interrupted: threading.Event) -> memoryview:
        """Wait for the next block.

        Args:
            timeout_s: longest wait.
            lost_samples: lose some in front of it.
            interrupted: ends the wait.

        Returns:
            Its bytes, good until the next call.

        Raises:
            IioRefusalError: ETIMEDOUT; the block stays in the ring.
        """
        rate_hz = self._chip.receive_path.sample_rate_hz
        first, lost = self._ring.next_block(rate_hz)
        first += lost_samples
        end = first + len(self._block)
        if not self._clock.comes_within(end / rate_hz, timeout_s):
            self._clock.wait_until(self._clock.now_s() + timeout_s, interrupted)
            raise IioRefusalError(errno.ETIMEDOUT)
        self._chip.overflowed |= lost + lost_samples > 0
        self._ring.take(end)
        for start, piece in self._pieces():
            # Only what lies in the past is rendered: until then, a transmission may still be added.
            self._clock.wait_until((first + start + len(piece)) / rate_hz, interrupted)
            if interrupted.is_set():
                break
            self._fill(piece, first + start, rate_hz)
        return self._block.data.cast("B")

    def _pieces(self) -> Iterator[tuple[int, np.ndarray]]:
        for start in range(0, len(self._block), _PIECE_SAMPLES):
            yield start, self._block[start : start + _PIECE_SAMPLES]

    def _fill(self, piece: np.ndarray, first: int, rate_hz: float) -> None:
        path = self._chip.receive_path
        if self._chip.digital_loopback:
            piece[:] = loop_codes(self._transmitter.transmitted(first, len(piece)), self._lanes)
        elif not path.on:
            piece[:] = 0
        else:
            levels = self._antenna.receive(
                self._ports,
                len(piece),
                start_s=first / rate_hz,
                sample_rate_hz=rate_hz,
                center_frequency_hz=path.center_frequency_hz,
                gain_db=[path.gains_db[port] for port in self._ports],
            )
            levels_to_codes(levels, self._lanes, piece)
