"""Hardware in the loop: pictures in at one end of a link over any radio, and out at the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

import numpy as np

from hardware.signals import EndingSignals
from sdr_gsc.metrics.perceptual import perceptual_distance
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.rate import rate_by_cbr

from ..procedures.photographs import PHOTOGRAPHS, find_picture
from ..procedures.transmission import Bench
from .link_account import PERCENTILES, percentiles
from .link_ends import ReceivingEnd, SendingEnd
from .link_phase import Ends, Outcome, Way, run_phase
from .link_plan import LinkPlan, opened_radio
from .link_radio import Faults, KeptRadio
from .link_rows import AIM_PICTURES_HZ, Aims, latency_rows, outcome_rows, soak_rows
from .link_soak import Residue
from .rows import Row, row

__all__ = ["LinkPlan", "bench_link"]

#: Share of the sustained rate at which a link is not always busy.
_PACE = 0.8
_CLOSED_SHARE, _CLOSED_LONGEST_S, _PACED_SHARE = 0.25, 8.0, 0.5
_WARMING_PICTURES, _WARMING_S = 3, 60.0
_ATTEMPTS, _SOAK_ATTEMPTS = 3, 12

OnPart = Callable[[str, int, int], None]


def bench_link(plan: LinkPlan, on_step: OnPart = lambda part, done, count: None) -> tuple[list[Row], dict[str, object]]:
    """Measure a link.

    Args:
        plan: what to measure.
        on_step: told of a run's name, the seconds that have passed, and how many there will be.

    Returns:
        The rows, and what belongs into the environment.

    Raises:
        SettingsError: see LinkPlan, `rate_by_cbr` and `open_decoder`.
        RadioError: the radio failed in a way that passes by no other attempt.
    """
    load = os.getloadavg()[0]
    bench = Bench.open(plan.weights, plan.device)
    seeds = TrialSeeds(plan.seed, "bench link")
    pictures = [find_picture(name, plan.side_px) for name in PHOTOGRAPHS]
    ends = Ends(
        SendingEnd(bench, pictures, rate_by_cbr(plan.cbr)),
        ReceivingEnd(bench, plan.decoder, seed=seeds.integer("decoder"), batch=plan.batch),
        window=max(8, 3 * plan.batch),
    )
    # Radios are used and opened again in threads, where signals cannot be heeded: they are here, for all of them.
    signals = EndingSignals()
    signals.turn_into_exceptions()
    try:
        with opened_radio(plan, seeds) as (address, opened):
            attempts = _ATTEMPTS if plan.soak_s is None else _SOAK_ATTEMPTS
            with KeptRadio(opened, attempts) as radio:
                rows, further = _Runs(plan, ends, radio, seeds, on_step).measure()
    finally:
        signals.restore()
    about = {
        "radio": f"emulated {plan.emulated}" if plan.emulated else address,
        "decoder": plan.decoder,
        "cbr": plan.cbr,
        "side_px": plan.side_px,
        "device": plan.device,
        "batch": plan.batch,
        "seed": plan.seed,
        "load": {"at the start": load, "at the end": os.getloadavg()[0]},
    }
    return rows, about | further


class _Runs:
    """The runs of one measurement, one after the other over one radio."""

    def __init__(self, plan: LinkPlan, ends: Ends, radio: KeptRadio, seeds: TrialSeeds, on_step: OnPart) -> None:
        self._plan, self._ends, self._radio, self._on_step = plan, ends, radio, on_step
        self._aims = Aims(plan.side_px, plan.device)
        self._next_id = seeds.integer("pictures") % 65536

    def measure(self) -> tuple[list[Row], dict[str, object]]:
        plan = self._plan
        longest = plan.seconds if plan.soak_s is None else min(plan.seconds, plan.soak_s)
        closed_s = min(_CLOSED_SHARE * longest, _CLOSED_LONGEST_S)
        self._run("warming up", "exchange", _WARMING_S, window=1, most=_WARMING_PICTURES)
        if plan.batch > 1:
            # Some batches of any size: a GPU prepares each when it first comes.
            self._run("warming up", "exchange", _WARMING_S, most=3 * plan.batch)
        closed = self._run("one at a time", "exchange", closed_s, window=1)
        way, reason = self._chosen(closed)
        if way == "stream" and plan.way == "auto":
            tried = self._run("trying a stream", way, closed_s)
            if tried.tally.lost or tried.losses.samples:
                way = "exchange"
                reason = f"{reason}, but a stream lost {tried.tally.lost} of {tried.tally.offered} pictures"
        if way == "stream":
            self._run("warming up", way, _WARMING_S, window=1, most=_WARMING_PICTURES)
            closed = self._run("one at a time", way, closed_s, window=1)
        rows = latency_rows("one at a time", closed, self._aims, demanded=False)
        rows += self._air_rows(closed)
        further: dict[str, object] = {"way": way, "why": reason}
        if plan.soak_s is not None:
            rows += self._soak(way, plan.soak_s, further)
            return rows, further
        fastest = self._run("sustained", way, plan.seconds)
        rows += outcome_rows("sustained", fastest, self._aims, self._distances(fastest), fastest=True)
        rows += latency_rows("sustained", fastest, self._aims, demanded=False)
        pace_hz = plan.pace_hz or min(AIM_PICTURES_HZ, _PACE * fastest.pictures_per_s)
        further |= {"slowest_stage": _slowest(fastest), "waited_at_most": dict(fastest.waited)}
        if pace_hz > 0:
            paced = self._run("paced", way, _PACED_SHARE * plan.seconds, pace_hz=pace_hz)
            rows.append(row("paced: pictures offered per second", pace_hz, "1/s"))
            rows += outcome_rows("paced", paced, self._aims, self._distances(paced), fastest=False)
            rows += latency_rows("paced", paced, self._aims, demanded=pace_hz >= AIM_PICTURES_HZ)
        return rows, further

    def _soak(self, way: Way, seconds: float, further: dict[str, object]) -> list[Row]:
        self._radio.faults = faults = Faults()
        before = Residue.now()
        soak = self._run("soak", way, seconds)
        after = Residue.now()
        further |= {
            "fault_rate": self._plan.fault_rate,
            "faults": dict(faults.kinds),
            "slowest_stage": _slowest(soak),
            "waited_at_most": dict(soak.waited),
        }
        return [
            *outcome_rows("soak", soak, self._aims, self._distances(soak), fastest=False),
            *soak_rows("soak", soak, faults, before, after),
            *latency_rows("soak", soak, self._aims, demanded=False),
        ]

    def _run(
        self,
        name: str,
        way: Way,
        seconds: float,
        *,
        window: int | None = None,
        pace_hz: float | None = None,
        most: int | None = None,
    ) -> Outcome:
        whole = max(1, round(seconds))

        def on_time(passed_s: float) -> None:
            if most is None:
                self._on_step(name, min(int(passed_s), whole), whole)

        self._on_step(name, 0, whole)
        ends = self._ends if window is None else replace(self._ends, window=window)
        outcome = run_phase(
            ends, self._radio, way=way, seconds=seconds, first_id=self._next_id, pace_hz=pace_hz, most=most,
            on_time=on_time,
        )  # fmt: skip
        self._next_id = (self._next_id + outcome.tally.offered) % 65536
        return outcome

    def _chosen(self, closed: Outcome) -> tuple[Way, str]:
        """How pictures cross the air from here on, and why."""
        plan = self._plan
        if plan.way == "exchange":
            return "exchange", "asked for"
        if plan.way == "stream":
            return "stream", "asked for"
        if plan.simulated:
            return "exchange", "a simulated channel is another one for each burst, and takes no time to start"
        if plan.soak_s is not None:
            return "exchange", "a burst that failed is sent again"
        typical = {name: median(values) for name, values in closed.times_s.items() if values}
        if not typical:
            return "exchange", "nothing was received to compare by"
        others = {name: typical[name] for name in ("encode", "receive", "decode")}
        slowest = max(others, key=lambda name: others[name])
        figures = f"an exchange takes {1e3 * typical['air']:.0f} ms, {slowest} {1e3 * others[slowest]:.0f} ms"
        if typical["air"] > others[slowest]:
            return "stream", f"{figures}: exchanges would be the slowest stage"
        return "exchange", f"{figures}: exchanges are not the slowest stage"

    def _air_rows(self, closed: Outcome) -> list[Row]:
        """Time on the air; where the air is simulated, the way of a picture without the simulation."""
        sending = self._ends.sending
        samples = sending.bench.transmitter.air_samples(closed.symbols) if closed.symbols else 0
        on_air_s = samples / self._radio.sample_rate_hz if samples else float("nan")
        rows = [row("time on the air", on_air_s, "s")]
        if self._plan.simulated:
            typical = percentiles(closed.times_s)
            work_s = sum(typical[name][PERCENTILES[0]] for name in ("encode", "modulate", "receive", "decode"))
            rows.append(row("latency: picture to picture, without the simulation", work_s + on_air_s, "s"))
        return rows

    def _distances(self, outcome: Outcome) -> Sequence[float]:
        return [perceptual_distance(sent, got, device=self._plan.device) for sent, got in outcome.kept]


def _slowest(outcome: Outcome) -> str:
    """The stage that took most of the time."""
    busy = {name: float(np.sum(values)) for name, values in outcome.times_s.items() if name not in ("waiting", "total")}
    return max(busy, key=lambda name: busy[name])
