"""A msgpack-RPC server on the loopback interface, one thread a connection, and a call to one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import msgpack

__all__ = ["RpcServer", "call"]

_REQUEST, _ANSWER = 0, 1
_LARGEST_MESSAGE = 1 << 24
_TICK_S = 0.1
_HOST = "127.0.0.1"


class RpcServer:
    """Serves methods until stopped.

    Args:
        handle: takes a method's name and its parameters, returns its result; the text of what it raises goes back.
        on_tick: called every tenth of a second.
        port: to listen on; 0 chooses a free one.

    Attributes:
        port: it listens on.
    """

    def __init__(
        self, handle: Callable[[str, list[Any]], Any], on_tick: Callable[[], None] = lambda: None, port: int = 0
    ) -> None:
        self._handle = handle
        self._on_tick = on_tick
        self._listener = socket.create_server((_HOST, port))
        self._listener.settimeout(_TICK_S)
        self.port: int = self._listener.getsockname()[1]
        self._stopping = threading.Event()
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Accept connections."""
        self._thread = threading.Thread(target=self._accept, name="rpc server", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close all connections and end all threads, except one that calls this from within a method."""
        self._stopping.set()
        _shut(self._listener)
        with self._lock:
            connections = dict(self._connections)
        for connection in connections.values():
            _shut(connection)
        for thread in (self._thread, *connections):
            if thread is not None and thread is not threading.current_thread():
                thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            self._on_tick()
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                if self._stopping.is_set():
                    break
                raise
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(connection,), name="rpc connection", daemon=True)
            with self._lock:
                self._connections[thread] = connection
            thread.start()
        self._listener.close()

    def _serve(self, connection: socket.socket) -> None:
        unpacker = msgpack.Unpacker(raw=False, max_buffer_size=_LARGEST_MESSAGE)
        try:
            while not self._stopping.is_set() and (data := connection.recv(1 << 16)):
                unpacker.feed(data)
                for message in unpacker:
                    answer = self._answer(message)
                    if answer is not None and not self._stopping.is_set():
                        connection.sendall(msgpack.packb(answer))
        except (OSError, ValueError, msgpack.UnpackException):
            pass  # the client left, or does not speak msgpack-RPC: its connection ends, the server goes on
        finally:
            connection.close()
            with self._lock:
                self._connections.pop(threading.current_thread(), None)

    def _answer(self, message: object) -> list[Any] | None:
        identity: int | None = None
        match message:
            case [0, int(number), str(method), list(parameters)]:
                identity = number
            case [2, str(method), list(parameters)]:
                pass  # a notification: nobody waits for its answer
            case _:
                raise ValueError("this is no request")
        error = result = None
        try:
            result = self._handle(method, parameters)
        except Exception as raised:  # whatever a method raises is an answer to the client, as MPM does it
            error = str(raised) or repr(raised)
        return None if identity is None else [_ANSWER, identity, error, result]


def call(port: int, method: str, *parameters: Any, timeout_s: float = 5.0) -> Any:  # noqa: ANN401 - any msgpack value
    """Call a method of a server on this machine.

    Raises:
        RuntimeError: the error that the method answered.
        OSError: nobody answered.
    """
    with socket.create_connection((_HOST, port), timeout=timeout_s) as connection:
        connection.sendall(msgpack.packb([_REQUEST, 0, method, list(parameters)]))
        unpacker = msgpack.Unpacker(raw=False)
        while data := connection.recv(1 << 16):
            unpacker.feed(data)
            for _, _, error, result in unpacker:
                if error is not None:
                    raise RuntimeError(error)
                return result
    raise ConnectionError(f"the server at port {port} hung up")


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the other end was faster
