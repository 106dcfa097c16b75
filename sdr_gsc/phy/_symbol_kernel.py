"""Compiled demodulation of the OFDM symbols behind a preamble, with windows that follow the sampling clock."""

from __future__ import annotations

import numpy as np
from numba import njit

from ._acquisition import lost_within
from ._grid_tables import GridTables
from ._kernels import gather_symbols
from ._pilot_kernel import DelayFit, add_delay_information, solve_delay, turn_pilots

__all__ = ["MAX_CLOCK_OFFSET", "demodulate_symbols", "follow_symbols", "symbol_times"]

#: Clock offset beyond which a fit followed something else than the transmitter's clock.
MAX_CLOCK_OFFSET = 1e-3
#: Symbols demodulated before the window is moved again: 50 ppm is half a sample over as many at N = 64.
_CHUNK = 128


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def symbol_times(count: int, grid: GridTables) -> np.ndarray:
    """float64 [count], samples between the middle of the training symbols and the window of each symbol."""
    copies = grid.copies * grid.fft_size
    length = grid.fft_size + grid.cp_length
    return copies + grid.cp_length + length * np.arange(count) - 0.5 * (copies - grid.fft_size)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def demodulate_symbols(
    samples: np.ndarray,
    lost_before: np.ndarray,
    training_start: int,
    cfo: float,
    first: int,
    drift: tuple[float, float],
    grid: GridTables,
    values: np.ndarray,
    shift: np.ndarray,
    usable: np.ndarray,
) -> None:
    """Unitary FFTs of consecutive symbols.

    Args:
        samples: complex64 [n].
        lost_before: int64 [n + 1] or empty.
        training_start: from the acquisition.
        cfo: subcarrier spacings, removed with phase zero at `training_start`.
        first: index of the first symbol behind the preamble.
        drift: delay offset in samples and delay rate in samples per sample.
        grid: tables.
        values: complex64 [S, N], filled; 0 where not usable.
        shift: int64 [S], filled: samples by which each window followed the delay.
        usable: bool [S], filled: False where the capture has a gap or has ended.
    """
    n, count = grid.fft_size, values.shape[0]
    length = n + grid.cp_length
    origin = grid.copies * n + grid.cp_length
    middle = 0.5 * (grid.copies - 1) * n
    starts = np.empty(count, np.int64)
    for s in range(count):
        nominal = origin + length * (first + s)
        when = nominal - middle
        # An interferer on the pilots fits any delay, and the window must stay inside the capture.
        reach = grid.cp_length + MAX_CLOCK_OFFSET * when
        shift[s] = int(np.rint(min(max(drift[0] + drift[1] * when, -reach), reach)))
        start = training_start + nominal + shift[s]
        usable[s] = start >= 0 and start + n <= samples.size and lost_within(lost_before, start, n) == 0
        starts[s] = start if usable[s] else 0  # any place inside: what is read there is thrown away
    turn = 2 * np.pi * cfo / n
    gather_symbols(samples.view(np.float32), starts, turn, training_start, values.view(np.float32))
    for s in range(count):
        if not usable[s]:
            values[s] = 0
    # numpy's name, for scipy's takes no `out`: in compiled code both are rocket-fft, and single precision stays single.
    np.fft.fft(values, axis=1, norm="ortho", out=values)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def follow_symbols(
    samples: np.ndarray,
    lost_before: np.ndarray,
    training_start: int,
    cfo: float,
    drift: tuple[float, float],
    response: np.ndarray,
    noise_variance: float,
    pilot_tones: np.ndarray,
    spared: np.ndarray,
    grid: GridTables,
    values: np.ndarray,
    shift: np.ndarray,
    usable: np.ndarray,
) -> DelayFit:
    """Demodulate a frame chunk by chunk; each chunk's pilots tell where the next one's windows lie.

    Args:
        samples: complex64 [n].
        lost_before: int64 [n + 1] or empty.
        training_start: settled.
        cfo: subcarrier spacings.
        drift: delay offset and rate that the header's pilots showed.
        response: complex64 [Na], channel from the training symbols.
        noise_variance: of a tone.
        pilot_tones: complex64 [S, Np], conjugate transmitted pilots.
        spared: bool [S], symbols whose pilots tell the delay.
        grid: tables.
        values: complex64 [S, N], filled.
        shift: int64 [S], filled.
        usable: bool [S], filled.

    Returns:
        Delay, from the pilots of all symbols.
    """
    total, done = values.shape[0], 0
    times = symbol_times(total, grid)
    ramp = 2 * np.pi * grid.signed[grid.pilots_at] / grid.fft_size
    expected = np.empty((1, ramp.size), np.complex64)
    for k in range(ramp.size):
        expected[0, k] = response[grid.pilots_at[k]]
    fit = DelayFit(drift[0], drift[1], 0.0, 0.0, 0.0)
    sums = np.zeros(5)
    while done < total:
        first, done = done, min(done + _CHUNK, total)
        demodulate_symbols(
            samples, lost_before, training_start, cfo, first, (fit.offset, fit.rate), grid,
            values[first:done], shift[first:done], usable[first:done],
        )  # fmt: skip
        pilots = turn_pilots(
            values[first:done], pilot_tones[first:done], grid.pilots, ramp, times[first:done], shift[first:done],
            usable[first:done], fit,
        )  # fmt: skip
        heard = usable[first:done] & spared[first:done]
        add_delay_information(pilots, expected, heard, ramp, times[first:done], fit, noise_variance, sums)
        fit = solve_delay(sums, done)
    return fit
