"""UDP sockets of an emulated USRP: samples and registers on one, discovery on another."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

__all__ = ["UdpLink", "answer_discovery"]

_HOST = "127.0.0.1"
_BUFFER_BYTES = 4 << 20

_PATH_MTU = 7808
"""Largest datagram that is echoed, and so the largest that libuhd sends and expects. It is below that of an Ethernet
with jumbo frames because Linux keeps up to this size in 8 KiB of a socket's buffer, and 16 KiB beyond."""


class UdpLink:
    """A socket and the thread that reads it. Hosts are known by the endpoint ids that they announce.

    Args:
        handle: takes a datagram and where it came from.
        name: of the thread.
        port: to listen on; 0 chooses a free one.

    Attributes:
        port: it listens on.
        capacity_bytes: that may be on their way to it, bookkeeping of the kernel included.
    """

    def __init__(self, handle: Callable[[bytes, tuple[str, int]], None], name: str, port: int = 0) -> None:
        self._handle = handle
        self._name = name
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self._socket.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
        self._socket.bind((_HOST, port))
        self.port: int = self._socket.getsockname()[1]
        self.capacity_bytes: int = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        self._addresses: dict[int, tuple[str, int]] = {}
        self._running = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._running = True
        self._thread = threading.Thread(target=self._read, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the socket and end the thread, except where the thread itself calls this."""
        self._running = False
        if self._thread is None:
            self._socket.close()
            return
        # A thread that waits in recvfrom() does not notice that its socket is closed: wake it.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", (_HOST, self.port))
        if self._thread is not threading.current_thread():
            self._thread.join()

    def learn(self, endpoint: int, address: tuple[str, int]) -> None:
        """Remember where an endpoint lives."""
        self._addresses[endpoint] = address

    def send(self, endpoint: int, datagram: bytes | memoryview) -> None:
        """Send to an endpoint; without effect where it is unknown or gone, as on a wire."""
        if (address := self._addresses.get(endpoint)) is not None:
            self.reply(datagram, address)

    def reply(self, datagram: bytes | memoryview, address: tuple[str, int]) -> None:
        """Send to an address, if it is still there."""
        if self._running:
            try:
                self._socket.sendto(datagram, address)
            except OSError:
                pass  # what a wire does with a datagram that nobody takes

    def _read(self) -> None:
        with self._socket:
            while self._running:
                try:
                    data, address = self._socket.recvfrom(1 << 16)
                except ConnectionError:
                    continue  # an earlier datagram reached nobody
                if self._running:
                    self._handle(data, address)


def answer_discovery(data: bytes, description: dict[str, str]) -> bytes | None:
    """Answer to a datagram on the discovery port; None leaves it unanswered.

    Args:
        data: the datagram.
        description: what the device says of itself.
    """
    if data.rstrip(b"\0") == b"MPM-DISC":
        return ";".join(["USRP-MPM", *(f"{key}={value}" for key, value in description.items())]).encode()
    if data.startswith(b"MPM-ECHO") and len(data) <= _PATH_MTU:  # a probe for the largest datagram that passes
        return data
    return None
