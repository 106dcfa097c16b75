"""What can go wrong in the worker, as kinds that the program turns into its own errors."""

from __future__ import annotations

__all__ = ["FaultError"]


class FaultError(Exception):
    """Something went wrong in a way that has a name.

    Args:
        kind: "not_found", "busy", "bad_value", "unlocked", "timeout", "overflow", "underflow", "late", "lost"
            (packets went missing on the way to the radio), "disconnected", "aborted" or "vendor" (anything else
            that the library reports).
        text: what was found.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
