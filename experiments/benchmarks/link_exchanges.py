"""The air by exchanges: every picture is a burst of its own, sent again when the radio fails."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sdr_gsc.capture import Capture
from sdr_gsc.link import gather
from sdr_gsc.phy.receiver import Receiver

from ..procedures.transmission import is_received
from .link_account import Account, Passage
from .link_ends import Heard, Outgoing
from .link_pipeline import Channel, Stage, stage
from .link_radio import KeptRadio

__all__ = ["exchange_stages"]


@dataclass(frozen=True, slots=True)
class _Burst:
    passage: Passage
    capture: Capture | None


def exchange_stages(radio: KeptRadio, receiver: Receiver, account: Account) -> list[Stage]:
    """The radio, and the receiver behind it.

    Args:
        radio: sends and listens.
        receiver: receives its captures.
        account: told of everything sent and received.
    """

    def air(inbox: Channel[Outgoing], outbox: Channel[_Burst]) -> None:
        while taken := inbox.take():
            passage, transmission = taken[0].passage, taken[0].transmission
            began = time.perf_counter()
            capture, passage.failures = radio.exchange(transmission.samples, inbox)
            passage.times_s["air"] = time.perf_counter() - began
            account.sent(passage, 0 if capture is None else transmission.n_frames)
            outbox.put(_Burst(passage, capture))

    def receive(bursts: list[_Burst]) -> list[Heard]:
        return [found for burst in bursts for found in _received(burst, receiver, account)]

    return [Stage("air", air), stage("receive", receive)]


def _received(burst: _Burst, receiver: Receiver, account: Account) -> list[Heard]:
    """What a burst brought: its picture, or another one, and the word that its own is lost."""
    if burst.capture is None:
        account.lose(burst.passage)
        return [Heard(burst.passage, None)]
    began = time.perf_counter()
    reception = gather(burst.capture, receiver)
    took = time.perf_counter() - began
    found: list[Heard] = []
    passage = None
    if reception.descriptor is not None and is_received(reception):
        passage = account.arrive(reception.descriptor.picture_id, sum(each.header_ok for each in reception.reports))
        if passage is not None:
            passage.times_s["receive"] = took
            found.append(Heard(passage, reception))
    if passage is not burst.passage:
        account.lose(burst.passage)
        found.append(Heard(burst.passage, None))
    return found
