"""Peak-to-average power ratio of OFDM: how it is distributed, and how to lower it at the price of EVM.

An OFDM symbol is a sum of many subcarriers, hence nearly Gaussian: its power is exponentially distributed, and
P(|x|² > l·E|x|²) = exp(-l), whatever the subcarriers carry. One sample in 1000 exceeds the mean by 8.4 dB, one in 10000
by 9.6 dB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import SettingsError

__all__ = ["ClipAndFilter", "papr_ccdf"]

_PEAK_RANGE_DB = (3.0, 15.0)
_MAX_ITERATIONS = 64


@dataclass(frozen=True, slots=True)
class ClipAndFilter:
    """Repeated clipping and filtering of the data subcarriers.

    Each symbol is interpolated four times, what exceeds the wanted peak is transformed back, and its share in the data
    subcarriers is subtracted (J. Armstrong, Electronics Letters 38(5), 2002, p. 246). Nothing else changes: guard
    subcarriers and DC stay empty, pilots, preamble and training symbols exact. Clipping also takes a little gain from
    the data; it is given back, so that soft symbols stay unbiased and what is left of the clipping is noise.

    The steps are relaxed projections between two convex sets, "peak low enough" and "only data subcarriers changed",
    and end up within 0.3 dB of the smallest EVM that any change of the data subcarriers needs for the same peak. Other
    ways cost no EVM but subcarriers: tone reservation leaves some of them to the peaks, and every frame takes more air.

    Training symbols do not have this error, so the noise variance that a receiver predicts lacks most of it, 10^(e/10)
    of the mean symbol power with e = `Transmission.papr_evm_db`. At Es/N0 well below -e that does not matter.

    Attributes:
        peak_db: wanted peak power over the mean power of a symbol, 3…15 dB.
        iterations: most steps for a symbol, 1…64; a symbol without peaks costs one transform.

    Raises:
        SettingsError: a value out of range.
    """

    peak_db: float = 8.0
    iterations: int = 8

    def __post_init__(self) -> None:
        """Check the ranges."""
        low, high = _PEAK_RANGE_DB
        if not low <= self.peak_db <= high:
            raise SettingsError(f"peak_db is {self.peak_db}; it must lie in {low:g}…{high:g}")
        if not 1 <= self.iterations <= _MAX_ITERATIONS:
            raise SettingsError(f"iterations is {self.iterations}; it must lie in 1…{_MAX_ITERATIONS}")


def papr_ccdf(samples: np.ndarray, levels_db: npt.ArrayLike) -> np.ndarray:
    """Share of samples whose power exceeds the mean power by more than a level.

    CCDF(l) = P(|x|² > l·mean|x|²); exp(-l) for complex Gaussian samples, l linear.

    Args:
        samples: complex64 [n], a signal without its gaps.
        levels_db: dB over the mean power, any shape.

    Returns:
        float64 in the shape of `levels_db`, in [0, 1].

    Raises:
        SettingsError: no samples, or all of them zero.

    >>> papr_ccdf(np.array([1, 1, 1, 3j], np.complex64), [-10, 0, 10])
    array([1.  , 0.25, 0.  ])
    """
    samples = np.asarray(samples)
    power = samples.real.astype(np.float64) ** 2 + samples.imag.astype(np.float64) ** 2
    mean = float(power.mean()) if power.size else 0.0
    if not mean > 0:
        raise SettingsError(f"{power.size} samples of mean power {mean:g} have no peak-to-average ratio; give a signal")
    thresholds = mean * 10 ** (np.asarray(levels_db, np.float64) / 10)
    return 1.0 - np.searchsorted(np.sort(power, axis=None), thresholds, side="right") / power.size
