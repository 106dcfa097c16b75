"""Sample buffers of an AD936x over IIO: whole blocks or an error, and what the converters' cores report."""

from __future__ import annotations

import errno
import math
import threading
import time
from typing import Any

import numpy as np

from .errors import DisconnectedError, SampleOverflowError
from .iio_errors import BROKEN
from .iio_link import IioLink
from .signals import EndingSignals

__all__ = ["CoreStatus", "ReceiveBuffer", "TransmitBuffer"]

_STATUS_REGISTER = 0x80000088
_RX_OVERFLOW_BIT, _TX_UNDERFLOW_BIT = 4, 1
# A device that was closed because its connection broke is free again only when its server has noticed.
_BUSY_TRIES, _BUSY_PAUSE_S = 10, 0.1
_SLACK_S = 0.5
# What USB 2 carries: the ring of blocks must last for the time that a block takes to the host.
_TRANSFER_BYTES_PER_S = 20e6
_RING_BYTES = 48 << 20
_MOST_BLOCKS = 64


class CoreStatus:
    """The converters' sticky bits: samples lost since they were last cleared.

    Args:
        link: open link.
        device: the receiving or the transmitting core.
        receiving: which of the two it is.
    """

    def __init__(self, link: IioLink, device: Any, *, receiving: bool) -> None:  # noqa: ANN401 - the vendor's object
        self._link = link
        self._device = device
        self._bit = _RX_OVERFLOW_BIT if receiving else _TX_UNDERFLOW_BIT

    def clear(self) -> None:
        """Forget what was lost so far."""
        with self._link.asking("clearing the converter's status"):
            self._device.reg_write(_STATUS_REGISTER, self._bit)

    def lost(self) -> bool:
        """Whether samples were lost since the last call; clears the bit."""
        with self._link.asking("reading the converter's status"):
            if not self._device.reg_read(_STATUS_REGISTER) & self._bit:
                return False
            self._device.reg_write(_STATUS_REGISTER, self._bit)
        return True


class _Buffer:
    """A buffer of either direction; `close` is safe from any thread, and waits for the call that is under way."""

    def __init__(
        self,
        link: IioLink,
        device: Any,  # noqa: ANN401 - the vendor's object
        channels: tuple[int, ...],
        block_samples: int,
        rate_hz: float,
        *,
        transmits: bool,
        cyclic: bool = False,
        n_blocks: int,
    ) -> None:
        self.n_lanes = 2 * len(channels)
        self.block_samples = block_samples
        self._link = link
        self._lock = threading.RLock()
        self._what = "transmitting" if transmits else "receiving"
        block_s = block_samples / rate_hz
        with link.asking(f"preparing for {self._what}"):
            for channel in device.channels:
                if channel.scan_element and channel.output == transmits:
                    channel.enabled = int(channel.id.removeprefix("voltage")) // 2 in channels
            device.set_kernel_buffers_count(n_blocks)
            self._buffer = self._opened(device, block_samples, cyclic, _SLACK_S + 1.5 * block_s)

    def _opened(self, device: Any, block_samples: int, cyclic: bool, timeout_s: float) -> Any:  # noqa: ANN401
        tries_left = _BUSY_TRIES
        while True:
            try:
                # Between its birth and its entry in the link's list, an interrupted program would lose it.
                with EndingSignals().held_back():
                    return self._link.make_buffer(device, block_samples, cyclic=cyclic, timeout_s=timeout_s)
            except OSError as error:
                tries_left -= 1
                if error.errno != errno.EBUSY or not tries_left:
                    raise
            time.sleep(_BUSY_PAUSE_S)

    def close(self, *, at_once: bool = False) -> None:
        """End it; a second call does nothing."""
        with self._lock:
            buffer, self._buffer = self._buffer, None
            if buffer is not None:
                self._link.drop_buffer(buffer, at_once=at_once)

    def _require_open(self) -> None:
        if self._buffer is None:
            raise DisconnectedError(f"{self._what} was ended", "start it again")


class ReceiveBuffer(_Buffer):
    """Blocks of received codes; contiguous for as long as the ring does not overflow.

    Args:
        link: open link.
        device: the receiving core.
        channels: in use, ascending.
        block_samples: length of a block.
        rate_hz: of the samples.
        away_s: how long the host may leave the radio alone.

    Raises:
        RadioBusyError: another program receives.
    """

    def __init__(
        self,
        link: IioLink,
        device: Any,  # noqa: ANN401 - the vendor's object
        channels: tuple[int, ...],
        block_samples: int,
        rate_hz: float,
        *,
        away_s: float,
    ) -> None:
        block_bytes = 4 * len(channels) * block_samples
        block_s = block_samples / rate_hz
        wanted = 2 + math.ceil((block_bytes / _TRANSFER_BYTES_PER_S + away_s) / block_s)
        n_blocks = max(2, min(wanted, _RING_BYTES // block_bytes, _MOST_BLOCKS))
        super().__init__(link, device, channels, block_samples, rate_hz, transmits=False, n_blocks=n_blocks)

    def read(self) -> np.ndarray:
        """Wait for the next block.

        Returns:
            int16 [block_samples, lanes].

        Raises:
            SampleOverflowError: the radio delivered a part of the block only.
            RadioTimeoutError, DisconnectedError: it delivered nothing.
        """
        with self._lock, self._link.asking("receiving"):
            self._require_open()
            try:
                self._buffer.refill()
            except OSError as error:
                # What comes after an error belongs to no block; closing politely would wait for it again.
                self.close(at_once=error.errno in BROKEN)
                raise
            codes = np.frombuffer(self._buffer.read(), np.int16)
        n_samples = codes.size // self.n_lanes
        if n_samples != self.block_samples:
            self.close()
            raise SampleOverflowError(
                f"the radio delivered {n_samples} of {self.block_samples} samples", "repeat the request"
            )
        return codes.reshape(n_samples, self.n_lanes)


class TransmitBuffer(_Buffer):
    """A block that is repeated, or blocks that follow each other.

    Args:
        link: open link.
        device: the transmitting core.
        channels: in use, ascending.
        block_samples: length of a block.
        rate_hz: of the samples.
        cyclic: repeat the first block until closed.

    Raises:
        RadioBusyError: another program transmits.
    """

    #: Blocks that wait in the radio.
    N_BLOCKS = 8

    def __init__(
        self,
        link: IioLink,
        device: Any,  # noqa: ANN401 - the vendor's object
        channels: tuple[int, ...],
        block_samples: int,
        rate_hz: float,
        *,
        cyclic: bool,
    ) -> None:
        super().__init__(
            link, device, channels, block_samples, rate_hz, transmits=True, cyclic=cyclic, n_blocks=self.N_BLOCKS
        )

    def write(self, codes: np.ndarray) -> None:
        """Queue a block; waits while the ring is full.

        Args:
            codes: int16 [block_samples, lanes], contiguous.

        Raises:
            RadioTimeoutError, DisconnectedError: the radio does not take it.
        """
        data = codes.view(np.uint8).reshape(-1)
        with self._lock, self._link.asking("transmitting"):
            self._require_open()
            # pylibiio would write a shorter block without a word.
            if data.size != len(self._buffer):
                raise ValueError(f"a block has {len(self._buffer)} bytes, not {data.size}")
            try:
                self._buffer.write(data)
                self._buffer.push()
            except OSError as error:
                self.close(at_once=error.errno in BROKEN)
                raise
