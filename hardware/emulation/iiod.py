"""A server of libiio's network protocol, version 0: it accepts connections, and loses them when its cable is pulled."""

from __future__ import annotations

import socket
import threading
import time

from .iio_faults import FaultDice, PlutoFaults
from .iiod_connection import IiodConnection
from .iiod_device import IiodDevice

__all__ = ["IiodServer"]

_LONGEST_GOODBYE_S = 2.0


class IiodServer:
    """Serves one device, one thread for each connection.

    Args:
        listener: socket that listens; closed at the end.
        device: what is behind it.
        faults: asked for.
        dice: decides about blocks.
    """

    def __init__(self, listener: socket.socket, device: IiodDevice, faults: PlutoFaults, dice: FaultDice) -> None:
        self._listener, self._device, self._faults, self._dice = listener, device, faults, dice
        self._stopping = threading.Event()
        self._connections: dict[threading.Thread, IiodConnection] = {}
        self._lock = threading.Lock()
        self._name = f"iiod-{listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, name=self._name, daemon=True)

    @property
    def n_connections(self) -> int:
        """Connections at present."""
        with self._lock:
            return len(self._connections)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Close everything; a second call does nothing."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._thread.is_alive():
            # Closing alone would leave the thread waiting for a connection.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._thread.join()
        self._listener.close()
        self.drop_connections()

    def drop_connections(self) -> None:
        """Cut all connections, and return when their buffers are closed."""
        with self._lock:
            connections = dict(self._connections)
        for connection in connections.values():
            connection.cut()
        deadline = time.monotonic() + _LONGEST_GOODBYE_S
        for thread in connections:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return  # closed by stop()
            if self._faults.refuse_connections:
                peer.close()
                continue
            connection = IiodConnection(peer, self._device, self._faults, self._dice, self.drop_connections)
            thread = threading.Thread(target=self._serve, args=(connection,), name=self._name, daemon=True)
            with self._lock:
                self._connections[thread] = connection
            thread.start()

    def _serve(self, connection: IiodConnection) -> None:
        try:
            connection.serve()
        finally:
            with self._lock:
                self._connections.pop(threading.current_thread(), None)
