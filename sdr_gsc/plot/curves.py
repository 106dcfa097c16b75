"""A metric over Es/N0, one curve per decoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from .style import MARKERS, PALETTE, annotate, legend, new_figure

__all__ = ["Curve", "plot_curves"]


@dataclass(frozen=True, slots=True)
class Curve:
    """One decoder's curve.

    Attributes:
        esn0_db: float [n], ascending.
        value: float [n]; NaN where there is no figure.
        low: float [n] lower end of the confidence band; None without one.
        high: float [n] upper end.
    """

    esn0_db: np.ndarray
    value: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None

    @classmethod
    def of_trials(cls, trials: Mapping[float, np.ndarray], *, confidence: float = 0.95) -> Curve:
        """Mean over trials at each Es/N0, with Student's confidence band mean ± t · s / sqrt(n), t of n - 1 degrees.

        Args:
            trials: Es/N0 in dB to float [n_trials]; NaN trials are left out, infinite ones count as they are.
            confidence: with which the band holds the mean.
        """
        levels = np.array(sorted(trials), float)
        mean, half = np.full(levels.size, np.nan), np.full(levels.size, np.nan)
        for index, level in enumerate(levels):
            values = np.asarray(trials[float(level)], float)
            values = values[~np.isnan(values)]
            if values.size:
                mean[index] = values.mean()
            if values.size > 1 and np.isfinite(values).all():
                quantile = stats.t.ppf((1 + confidence) / 2, values.size - 1)
                half[index] = quantile * values.std(ddof=1) / np.sqrt(values.size)
        return cls(levels, mean, mean - half, mean + half)


def plot_curves(
    curves: Mapping[str, Curve], *, metric: str, title: str = "", better: str = "higher", x: str = "Es/N0 (dB)"
) -> Figure:
    """Curves of several decoders with their confidence bands.

    Args:
        curves: decoder name to curve; colour and marker follow the order.
        metric: label of the ordinate, with unit.
        title: heading.
        better: ``"higher"`` or ``"lower"``, told in the label of the ordinate.
        x: label of the abscissa.

    Raises:
        ValueError: `better` is neither.
    """
    if better not in ("higher", "lower"):
        raise ValueError(f'better is "higher" or "lower", not {better!r}')
    figure, (ax,) = new_figure(6.4, 4.2)
    for index, (name, curve) in enumerate(curves.items()):
        color, marker = PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)]
        dash = "-" if index < len(PALETTE) else "--"
        if curve.low is not None and curve.high is not None:
            ax.fill_between(curve.esn0_db, curve.low, curve.high, color=color, alpha=0.14, linewidth=0)
        ax.plot(curve.esn0_db, curve.value, dash, color=color, marker=marker, markersize=5, linewidth=1.7, label=name)
    if curves:
        legend(ax)
    arrow = "↑" if better == "higher" else "↓"
    annotate(ax, title=title, x=x, y=f"{metric}  {arrow}")
    return figure
