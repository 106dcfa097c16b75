"""A connection to an IIO device that is always taken down in order: buffers first, then the context.

pylibiio's objects talk to the device when they are destroyed. Left to the garbage collector, a buffer may outlive its
context, and the interpreter crashes. So this module owns both, and destroys them by hand on every path.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .device_claim import DeviceClaim
from .errors import DisconnectedError, DriverMissingError, RadioError, RadioNotFoundError, RadioTimeoutError
from .iio_errors import BROKEN, opening_error, request_error
from .signals import EndingSignals

__all__ = ["IioLink", "vendor_modules"]

_PORT = 30431
# Attributes that make the chip calibrate itself take the longest, some tenths of a second.
_TIMEOUT_S = 1.5
_PROBE_TIMEOUT_S = 0.5
_OPEN_TIMEOUT_S = 2.0


def vendor_modules() -> tuple[Any, Any]:
    """Import pyadi-iio and pylibiio.

    Returns:
        The modules adi and iio.

    Raises:
        DriverMissingError: names the command that installs what is missing.
    """
    try:
        import iio
    except ModuleNotFoundError as error:
        raise DriverMissingError(
            "pylibiio is not installed", "install it: pip install 'pyadi-iio>=0.0.21' 'pylibiio>=0.25,<1'"
        ) from error
    except (OSError, ImportError, AttributeError, TypeError) as error:
        # The binding loads the C library when it is imported, and fails in various ways without it.
        raise DriverMissingError(
            f"pylibiio cannot load the C library libiio 0.x ({error})",
            "install it: apt install libiio0, and: pip install 'pylibiio>=0.25,<1'",
        ) from error
    if iio.version[0] != 0:
        raise DriverMissingError(
            f"libiio is version {iio.version[0]}.{iio.version[1]}; needed 0.x, because cyclic transmission with "
            "libiio 1.x sends only a part of the burst",
            "install it: apt install libiio0, and: pip install 'pylibiio>=0.25,<1'",
        )
    try:
        import adi
    except ImportError as error:
        raise DriverMissingError(
            f"pyadi-iio cannot be imported ({error})", "install it: pip install 'pyadi-iio>=0.0.21'"
        ) from error
    return adi, iio


class IioLink:
    """An open context and its buffers.

    Args:
        iio: pylibiio's module.
        address: as libiio takes it: ``ip:192.168.2.1``, ``ip:127.0.0.1:PORT``, ``usb:1.2.5``.

    Attributes:
        context: the `iio.Context`, for as long as the link is open.
        gone: the device does not answer, or the connection broke; nothing more can be asked.
        answers_anew: it is gone, and answered a new connection right afterwards.

    Raises:
        RadioNotFoundError, RadioBusyError, RadioTimeoutError: nothing that can be used answers.
    """

    def __init__(self, iio: Any, address: str) -> None:  # noqa: ANN401 - the vendor's module
        self.iio = iio
        self.address = address
        self.gone = self.answers_anew = False
        self._buffers: list[Any] = []
        self._claim: DeviceClaim | None = None
        try:
            # libiio itself would wait 5 s and more for a host that is silent.
            answers(address, _OPEN_TIMEOUT_S)
            self.context = iio.Context(address)
        except OSError as error:
            raise opening_error(error, address) from error
        except UnicodeEncodeError as error:
            raise RadioNotFoundError(f"{address!r} is no address") from error
        self._timeout_s = 0.0
        with self.asking("opening the connection"):
            self._set_timeout(_TIMEOUT_S)

    @property
    def serial(self) -> str:
        """Number of the device; empty where it has none."""
        return str(self.context.attrs.get("hw_serial", ""))

    def claim(self) -> None:
        """Keep all others of this computer away from the device, for as long as the link is of use.

        Raises:
            RadioBusyError: somebody else uses it.
        """
        self._claim = DeviceClaim(self.serial or self.address)

    def _unclaim(self) -> None:
        claim, self._claim = self._claim, None
        if claim is not None:
            claim.release()

    def _set_timeout(self, seconds: float) -> None:
        """Longest wait for an answer; the server gives a buffer half of it, so that the client hears of it."""
        if seconds != self._timeout_s:
            self._timeout_s = 0.0
            self.context.set_timeout(round(seconds * 1000))
            self._timeout_s = seconds

    @contextmanager
    def asking(self, doing: str) -> Iterator[None]:
        """Turn libiio's errors inside the block into typed ones.

        Args:
            doing: what is asked for, for messages: "setting the gain".

        Raises:
            RadioError: of the kind that fits.
        """
        if self.gone:
            raise DisconnectedError(f"{doing} failed: the connection to {self.address} is gone")
        try:
            yield
        except OSError as error:
            raise self._typed(error, doing) from error

    def _typed(self, error: OSError, doing: str) -> RadioError:
        if error.errno not in BROKEN:
            return request_error(error, doing)
        # A broken pipe is what libiio reports for a slow device too. Whoever still answers was only slow.
        if self._control_answers():
            return RadioTimeoutError(f"{doing} took too long")
        self.gone = True
        self._unclaim()  # it has to be opened again, by whomever
        try:
            answers(self.address, _PROBE_TIMEOUT_S)
        except OSError:
            return DisconnectedError(f"{doing} failed: {self.address} does not answer any more")
        self.answers_anew = True
        return DisconnectedError(f"{doing} failed: the connection to {self.address} broke")

    def _control_answers(self) -> bool:
        try:
            self._set_timeout(_PROBE_TIMEOUT_S)
            phy = self.context.find_device("ad9361-phy")
            answered = bool(phy.attrs["ensm_mode"].value)
            # The buffer, which may have wanted longer, has failed and will be closed.
            self._set_timeout(_TIMEOUT_S)
        except OSError:
            return False
        return answered

    def make_buffer(self, device: Any, n_samples: int, *, cyclic: bool, timeout_s: float) -> Any:  # noqa: ANN401
        """Open a buffer of a device; end it with `drop_buffer`.

        Args:
            device: `iio.Device` with its channels enabled.
            n_samples: length of a block.
            cyclic: repeat the first block.
            timeout_s: longest wait for a block; at least what requests are given anyway.

        Returns:
            The `iio.Buffer`.

        Raises:
            OSError: as libiio has it.
        """
        # The server has one time for all, so a long one stays until the next buffer is made.
        self._set_timeout(max(_TIMEOUT_S, 2 * timeout_s))
        buffer = self.iio.Buffer(device, n_samples, cyclic)
        self._buffers.append(buffer)
        return buffer

    def drop_buffer(self, buffer: Any, *, at_once: bool = False) -> None:  # noqa: ANN401 - the vendor's object
        """Destroy a buffer; a second call does nothing.

        Args:
            buffer: from `make_buffer`.
            at_once: do not wait for the device to agree.
        """
        with EndingSignals().held_back():
            if buffer not in self._buffers:
                return
            # Out of the list only when it is destroyed: the context must never go first.
            if at_once or self.gone:
                buffer.cancel()
            _destroy(buffer, "_buffer")
            self._buffers.remove(buffer)

    def close(self) -> None:
        """Destroy all buffers and then the context; a second call does nothing. Nothing can be asked afterwards."""
        while self._buffers:
            self.drop_buffer(self._buffers[-1])
        _destroy(self.context, "_context")
        # Whoever still holds a device or channel of the context must not use it.
        self.gone = True
        self._unclaim()


def _destroy(owner: Any, handle: str) -> None:  # noqa: ANN401 - the vendor's object
    """Destroy a buffer or context of pylibiio; a second call does nothing.

    An interruption between the end and the note of it would let its own finalizer end it once more, and crash.
    """
    with EndingSignals().held_back():
        if getattr(owner, handle) is not None:
            try:
                owner.__del__()
            finally:
                setattr(owner, handle, None)


def answers(address: str, timeout_s: float) -> None:
    """Ask an IIO server at a network address for its version; other kinds of address are taken to answer.

    Raises:
        OSError: it does not, or not in time.
    """
    kind, _, rest = address.partition(":")
    if kind != "ip" or not rest:
        return
    host, port = _host_and_port(rest)
    with contextlib.closing(socket.create_connection((host, port), timeout_s)) as connection:
        connection.settimeout(timeout_s)
        connection.sendall(b"VERSION\r\n")
        if not connection.recv(64):
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        connection.sendall(b"EXIT\r\n")


def _host_and_port(rest: str) -> tuple[str, int]:
    if rest.startswith("["):
        host, _, tail = rest[1:].partition("]")
        port = tail.removeprefix(":")
    elif rest.count(":") == 1:
        host, _, port = rest.partition(":")
    else:
        host, port = rest, ""
    return host, int(port) if port.isdecimal() else _PORT
