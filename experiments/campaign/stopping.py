"""When a cell of the plan has been repeated often enough."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scipy.stats import t

from .settings import StopSettings

__all__ = ["figure_at", "half_width", "is_enough"]


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
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    return float(t.ppf(0.975, n - 1)) * deviation / math.sqrt(n)


def is_enough(lines: Sequence[Mapping[str, Any]], rule: StopSettings) -> bool:
    """Whether a cell is done after these repetitions.

    Args:
        lines: the cell's finished trials in the order of their repetition.
        rule: what is enough.
    """
    if len(lines) < rule.at_least:
        return False
    if rule.errors is not None and sum(line.get("received") is False for line in lines) >= rule.errors:
        return True
    if rule.metric is None or rule.half_width is None:
        return False
    values = [value for line in lines if (value := figure_at(line, rule.metric)) is not None]
    # Where the figure is missing, such as that of a lost picture, its mean is not known however often it was there.
    return len(values) == len(lines) and half_width(values) <= rule.half_width
