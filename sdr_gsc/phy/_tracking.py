"""What drifts during a frame, seen through its pilots: common phase, and delay from unequal sampling clocks.

The delay is a line over time, fitted with a Gaussian prior on the clock offset. The phase is a line (carrier offset
that the training symbols left) plus a random walk (phase noise) whose step is measured, smoothed by its Kalman
smoother.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._pilot_kernel import fit_pilots

__all__ = ["Drift", "PilotFit", "PilotTracker"]


@dataclass(frozen=True, slots=True)
class Drift:
    """Straight lines through a frame's drift, and how well the slope of the phase is known beforehand.

    Attributes:
        delay_offset: delay at time zero (the middle of the training symbols), samples.
        delay_rate: samples per sample; minus the sampling-clock offset.
        phase_slope: rad per symbol.
        search: how far from `phase_slope` the truth may be, rad per symbol.
        slope_deviation: standard deviation of `phase_slope` where the phase is known to be zero at time zero,
            that is where the channel was measured then; None where it was measured with these very phases.
    """

    delay_offset: float = 0.0
    delay_rate: float = 0.0
    phase_slope: float = 0.0
    search: float = np.pi
    slope_deviation: float | None = None


@dataclass(frozen=True, slots=True)
class PilotFit:
    """Drift of the symbols behind the preamble, relative to the training symbols.

    Attributes:
        phase: float64 [S], common phase of each symbol, rad.
        phase_variance: error variance of `phase`, rad².
        delay: float64 [S], delay in samples, growing when the receiver's clock is the faster one.
        delay_variance: float64 [S], its error variance, samples².
        drift: the lines.
    """

    phase: np.ndarray
    phase_variance: float
    delay: np.ndarray
    delay_variance: np.ndarray
    drift: Drift


class PilotTracker:
    """Fits phase and delay to pilots.

    Args:
        signed: int64 [Np], signed subcarrier index of each pilot.
        fft_size: N.
        symbol_length: samples from symbol to symbol.
    """

    def __init__(self, signed: np.ndarray, fft_size: int, symbol_length: int) -> None:
        self._ramp = 2 * np.pi * signed / fft_size
        self._symbol_length = symbol_length

    def fit(
        self,
        pilots: np.ndarray,
        response: np.ndarray,
        noise_variance: float,
        times: np.ndarray,
        shift: np.ndarray,
        usable: np.ndarray,
        start: Drift,
        walk: bool = True,
    ) -> PilotFit:
        """Fit one frame.

        Args:
            pilots: complex64 [S, Np], received pilots over their known values.
            response: complex64 [S or 1, Np], channel of the pilots.
            noise_variance: of each pilot, > 0.
            times: float64 [S], samples since the training symbols, one symbol apart.
            shift: int64 [S], samples by which the FFT windows already followed the delay.
            usable: bool [S], symbols that were received whole.
            start: where to start from.
            walk: let the phase walk around its line.
        """
        matched = pilots * response.conj()
        weight = np.empty(pilots.shape, np.float32)
        weight[:] = response.real**2 + response.imag**2
        matched[~usable] = 0
        weight[~usable] = 0
        deviation = 0.0 if start.slope_deviation is None else start.slope_deviation
        guess = np.array([start.delay_offset, start.delay_rate, start.phase_slope, start.search, deviation])
        phase, result = np.empty(times.size), np.empty(7)
        fit_pilots(
            matched,
            weight,
            self._ramp,
            times,
            shift,
            float(noise_variance),
            self._symbol_length,
            guess,
            walk,
            phase,
            result,
        )
        offset, rate, c00, c01, c11, phase_variance, slope = result.tolist()
        return PilotFit(
            phase=phase,
            phase_variance=phase_variance,
            delay=offset + rate * times,
            delay_variance=c00 + 2 * c01 * times + c11 * times**2,
            drift=Drift(offset, rate, slope, 2 * np.pi / times.size),
        )
