"""Rows of a benchmark: a figure beside its anchor, its bound, and what it must reach."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Literal

__all__ = ["Row", "interleaved_medians", "row", "table_json"]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        metric: name.
        value: measured.
        unit: of value, anchor, bound, target and aim.
        anchor: the same work done by another program in the same run; None where none is installed.
        ratio: value over anchor; None without anchor.
        bound: theoretical limit, where there is one.
        target: what must be reached; None where nothing is demanded.
        aim: what is hoped for.
        met: whether the target is reached; None without target.
    """

    metric: str
    value: float
    unit: str
    anchor: float | None
    ratio: float | None
    bound: float | None
    target: float | None
    aim: float | None
    met: bool | None


def row(
    metric: str,
    value: float,
    unit: str,
    *,
    anchor: float | None = None,
    bound: float | None = None,
    target: float | None = None,
    aim: float | None = None,
    better: Literal["higher", "lower"] = "higher",
) -> Row:
    """A row with its ratio and its verdict.

    >>> row("speed", 6.0, "Msps", anchor=2.0, target=5.0).met
    True
    """
    met = None
    if target is not None:
        met = value >= target if better == "higher" else value <= target
    return Row(metric, value, unit, anchor, None if not anchor else value / anchor, bound, target, aim, met)


def interleaved_medians(
    works: Mapping[str, Callable[[], object]],
    repetitions: int,
    on_step: Callable[[int, int], None] = lambda done, count: None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median seconds of each work.

    Each is run once unmeasured (caches, compilation), then all take turns, so that a machine that gets slower or
    busier does so for all of them.

    Args:
        works: by name.
        repetitions: of each.
        on_step: told of finished rounds.
        clock: what counts: wall-clock seconds, or `time.process_time` for those of one core.
    """
    for work in works.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for count in range(repetitions):
        for name, work in works.items():
            began = clock()
            work()
            seconds[name].append(clock() - began)
        on_step(count + 1, repetitions)
    return {name: median(found) for name, found in seconds.items()}


def table_json(environment: Mapping[str, object], rows: Sequence[Row]) -> dict[str, object]:
    """The form of ``bench --json``."""
    return {"environment": dict(environment), "rows": [asdict(item) for item in rows]}
