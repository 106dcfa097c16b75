"""Compiled stages of a frame, one call each.

Results go into arrays that the caller brings: making arrays for Python inside compiled code takes longer than much of
what happens here.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ._acquisition import acquire_preamble, believed, lost_within, refine_place
from ._channel_kernel import ChannelTables, likeliest_profile, stands_still, static_estimate, together
from ._equalizer_kernel import mean_of_finite, modulation_error, subcarrier_snr
from ._frame_tables import FrameTables
from ._header import read_header, write_header
from ._header_kernel import Base, header_cells_of, open_frame
from ._payload_kernel import Middle, finish_payload, observe_payload
from ._pilot_kernel import DelayFit
from ._rails_kernel import count_at_limit
from ._receiver_tables import ReceiverTables
from ._struck_kernel import calm_scatter

__all__ = ["CALM", "FINAL_FIGURES", "FIRST_FIGURES", "FOUND", "GOOD", "NOTHING", "SCATTER", "find_frame", "read_frame"]

#: What `find_frame` found.
NOTHING, FOUND, GOOD = 0, 1, 2
FIRST_FIGURES = 10
START, CFO, METRIC, DELAY, SCATTER, SLOPE_DEVIATION, DRIFT_OFFSET, DRIFT_RATE, SLOPE, HEARD = range(FIRST_FIGURES)
"""Where `find_frame` puts its figures."""
FINAL_FIGURES = 8
MEAN_VARIANCE, THERMAL, DISTORTION, FINAL_RATE, FINAL_SLOPE, POWER, ERROR, CALM = range(FINAL_FIGURES)
"""Where `read_frame` puts its figures."""


@njit(cache=True, nogil=True, error_model="numpy")
def find_frame(
    samples: np.ndarray,
    lost_before: np.ndarray,
    candidate: int,
    fractional: float,
    earliest: int,
    pilot_tones: np.ndarray,
    tables: ReceiverTables,
    figures: np.ndarray,
    fields: np.ndarray,
    training: np.ndarray,
    response: np.ndarray,
) -> int:
    """Acquire a preamble near a candidate and decode the header behind it.

    A walking phase follows a noisy oscillator; at low SNR it follows the noise, and a line is the better guess: a
    header that fails with the one is tried with the other.

    Args:
        samples: complex64 [n].
        lost_before: int64 [n + 1] or empty.
        candidate: where the preamble seems to begin.
        fractional: carrier offset modulo one spacing.
        earliest: first sample of the first training copy, at the least.
        pilot_tones: complex64 [H, Np], conjugate transmitted pilots of the header.
        tables: of the receiver.
        figures: float64 [10], filled: start of the first training copy's window, carrier offset in spacings, metric,
            delay of the first path beyond window and slack in samples, thermal noise variance of a tone, standard
            deviation of the phase's slope, delay offset in samples, delay rate in samples per sample, slope of the
            phase in rad per symbol, training copies that were heard.
        fields: uint8 [37], filled: of the header.
        training: complex64 [R, Na], filled: channel that each heard copy saw.
        response: complex64 [1, Na], filled: channel.

    Returns:
        NOTHING, FOUND (a preamble without a good header) or GOOD.
    """
    grid = tables.grid
    found, start, _, cfo, metric, content, agreement, copies = acquire_preamble(
        samples, lost_before, candidate, fractional, tables.acquisition
    )
    if not found or start < earliest or not believed(cfo, metric, content, agreement, tables.acquisition):
        return NOTHING
    if _try_place(
        samples, lost_before, start, cfo, metric, copies, pilot_tones, tables, figures, fields, training, response
    ):
        return GOOD
    # In much noise a place one copy off may look as good as the right one; a header tells them apart.
    other_figures, other_training, other_response = np.empty_like(figures), np.empty_like(training), response.copy()
    for step in (grid.fft_size, -grid.fft_size):
        place = start + tables.acquisition.slack + step
        found, at, _, other, metric, content, agreement, copies = refine_place(samples, place, cfo, tables.acquisition)
        if not found or at < earliest or not believed(other, metric, content, agreement, tables.acquisition):
            continue
        if _try_place(
            samples, lost_before, at, other, metric, copies, pilot_tones, tables, other_figures, fields,
            other_training, other_response,
        ):  # fmt: skip
            figures[:], training[:], response[:] = other_figures, other_training, other_response
            return GOOD
    return FOUND


@njit(cache=True, nogil=True, error_model="numpy")
def _try_place(
    samples: np.ndarray,
    lost_before: np.ndarray,
    start: int,
    cfo: float,
    metric: float,
    copies: np.ndarray,
    pilot_tones: np.ndarray,
    tables: ReceiverTables,
    figures: np.ndarray,
    fields: np.ndarray,
    training: np.ndarray,
    response: np.ndarray,
) -> bool:
    """Decode the header behind a preamble; fills what `find_frame` fills, and tells whether the checksum holds."""
    grid = tables.grid
    if lost_before.size > 0:
        copies = _heard_copies(copies, lost_before, start, grid.fft_size)
    opening = open_frame(samples, lost_before, start, cfo, copies, tables.acquisition.probe, tables.channel, grid)
    cells, variance, fit, slope = header_cells_of(opening, pilot_tones, True, grid)
    good = read_header(cells.view(np.float32), variance, tables.header, fields)
    if not good:
        cells, variance, fit, slope = header_cells_of(opening, pilot_tones, False, grid)
        good = read_header(cells.view(np.float32), variance, tables.header, fields)
    base = opening.base
    heard = base.training.shape[0]
    figures[START], figures[CFO], figures[METRIC], figures[DELAY] = base.start, cfo, metric, opening.delay
    figures[SCATTER], figures[SLOPE_DEVIATION] = base.scatter, base.slope_deviation
    figures[DRIFT_OFFSET], figures[DRIFT_RATE], figures[SLOPE], figures[HEARD] = fit.offset, fit.rate, slope, heard
    training[:heard] = base.training
    response[:] = base.response
    return good


@njit(cache=True, nogil=True, error_model="numpy")
def _heard_copies(copies: np.ndarray, lost_before: np.ndarray, start: int, fft_size: int) -> np.ndarray:
    """Copies without lost samples, as long as two remain to tell noise from signal."""
    heard = np.empty_like(copies)
    count = 0
    for r in range(copies.shape[0]):
        if lost_within(lost_before, start + r * fft_size, fft_size) == 0:
            heard[count] = copies[r]
            count += 1
    return heard[:count] if count >= 2 else copies


@njit(cache=True, nogil=True, error_model="numpy")
def read_frame(
    samples: np.ndarray,
    lost_before: np.ndarray,
    figures: np.ndarray,
    fields: np.ndarray,
    training: np.ndarray,
    base_response: np.ndarray,
    frame: FrameTables,
    levels: int,
    half_spacing: float,
    strikes: np.ndarray,
    heed: bool,
    response: np.ndarray,
    error_variance: np.ndarray,
    tables: ReceiverTables,
    final: np.ndarray,
    symbols: np.ndarray,
    variance: np.ndarray,
    snr_db: np.ndarray,
    error_db: np.ndarray,
    seen_when: np.ndarray,
    seen: np.ndarray,
) -> int:
    """Demodulate a frame whose header is known.

    Without a given channel it is taken to stand still, unless the known symbols contradict; then nothing is equalized,
    and the caller comes back with a channel that moves. Where a converter was at its limit, the caller comes back too,
    with the counts of such samples, and has them heeded.

    Args:
        samples: complex64 [n].
        lost_before: int64 [n + 1] or empty.
        figures: from `find_frame`; so are the next three.
        fields: uint8 [37].
        training: complex64 [R, Na].
        base_response: complex64 [1, Na].
        frame: of its length.
        levels: of the constellation per axis, 0 for none.
        half_spacing: between its levels.
        strikes: int64 [S + 1], samples at the converter's limit, see `count_at_limit`, filled unless they are heeded;
            empty where no sample is.
        heed: weigh each OFDM symbol by its `strikes`; then `variance` holds what was found without.
        response: complex64 [S, Na], a channel that moves; or [1, Na], filled with one that does not.
        error_variance: float32 [S, Na] of a given channel; [0, Na] to estimate one.
        tables: of the receiver.
        final: float64 [8], filled: mean of the finite variances (or NaN), thermal noise, distortion, delay rate in
            samples per sample, slope of the phase in rad per symbol, mean channel power, mean squared modulation error
            (NaN without constellation), and where strikes were counted, the thermal noise of a tone without them.
        symbols: complex64 [n], filled: the payload's first n symbols, unbiased, 0 where lost.
        variance: float32 [n], filled: inf where lost.
        snr_db: float32 [Na], filled: Es/N0 per subcarrier.
        error_db: float32 [Nd], filled where there is a constellation: modulation error per data subcarrier.
        seen_when: float64 [2, 3 + K - H], filled where a channel moves: when it was observed, samples, and the symbols
            that each observation is the mean of.
        seen: complex64 [3 + K - H, Na], filled likewise: observations.

    Returns:
        0 if the frame was equalized, else the number of observations.
    """
    grid = tables.grid
    heard = int(figures[HEARD])
    scatter, slope_deviation = figures[SCATTER], figures[SLOPE_DEVIATION]
    base = Base(int(figures[START]), training[:heard], base_response, scatter, slope_deviation)
    drift = DelayFit(figures[DRIFT_OFFSET], figures[DRIFT_RATE], 0.0, 0.0, 0.0)
    cells = np.empty(grid.header_symbols * grid.data.size, np.complex64)
    write_header(fields, tables.header, cells.view(np.float32))
    sent = frame.reference.copy()
    for row in range(grid.header_symbols):
        for j in range(grid.data.size):
            sent[row, grid.data_at[j]] = cells[row * grid.data.size + j]
    heeded = strikes if heed else strikes[:0]
    middle = observe_payload(
        samples, lost_before, figures[CFO], base, drift, frame.pilot_tones, frame.known, sent, heeded, grid
    )
    if strikes.size > 0 and not heed:
        count_at_limit(samples, base.start, middle.shift, middle.usable, grid, strikes)
        final[CALM] = scatter
        if strikes[strikes.size - 1] > 0:
            basis, dual = tables.channel.basis, tables.channel.dual
            final[CALM] = calm_scatter(middle.tones, frame.known, strikes, basis, dual, scatter)
    if error_variance.shape[0] == 0:
        calm, still, error_variance = _still_channel(middle, base, tables.channel)
        if not calm:
            count = middle.seen_at.size
            seen_when[0, :count], seen_when[1, :count], seen[:count] = middle.seen_at, middle.seen_symbols, middle.seen
            return count
        response[:] = still
    payload = finish_payload(
        middle, base, response, error_variance, frame.known, frame.data, heeded, grid, symbols, variance
    )
    noise = payload.noise
    final[MEAN_VARIANCE], final[THERMAL], final[DISTORTION] = mean_of_finite(variance), noise.thermal, noise.distortion
    final[FINAL_RATE], final[FINAL_SLOPE] = payload.fit.rate, payload.slope
    final[POWER] = subcarrier_snr(response, noise.thermal, noise.distortion, snr_db)
    final[ERROR] = np.nan
    if levels > 0:
        final[ERROR] = modulation_error(symbols, variance, levels, half_spacing, error_db)
    return 0


@njit(cache=True, nogil=True, error_model="numpy")
def _still_channel(middle: Middle, base: Base, tables: ChannelTables) -> tuple[bool, np.ndarray, np.ndarray]:
    """Whether the channel seems to stand still; its response complex64 [1, Na] and error variance if it does."""
    _, mean, remainder, scatter = together(middle.seen, middle.seen_symbols, tables)
    calm = stands_still(scatter, middle.seen_symbols.size, mean.size, base.scatter, base.training.shape[1])
    noise = base.scatter / middle.seen_symbols.sum()
    profile, power, _ = likeliest_profile(mean, noise, tables)
    response, variance = static_estimate(mean, remainder, noise, profile, power, tables)
    return calm, response.reshape(1, -1), variance.reshape(1, -1)
