"""The common face of the vendors' libraries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

__all__ = ["Backend", "Piece"]


@dataclass(frozen=True)
class Piece:
    """What one call to receive brought.

    Attributes:
        count: samples per channel.
        first: number of the first one on the device's clock, counted in samples; None where the device does not
            say, or cannot be believed.
        fault: None, "timeout", "overflow", "lost" or "late", or another kind of fault.
    """

    count: int
    first: int | None
    fault: str | None


class Backend(ABC):
    """A device of one vendor's library. Times are counted in samples at the configured rate on the device's clock.

    Everything raises `FaultError`, never the library's own errors. Receiving and transmitting may run in two threads.
    """

    @abstractmethod
    def version(self) -> str:
        """Version of the library."""

    @abstractmethod
    def open(self, address: dict) -> dict:
        """Open the device, mute it, and describe it (see `description` in operations)."""

    @abstractmethod
    def configure(self, settings: dict) -> dict:
        """Apply settings; the transmit gain is tried, read back and put back to its floor. Returns what was read."""

    @abstractmethod
    def temperature_c(self) -> float | None:
        """Temperature of the front end in degrees Celsius; None where the device does not tell it."""

    @abstractmethod
    def set_transmit_gain(self, on: bool) -> None:
        """Transmit gain of the channels in use as configured, or of all channels at the floor."""

    @abstractmethod
    def now(self) -> int | None:
        """The device's time in samples; None where it keeps none."""

    @abstractmethod
    def prepare(self) -> None:
        """Make both streams, so that the next order takes no longer than later ones."""

    @abstractmethod
    def start_receiving(self, count: int | None, at: int | None) -> None:
        """Ask for so many samples, or for samples without end; from a time on, or at once."""

    @abstractmethod
    def packet_samples(self) -> int:
        """Samples of a packet, which one call to `receive` had better not split."""

    @abstractmethod
    def stop_receiving(self) -> None:
        """End a reception without end and throw away what is still under way."""

    @abstractmethod
    def receive(self, samples: np.ndarray, timeout_s: float) -> Piece:
        """Fill samples, complex64 [channels, n], C-contiguous, as far as the device delivers in time."""

    @abstractmethod
    def transmit(self, samples: np.ndarray, at: int | None, first: bool, last: bool, timeout_s: float) -> int:
        """Hand over samples, complex64 [channels, n], C-contiguous; returns how many were taken."""

    @abstractmethod
    def event(self, timeout_s: float) -> str | None:
        """The next message of the transmitter: None, "done", "underflow", "late" or "lost"."""

    def reports_end(self) -> bool:
        """Whether the transmitter tells of the end of bursts."""
        return True

    def forget_events(self) -> None:
        """Throw away reports of earlier bursts."""
        while self.event(0.0) is not None:
            pass

    @abstractmethod
    def drop_streams(self) -> None:
        """Give up both directions; the next use makes them anew, empty."""

    @abstractmethod
    def close(self) -> None:
        """Release the device; may take seconds and hold the interpreter's lock."""
