"""Power-delay profiles: where the echoes lie and how strong they are on average.

Tapped delay lines TDL-A ... TDL-E: 3GPP TR 38.901, tables 7.7.2-1 ... 7.7.2-5; delays are normalized to an rms spread
of 1 (clause 7.7.3 scales them), powers in dB. D and E begin with a specular path and a Rayleigh part at delay 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..errors import SettingsError
from ..units import from_db

__all__ = ["DELAY_PROFILES", "PowerDelayProfile", "exponential_profile", "power_delay_profile"]

# fmt: off
_TDL_A = (
    (0.0000, 0.3819, 0.4025, 0.5868, 0.4610, 0.5375, 0.6708, 0.5750, 0.7618, 1.5375, 1.8978, 2.2242, 2.1718, 2.4942,
     2.5119, 3.0582, 4.0810, 4.4579, 4.5695, 4.7966, 5.0066, 5.3043, 9.6586),
    (-13.4, 0.0, -2.2, -4.0, -6.0, -8.2, -9.9, -10.5, -7.5, -15.9, -6.6, -16.7, -12.4, -15.2,
     -10.8, -11.3, -12.7, -16.2, -18.3, -18.9, -16.6, -19.9, -29.7),
)
_TDL_B = (
    (0.0000, 0.1072, 0.2155, 0.2095, 0.2870, 0.2986, 0.3752, 0.5055, 0.3681, 0.3697, 0.5700, 0.5283, 1.1021, 1.2756,
     1.5474, 1.7842, 2.0169, 2.8294, 3.0219, 3.6187, 4.1067, 4.2790, 4.7834),
    (0.0, -2.2, -4.0, -3.2, -9.8, -1.2, -3.4, -5.2, -7.6, -3.0, -8.9, -9.0, -4.8, -5.7,
     -7.5, -1.9, -7.6, -12.2, -9.8, -11.4, -14.9, -9.2, -11.3),
)
_TDL_C = (
    (0.0000, 0.2099, 0.2219, 0.2329, 0.2176, 0.6366, 0.6448, 0.6560, 0.6584, 0.7935, 0.8213, 0.9336, 1.2285, 1.3083,
     2.1704, 2.7105, 4.2589, 4.6003, 5.4902, 5.6077, 6.3065, 6.6374, 7.0427, 8.6523),
    (-4.4, -1.2, -3.5, -5.2, -2.5, 0.0, -2.2, -3.9, -7.4, -7.1, -10.7, -11.1, -5.1, -6.8,
     -8.7, -13.2, -13.9, -13.9, -15.8, -17.1, -16.0, -15.7, -21.6, -22.8),
)
_TDL_D = (
    (0.000, 0.000, 0.035, 0.612, 1.363, 1.405, 1.804, 2.596, 1.775, 4.042, 7.937, 9.424, 9.708, 12.525),
    (-0.2, -13.5, -18.8, -21.0, -22.8, -17.9, -20.1, -21.9, -22.9, -27.8, -23.6, -24.8, -30.0, -27.7),
)
_TDL_E = (
    (0.0000, 0.0000, 0.5133, 0.5440, 0.5630, 0.5440, 0.7112, 1.9092, 1.9293, 1.9589, 2.6426, 3.7136, 5.4524, 12.0034,
     20.6519),
    (-0.03, -22.03, -15.8, -18.1, -19.8, -22.9, -22.4, -18.6, -20.8, -22.6, -22.3, -25.6, -20.2, -29.8,
     -29.2),
)
# fmt: on
_RAYLEIGH = {"tdl-a": _TDL_A, "tdl-b": _TDL_B, "tdl-c": _TDL_C}
_RICEAN = {"tdl-d": _TDL_D, "tdl-e": _TDL_E}
#: Names that `power_delay_profile` knows.
DELAY_PROFILES = ("none", "flat", "exponential", *_RAYLEIGH, *_RICEAN)


@dataclass(frozen=True, slots=True)
class PowerDelayProfile:
    """Mean powers of the paths of a channel; specular and scattered power together are 1.

    Attributes:
        delays_s: float64 [k] excess delays, the first 0.
        scattered: float64 [k] mean power of the Rayleigh part of each path (linear).
        specular: power of the constant-envelope path at delay 0 (linear); 0 where there is none.
    """

    delays_s: np.ndarray
    scattered: np.ndarray
    specular: float = 0.0

    @property
    def rms_spread_s(self) -> float:
        """Root mean square delay spread, sqrt(E tau^2 - (E tau)^2) weighted by power."""
        mean = float(self.scattered @ self.delays_s)
        return math.sqrt(max(float(self.scattered @ self.delays_s**2) - mean**2, 0.0))

    @property
    def rician_k_db(self) -> float:
        """Specular over scattered power of the first path in dB; -inf for Rayleigh, inf without scattering."""
        if self.specular == 0:
            return -math.inf
        first = float(self.scattered[0])
        return 10 * math.log10(self.specular / first) if first > 0 else math.inf

    def with_rician_k(self, k_db: float) -> PowerDelayProfile:
        """The same path powers with the first path split into specular and scattered parts at K = `k_db`."""
        first = float(self.scattered[0]) + self.specular
        specular = first / (1 + from_db(-k_db))
        scattered = self.scattered.copy()
        scattered[0] = first - specular
        return PowerDelayProfile(self.delays_s, scattered, specular)


@lru_cache(maxsize=16)
def exponential_profile(n_taps: int, spacing_s: float, rms_spread_s: float) -> PowerDelayProfile:
    """Taps `spacing_s` apart whose powers fall exponentially, with the stated rms spread after truncation.

    p_k ~ r^k, k = 0 ... n_taps - 1. The ratio r is solved for, since cutting the tail off shortens the spread: a decay
    constant of 2 taps over 8 taps would give an rms of 1.64 taps only.

    Args:
        n_taps: at least 2.
        spacing_s: distance of neighbouring taps, > 0.
        rms_spread_s: > 0 and below that of equally strong taps, spacing sqrt((n^2 - 1) / 12).

    Raises:
        SettingsError: a spread that these taps cannot have.
    """
    limit_s = spacing_s * math.sqrt((n_taps**2 - 1) / 12) if n_taps >= 1 else 0.0
    if not 0 < rms_spread_s < limit_s:
        raise SettingsError(
            f"delay_spread_s is {rms_spread_s:g} s with {n_taps} taps {spacing_s:g} s apart; needed more than 0 and "
            f"less than {limit_s:g} s: change delay_spread_s, n_taps or tap_spacing_s"
        )
    index = np.arange(n_taps)

    def profile(ratio: float) -> PowerDelayProfile:
        weights = ratio**index
        return PowerDelayProfile(index * spacing_s, weights / weights.sum())

    low, high = 0.0, 1.0
    for _ in range(60):  # the spread grows with the ratio, so halving converges to float64 precision
        middle = (low + high) / 2
        low, high = (middle, high) if profile(middle).rms_spread_s < rms_spread_s else (low, middle)
    solved = profile(high)
    # The solution is remembered, so nobody may change it.
    solved.delays_s.flags.writeable = solved.scattered.flags.writeable = False
    return solved


def power_delay_profile(
    name: str, *, delay_spread_s: float, n_taps: int, tap_spacing_s: float, rician_k_db: float | None
) -> PowerDelayProfile:
    """Profile by name, with total power 1.

    Args:
        name: one of `DELAY_PROFILES`: "none" (one constant path), "flat" (one Rayleigh path), "exponential", or a
            TDL of TR 38.901.
        delay_spread_s: rms spread; not used by "none" and "flat".
        n_taps: taps of "exponential".
        tap_spacing_s: their spacing.
        rician_k_db: K of the first path; None keeps what the profile says (Rayleigh but for TDL-D and TDL-E).

    Raises:
        SettingsError: unknown name, or numbers that do not fit together.
    """
    if name == "none":
        return PowerDelayProfile(np.zeros(1), np.zeros(1), 1.0)
    if name == "flat":
        profile = PowerDelayProfile(np.zeros(1), np.ones(1))
    elif name == "exponential":
        profile = exponential_profile(n_taps, tap_spacing_s, delay_spread_s)
    elif name in _RAYLEIGH or name in _RICEAN:
        delays, powers_db = (np.array(column) for column in (_RAYLEIGH | _RICEAN)[name])
        powers = 10 ** (powers_db / 10)
        powers /= powers.sum()
        first = 1 if name in _RICEAN else 0
        specular = float(powers[0]) if first else 0.0
        profile = PowerDelayProfile(delays[first:] * delay_spread_s, powers[first:], specular)
    else:
        raise SettingsError(f"delay_profile is {name!r}; needed one of {', '.join(DELAY_PROFILES)}")
    return profile if rician_k_db is None else profile.with_rician_k(rician_k_db)
