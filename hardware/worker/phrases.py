"""From the texts of libraries' exceptions to kinds of faults: the texts are all there is to go by."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from faults import FaultError

__all__ = ["speaking"]

#: In order of precedence.
_PHRASES = (
    (r"no devices? found|host not found|make\(\) no match|resolve:", "not_found"),
    (r"already claimed|claim this device|device is claimed|usb_claim|busy", "busy"),
    (r"did not lock|not locked|unlocked|failed to lock|\bPLL\b", "unlocked"),
    (
        r"time(d )?-?out|connection|broken pipe|end of file|(recv|send) error|\bRPC client\b|bad file",
        "disconnected",
    ),
    (r"ValueError|out of range|invalid|IndexError|unknown (clock|time) source", "bad_value"),
)


@contextlib.contextmanager
def speaking(doing: str) -> Iterator[None]:
    """Turn a library's exceptions into faults; `doing` begins their text."""
    try:
        yield
    except (RuntimeError, ValueError, LookupError, TypeError) as error:
        text = " ".join(str(error).split())
        kind = next((kind for pattern, kind in _PHRASES if re.search(pattern, text, re.IGNORECASE)), "vendor")
        raise FaultError(kind, f"{doing}: {text}") from error
