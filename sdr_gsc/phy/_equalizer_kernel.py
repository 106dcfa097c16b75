"""Compiled equalizer: one tap per subcarrier, and what is left of it as error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ._grid_tables import GridTables
from ._pilot_kernel import DelayFit
from ._trigonometry import sine_cosine

__all__ = [
    "Noise",
    "equalize_symbols",
    "known_tones",
    "mean_of_finite",
    "modulation_error",
    "noise_level",
    "subcarrier_snr",
]

#: Symbols after which running phasors are computed afresh.
_FRESH = 64


class Noise(NamedTuple):
    """Noise of a frame after the FFT.

    Attributes:
        thermal: variance v per subcarrier, independent of the channel.
        distortion: κ, error power relative to the received signal of the same subcarrier.
    """

    thermal: float
    distortion: float


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def noise_level(scatter: float, scatter_samples: int, residual: float, signal_power: float) -> Noise:
    """Split noise into what is always there and what grows with the signal.

    Copies of the same training symbol are distorted in the same way, so their scatter is thermal noise alone; the error
    of other known symbols has everything. The sum always matches the latter, which is measured where it counts.

    Args:
        scatter: noise variance from the scatter of the training copies.
        scatter_samples: complex samples behind it.
        residual: noise variance from the error of known symbols.
        signal_power: mean |H|².
    """
    certain = scatter * (1.0 + 2.0 / np.sqrt(max(scatter_samples, 1)))
    if residual <= certain or signal_power <= 0.0:
        return Noise(residual, 0.0)
    return Noise(scatter, (residual - scatter) / signal_power)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def known_tones(
    values: np.ndarray,
    which: np.ndarray,
    reference: np.ndarray,
    times: np.ndarray,
    shift: np.ndarray,
    fit: DelayFit,
    grid: GridTables,
) -> np.ndarray:
    """Least-squares channel seen by known symbols, delay drift removed, common phase not.

    Args:
        values: complex64 [S, N], FFTs.
        which: int64 [K], the known symbols.
        reference: complex64 [K, Na], what was sent, of unit modulus.
        times: float64 [S].
        shift: int64 [S].
        fit: delay.
        grid: tables.

    Returns:
        complex64 [K, Na].
    """
    n, n_active = np.uint64(grid.fft_size), np.uint64(grid.active.size)
    bins, ramp = np.empty(n_active, np.uint64), np.empty(n_active, np.float32)
    for j in range(n_active):
        bins[j], ramp[j] = grid.active[j], 2 * np.pi * grid.signed[j] / grid.fft_size
    seen = np.empty((which.size, grid.active.size), np.complex64)
    spectra, sent = values.reshape(-1).view(np.float32), reference.reshape(-1).view(np.float32)
    out = seen.reshape(-1).view(np.float32)
    sine, cosine = np.empty(n_active, np.float32), np.empty(n_active, np.float32)
    one, two = np.uint64(1), np.uint64(2)
    for row in range(np.uint64(which.size)):
        s = which[row]
        late = np.float32(fit.offset + fit.rate * times[s] - shift[s])
        for j in range(n_active):
            sine[j], cosine[j] = sine_cosine(ramp[j] * late)
        first, to = two * np.uint64(s) * n, two * row * n_active
        for j in range(n_active):
            p, q = spectra[first + two * bins[j]], spectra[first + two * bins[j] + one]
            c, d = sent[to + two * j], sent[to + two * j + one]
            a, b = p * c + q * d, q * c - p * d
            out[to + two * j] = a * cosine[j] - b * sine[j]
            out[to + two * j + one] = a * sine[j] + b * cosine[j]
    return seen


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def equalize_symbols(
    values: np.ndarray,
    which: np.ndarray,
    times: np.ndarray,
    shift: np.ndarray,
    usable: np.ndarray,
    phase: np.ndarray,
    phase_variance: float,
    fit: DelayFit,
    response: np.ndarray,
    error_variance: np.ndarray,
    noise: Noise,
    grid: GridTables,
    symbols: np.ndarray,
    variance: np.ndarray,
) -> None:
    """Unbiased data symbols in units of mean symbol power 1, and their error variance.

    y = Y/H · exp(j(2πkτ/N - φ)) and, with v the thermal noise, ε the error variance of H, κ the distortion, σ_φ² and
    σ_τ² the error variances of common phase and delay: σ² = (v + ε)/|H|² + κ + σ_φ² + (2πk/N)² σ_τ².

    Args:
        values: complex64 [S, N], FFTs.
        which: int64 [P], symbols to equalize, ascending.
        times: float64 [S].
        shift: int64 [S].
        usable: bool [S]; others give 0 and inf.
        phase: float64 [S].
        phase_variance: its error variance, rad².
        fit: delay.
        response: complex64 [S or 1, Na].
        error_variance: float32 [S or 1, Na].
        noise: level.
        grid: tables.
        symbols: complex64 [n], n <= P·Nd, filled; 0 where the channel is zero.
        variance: float32 [n], filled; inf where the channel is zero.
    """
    n, n_data = np.uint64(grid.fft_size), np.uint64(grid.data.size)
    size = np.uint64(symbols.size)
    strongest = np.float32(0)
    for row in response:
        for value in row:
            strongest = max(strongest, value.real * value.real + value.imag * value.imag)
    floor = max(np.float32(1e-12) * strongest, np.float32(1e-37))
    # Per bin, all N of them: whole vectors are faster than the data bins alone, which are picked at the end.
    bins = np.empty(n_data, np.uint64)
    ramp = np.zeros(n, np.float32)
    gain_i, gain_q = np.zeros(n, np.float32), np.zeros(n, np.float32)
    turn_i, turn_q = np.zeros(n, np.float32), np.zeros(n, np.float32)  # gain included
    step_i, step_q = np.zeros(n, np.float32), np.zeros(n, np.float32)
    base, square = np.zeros(n_data, np.float32), np.zeros(n_data, np.float32)
    spacing = times[1] - times[0] if times.size > 1 else 0.0
    for j in range(n_data):
        bins[j] = grid.data[j]
        ramp[bins[j]] = 2 * np.pi * grid.signed[grid.data_at[j]] / grid.fft_size
        square[j] = ramp[bins[j]] ** 2
        step_i[bins[j]] = np.cos(ramp[bins[j]] * fit.rate * spacing)
        step_q[bins[j]] = np.sin(ramp[bins[j]] * fit.rate * spacing)
    constant = np.float32(noise.distortion + phase_variance)
    moving = response.shape[0] > 1
    last = -_FRESH
    spectra = values.reshape(-1).view(np.float32)
    turned = np.empty(n, np.complex64)
    rails = turned.view(np.float32)
    one, two = np.uint64(1), np.uint64(2)
    common_i, common_q = np.empty(which.size, np.float32), np.empty(which.size, np.float32)
    for row in range(np.uint64(which.size)):
        whole = phase[which[row]]
        sine, cosine = sine_cosine(np.float32(whole - 2 * np.pi * np.rint(whole * (0.5 / np.pi))))
        common_i[row], common_q[row] = cosine, -sine
    for row in range(np.uint64(which.size)):
        s = which[row]
        to = row * n_data
        wanted = min(n_data, size - to)
        if not usable[s]:
            for j in range(wanted):
                symbols[to + j] = 0
                variance[to + j] = np.inf
            continue
        if moving or last < 0:
            at = s if moving else 0
            for j in range(n_data):
                h = response[at, grid.data_at[j]]
                power = h.real * h.real + h.imag * h.imag
                alive = power > floor
                inverse = np.float32(1) / power if alive else np.float32(0)
                gain_i[bins[j]] = h.real * inverse
                gain_q[bins[j]] = -h.imag * inverse
                left = (error_variance[at, grid.data_at[j]] + np.float32(noise.thermal)) * inverse + constant
                base[j] = left if alive else np.float32(np.inf)
        if moving or last < 0 or s - last > 4 or s // _FRESH != last // _FRESH or shift[s] != shift[last]:
            angle = fit.offset + fit.rate * times[s] - shift[s]
            for j in range(n_data):
                c, d = np.float32(np.cos(ramp[bins[j]] * angle)), np.float32(np.sin(ramp[bins[j]] * angle))
                turn_i[bins[j]] = gain_i[bins[j]] * c - gain_q[bins[j]] * d
                turn_q[bins[j]] = gain_i[bins[j]] * d + gain_q[bins[j]] * c
        else:
            for _ in range(s - last):
                for k in range(n):
                    i = turn_i[k] * step_i[k] - turn_q[k] * step_q[k]
                    turn_q[k] = turn_i[k] * step_q[k] + turn_q[k] * step_i[k]
                    turn_i[k] = i
        last = s
        c, d = common_i[row], common_q[row]
        first = np.uint64(s) * n * two
        for k in range(n):
            i = turn_i[k] * c - turn_q[k] * d
            q = turn_i[k] * d + turn_q[k] * c
            a, b = spectra[first + two * k], spectra[first + two * k + one]
            rails[two * k] = a * i - b * q
            rails[two * k + one] = a * q + b * i
        for j in range(wanted):
            symbols[to + j] = turned[bins[j]]
        drift = np.float32(max(fit.variance + 2 * fit.covariance * times[s] + fit.rate_variance * times[s] ** 2, 0.0))
        for j in range(wanted):
            variance[to + j] = base[j] + drift * square[j]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def modulation_error(
    symbols: np.ndarray, variance: np.ndarray, levels: int, half_spacing: float, per_subcarrier_db: np.ndarray
) -> float:
    """Mean squared distance to the nearest point of a square constellation.

    Args:
        symbols: complex64 [n].
        variance: float32 [n]; symbols of infinite variance do not count.
        levels: per axis.
        half_spacing: between levels.
        per_subcarrier_db: float32 [Nd], filled: of each data subcarrier in dB, NaN where nothing was received.

    Returns:
        Over all symbols; NaN if none counts.
    """
    size, width = np.uint64(symbols.size), np.uint64(per_subcarrier_db.size)
    sums, counts = np.zeros(width, np.float32), np.zeros(width, np.float32)
    half = np.float32(half_spacing)
    scale = np.float32(0.5) / half
    top = np.float32(levels - 1)
    offset = np.float32(0.5) * top
    rails = symbols.view(np.float32)
    first = np.uint64(0)
    while first < size:
        for j in range(min(width, size - first)):
            a, b = rails[np.uint64(2) * (first + j)], rails[np.uint64(2) * (first + j) + np.uint64(1)]
            p = np.rint(min(max(a * scale + offset, np.float32(0)), top))
            q = np.rint(min(max(b * scale + offset, np.float32(0)), top))
            da = a - (np.float32(2) * p - top) * half
            db = b - (np.float32(2) * q - top) * half
            heard = np.float32(1) if variance[first + j] < np.float32(np.inf) else np.float32(0)
            sums[j] += heard * (da * da + db * db)
            counts[j] += heard
        first += width
    for j in range(width):
        mean = max(sums[j], np.float32(1e-12) * counts[j]) / counts[j]  # NaN where nothing was received
        per_subcarrier_db[j] = 10.0 * np.log10(mean)
    return sums.sum() / counts.sum()


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def mean_of_finite(variance: np.ndarray) -> float:
    """Mean of the finite values of float32 [n], NaN if there are none."""
    total, heard = 0.0, 0.0
    first, size = np.uint64(0), np.uint64(variance.size)
    while first < size:
        # Single precision inside a run, where it vectorizes; double precision over the runs.
        part, count = np.float32(0), np.float32(0)
        for j in range(first, min(first + np.uint64(256), size)):
            value = variance[j]
            finite = value < np.float32(np.inf)
            part += value if finite else np.float32(0)
            count += np.float32(1) if finite else np.float32(0)
        total += float(part)
        heard += float(count)
        first += np.uint64(256)
    return total / heard


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def subcarrier_snr(response: np.ndarray, thermal: float, distortion: float, snr_db: np.ndarray) -> float:
    """Es/N0 of each occupied subcarrier, and as returned value the mean channel power.

    Args:
        response: complex64 [T, Na].
        thermal: noise variance of a tone.
        distortion: noise relative to the signal of a tone.
        snr_db: float32 [Na], filled, dB.
    """
    rows, n_active = response.shape
    mean = 0.0
    for k in range(n_active):
        power = 0.0
        for s in range(rows):
            power += response[s, k].real ** 2 + response[s, k].imag ** 2
        power /= rows
        mean += power / n_active
        snr_db[k] = 10.0 * np.log10(max(power / (thermal + distortion * power), 1e-12))
    return mean
