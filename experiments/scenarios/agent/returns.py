"""Returns by method and cell: means over episodes with their 95 % bands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sdr_gsc.plot.curves import Curve

from ...benchmarks.bootstrap import mean_band
from ...campaign.study import Line
from .planning import PAIR, SINGLE

__all__ = ["Band", "curves_over", "differences", "returns_of", "select", "shared_by", "shortfalls", "summary"]

_DRAW_SEED = 0


@dataclass(frozen=True, slots=True)
class Band:
    """A mean over episodes.

    Attributes:
        mean: of the episodes.
        low: lower end of the 95 % interval by bootstrap over episodes.
        high: upper end.
        count: episodes.
    """

    mean: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Band:
        """Of one value per episode; NaN without any."""
        mean, low, high = mean_band({str(i): [value] for i, value in enumerate(values)}, seed=_DRAW_SEED)
        return cls(mean, low, high, len(values))


def select(trials: Iterable[Line], study: str, **wanted: object) -> list[Line]:
    """Finished trials of one study whose planned values are those wanted."""
    return [
        trial
        for trial in trials
        if trial["values"]["study"] == study and all(trial["values"][key] == value for key, value in wanted.items())
    ]


def returns_of(trials: Iterable[Line]) -> dict[str, list[float]]:
    """Returns by method, one per trial; methods that did not fit the symbols are left out."""
    found: dict[str, list[float]] = defaultdict(list)
    for trial in trials:
        for name, method in trial["methods"].items():
            if method is not None:
                found[name].append(method["return"])
    return dict(found)


def shared_by(trials: Iterable[Line], figure: str) -> dict[str, list[float]]:
    """``"sum"`` or ``"worse"`` of two agents' returns by the way to share, one per trial."""
    found: dict[str, list[float]] = defaultdict(list)
    for trial in trials:
        for name, shared in trial["sharing"].items():
            found[name].append(shared[figure])
    return dict(found)


def curves_over(
    trials: Sequence[Line], axis: str, values_of: Callable[[Sequence[Line]], Mapping[str, list[float]]]
) -> dict[str, Curve]:
    """Curves of means over one planned value, with bands where there are several episodes."""
    places = sorted({trial["values"][axis] for trial in trials})
    found: dict[str, dict[float, Band]] = defaultdict(dict)
    for place in places:
        for name, values in values_of([trial for trial in trials if trial["values"][axis] == place]).items():
            found[name][float(place)] = Band.of(values)
    curves = {}
    for name, bands in found.items():
        several = any(band.count > 1 for band in bands.values())
        x, mean = np.array(list(bands)), np.array([band.mean for band in bands.values()])
        low = np.array([band.low for band in bands.values()]) if several else None
        high = np.array([band.high for band in bands.values()]) if several else None
        curves[name] = Curve(x, mean, low, high)
    return curves


def differences(trials: Iterable[Line], method: str, other: str) -> list[float]:
    """Return of a method less that of another in the same episode, which begins alike and meets the same draws."""
    found = []
    for trial in trials:
        first, second = trial["methods"].get(method), trial["methods"].get(other)
        if first is not None and second is not None:
            found.append(first["return"] - second["return"])
    return found


def summary(trials: Sequence[Line]) -> Line:
    """Mean return by cell and method, and by cell and way to share, with the ends of its band."""
    cells: dict[str, list[Line]] = defaultdict(list)
    for trial in trials:
        cells[trial["cell"]].append(trial)
    single: dict[str, Line] = {}
    pair: dict[str, Line] = {}
    for name, found in cells.items():
        if found[0]["values"]["study"] == PAIR:
            pair[name] = {
                figure: {way: _json(values) for way, values in shared_by(found, figure).items()}
                for figure in ("sum", "worse")
            }
        else:
            single[name] = {method: _json(values) for method, values in returns_of(found).items()}
    return {"returns": single, "sharing": pair}


def _json(values: Sequence[float]) -> Line:
    band = Band.of(values)
    return {"mean": band.mean, "low": band.low, "high": band.high, "episodes": band.count}


def shortfalls(trials: Sequence[Line]) -> list[str]:
    """Controllers that are no better than none: the expert anywhere, the policy where the link is best."""
    found = []
    by_method = returns_of(select(trials, SINGLE))
    if {"expert", "random"} <= set(by_method):
        expert, random = Band.of(by_method["expert"]), Band.of(by_method["random"])
        if expert.mean <= random.mean:
            found.append(f"the expert's mean return {expert.mean:.0f} is no better than {random.mean:.0f} at random")
    levels = [trial["values"]["esn0_db"] for trial in select(trials, SINGLE)]
    known = [level for level in levels if level is not None]
    best = select(trials, SINGLE, esn0_db=max(known)) if known else select(trials, SINGLE)
    by_method = returns_of(best)
    if {"policy", "random"} <= set(by_method):
        policy, random = Band.of(by_method["policy"]), Band.of(by_method["random"])
        if policy.mean <= random.mean:
            found.append(
                f"the policy's mean return {policy.mean:.0f} on the best link is no better than {random.mean:.0f} "
                "at random"
            )
    return found
