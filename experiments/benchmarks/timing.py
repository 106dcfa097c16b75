"""Medians of works that take turns, so that a machine that gets slower or busier does so for all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from .curves import OnStep

__all__ = ["Measure", "interleaved", "interleaved_medians", "rounds", "timed"]

#: Does one or more works once; their names and seconds.
Measure = Callable[[], Mapping[str, float]]


def rounds(effort: float, most: int) -> int:
    """Rounds at an effort: `most` at 1, at least one."""
    return max(1, round(most * effort))


def timed(name: str, work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> Measure:
    """A measure of one work by a clock; `time.process_time` leaves out what else runs on the machine."""

    def measure() -> dict[str, float]:
        began = clock()
        work()
        return {name: clock() - began}

    return measure


def interleaved(
    measures: Sequence[Measure], repetitions: int, on_step: OnStep = lambda done, count: None
) -> dict[str, float]:
    """Median seconds of each work.

    Each measure is taken once for nothing (caches, compilation), then all take turns.

    Args:
        measures: in their order of turns.
        repetitions: of each.
        on_step: told of finished rounds; the one for nothing counts.
    """
    seconds: dict[str, list[float]] = {}
    for count in range(repetitions + 1):
        for measure in measures:
            found = measure()
            for name, value in found.items():
                seconds.setdefault(name, []).append(value)
        if count == 0:
            seconds = {}
        on_step(count + 1, repetitions + 1)
    return {name: median(found) for name, found in seconds.items()}


def interleaved_medians(
    works: Mapping[str, Callable[[], object]],
    repetitions: int,
    on_step: OnStep = lambda done, count: None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """`interleaved` for works of this process, by one clock: wall-clock seconds unless told otherwise."""
    return interleaved([timed(name, work, clock) for name, work in works.items()], repetitions, on_step)
