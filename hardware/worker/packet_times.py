"""Which of a library's receive times can be believed."""

from __future__ import annotations

__all__ = ["PacketTimes"]


class PacketTimes:
    """Passes on the times of pieces that begin with a packet.

    A call that ends inside a packet leaves the rest of it to the next one, whose time the library then computes: libuhd
    4.3 does it with the sample rate that an E320 had when it was opened, and is off by most of a packet. Pieces begin
    with a packet at the start, after every fault (none is lost without one), and a whole number of packets after that.
    """

    def __init__(self) -> None:
        self._packet_samples = 1
        self._since_packet = 0

    def start(self, packet_samples: int) -> None:
        """A reception begins, in packets of so many samples."""
        self._packet_samples = max(1, packet_samples)
        self._since_packet = 0

    def believed(self, first: int | None, count: int, *, faulty: bool) -> int | None:
        """The number of a piece's first sample, or None.

        Args:
            first: as the library says.
            count: samples of the piece.
            faulty: it ended with a fault.
        """
        exact = self._since_packet % self._packet_samples == 0
        self._since_packet = 0 if faulty else self._since_packet + count
        return first if exact else None
