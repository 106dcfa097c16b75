"""What a server of libiio's protocol needs of the device behind it."""

from __future__ import annotations

import threading
from typing import Protocol

import numpy as np

from .iio_tree import AttributeKey

__all__ = ["IiodDevice", "ReceiveBuffer", "TransmitBuffer"]


class ReceiveBuffer(Protocol):
    """An open buffer of received samples."""

    @property
    def block_bytes(self) -> int:
        """Length of a block."""

    def read(self, *, timeout_s: float, lost_samples: int, interrupted: threading.Event) -> memoryview:
        """The next block, good until the next call."""

    def close(self) -> None:
        """Free the device."""


class TransmitBuffer(Protocol):
    """An open buffer of samples to transmit."""

    @property
    def block_bytes(self) -> int:
        """Length of a block."""

    def write(self, block: np.ndarray, *, timeout_s: float, interrupted: threading.Event) -> None:
        """Queue a block, int16 [values]; waits while the queue is full."""

    def close(self) -> None:
        """Free the device; what is queued is lost."""


class IiodDevice(Protocol):
    """What a server shows; every method may raise `IioRefusalError`."""

    def context_xml(self) -> bytes:
        """Description of the context."""

    def device_id(self, name: str) -> str:
        """Id of the device of that name or id."""

    def read_attribute(self, key: AttributeKey) -> str:
        """Its text."""

    def write_attribute(self, key: AttributeKey, text: str) -> None:
        """Change it."""

    def set_block_count(self, device: str, count: int) -> None:
        """Blocks in the rings of buffers that are opened from now on."""

    def set_timeout(self, timeout_s: float) -> None:
        """Longest time that a block may take."""

    @property
    def timeout_s(self) -> float:
        """That time."""

    def mark_underflow(self) -> None:
        """The transmitter ran dry."""

    def open_receiver(self, samples: int, mask: int) -> ReceiveBuffer:
        """Open the receive buffer."""

    def open_transmitter(self, samples: int, mask: int, *, cyclic: bool) -> TransmitBuffer:
        """Open the transmit buffer."""
