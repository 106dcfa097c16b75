"""What an emulated Pluto's server shows: the chip's attributes, and at most one open buffer of each direction."""

from __future__ import annotations

import errno
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .ad936x import Ad936x
from .ad936x_context import RECEIVER, TRANSMITTER
from .device_clock import DeviceClock
from .iio_tree import AttributeKey, IioContext, IioRefusalError
from .pluto_receiver import Receiver
from .pluto_transmitter import Transmitter

if TYPE_CHECKING:
    from .air import Antenna

__all__ = ["PlutoDevice", "TransmitRing"]

_START_TIMEOUT_S = 1.0
_START_BLOCKS = 4
_LARGEST_RING_BYTES = 1 << 28


class TransmitRing:
    """An open transmit buffer: takes blocks, and holds the host back while the ring is full.

    Args:
        transmitter: where blocks go.
        clock: of the converters.
        block_samples: length of a block.
        n_blocks: in the ring.
        lanes: that the host fills; the others are silent.
        n_lanes: of the device.
        cyclic: the one block is repeated for ever.
        release: called when it is closed.
    """

    def __init__(
        self,
        transmitter: Transmitter,
        clock: DeviceClock,
        *,
        block_samples: int,
        n_blocks: int,
        lanes: tuple[int, ...],
        n_lanes: int,
        cyclic: bool,
        release: Callable[[], None],
    ) -> None:
        self._transmitter, self._clock = transmitter, clock
        self._n_blocks, self._lanes, self._n_lanes, self._cyclic = n_blocks, lanes, n_lanes, cyclic
        self._ends_s: deque[float] = deque()
        self.block_bytes = 2 * len(lanes) * block_samples
        self.close = release

    def write(self, block: np.ndarray, *, timeout_s: float, interrupted: threading.Event) -> None:
        """Queue a block.

        Args:
            block: int16 [samples * lanes].
            timeout_s: longest wait for a free place in the ring.
            interrupted: ends the wait.

        Raises:
            IioRefusalError: EBUSY for a second cyclic block; ETIMEDOUT.
        """
        codes = self._all_lanes(block.reshape(-1, len(self._lanes)))
        if self._cyclic:
            self._transmitter.repeat(codes)
            return
        self._ends_s.append(self._transmitter.append(codes))
        # The host goes on as soon as one block of the ring is free to be filled.
        if len(self._ends_s) >= self._n_blocks:
            free_s = self._ends_s.popleft()
            if not self._clock.comes_within(free_s, timeout_s):
                self._clock.wait_until(self._clock.now_s() + timeout_s, interrupted)
                raise IioRefusalError(errno.ETIMEDOUT)
            self._clock.wait_until(free_s, interrupted)

    def _all_lanes(self, codes: np.ndarray) -> np.ndarray:
        if len(self._lanes) == self._n_lanes:
            return codes
        full = np.zeros((len(codes), self._n_lanes), np.int16)
        full[:, list(self._lanes)] = codes
        return full


class PlutoDevice:
    """The device behind a server.

    Args:
        antenna: on the air.
        context: what it shows.
        clock: of the converters.

    Attributes:
        chip: its attributes.
        transmitter: what is on the air.
        timeout_s: longest time for a block; as in the real server one for all clients, the last one that asks decides.
    """

    def __init__(self, antenna: Antenna, context: IioContext, clock: DeviceClock) -> None:
        self.chip = Ad936x(context)
        n_lanes = context.device(RECEIVER).n_lanes
        self.transmitter = Transmitter(antenna, clock, self.chip, n_lanes // 2)
        self.chip.on_change = self.transmitter.refresh
        self.timeout_s = _START_TIMEOUT_S
        self._antenna, self._context, self._clock, self._n_lanes = antenna, context, clock, n_lanes
        self._xml = context.xml().encode()
        self._lock = threading.Lock()
        self._open: set[str] = set()
        self._block_counts: dict[str, int] = {}

    def context_xml(self) -> bytes:
        """Description of the context."""
        return self._xml

    def device_id(self, name: str) -> str:
        """Id of the device of that name or id.

        Raises:
            IioRefusalError: ENODEV.
        """
        try:
            return self._context.device(name).id
        except KeyError:
            raise IioRefusalError(errno.ENODEV) from None

    def read_attribute(self, key: AttributeKey) -> str:
        """Its text."""
        return self.chip.read(key)

    def write_attribute(self, key: AttributeKey, text: str) -> None:
        """Change it under the driver's rules."""
        self.chip.write(key, text)

    def set_timeout(self, timeout_s: float) -> None:
        """Set the longest time for a block."""
        self.timeout_s = timeout_s

    def set_block_count(self, device: str, count: int) -> None:
        """Set the blocks in the rings of buffers that are opened from now on.

        Raises:
            IioRefusalError: EINVAL.
        """
        if not 1 <= count <= 64:
            raise IioRefusalError(errno.EINVAL)
        self._block_counts[device] = count

    def mark_underflow(self) -> None:
        """Set the underflow bit."""
        self.chip.underflowed = True

    def open_receiver(self, samples: int, mask: int) -> Receiver:
        """Open the receive buffer.

        Args:
            samples: length of a block.
            mask: wanted lanes, one bit each.

        Raises:
            IioRefusalError: EBUSY, EINVAL, ENOMEM.
        """
        lanes, n_blocks = self._claim(RECEIVER, samples, mask)
        return Receiver(
            self._antenna,
            self._clock,
            self.chip,
            self.transmitter,
            block_samples=samples,
            n_blocks=n_blocks,
            lanes=lanes,
            release=lambda: self._release(RECEIVER),
        )

    def open_transmitter(self, samples: int, mask: int, *, cyclic: bool) -> TransmitRing:
        """Open the transmit buffer; arguments and errors as for the receive buffer."""
        lanes, n_blocks = self._claim(TRANSMITTER, samples, mask)
        return TransmitRing(
            self.transmitter,
            self._clock,
            block_samples=samples,
            n_blocks=n_blocks,
            lanes=lanes,
            n_lanes=self._n_lanes,
            cyclic=cyclic,
            release=self._release_transmitter,
        )

    def _claim(self, device: str, samples: int, mask: int) -> tuple[tuple[int, ...], int]:
        """Lanes and number of blocks of a buffer that is about to be opened."""
        lanes = tuple(lane for lane in range(self._n_lanes) if mask >> lane & 1)
        n_blocks = self._block_counts.get(device, _START_BLOCKS)
        if not lanes or mask >> self._n_lanes or samples < 1:
            raise IioRefusalError(errno.EINVAL)
        if 2 * len(lanes) * samples * n_blocks > _LARGEST_RING_BYTES:
            raise IioRefusalError(errno.ENOMEM)
        with self._lock:
            if device in self._open:
                raise IioRefusalError(errno.EBUSY)
            self._open.add(device)
        return lanes, n_blocks

    def is_open(self, device: str) -> bool:
        """Whether the buffer of that device is open."""
        with self._lock:
            return device in self._open

    def _release(self, device: str) -> None:
        with self._lock:
            self._open.discard(device)

    def _release_transmitter(self) -> None:
        self.transmitter.stop()
        self._release(TRANSMITTER)
