"""What a measuring module hands back: figures in rows, and how they depend on something in curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .rows import Row

__all__ = ["Curve", "Measured", "OnStep", "Series", "joined"]

#: Told of finished steps and of all steps of a module.
OnStep = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a plot.

    Attributes:
        name: in the legend.
        x: abscissae, in the unit of the curve's x label.
        y: ordinates, in that of its y label; as many as abscissae. NaN leaves a gap.

    Raises:
        ValueError: lengths differ.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(f"{len(self.x)} abscissae and {len(self.y)} ordinates in {self.name!r}; needed as many")

    @classmethod
    def of(cls, name: str, x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> Series:
        """A series of anything that counts as numbers, NumPy arrays too."""
        return cls(name, tuple(float(value) for value in x), tuple(float(value) for value in y))


@dataclass(frozen=True, slots=True)
class Curve:
    """A plot: what was measured, and what bounds it.

    Attributes:
        name: title, and (in lower case with hyphens) the name of its picture; unique.
        x_label: with unit.
        y_label: with unit.
        series: measured lines.
        bounds: theoretical limits and anchors; drawn dashed and without marks.
        log_x: abscissae in decades.
        log_y: ordinates in decades; points at zero are left out then.
        text: what the page says about it: what was done, what the bound is, what one sees.
    """

    name: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    bounds: tuple[Series, ...] = ()
    log_x: bool = False
    log_y: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that one module has measured.

    Attributes:
        rows: figures.
        curves: plots.
        notes: further facts for the environment block.
        anchors: what each anchor is, or "missing: " and the reason; for the environment block too.
    """

    rows: tuple[Row, ...]
    curves: tuple[Curve, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    anchors: tuple[tuple[str, str], ...] = ()


def joined(parts: Sequence[Measured]) -> Measured:
    """The parts as one, in their order."""
    return Measured(
        tuple(item for part in parts for item in part.rows),
        tuple(item for part in parts for item in part.curves),
        tuple(item for part in parts for item in part.notes),
        tuple(item for part in parts for item in part.anchors),
    )
