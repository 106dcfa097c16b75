"""How strongly a burst and its noise reach the receive converter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from ..units import EsN0, from_db
from .awgn import noise_power_per_sample
from .fading import FadingRealization
from .profile import ChannelProfile

__all__ = ["Levels", "count_nonzero", "energy", "receive_levels"]


@njit(cache=True, nogil=True, fastmath=True)
def _sum_of_squares(rails: np.ndarray) -> float:
    # Single precision inside a block, where it vectorizes; double precision over the blocks, where it must not drift.
    total = 0.0
    for first in range(0, rails.size, 1024):
        block = rails[first : first + 1024]
        part = np.float32(0)
        for k in range(block.size):
            part += block[k] * block[k]
        total += float(part)
    return total


@njit(cache=True, nogil=True)
def _count_nonzero(samples: np.ndarray) -> int:
    # samples: uint64, both rails at once; the masked bits are the signs.
    count = 0
    for value in samples:
        count += int(value & np.uint64(0x7FFFFFFF7FFFFFFF) != np.uint64(0))
    return count


def energy(samples: np.ndarray) -> float:
    """Sum of |x|^2 over complex64 [n]."""
    return float(_sum_of_squares(samples.view(np.float32)))


def count_nonzero(samples: np.ndarray) -> int:
    """Number of samples of complex64 [n] that are not zero."""
    return int(_count_nonzero(samples.view(np.uint64)))


@dataclass(frozen=True, slots=True)
class Levels:
    """What the receiver's gain makes of signal and noise.

    Attributes:
        gain: amplitude factor between antenna and converter.
        signal_power: mean power of the burst after it.
        noise_power: power of the noise per sample after it.
    """

    gain: float
    signal_power: float
    noise_power: float


def receive_levels(
    profile: ChannelProfile,
    channel: FadingRealization,
    n_burst: int,
    n_nonzero: int,
    sent_energy: float,
    arriving_energy: float,
) -> Levels:
    """Set noise and gain as the profile asks for.

    Carrier leakage is received but occupies no subcarrier: its share of the energies does not count.

    Args:
        profile: settings.
        channel: what the burst went through.
        n_burst: samples sent.
        n_nonzero: how many of them were not zero.
        sent_energy: before the channel.
        arriving_energy: behind it.
    """
    n_sent = max(n_nonzero, 1)
    leakage = 0.0 if profile.tx_dc_dbfs is None else from_db(profile.tx_dc_dbfs) * n_burst
    if leakage:
        arriving_energy -= leakage * float(np.mean(np.abs(channel.taps.sum(axis=1, dtype=np.complex128)) ** 2))
    power = max(arriving_energy, 0.0) / n_sent
    if n_nonzero == 0:
        reference = 1.0
    elif profile.esn0_reference == "realization":
        reference = power
    else:
        reference = (sent_energy - leakage) / n_sent
    noise = 0.0
    if profile.esn0_db is not None:
        noise = noise_power_per_sample(reference, EsN0(from_db(profile.esn0_db)), profile.occupied_bandwidth)
    gain = 1.0
    if profile.receive_level_dbfs is not None and power + noise > 0:
        gain = math.sqrt(from_db(profile.receive_level_dbfs) / (power + noise))
    return Levels(gain, power * gain**2, noise * gain**2)
