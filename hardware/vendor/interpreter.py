"""The interpreter that workers run under, and what to say when it or its library is missing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DriverMissingError
from ..worker.framing import PROTOCOL_VERSION

__all__ = [
    "INTERPRETER_VARIABLE",
    "interpreter",
    "not_loading",
    "not_starting",
    "require_hello",
    "worker_command",
    "worker_environment",
]

#: Names another interpreter that has the vendor's library.
INTERPRETER_VARIABLE = "SDR_GSC_VENDOR_PYTHON"
_INTERPRETER = "/usr/bin/python3"
_PROGRAM = Path(__file__).parent.parent / "worker" / "serve.py"
_INSTALL = {
    "uhd": "apt install --no-install-recommends python3-uhd",
    "soapy": "apt install --no-install-recommends python3-soapysdr soapysdr0.8-module-uhd",
}
_LIBRARY = {"uhd": "libuhd", "soapy": "SoapySDR"}


def interpreter() -> str:
    """Path of the interpreter that workers run under."""
    return os.environ.get(INTERPRETER_VARIABLE) or _INTERPRETER


def worker_command(vendor: str, descriptors: Sequence[int]) -> list[str]:
    """Command that starts a worker.

    Args:
        vendor: "uhd" or "soapy".
        descriptors: that it inherits; see `hardware/worker/serve.py`.
    """
    # -E and -s: packages of this program's environment, or of the user, may bring a numpy that the distribution's
    # library crashes with.
    return [interpreter(), "-E", "-s", str(_PROGRAM), vendor, *map(str, descriptors)]


def worker_environment() -> dict[str, str]:
    """Environment of a worker: quiet libraries, and a home, without which libuhd finds no device and says no more."""
    home = {} if "HOME" in os.environ else {"HOME": tempfile.gettempdir()}
    return {**os.environ, **home, "UHD_LOG_CONSOLE_LEVEL": "error", "SOAPY_SDR_LOG_LEVEL": "ERROR"}


def not_starting(vendor: str, error: OSError) -> DriverMissingError:
    """The error for an interpreter that is none."""
    return DriverMissingError(
        f"{interpreter()} does not start ({error.strerror})",
        f"let {INTERPRETER_VARIABLE} name an interpreter that has {_LIBRARY[vendor]} ({_INSTALL[vendor]})",
    )


def not_loading(vendor: str, found: str) -> DriverMissingError:
    """The error for a library that does not load."""
    return DriverMissingError(
        f"the worker under {interpreter()} {found} while loading {_LIBRARY[vendor]}",
        f"install a library that fits that interpreter's numpy ({_INSTALL[vendor]}), "
        f"or let {INTERPRETER_VARIABLE} name another one",
    )


def require_hello(vendor: str, hello: Mapping[str, Any]) -> None:
    """Check what a worker says of itself.

    Raises:
        DriverMissingError: it has no library, or is of another version.
    """
    if hello.get("protocol") != PROTOCOL_VERSION:
        raise DriverMissingError(
            f"the worker speaks protocol {hello.get('protocol')}, this program {PROTOCOL_VERSION}",
            "reinstall sdr-gsc: its files are of different versions",
        )
    if "missing" in hello:
        raise DriverMissingError(
            f"{interpreter()} has no {_LIBRARY[vendor]} ({hello['missing']})",
            f"{_INSTALL[vendor]}, or let {INTERPRETER_VARIABLE} name an interpreter that has it",
        )
