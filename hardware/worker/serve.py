"""Start of the worker: says what it is, then answers one request after the other until the program is gone.

    python3 serve.py VENDOR CONTROL RECEIVE TRANSMIT BURSTS RECEIVED TRANSMITTED

VENDOR is "uhd" or "soapy"; the others are inherited descriptors: three sockets (messages, blocks received, blocks to
transmit) and three files in memory for the samples.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import sys
import threading
import traceback

from faults import FaultError
from framing import PROTOCOL_VERSION, MessageLink

#: A vendor call that outlasts its request's deadline by so much is ended by the kernel: the program that should have
#: done it is gone, and a call that holds the interpreter's lock keeps every thread of this one from seeing that.
_GRACE_S = 1.0
#: Muting and releasing the device may take so long in the end.
_LEAVE_S = 2.0


class Inbox:
    """Requests in order, read by a thread of their own so that an abort or the program's end is seen at once."""

    def __init__(self, link: MessageLink) -> None:
        self.abort = threading.Event()
        self._link = link
        self._lock = threading.Lock()
        self._aborted = self._current = -1
        self._ended = False
        self._requests: queue.SimpleQueue[dict | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def next(self) -> dict | None:
        """The next request; None once the program is gone."""
        request = self._requests.get()
        with self._lock:
            if request is None or self._ended:
                return None
            self._current = request["id"]
            if self._current > self._aborted:
                self.abort.clear()
        return request

    def end(self) -> None:
        """Behave as if the program were gone."""
        with self._lock:
            self._ended = True
            self.abort.set()
        self._requests.put(None)

    def _read(self) -> None:
        with contextlib.suppress(EOFError, OSError, ValueError):
            while True:
                message = self._link.receive()
                if message["operation"] == "abort":
                    self._abort(message["id"])
                else:
                    self._requests.put(message)
        self.end()

    def _abort(self, request_id: int) -> None:
        """Break off a request, whether it runs or waits; one that is over stays as it is."""
        with self._lock:
            self._aborted = request_id
            if self._current <= request_id:
                self.abort.set()


def _backend(vendor: str) -> object:
    """The vendor's library behind the common face."""
    if vendor == "uhd":
        from uhd_backend import UhdBackend

        return UhdBackend()
    from soapy_backend import SoapyBackend

    return SoapyBackend()


def _hello(link: MessageLink, vendor: str) -> object:
    """Load the library and say what was found, or what is missing."""
    hello = {"protocol": PROTOCOL_VERSION, "vendor": vendor, "python": sys.executable, "pid": os.getpid()}
    try:
        import numpy as np

        hello["numpy"] = np.__version__
        backend = _backend(vendor)
    except ImportError as error:
        link.send({**hello, "missing": str(error)})
        raise SystemExit(0) from None
    link.send({**hello, "vendor_version": backend.version()})
    return backend


def main() -> None:
    """Serve until the program is gone; leave with the transmitter muted."""
    vendor, *numbers = sys.argv[1:]
    control, receive, transmit, *areas = (int(number) for number in numbers)
    link = MessageLink(socket.socket(fileno=control))
    backend = _hello(link, vendor)

    from operations import Operations

    inbox = Inbox(link)
    signal.signal(signal.SIGTERM, lambda *_: inbox.end())

    def notify(text: str, kind: str, remaining_s: float) -> None:
        signal.setitimer(signal.ITIMER_REAL, remaining_s + _GRACE_S)
        link.send({"notice": text, "kind": kind, "remaining_s": remaining_s})

    links = socket.socket(fileno=receive), socket.socket(fileno=transmit)
    operations = Operations(backend, notify, inbox.abort, *links, areas)
    while (request := inbox.next()) is not None:
        signal.setitimer(signal.ITIMER_REAL, request["deadline_s"] + _GRACE_S)
        answer: dict = {"id": request["id"]}
        try:
            answer["result"] = operations.run(request["operation"], request["arguments"])
        except FaultError as fault:
            answer["fault"] = {"kind": fault.kind, "text": fault.text}
        except Exception as error:  # whatever it is, the program must hear of it
            traceback.print_exc()
            with contextlib.suppress(Exception):
                operations.run("mute", {})
            answer["fault"] = {"kind": "vendor", "text": f"{type(error).__name__}: {error}"}
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        with contextlib.suppress(OSError):
            link.send(answer)
    # The program closed its end, in order or not. What is left must not take longer than it may.
    signal.setitimer(signal.ITIMER_REAL, _LEAVE_S)
    with contextlib.suppress(Exception):
        operations.leave()
    # The device is released; what the interpreter and the library still tear down would only keep others waiting.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
