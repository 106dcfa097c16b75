"""From the worker's kinds of faults to the errors of the contract."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import (
    BadValueError,
    DisconnectedError,
    LateBurstError,
    RadioBusyError,
    RadioError,
    RadioNotFoundError,
    RadioTimeoutError,
    SampleOverflowError,
    SampleUnderflowError,
    UnlockedError,
)

__all__ = ["WorkerFaultError", "error_from"]

_KINDS: Mapping[str, type[RadioError]] = {
    "not_found": RadioNotFoundError,
    "busy": RadioBusyError,
    "bad_value": BadValueError,
    "unlocked": UnlockedError,
    "timeout": RadioTimeoutError,
    "overflow": SampleOverflowError,
    "underflow": SampleUnderflowError,
    "late": LateBurstError,
    "lost": SampleOverflowError,
    "disconnected": DisconnectedError,
    "aborted": RadioBusyError,
    "vendor": RadioError,
}
_REMEDIES: Mapping[str, str] = {
    "lost": "packets were dropped on the way: check the network, its MTU and its buffers, or lower the sample rate",
    "aborted": "it was muted meanwhile; start again",
    "vendor": "this is the library's own message; look it up in the vendor's manual",
    "disconnected": "check the radio's power and cable, then open it again",
}


class WorkerFaultError(Exception):
    """What the worker said; the cause of the error that the user gets.

    Args:
        kind: see `hardware/worker/faults.py`.
        text: what was found.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        self.text = text


def error_from(fault: WorkerFaultError, doing: str) -> RadioError:
    """The error of the contract for what the worker said, with its cause set.

    Args:
        fault: from the worker.
        doing: the request, for the message.
    """
    error = _KINDS.get(fault.kind, RadioError)(f"{doing}: {fault.text}", _REMEDIES.get(fault.kind))
    error.__cause__ = fault
    return error
