"""What a `FrontEnd` does to samples: its two directions as stages that change a piece of the signal in place."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ._impairment_kernels import compress
from .fading import FadingRealization
from .front_end_faults import FILTER_REACH, FrontEnd, Half
from .front_ends import Stage
from .impairments import mixer_rails

__all__ = ["RippleFilter", "mixer_stage", "rippled", "transmit_stages"]


@njit(cache=True, nogil=True)
def _mix(rails: np.ndarray, crosstalk: np.float32, gain: np.float32, i0: np.float32, q0: np.float32) -> None:
    """I + crosstalk Q + i0 and gain Q + q0."""
    for k in range(rails.size // 2):
        i = rails[2 * k]
        q = rails[2 * k + 1]
        rails[2 * k] = i + crosstalk * q + i0
        rails[2 * k + 1] = gain * q + q0


@njit(cache=True, nogil=True)
def _filter(rails: np.ndarray, taps: np.ndarray, history: np.ndarray) -> None:
    """Filter in place; history: the samples before, the latest last, brought up to date."""
    n_taps = taps.size // 2
    ring = history.copy()
    at = 0
    for k in range(rails.size // 2):
        now_i = rails[2 * k]
        now_q = rails[2 * k + 1]
        i = taps[0] * now_i - taps[1] * now_q
        q = taps[0] * now_q + taps[1] * now_i
        place = at
        for tap in range(1, n_taps):
            place = n_taps - 2 if place == 0 else place - 1
            old_i = ring[2 * place]
            old_q = ring[2 * place + 1]
            i += taps[2 * tap] * old_i - taps[2 * tap + 1] * old_q
            q += taps[2 * tap] * old_q + taps[2 * tap + 1] * old_i
        ring[2 * at] = now_i
        ring[2 * at + 1] = now_q
        at = 0 if at == n_taps - 2 else at + 1
        rails[2 * k] = i
        rails[2 * k + 1] = q
    for k in range(n_taps - 1):
        place = (at + k) % (n_taps - 1)
        history[2 * k] = ring[2 * place]
        history[2 * k + 1] = ring[2 * place + 1]


class RippleFilter:
    """The ripple filter over a signal that passes piece by piece, `FILTER_REACH` samples late.

    Args:
        half: whose filter.
    """

    def __init__(self, half: Half) -> None:
        self._taps = np.array(half.taps, np.complex64).view(np.float32)
        self._history = np.zeros(2 * (self._taps.size // 2 - 1), np.float32)

    def forget(self) -> None:
        """What comes next does not follow what came before."""
        self._history[:] = 0

    def __call__(self, samples: np.ndarray) -> None:
        """Filter the next piece, complex64 [n], in place."""
        _filter(samples.view(np.float32), self._taps, self._history)


def mixer_stage(half: Half) -> Stage:
    """Mixer with its imbalance, then the constant."""
    crosstalk, gain = mixer_rails(half.iq_gain_db, half.iq_phase_deg)
    i0, q0 = np.float32(half.dc.real), np.float32(half.dc.imag)
    return lambda samples: _mix(samples.view(np.float32), crosstalk, gain, i0, q0)


def transmit_stages(front_end: FrontEnd, gain_db: float) -> list[Stage]:
    """Mixer, constant and amplifier; the ripple filter behind it is part of the way, see `rippled`.

    Args:
        front_end: the radio.
        gain_db: true transmit gain, relative to the largest. The amplifier's small-signal gain is 1 here.
    """
    stages = [mixer_stage(front_end.tx)]
    if math.isfinite(front_end.tx_saturation):
        saturation = front_end.tx_saturation / 10 ** (gain_db / 20)
        inverse_power, p = np.float32(saturation**-2), np.float32(front_end.tx_smoothness)
        stages.append(lambda samples: compress(samples.view(np.float32), inverse_power, p))
    return stages


def rippled(channel: FadingRealization, half: Half) -> FadingRealization:
    """A channel and the ripple filter before it, as one."""
    filter_taps = np.array(half.taps, np.complex128)
    taps = np.array([np.convolve(row, filter_taps) for row in channel.taps], np.complex64)
    return FadingRealization(taps, channel.block_samples, channel.bulk_delay_samples + FILTER_REACH)
