"""A worker process that holds a vendor library; every request to it has a deadline."""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time
from typing import Any, Self

import numpy as np

from ..errors import BadValueError, DisconnectedError
from ..worker.areas import SharedArea
from ..worker.framing import MessageLink
from .faults import WorkerFaultError, error_from
from .interpreter import not_loading, not_starting, require_hello, worker_command, worker_environment

__all__ = ["VendorWorker"]

#: The interpreter and the library may take so long to load on a busy computer.
_HELLO_S = 15.0
#: Memory that one exchange may take: 268 million samples.
_MOST_BYTES = 2 * 2**30
#: An ended worker may take so long to give the device back.
_FAREWELL_S = 2.5
_CLOSED = "it was closed"


def _memory_file() -> int:
    """Descriptor of an empty file that exists in memory only."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("sdr-gsc samples")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class VendorWorker:
    """A running worker.

    Any thread may use it; one request is under way at a time. A worker that misses a deadline is killed: its library
    cannot be interrupted in any other way. Nothing is left of it then, and every later request says so.

    Args:
        vendor: "uhd" or "soapy".

    Attributes:
        pid: of the process.
        hello: versions that the worker reported.
        bursts: memory of bursts and captures.
        received: memory of a receive stream.
        transmitted: memory of a transmit stream.
        receive_link: blocks of a receive stream.
        transmit_link: blocks of a transmit stream.

    Raises:
        DriverMissingError: no interpreter, no library in it, or one that does not load.
    """

    def __init__(self, vendor: str) -> None:
        self._vendor = vendor
        self._lock = threading.Lock()
        self._next_id = self._running_id = 0
        self._ending: str | None = None
        self._log = _memory_file()
        descriptors = [_memory_file() for _ in range(3)]
        self.bursts, self.received, self.transmitted = (SharedArea(descriptor) for descriptor in descriptors)
        pairs = [socket.socketpair() for _ in range(3)]
        (control, self.receive_link, self.transmit_link) = (ours for ours, _ in pairs)
        self._link = MessageLink(control)
        inherited = [theirs.fileno() for _, theirs in pairs] + descriptors
        try:
            self._process = subprocess.Popen(
                worker_command(vendor, inherited),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=inherited,
                env=worker_environment(),
                start_new_session=True,
            )
        except OSError as error:
            self._close_files()
            raise not_starting(vendor, error) from error
        finally:
            for _, theirs in pairs:
                theirs.close()
        self.pid = self._process.pid
        try:
            self.hello = self._meet()
        except BaseException:
            self.kill("it did not introduce itself")
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether it still runs and has not been given up."""
        return self._ending is None and self._process.poll() is None

    @property
    def died(self) -> bool:
        """Whether it ended in any other way than by `close`."""
        return not self.alive and self._ending != _CLOSED

    def request(self, operation: str, deadline_s: float, **arguments: object) -> dict[str, Any]:
        """Ask for an operation and wait for its result.

        Args:
            operation: see `hardware/worker/operations.py`.
            deadline_s: the worker is killed when it takes longer.
            **arguments: JSON-compatible.

        Raises:
            RadioError: what went wrong, in the contract's terms.
            DisconnectedError: the worker is gone, or was killed for being silent.
        """
        with self._lock:
            self.require_alive(operation)
            self._next_id += 1
            self._running_id = self._next_id
            try:
                return self._converse(operation, deadline_s, arguments)
            except WorkerFaultError as fault:
                if fault.kind == "disconnected":
                    # What the library says of a device that is gone; every further call would only wait again.
                    self.kill(f"the radio is gone ({fault.text})")
                raise error_from(fault, operation.replace("_", " ")) from fault
            except (EOFError, OSError, ValueError, KeyError) as error:
                raise self._lost(operation, error) from error
            except BaseException:
                # The user interrupts: the worker must not go on with what nobody waits for.
                self.interrupt()
                raise
            finally:
                self._running_id = 0

    def interrupt(self) -> None:
        """Break off the request that is under way, if any; it then raises RadioBusyError."""
        if running_id := self._running_id:
            with contextlib.suppress(OSError):
                self._link.send({"operation": "abort", "id": running_id})

    def require_alive(self, doing: str) -> None:
        """Raise DisconnectedError once it is gone."""
        if self._ending is not None:
            raise DisconnectedError(f"{doing.replace('_', ' ')}: the worker of this radio is gone: {self._ending}")

    def memory(self, area: SharedArea, offset_bytes: int, shape: tuple[int, ...]) -> np.ndarray:
        """Part of one of its areas, which grows as needed: complex64 of a shape.

        Raises:
            BadValueError: more than a computer should lend to one exchange.
            DisconnectedError: the worker is gone.
        """
        n_bytes = offset_bytes + 8 * math.prod(shape)
        if n_bytes > _MOST_BYTES:
            raise BadValueError(
                f"{math.prod(shape)} samples at a time, with what is sent, take {n_bytes / 2**30:.3g} GiB",
                f"stay below {_MOST_BYTES / 2**30:g} GiB, or use a stream",
            )
        try:
            area.grow(n_bytes)
            return area.samples(offset_bytes, shape)
        except OSError as error:
            raise self._lost("sharing memory", error) from error

    def take(self, link: socket.socket, n_bytes: int, timeout_s: float) -> bytes:
        """Wait for bytes of a stream's link; empty when none came in time.

        Raises:
            DisconnectedError: the worker is gone.
        """
        try:
            if not select.select([link], [], [], timeout_s)[0]:
                return b""
            if got := link.recv(n_bytes):
                return got
        except (OSError, ValueError) as error:  # closed on this side, by another thread
            raise self._lost("stream", error) from error
        raise self._lost("stream", None)

    def forget(self, link: socket.socket) -> None:
        """Throw away what an earlier stream left in a link."""
        while self.take(link, 1 << 16, 0.0):
            continue

    def give(self, link: socket.socket, data: bytes) -> None:
        """Send bytes into a stream's link.

        Raises:
            DisconnectedError: the worker is gone.
        """
        try:
            link.sendall(data)
        except OSError as error:
            raise self._lost("stream", error) from error

    def kill(self, reason: str) -> None:
        """End the process at once, wherever it is."""
        if self._ending is None:
            self._ending = reason
        self._process.kill()
        self._process.wait()
        self._close_files()

    def close(self) -> None:
        """Let the worker mute, release the device and leave; a second call does nothing."""
        if self._ending is None:
            self._ending = _CLOSED
            for link in (self._link, self.receive_link, self.transmit_link):
                link.close()
            try:
                self._process.wait(_FAREWELL_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._close_files()

    def _converse(self, operation: str, deadline_s: float, arguments: dict[str, object]) -> dict[str, Any]:
        self._link.send(
            {"operation": operation, "id": self._running_id, "deadline_s": deadline_s, "arguments": arguments}
        )
        deadline, last_words = time.monotonic() + deadline_s, ""
        while True:
            try:
                answer = self._link.receive(max(0.0, deadline - time.monotonic()))
            except TimeoutError as error:
                self.kill(f"the radio did not answer in time ({operation})")
                raise DisconnectedError(
                    f"{operation.replace('_', ' ')}: the radio does not answer any more{last_words}",
                    "check its power and cable, then open it again",
                ) from error
            if "notice" in answer:
                deadline = time.monotonic() + answer["remaining_s"]
                last_words = f" ({answer['notice']})"
            elif answer["id"] == self._running_id:  # another id: the answer to a request that was interrupted
                if "fault" in answer:
                    raise WorkerFaultError(answer["fault"]["kind"], answer["fault"]["text"])
                result: dict[str, Any] = answer["result"]
                return result

    def _meet(self) -> dict[str, Any]:
        try:
            hello = self._link.receive(_HELLO_S)
        except (EOFError, TimeoutError, ValueError) as error:
            ended = self._found_ended() or f"said nothing for {_HELLO_S:g} s"
            raise not_loading(self._vendor, ended + self._last_lines()) from error
        require_hello(self._vendor, hello)
        return hello

    def _lost(self, doing: str, error: Exception | None) -> DisconnectedError:
        found = self._found_ended() or f"does not make sense any more ({error})"
        lines = self._last_lines()
        self.kill(f"it {found}")
        return DisconnectedError(f"{doing.replace('_', ' ')}: the worker that holds the radio {found}{lines}")

    def _found_ended(self) -> str:
        """How the process ended; empty while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            # The connection may break a moment before the process is gone.
            return f"ended with {_status(self._process.wait(0.5))}"
        return ""

    def _last_lines(self) -> str:
        """The end of what worker and library printed, for messages."""
        with contextlib.suppress(OSError):
            size = os.fstat(self._log).st_size
            text = os.pread(self._log, 600, max(0, size - 600)).decode(errors="replace")
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            if lines:
                return f"; it printed: {' / '.join(lines[-3:])}"
        return ""

    def _close_files(self) -> None:
        for link in (self._link, self.receive_link, self.transmit_link):
            link.close()
        for area in (self.bursts, self.received, self.transmitted):
            area.close()
        descriptor, self._log = self._log, -1
        if descriptor >= 0:
            os.close(descriptor)


def _status(code: int) -> str:
    if code >= 0:
        return f"status {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
