"""Confidence bands by bootstrap over photographs and, within them, over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["mean_band"]

_DRAWS = 2000


def mean_band(
    values: Mapping[str, Sequence[float]], *, seed: int, probability: float = 0.95, draws: int = _DRAWS
) -> tuple[float, float, float]:
    """Mean over photographs of their means over seeds, and the ends of its percentile interval.

    Photographs are drawn with replacement, then seeds within each drawn photograph (Efron and Tibshirani 1993, chapters
    8 and 13). Four photographs give wide and rough bands; that is what four photographs know.

    Args:
        values: by photograph, one for each seed; NaN are left out, and so are photographs without any.
        seed: of the draws.
        probability: of the interval.
        draws: of the bootstrap.

    Returns:
        Mean, low and high; NaN where there is nothing, and a band of no width for one photograph with one seed.
    """
    kept = [np.array([each for each in same if each == each], float) for same in values.values()]
    kept = [same for same in kept if same.size]
    if not kept:
        return float("nan"), float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    # One mean per draw for every place in the resampled list: which photograph, and which of its seeds.
    photographs = generator.integers(0, len(kept), (draws, len(kept)))
    means = np.empty(photographs.shape)
    for index, same in enumerate(kept):
        here = photographs == index
        chosen = generator.integers(0, same.size, (int(here.sum()), same.size))
        means[here] = same[chosen].mean(1)
    low, high = np.quantile(means.mean(1), [(1 - probability) / 2, (1 + probability) / 2])
    return float(np.mean([same.mean() for same in kept])), float(low), float(high)
