"""Compiled acquisition: exact place and carrier offset of a preamble, and the figures that judge it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.fft
from numba import njit

from ._first_path import FIRST_PATH, first_path_delay
from ._kernels import energy_of, gather_symbols

__all__ = [
    "AcquisitionTables",
    "acquire_preamble",
    "believed",
    "lost_within",
    "refine_place",
    "residual_offset",
]

#: The first path also rises this far above the noise.
_FIRST_PATH_OVER_NOISE = 12.0


class AcquisitionTables(NamedTuple):
    """What the kernel needs to know of a preamble.

    Attributes:
        fft_size: N.
        copies: R.
        cp_length: samples.
        slack: samples between the start of the FFT window and the first path.
        max_cfo: largest carrier offset searched, subcarrier spacings.
        active: int64 [Na] bins.
        matched: complex64 [Na], conjugate training tones.
        basis: complex64 [Na, D], conjugate of the channel subspace's orthonormal columns.
        probe: from `delay_probe`.
        least_metric: threshold of the projection metric.
        least_content: threshold of the share of periodic energy that a channel explains.
        least_agreement: threshold of the agreement of the copies.
    """

    fft_size: int
    copies: int
    cp_length: int
    slack: int
    max_cfo: float
    active: np.ndarray
    matched: np.ndarray
    basis: np.ndarray
    probe: np.ndarray
    least_metric: float
    least_content: float
    least_agreement: float


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def lost_within(lost_before: np.ndarray, start: int, length: int) -> int:
    """Lost samples among `length` from `start`; `lost_before` is int64 [n + 1], or empty where none were lost."""
    last = lost_before.size - 1
    if last < 0:
        return 0
    first = min(max(start, 0), last)
    end = min(max(start + length, 0), last)
    return lost_before[end] - lost_before[first]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def believed(cfo: float, metric: float, content: float, agreement: float, tables: AcquisitionTables) -> bool:
    """Whether what `acquire_preamble` found is a preamble within the range of carrier offsets."""
    return (
        metric >= tables.least_metric
        and abs(cfo) <= tables.max_cfo + 0.5
        and content >= tables.least_content
        and agreement >= tables.least_agreement
    )


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def acquire_preamble(
    samples: np.ndarray, lost_before: np.ndarray, start: int, fractional: float, tables: AcquisitionTables
) -> tuple[bool, int, float, float, float, float, float, np.ndarray]:
    """Best place near a candidate.

    Copies look alike: the lag peak of a weak preamble may be whole symbols off; so may one with losses. Neighbouring
    places are tried until the metric falls; lost samples are no argument against a place, so places compare by the
    samples that were heard.

    Args:
        samples: complex64 [n], finite.
        lost_before: int64 [n + 1] or empty, see `lost_within`.
        start: where the preamble seems to begin.
        fractional: carrier offset modulo one spacing.
        tables: of the preamble.

    Returns:
        Whether the capture holds a place at all, then training_start, fractional_delay, cfo, metric, content,
        agreement and training as in `Acquisition`; nothing is compared with a threshold yet.
    """
    n, copies = tables.fft_size, tables.copies
    window = start + tables.cp_length
    nothing = np.zeros((copies, tables.active.size), np.complex64)
    if window < 0 or window + n * copies > samples.size:
        return False, 0, 0.0, 0.0, 0.0, 0.0, 0.0, nothing
    repeated = np.empty((copies, n), np.complex64)
    _turned_copies(samples, window, fractional, repeated)
    integer, delay = _integer_offset(repeated, fractional, tables)
    cfo = fractional + integer
    expected = window + delay
    best = refine_place(samples, expected, cfo, tables)
    score = best[4] / _heard(lost_before, best[1], tables) if best[0] else 0.0
    for step in (-n, n):
        place = expected
        for _ in range(copies):
            if score > 1.0 - 0.25 / copies:
                break
            place += step
            found = refine_place(samples, place, cfo, tables)
            if not found[0] or found[4] / _heard(lost_before, found[1], tables) <= score:
                break
            best = found
            score = found[4] / _heard(lost_before, found[1], tables)
    return best


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _heard(lost_before: np.ndarray, training_start: int, tables: AcquisitionTables) -> float:
    """Share of the training samples that were not lost, above 0: a metric is never found where all were."""
    span = tables.copies * tables.fft_size
    return max(1.0 - lost_within(lost_before, training_start, span) / span, 1.0 / span)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _turned_copies(samples: np.ndarray, start: int, cfo: float, out: np.ndarray) -> None:
    n = out.shape[1]
    starts = start + n * np.arange(out.shape[0])
    gather_symbols(samples.view(np.float32), starts, 2 * np.pi * cfo / n, start, out.view(np.float32))


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _integer_offset(repeated: np.ndarray, fractional: float, tables: AcquisitionTables) -> tuple[int, int]:
    """Whole-spacing offset, and delay of the first path in the window of CP taps with the most energy."""
    n, taps = tables.fft_size, tables.cp_length
    total = np.zeros((1, n), np.complex64)
    for r in range(repeated.shape[0]):
        for k in range(n):
            total[0, k] += repeated[r, k]
    spectrum = scipy.fft.fft(total, axis=1)[0]
    reach = int(np.ceil(tables.max_cfo))
    last = n - 1  # N is a power of two: a mask is a modulo, and ten times as fast
    grids = np.zeros((2 * reach + 1, n), np.complex64)
    for row in range(grids.shape[0]):
        for j in range(tables.active.size):
            at = (tables.active[j] + row - reach) & last
            grids[row, tables.active[j]] = spectrum[at] * tables.matched[j]
    responses = scipy.fft.ifft(grids, axis=1)
    power = np.empty(n, np.float32)
    kept = np.zeros(n, np.float32)
    best, integer, at = np.float32(-1), 0, 0
    for row in range(grids.shape[0]):
        if abs(row - reach + fractional) > tables.max_cfo + 0.25:
            continue
        for k in range(n):
            power[k] = responses[row, k].real ** 2 + responses[row, k].imag ** 2
        inside = np.float32(0)
        for k in range(1, taps + 1):
            inside += power[k]
        for d in range(n):  # the sum over delays d+1 … d+taps
            if inside > best:
                best, integer, at = inside, row - reach, d
                kept[:] = power
            inside += power[(d + 1 + taps) & last] - power[(d + 1) & last]
    strongest = np.float32(0)
    for k in range(taps):
        strongest = max(strongest, kept[(at + 1 + k) & last])
    floor = max(FIRST_PATH * strongest, _FIRST_PATH_OVER_NOISE * np.median(kept))
    delay = (at + 1) & last
    for k in range(taps):
        if kept[(at + 1 + k) & last] > floor:
            delay = (at + 1 + k) & last
            break
    # The window lies one CP after the coarse start and the copies begin two after it: expect one CP.
    return integer, (delay - taps + n // 2) % n - n // 2 + taps


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def refine_place(
    samples: np.ndarray, first_path: int, cfo: float, tables: AcquisitionTables
) -> tuple[bool, int, float, float, float, float, float, np.ndarray]:
    """What `acquire_preamble` returns, for one place: `first_path` is its first sample behind the prefix."""
    n, copies, n_active = tables.fft_size, tables.copies, tables.active.size
    start = first_path - tables.slack
    tones = np.zeros((copies, n_active), np.complex64)
    if start < 0 or start + n * copies > samples.size:
        return False, start, 0.0, cfo, 0.0, 0.0, 0.0, tones
    repeated = np.empty((copies, n), np.complex64)
    _turned_copies(samples, start, cfo, repeated)
    energy = energy_of(repeated)
    if energy == 0.0:
        return False, start, 0.0, cfo, 0.0, 0.0, 0.0, tones
    # No normalization in the transform; the unitary factor enters with the matched tones.
    spectra = scipy.fft.fft(repeated, axis=1)
    unitary = np.float32(1 / np.sqrt(n))
    for r in range(copies):
        for j in range(n_active):
            tones[r, j] = spectra[r, tables.active[j]] * (tables.matched[j] * unitary)
    coordinates = np.dot(tones, tables.basis)
    residual = residual_offset(coordinates)
    periodic = np.zeros(n_active, np.complex64)
    inside = np.zeros(coordinates.shape[1], np.complex64)
    for r in range(copies):
        turn = np.complex64(np.exp(-2j * np.pi * residual * r))
        for j in range(n_active):
            tones[r, j] *= turn
            periodic[j] += tones[r, j]
        for d in range(inside.size):
            inside[d] += turn * coordinates[r, d]
    power = energy_of(inside)
    metric = power / (copies * energy)
    agreement = power / max(copies * energy_of(coordinates), 1e-30)
    delay = first_path_delay(periodic, tables.probe)
    return True, start, delay, cfo + residual, metric, _explained(periodic, tables.basis), agreement, tones


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _explained(tones: np.ndarray, basis: np.ndarray) -> float:
    """Share of the energy that a channel of D taps explains, tones limited to twice their median magnitude."""
    magnitude = np.empty(tones.size, np.float32)
    for j in range(tones.size):
        magnitude[j] = np.sqrt(tones[j].real ** 2 + tones[j].imag ** 2)
    limit = np.float32(2) * np.median(magnitude)
    limited = np.empty((1, tones.size), np.complex64)
    for j in range(tones.size):
        limited[0, j] = tones[j] * np.float32(limit / max(magnitude[j], limit, np.float32(1e-30)))
    inside = np.dot(limited, basis)
    return energy_of(inside) / max(energy_of(limited), 1e-30)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def residual_offset(copies: np.ndarray) -> float:
    """Carrier offset, in spacings, that aligns the rows of `copies`, complex64 [R, D].

    Maximum likelihood for copies of an unknown vector: with c_m = Σ_r <copy_r, copy_{r+m}>, maximize
    J(f) = Σ_{m>0} Re(c_m exp(-j2πfm)); its error meets the bound of Morelli and Mengali (IEEE Commun. Lett. 3(3),
    1999). A short grid guards the Newton steps against side lobes.
    """
    size = copies.shape[0]
    sums = np.zeros(size, np.complex128)
    for row in range(size):
        for column in range(row):
            total = 0j
            for d in range(copies.shape[1]):
                total += copies[row, d] * np.conj(copies[column, d])
            sums[row - column] += total
    best = -np.inf
    offset = 0.0
    spacing = 0.125 / size
    step = np.exp(-2j * np.pi * spacing)
    turn = np.exp(2j * np.pi * spacing * 2 * size)
    for trial in range(-2 * size, 2 * size + 1):
        value = 0.0
        turned = turn
        for lag in range(1, size):
            value += sums[lag].real * turned.real - sums[lag].imag * turned.imag
            turned *= turn
        turn *= step
        if value > best:
            best = value
            offset = spacing * trial
    for _ in range(3):
        slope = 0.0
        bend = 0.0
        turn = np.exp(-2j * np.pi * offset)
        turned = turn
        for lag in range(1, size):
            moved = sums[lag] * turned
            slope += lag * moved.imag
            bend += lag * lag * moved.real
            turned *= turn
        if bend <= 0.0:
            break
        offset += min(max(slope / (2 * np.pi * bend), -0.05), 0.05)
    return offset
