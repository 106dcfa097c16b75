"""Two runs beside each other: the difference that settings, software or air made, trial by trial."""

from __future__ import annotations

import difflib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdr_gsc.errors import SettingsError

from ..campaign.lines import lasting, leaves
from ..campaign.run_directory import RunDirectory
from ..campaign.stopping import half_width
from .rows import flat_rows

__all__ = ["Comparison", "Difference", "compare_runs"]

#: Of a trial, and no result of it.
_NO_FIGURES = ("values.", "air.", "requested_", "repetition", "truth.", "if_lost.")
#: Keys of lines that tell over what something went, and not what came out.
_OF_THE_RADIO = ("radio", "failed_attempts")


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure at one point of the plan, in both runs.

    Attributes:
        point: what the plan chose, but for what is averaged over.
        metric: name of the figure.
        first: mean in the first run, over the trials that both have.
        second: mean in the second run.
        change: mean of second minus first, trial by trial.
        half_width: of the 95 % confidence interval of the change; infinite for a single trial.
        count: trials that both runs have.
    """

    point: str
    metric: str
    first: float
    second: float
    change: float
    half_width: float
    count: int

    @property
    def is_clear(self) -> bool:
        """Whether 0 is outside the interval."""
        return self.count > 1 and abs(self.change) > self.half_width

    def as_json(self) -> dict[str, Any]:
        """JSON has no infinities."""
        width = self.half_width if math.isfinite(self.half_width) else None
        return asdict(self) | {"half_width": width, "clear": self.is_clear}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs.

    Attributes:
        first: directory of one run.
        second: directory of the other.
        common: trials that both have.
        only_first: trials that only the first has.
        only_second: trials that only the second has.
        equal: trials that are the same in both, wall-clock figures aside.
        differences: of all figures that both have.
        settings: settings and packages that differ, by name: (first, second).
    """

    first: Path
    second: Path
    common: int
    only_first: int
    only_second: int
    equal: int
    differences: tuple[Difference, ...]
    settings: Mapping[str, tuple[Any, Any]]


def compare_runs(first: Path, second: Path, metrics: Sequence[str] | None = None) -> Comparison:
    """Pair the trials of two runs by their ids and average over pictures and repetitions.

    Args:
        first: a run directory.
        second: another one.
        metrics: figures to compare; None compares all that are numbers.

    Raises:
        SettingsError: the runs have no trial in common, or not the figures that are asked for.
    """
    runs = RunDirectory.open(first), RunDirectory.open(second)
    lines = [{str(line["trial"]): line for line in run.trials()} for run in runs]
    common = [name for name in lines[0] if name in lines[1]]
    if not common:
        raise SettingsError(
            f"{first} and {second} have no trial in common; runs of one plan have, whatever their "
            "weights, radios or software"
        )
    equal = sum(_result(lines[0][name]) == _result(lines[1][name]) for name in common)
    figures = [_figures(line[name] for name in common) for line in lines]
    known = dict.fromkeys(key[2] for key in figures[0] if key in figures[1])
    for name in metrics or ():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"needed some of {', '.join(known)}"
            raise SettingsError(f"the runs have no figures called {name} in common; {hint}")
    found = _differences(figures, metrics)
    return Comparison(
        first, second, len(common), len(lines[0]) - len(common), len(lines[1]) - len(common), equal, found,
        _differing(*runs),
    )  # fmt: skip


def _result(line: Mapping[str, Any]) -> dict[str, Any]:
    """What a trial found, whichever radio or recording it came from."""
    return {name: _without_radio(part) for name, part in lasting(line).items() if name not in _OF_THE_RADIO}


def _without_radio(value: Any) -> Any:  # noqa: ANN401 (any JSON)
    # Some kinds tell of several transmissions in one trial, each with its radio.
    if isinstance(value, Mapping):
        return {name: _without_radio(part) for name, part in value.items() if name not in _OF_THE_RADIO}
    return [_without_radio(part) for part in value] if isinstance(value, list) else value


_Key = tuple[str, str, str]


def _figures(lines: Iterable[dict[str, Any]]) -> dict[_Key, float]:
    """Numbers by point, trial and metric."""
    found: dict[_Key, float] = {}
    for row in flat_rows(lasting(line) for line in lines):
        point = _point(row)
        for name, value in row.items():
            if isinstance(value, int | float) and not name.startswith(_NO_FIGURES):
                found[point, f"{row['trial']} {row.get('decoder', '')}", name] = float(value)
    return found


def _point(row: Mapping[str, Any]) -> str:
    averaged = {"values.picture", "values.repetition", "values.seed"}
    chosen = [(name, value) for name, value in row.items() if name.startswith("values.") and name not in averaged]
    parts = [f"{_short(name)}{value}" for name, value in chosen]
    return ", ".join([*parts, *([str(row["decoder"])] if row.get("decoder") else [])])


def _short(name: str) -> str:
    return "" if name == "values.series" else f"{name.removeprefix('values.')} "


def _differences(found: list[dict[_Key, float]], metrics: Sequence[str] | None) -> tuple[Difference, ...]:
    pairs: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for key, value in found[0].items():
        if key in found[1] and (metrics is None or key[2] in metrics):
            pairs[key[0], key[2]].append((value, found[1][key]))
    return tuple(_difference(point, metric, values) for (point, metric), values in pairs.items())


def _difference(point: str, metric: str, pairs: Sequence[tuple[float, float]]) -> Difference:
    n = len(pairs)
    changes = [second - first for first, second in pairs]
    first, second = (math.fsum(pair[index] for pair in pairs) / n for index in (0, 1))
    return Difference(point, metric, first, second, math.fsum(changes) / n, half_width(changes), n)


def _differing(first: RunDirectory, second: RunDirectory) -> dict[str, tuple[Any, Any]]:
    """Settings and versions that are not the same."""
    both = []
    for run in (first, second):
        described = run.described()
        both.append(
            dict(leaves({"settings": run.settings().model_dump(mode="json", exclude_none=True)}))
            | dict(leaves({"packages": described.get("packages") or {}, "threads": described.get("threads") or {}}))
            | dict(leaves({"git": described.get("git") or {}}))
        )
    names = dict.fromkeys((*both[0], *both[1]))
    return {name: (both[0].get(name), both[1].get(name)) for name in names if both[0].get(name) != both[1].get(name)}
