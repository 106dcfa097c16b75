"""Rows of a benchmark: a figure beside its anchor, its bound, and what it must reach."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

__all__ = ["Row", "row", "table_json"]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        metric: name.
        value: measured; NaN where that was tried and gave no figure, None where the anchor it relates to is missing.
        unit: of value, anchor, bound, target and aim.
        anchor: the same work done by another program in the same run; None where there is none.
        ratio: value over anchor; None without anchor, and for decibels, where it would say nothing.
        bound: theoretical limit, where there is one.
        target: what must be reached; None where nothing is demanded.
        aim: what is hoped for.
        met: whether the target is reached; None without target or without value.
    """

    metric: str
    value: float | None
    unit: str
    anchor: float | None
    ratio: float | None
    bound: float | None
    target: float | None
    aim: float | None
    met: bool | None


def row(
    metric: str,
    value: float | None,
    unit: str,
    *,
    anchor: float | None = None,
    bound: float | None = None,
    target: float | None = None,
    aim: float | None = None,
    better: Literal["higher", "lower"] = "higher",
    valid: bool = True,
) -> Row:
    """A row with its ratio and its verdict.

    Args:
        metric: name.
        value: measured.
        unit: of all figures.
        anchor: the same by another program.
        bound: theoretical limit.
        target: what must be reached.
        aim: what is hoped for.
        better: which side of the target is good.
        valid: False where the work measured was not done right: no speed reaches a target then.

    >>> row("speed", 6.0, "Msps", anchor=2.0, target=5.0).met
    True
    >>> row("speed", 6.0, "Msps", target=5.0, valid=False).met
    False
    """
    met = None
    if target is not None and value is not None:
        met = bool(valid and (value >= target if better == "higher" else value <= target))
    ratio = None if not anchor or value is None or unit == "dB" else value / anchor
    return Row(metric, _plain(value), unit, _plain(anchor), _plain(ratio), bound, target, aim, met)


def _plain(value: float | None) -> float | None:
    # NumPy's scalars say what they are in every repr.
    return None if value is None else float(value)


def table_json(environment: Mapping[str, object], rows: Sequence[Row]) -> dict[str, object]:
    """The form of ``bench --json``; what is not a finite number is null, for JSON has no other word."""
    return {"environment": dict(environment), "rows": [_finite(asdict(item)) for item in rows]}


def _finite(fields: dict[str, object]) -> dict[str, object]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in fields.items()
    }
