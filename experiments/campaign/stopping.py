"""When a cell of the plan has been repeated often enough."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from scipy.special import stdtrit

from .lines import leaves
from .settings import StopSettings

__all__ = ["StopCount", "figure_at", "half_width", "unknown_metric"]


def figure_at(line: Mapping[str, Any], path: str) -> float | None:
    """A number in a trial's line by its path of keys, such as ``decoders.mmse.psnr_db``; None where there is none."""
    found: Any = line
    rest = path
    while rest and isinstance(found, Mapping):
        # Keys may hold dots themselves: the longest that fits is taken.
        key = next((rest[:end] for end in _ends(rest) if rest[:end] in found), None)
        if key is None:
            return None
        found, rest = found[key], rest[len(key) + 1 :]
    return float(found) if isinstance(found, int | float) and not rest else None


def _ends(path: str) -> list[int]:
    return [len(path)] + [index for index in range(len(path) - 1, 0, -1) if path[index] == "."]


def half_width(values: Sequence[float]) -> float:
    """Half the 95 % confidence interval of the mean, t·s/√n (Student); infinite for fewer than two values.

    >>> round(half_width([1.0, 2.0, 3.0, 4.0]), 4)
    2.0543
    """
    n = len(values)
    if n < 2:
        return math.inf
    mean = math.fsum(values) / n
    return _half_width(math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1)), n)


def _half_width(deviation: float, n: int) -> float:
    return float(stdtrit(n - 1, 0.975)) * deviation / math.sqrt(n)


def unknown_metric(rule: StopSettings, lines: Sequence[Mapping[str, Any]]) -> str | None:
    """A sentence where no trial has the rule's figure, so that it can never have stopped anything; else None."""
    if rule.metric is None or not lines or any(figure_at(line, rule.metric) is not None for line in lines):
        return None
    names = [name for name, value in leaves(lines[-1]) if isinstance(value, int | float)]
    near = difflib.get_close_matches(rule.metric, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; needed one such as {', '.join(names[:8])}"
    return f"no trial has a figure stop.metric = {rule.metric!r}, which therefore stopped nothing{hint}"


class StopCount:
    """What a stop rule has to know of a cell's finished trials; it takes the same room whatever their number.

    The sums are exact, so that it does not matter in which order the trials are added.

    Args:
        rule: what is enough.
    """

    def __init__(self, rule: StopSettings) -> None:
        self._rule = rule
        self._lines = 0
        self._lost = 0
        self._known = 0
        self._sum = Fraction()
        self._sum_of_squares = Fraction()

    def add(self, line: Mapping[str, Any]) -> None:
        """Count a finished trial."""
        self._lines += 1
        self._lost += line.get("received") is False
        value = None if self._rule.metric is None else figure_at(line, self._rule.metric)
        if value is not None:
            exact = Fraction(value)
            self._known += 1
            self._sum += exact
            self._sum_of_squares += exact * exact

    def is_enough(self) -> bool:
        """Whether the cell is done after these trials."""
        rule = self._rule
        if self._lines < rule.at_least:
            return False
        if rule.errors is not None and self._lost >= rule.errors:
            return True
        # Where the figure is missing, such as that of a lost picture, its mean is not known however often it was there.
        if rule.half_width is None or self._known < self._lines:
            return False
        variance = (self._sum_of_squares - self._sum**2 / self._known) / (self._known - 1)
        return _half_width(math.sqrt(variance), self._known) <= rule.half_width
