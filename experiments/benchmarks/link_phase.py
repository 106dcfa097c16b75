"""One run of the link: pictures in at one end and out at the other, for so long, and what became of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

import numpy as np

from sdr_gsc.errors import SettingsError
from sdr_gsc.metrics.distortion import psnr_db

from .link_account import Account, Passage, Tally
from .link_ends import Decoded, ReceivingEnd, SendingEnd
from .link_exchanges import exchange_stages
from .link_pipeline import Channel, run_pipeline, stage
from .link_radio import KeptRadio
from .link_stream import StreamLosses, stream_stage

__all__ = ["STAGES", "Ends", "Outcome", "Way", "run_phase"]

#: Stages by which latency is split; "waiting" is what of the total is spent in none of them.
STAGES = ("encode", "modulate", "air", "receive", "decode", "waiting", "total")
Way = Literal["exchange", "stream"]
_KEPT = 4


@dataclass(frozen=True, slots=True)
class Ends:
    """What a run needs beside the radio.

    Attributes:
        sending: the one end.
        receiving: the other.
        window: pictures that may be on their way at once; more wait before they are encoded.
    """

    sending: SendingEnd
    receiving: ReceivingEnd
    window: int = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave.

    Attributes:
        seconds: from the first picture offered to the last one delivered.
        tally: pictures and frames.
        times_s: for each of `STAGES`, of every decoded picture.
        psnr_db: of every decoded picture; infinite ones are left out.
        kept: sent and decoded picture of some of them.
        waited: most pictures that waited for each stage.
        losses: of streams.
        symbols: payload symbols of a picture.
    """

    seconds: float
    tally: Tally
    times_s: Mapping[str, list[float]]
    psnr_db: list[float]
    kept: list[tuple[np.ndarray, np.ndarray]]
    waited: Mapping[str, int]
    losses: StreamLosses
    symbols: int

    @property
    def pictures_per_s(self) -> float:
        """Decoded pictures per second."""
        return self.tally.arrived / self.seconds if self.seconds else 0.0


@dataclass(slots=True)
class _Collected:
    times_s: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in STAGES})
    psnr_db: list[float] = field(default_factory=list)
    kept: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    delivered: int = 0

    def add(self, sent: np.ndarray, decoded: np.ndarray, passage: Passage, total_s: float) -> None:
        self.delivered += 1
        for name, seconds in passage.times_s.items():
            self.times_s[name].append(seconds)
        self.times_s["total"].append(total_s)
        self.times_s["waiting"].append(max(0.0, total_s - sum(passage.times_s.values())))
        quality = psnr_db(sent, decoded)
        if np.isfinite(quality):
            self.psnr_db.append(quality)
        if len(self.kept) < _KEPT:
            self.kept.append((sent, decoded))


def run_phase(
    ends: Ends,
    radio: KeptRadio,
    *,
    way: Way,
    seconds: float,
    first_id: int = 0,
    pace_hz: float | None = None,
    most: int | None = None,
    on_time: Callable[[float], None] = lambda seconds: None,
) -> Outcome:
    """Let pictures pass.

    Args:
        ends: of the link.
        radio: between them; it stays open.
        way: a burst for each picture, or an endless stream.
        seconds: pictures are offered for so long.
        first_id: of the first picture, by which receptions of another run are told from this one's.
        pace_hz: pictures per second, as a camera gives them: each is born at its time, and waits if the link is behind.
            None offers the next one as soon as there is room.
        most: pictures in all; None for no end but that of the time.
        on_time: told of the seconds that have passed, with every delivered picture.

    Raises:
        SettingsError: a time or pace that is not positive.
        RadioError: what no other attempt would mend.
    """
    if not seconds > 0 or (pace_hz is not None and not pace_hz > 0):
        raise SettingsError(f"{seconds} s at {pace_hz} pictures per second; both must be positive")
    account, collected, losses = Account(first_id, 2 * ends.window), _Collected(), StreamLosses()
    window: Channel[None] = Channel(ends.window)
    symbols: list[int] = []
    began = time.perf_counter()

    def offer(inbox: Channel[Passage]) -> None:
        for number in count() if most is None else range(most):
            due = began if pace_hz is None else began + number / pace_hz
            if due >= began + seconds or time.perf_counter() >= began + seconds:
                return
            if pace_hz is not None:
                inbox.wait_until_stopped(due - time.perf_counter())
            window.put(None)
            passage = account.offer()
            # Without a pace a picture is taken when the encoder takes it.
            passage.born_s = None if pace_hz is None else due
            inbox.put(passage)

    def encode(passages: list[Passage]) -> list[object]:
        outgoing = [ends.sending.send(each) for each in passages]
        symbols[:] = [each.transmission.n_payload_symbols for each in outgoing]
        return list(outgoing)

    def deliver(decoded: Decoded) -> None:
        # A lost one may come late, and is then delivered a second time.
        if not decoded.passage.settled:
            decoded.passage.settled = True
            window.take(timeout_s=0.0)
        on_time(time.perf_counter() - began)
        if decoded.picture is not None:
            collected.add(ends.sending.picture(decoded.passage), decoded.picture, decoded.passage, decoded.total_s)

    receiver = ends.sending.bench.receiver
    air = (
        exchange_stages(radio, receiver, account)
        if way == "exchange"
        else [stream_stage(radio, receiver, account, losses)]
    )
    waited = run_pipeline(
        offer,
        [stage("encode", encode), *air, stage("decode", ends.receiving.decode, ends.receiving.batch)],
        deliver,
        capacity=max(2, ends.receiving.batch),
        further=[window],
    )
    elapsed = time.perf_counter() - began
    tally = account.close(collected.delivered)
    return Outcome(
        elapsed, tally, collected.times_s, collected.psnr_db, collected.kept, waited, losses, max(symbols, default=0)
    )
