"""What the error numbers of libiio mean for the user of a radio."""

from __future__ import annotations

import errno

from .errors import (
    BadValueError,
    DisconnectedError,
    RadioBusyError,
    RadioError,
    RadioNotFoundError,
    RadioTimeoutError,
)

__all__ = ["BROKEN", "opening_error", "request_error"]

#: The connection is gone, or the device took too long: libiio tells these two apart as little as errno does.
BROKEN = frozenset(
    {
        errno.EPIPE,
        errno.EBADF,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.ENOTCONN,
        errno.ESHUTDOWN,
    }
)
_UNPLUGGED = frozenset({errno.ENODEV, errno.ENXIO})
_REFUSED = frozenset(
    {errno.EACCES, errno.EDOM, errno.EINVAL, errno.ENOENT, errno.EOPNOTSUPP, errno.EPERM, errno.ERANGE, errno.ENOSYS}
)
_NO_MEMORY = frozenset({errno.ENOMEM, errno.EFBIG, errno.E2BIG})


def request_error(error: OSError, doing: str) -> RadioError:
    """The typed error for a request that an opened radio answered.

    Args:
        error: as libiio raised it; not one of `BROKEN`.
        doing: the request, for the message: "setting the gain".
    """
    number, text = error.errno, f"{doing} failed: {error.strerror}"
    if number == errno.ETIMEDOUT:
        return RadioTimeoutError(text)
    if number == errno.EBUSY:
        return RadioBusyError(text)
    if number in _UNPLUGGED:
        return DisconnectedError(text, "plug the radio in and open it again")
    if number in _REFUSED:
        return BadValueError(text)
    if number in _NO_MEMORY:
        return BadValueError(text, "use shorter bursts or blocks, the radio has no memory for such long ones")
    return DisconnectedError(text)


def opening_error(error: OSError, address: str) -> RadioError:
    """The typed error for a radio that could not be opened.

    Args:
        error: as the connection or libiio raised it.
        address: of the radio.
    """
    number = error.errno
    if number == errno.EBUSY:
        return RadioBusyError(f"{address} is in use")
    if number in (errno.EACCES, errno.EPERM):
        return RadioNotFoundError(
            f"this user may not open {address}", "add the udev rule of docs/bring-up.md, or use the radio's ip: address"
        )
    if number == errno.EINVAL:
        return RadioNotFoundError(
            f"what answers at {address} does not describe itself as a radio",
            "check the address and its port; restart the radio if it is the right one",
        )
    if number in (errno.ECONNRESET, errno.EPIPE):
        return RadioNotFoundError(
            f"{address} closed the connection at once", "check the address and its port; restart the radio"
        )
    if isinstance(error, TimeoutError) or number == errno.ETIMEDOUT:
        return RadioTimeoutError(f"{address} does not answer", "check the cable and the address; restart the radio")
    return RadioNotFoundError(f"no radio at {address}: {error.strerror or error}")
