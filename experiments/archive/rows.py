"""Trials as flat rows: one for each decoder of each trial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..campaign.lines import leaves
from ..campaign.study import Line

__all__ = ["axes_of", "flat_rows"]


def flat_rows(trials: Iterable[Line]) -> list[dict[str, Any]]:
    """Rows that all have the same columns, None where a trial has no such figure.

    Nested names are joined by dots. A trial with decoders gives a row for each, with its name under ``decoder`` and its
    figures without the prefix; what the plan chose keeps the prefix ``values.``.
    """
    rows = [row for trial in trials for row in _rows_of(trial)]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in columns} for row in rows]


def _rows_of(trial: Line) -> list[dict[str, Any]]:
    common = dict(leaves({key: part for key, part in trial.items() if key != "decoders"}))
    decoders = trial.get("decoders")
    if not isinstance(decoders, Mapping) or not decoders:
        return [common]
    return [{**common, "decoder": name, **dict(leaves(figures))} for name, figures in decoders.items()]


def axes_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Columns that say which trial and decoder a row is of."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [name for name in names if name.startswith("values.")] + [name for name in names if name == "decoder"]
