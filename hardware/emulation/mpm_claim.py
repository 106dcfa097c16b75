"""The claim on a networked USRP: one host at a time, for as long as it renews it."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable

__all__ = ["CLAIM_TIMEOUT_S", "Claim"]

CLAIM_TIMEOUT_S = 3.0
"""A host that is silent for longer has lost its claim. libuhd renews it every second."""


class Claim:
    """Who may command the device.

    Args:
        on_free: called when the claim is released or lost.
        timeout_s: after which a claim that is not renewed is lost.
    """

    def __init__(self, on_free: Callable[[], None], timeout_s: float = CLAIM_TIMEOUT_S) -> None:
        self._on_free = on_free
        self._timeout_s = timeout_s
        self._token = ""
        self._renewed_s = 0.0
        self._lock = threading.Lock()

    @property
    def held(self) -> bool:
        """Whether a host holds it."""
        return bool(self._token)

    def take(self) -> str:
        """Claim the device; returns the token that later calls need.

        Raises:
            RuntimeError: it is taken.
        """
        with self._lock:
            if self._token:
                raise RuntimeError("Device is already claimed by another host")
            self._token, self._renewed_s = secrets.token_hex(16), time.monotonic()
            return self._token

    def check(self, token: object) -> None:
        """Refuse a call with another token, and take any other as a sign of life.

        Raises:
            RuntimeError: the token is not that of the claim.
        """
        with self._lock:
            if not self._token or token != self._token:
                raise RuntimeError("Device is not claimed by this host, or no longer: claim it first")
            self._renewed_s = time.monotonic()

    def release(self) -> None:
        """Give the device back."""
        with self._lock:
            held, self._token = bool(self._token), ""
        if held:
            self._on_free()

    def expire(self) -> None:
        """Release the device when its host is overdue."""
        with self._lock:
            overdue = bool(self._token) and time.monotonic() - self._renewed_s > self._timeout_s
        if overdue:
            self.release()
