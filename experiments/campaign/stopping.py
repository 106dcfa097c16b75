"""When a cell of the plan has been repeated often enough."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from scipy.special import stdtrit

from .settings import StopSettings

__all__ = ["StopCount", "figure_at", "half_width"]


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
    2.0542
    """
    n = len(values)
    if n < 2:
        return math.inf
    mean = math.fsum(values) / n
    return _half_width(math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1)), n)


def _half_width(deviation: float, n: int) -> float:
    return float(stdtrit(n - 1, 0.975)) * deviation / math.sqrt(n)


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
