"""Messages between a program and its worker: JSON objects behind a length, over a socket."""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
import time

__all__ = ["PROTOCOL_VERSION", "MessageLink"]

#: Both sides say it first; a worker of another version is not spoken to.
PROTOCOL_VERSION = 2

_LENGTH = struct.Struct("<I")
#: Longer than any message: a length beyond it means that something else writes to the socket.
_LONGEST = 1 << 24


class MessageLink:
    """One end of a conversation; any thread may send, one thread receives.

    Args:
        connection: connected stream socket, blocking.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._received = bytearray()
        self._send_lock = threading.Lock()

    def send(self, message: dict) -> None:
        """Send a JSON object.

        Raises:
            OSError: nobody is at the other end.
        """
        body = json.dumps(message, allow_nan=False).encode()
        with self._send_lock:
            self._socket.sendall(_LENGTH.pack(len(body)) + body)

    def receive(self, timeout_s: float | None = None) -> dict:
        """The next message.

        Args:
            timeout_s: longest time to wait; None waits for as long as the other end lives.

        Raises:
            TimeoutError: none came in time.
            EOFError: nobody is at the other end.
            ValueError: what came is not a message.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while (message := self._taken()) is None:
            if deadline is not None:
                left_s = max(0.0, deadline - time.monotonic())
                if not select.select([self._socket], [], [], left_s)[0]:
                    raise TimeoutError(f"no message within {timeout_s:g} s")
            try:
                piece = self._socket.recv(1 << 16)
            except ConnectionError as error:
                raise EOFError("the connection broke") from error
            if not piece:
                raise EOFError("the connection was closed")
            self._received += piece
        return message

    def close(self) -> None:
        """Close the socket; the other end then reads its end."""
        self._socket.close()

    def _taken(self) -> dict | None:
        """The first whole message among the bytes received so far, taken out of them."""
        if len(self._received) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._received)
        if length > _LONGEST:
            raise ValueError(f"a message of {length} bytes was announced; the longest is {_LONGEST}")
        end = _LENGTH.size + length
        if len(self._received) < end:
            return None
        message = json.loads(bytes(self._received[_LENGTH.size : end]))
        del self._received[:end]
        if not isinstance(message, dict):
            raise ValueError(f"a message is a {type(message).__name__}, not an object")
        return message
