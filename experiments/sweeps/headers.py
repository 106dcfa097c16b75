"""Did the frames arrive as they were sent, and none that nobody sent?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdr_gsc.phy.framing import FrameHeader
from sdr_gsc.phy.receiver import Receiver

from ..procedures.transmission import Transmitted
from .settings import ExpectSettings

__all__ = ["HeaderCount", "count_headers", "header_totals", "shortfalls"]


@dataclass(frozen=True, slots=True)
class HeaderCount:
    """Headers of one transmission.

    Attributes:
        sent: frames on the air.
        right: of these, headers that arrived as they were sent.
        wrong: headers that were accepted although nobody sent them, and repetitions of one that was sent once.
    """

    sent: int
    right: int
    wrong: int


def count_headers(transmitted: Transmitted, receiver: Receiver) -> HeaderCount:
    """Compare every accepted header, whole, with those that were sent."""
    descriptor = transmitted.prepared.descriptor
    packed, n_frames = descriptor.pack(), transmitted.prepared.transmission.n_frames
    accepted = [frame.header for frame in receiver.receive(transmitted.capture).frames if frame.header is not None]
    right = Counter(header.sequence for header in accepted if _is_right(header, packed, transmitted))
    distinct = sum(1 for sequence in right if sequence < n_frames)
    return HeaderCount(n_frames, distinct, len(accepted) - distinct)


def _is_right(header: FrameHeader, descriptor: bytes, transmitted: Transmitted) -> bool:
    sent = transmitted.prepared.descriptor
    if header.descriptor != descriptor:
        return False
    if sent.n_bytes:
        return header.mcs == sent.mcs
    return header.mcs is None and header.n_symbols == -(-sent.n_symbols // sent.n_frames)


def shortfalls(trials: Sequence[Mapping[str, Any]], expect: ExpectSettings | None) -> list[str]:
    """What the measurement fails to show, one sentence each."""
    if expect is None:
        return []
    sent, right, wrong = header_totals(trials)
    found = []
    if sent and right / sent < expect.header_rate:
        found.append(f"{right} of {sent} headers arrived right ({right / sent:.2%}); needed {expect.header_rate:.2%}")
    if expect.wrong_headers is not None and wrong > expect.wrong_headers:
        found.append(f"{wrong} headers were accepted that nobody sent; allowed are {expect.wrong_headers}")
    return found


def header_totals(trials: Sequence[Mapping[str, Any]]) -> tuple[int, int, int]:
    """Headers sent, of these right, and accepted ones that nobody sent."""
    totals = {"sent": 0, "right": 0, "wrong": 0}
    for trial in trials:
        headers = trial.get("headers")
        if isinstance(headers, dict):
            for key in totals:
                totals[key] += int(headers[key])
    return totals["sent"], totals["right"], totals["wrong"]
