"""The compiled matched search: a capture in, the detection statistic at every lag out.

Two passes over blocks of lags. The first cuts the waveform into segments short enough for any carrier offset and
looks, without trying offsets, at how much energy the segments' correlations hold and how steadily their phase
advances; it keeps a few lags in a thousand. The second tries all offsets there. Rows that the next block needs again
move to the front of their buffers instead of being computed twice.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ._matched_bank import SEGMENTS, bank, bank_lanes, fold
from ._matched_rows import FLAGS, TERMS, correlate_two, load, neighbours, screen, window_sums

__all__ = ["TILE", "search"]

#: Lags worked on at a time; the rows of one block stay in the second-level cache.
_BLOCK = 1024
#: Lags that the bank takes or leaves together.
TILE = 32
#: Tiles that the bank takes at a time, to make its loops long.
_TILES = 8
#: Energy, relative to the loudest sample of a capture, below which there is silence.
_SILENCE = np.float32(1e-30)


@njit(cache=True, nogil=True)
def _move_to_front(rows: np.ndarray, keep: int) -> None:
    """The last `keep` columns become the first; rows are at least `_BLOCK` longer than `keep`."""
    by = rows.shape[1] - keep
    for row in range(rows.shape[0]):
        into = rows[row, :keep]
        last = rows[row, by:]
        for k in range(keep):
            into[k] = last[k]


@njit(cache=True, nogil=True)
def _advance(planar: np.ndarray, taps: np.ndarray, rows: np.ndarray, phases: np.ndarray) -> None:
    """Correlate a block of new samples with the segments of one chunk, into the last columns of its rows.

    Segments come in pairs that share their samples, so the first of a pair is one segment length further on.

    Args:
        planar: float32 [2, N + _BLOCK], real and imaginary part.
        taps: float32 [8, N/4], segments of the chunk, interleaved; N is a multiple of 64.
        rows: float32 [16, columns], correlations; a new column is `columns - segment - _BLOCK` and later.
        phases: float32 [3, columns], Σ|A_s|² and Σ A_s·conj(A_s+1), real and imaginary part.
    """
    segment = (planar.shape[1] - _BLOCK) // SEGMENTS
    at = rows.shape[1] - segment - _BLOCK
    for s in range(0, SEGMENTS, 2):
        first_re = rows[2 * s, at + segment :]
        first_im = rows[2 * s + 1, at + segment :]
        second_re = rows[2 * s + 2, at : at + _BLOCK]
        second_im = rows[2 * s + 3, at : at + _BLOCK]
        first_re[:] = 0
        first_im[:] = 0
        second_re[:] = 0
        second_im[:] = 0
        for term in range(0, segment, TERMS):
            start = (s + 1) * segment + term
            correlate_two(
                planar[0, start : start + _BLOCK + TERMS - 1],
                planar[1, start : start + _BLOCK + TERMS - 1],
                taps[s, 2 * term : 2 * (term + TERMS)],
                taps[s + 1, 2 * term : 2 * (term + TERMS)],
                first_re,
                first_im,
                second_re,
                second_im,
            )
    neighbours(rows, at, phases[0, at:], phases[1, at:], phases[2, at:])


@njit(cache=True, nogil=True, fastmath=FLAGS)
def _screen(
    phases: np.ndarray,
    chunks: np.ndarray,
    chunk: int,
    gains: np.ndarray,
    longest: int,
    work: np.ndarray,
    first: np.ndarray,
) -> None:
    """The first pass's statistic, gain·(E + 2|D|): the larger one of one lag and of a window of `longest` lags.

    E is the energy of all segments' correlations A_s, D the sum of A_s·conj(A_s+1), which a carrier offset only turns.
    E alone would be noncoherent detection; 2|D| adds what neighbours gain by agreeing in phase.

    Args:
        phases: float32 [U, 3, columns], of each different chunk.
        chunks: int64 [R], which of them each chunk of the waveform is.
        chunk: samples N.
        gains: float32 [2], reciprocal threshold for one lag and for the window.
        longest: lags of the window.
        work: float32 [6, >= _BLOCK + longest], scratch.
        first: float32 [_BLOCK], filled.
    """
    size = first.size + longest - 1
    for part in range(3):
        row = work[part, :size]
        for r in range(chunks.size):
            more = phases[chunks[r], part, r * chunk : r * chunk + size]
            for k in range(size):
                row[k] = more[k] if r == 0 else row[k] + more[k]
    n = first.size
    first[:] = 0
    screen(work[0, :n], work[1, :n], work[2, :n], gains[0], first)
    now = 0
    width = 1
    while width < longest:
        size -= width
        for part in range(3):
            row = work[now + part, :size]
            ahead = work[now + part, width : width + size]
            doubled = work[3 - now + part, :size]
            for k in range(size):
                doubled[k] = row[k] + ahead[k]
        now = 3 - now
        width *= 2
    if longest > 1:
        screen(work[now, :n], work[now + 1, :n], work[now + 2, :n], gains[1], first)


@njit(cache=True, nogil=True, fastmath=FLAGS)
def _passes(first: np.ndarray, energy: np.ndarray, weights: np.ndarray) -> bool:
    """Whether any lag of a tile passes the first pass; then its weights are 1/energy, and 0 of those that do not."""
    passed = 0
    for k in range(first.size):
        passed += (first[k] > energy[k]) & (energy[k] > _SILENCE)
    if passed == 0:
        return False
    for k in range(first.size):
        weights[k] = 1 / energy[k] if (first[k] > energy[k]) & (energy[k] > _SILENCE) else np.float32(0)
    return True


@njit(cache=True, nogil=True)
def _keep(first: np.ndarray, energy: np.ndarray, screened: np.ndarray) -> None:
    """Raise `screened` to first/energy."""
    for k in range(screened.size):
        if energy[k] > _SILENCE:
            screened[k] = max(screened[k], first[k] / energy[k])


@njit(cache=True, nogil=True)
def _hand_out(best: np.ndarray, places: np.ndarray, weights: np.ndarray, lanes: int, statistic: np.ndarray) -> None:
    """Raise `statistic` to best·weight at the places of the tiles."""
    for slot in range(best.size // lanes):
        for k in range(min(TILE, statistic.size - places[slot])):
            at = places[slot] + k
            statistic[at] = max(statistic[at], best[slot * lanes + k] * weights[slot, k])


@njit(cache=True, nogil=True)
def search(
    rails: np.ndarray,
    scale: np.float32,
    taps: np.ndarray,
    chunks: np.ndarray,
    cosines: np.ndarray,
    sines: np.ndarray,
    gains: np.ndarray,
    screen_gains: np.ndarray,
    longest: int,
    span: int,
    chunk: int,
    statistic: np.ndarray,
    screened: np.ndarray,
) -> None:
    """Detection statistic at every lag of a capture.

    Args:
        rails: float32 [2n], I and Q interleaved.
        scale: power of two that brings the loudest sample near 1.
        taps: float32 [C, U, 8, N/4], per centre of offsets the different chunks of the waveform, unit energy.
        chunks: int64 [R], which of the U chunks each chunk of the waveform is.
        cosines: float32 [F, J/2], offsets about a centre, see `bank`; J/2 is 4R or more, a multiple of 8.
        sines: float32 [F, J/2].
        gains: float32 [I], reciprocal thresholds of windows of 1, 2, 4, … lags, at least four; 0 for an unused window.
        screen_gains: float32 [2], reciprocal thresholds of the first pass; huge lets every lag pass.
        longest: lags of the longest window that is used.
        span: samples whose energy normalizes a lag.
        chunk: N, samples of a chunk.
        statistic: float32 [lags], zeros; filled where the first pass saw something.
        screened: float32 [lags], zeros, filled with the first pass's statistic; or [0] if that is not wanted.
    """
    centres, unique = taps.shape[0], taps.shape[1]
    segment = chunk // SEGMENTS
    lanes = bank_lanes(TILE, 1 << (gains.size - 1))
    lead = chunk * (chunks.size - 1) + lanes - TILE
    rows = np.zeros((centres, unique, 2 * SEGMENTS, lead + segment + _BLOCK), np.float32)
    phases = np.zeros((centres, unique, 3, lead + _BLOCK), np.float32)
    planar = np.zeros((2, chunk + _BLOCK), np.float32)
    powers = np.zeros((1, lead + chunk + _BLOCK), np.float32)
    spare = np.empty((2, powers.shape[1]), np.float32)
    energy = np.empty(_BLOCK, np.float32)
    work = np.empty((6, _BLOCK + longest), np.float32)
    folded = np.zeros((2, cosines.shape[1], 2, _TILES * lanes), np.float32)
    bank_work = np.zeros((8, _TILES * lanes + (1 << (gains.size - 1))), np.float32)
    best = np.empty(_TILES * lanes, np.float32)
    places = np.empty(_TILES, np.int64)
    weights = np.empty((_TILES, TILE), np.float32)
    waiting = 0
    first = np.empty(_BLOCK, np.float32)
    warm_up = -(-(lead + chunk) // _BLOCK)
    for block in range(-warm_up, -(-statistic.size // _BLOCK)):
        origin = block * _BLOCK
        _move_to_front(planar, chunk)
        _move_to_front(powers, lead + chunk)
        fresh_re = planar[0, chunk:]
        fresh_im = planar[1, chunk:]
        load(rails, origin + lead + chunk, scale, fresh_re, fresh_im)
        fresh_power = powers[0, lead + chunk :]
        for k in range(_BLOCK):
            fresh_power[k] = fresh_re[k] * fresh_re[k] + fresh_im[k] * fresh_im[k]
        if block >= 0:
            window_sums(powers[0, : _BLOCK + span - 1], span, spare, energy)
        for centre in range(centres):
            for u in range(unique):
                _move_to_front(rows[centre, u], lead + segment)
                _move_to_front(phases[centre, u], lead)
                _advance(planar, taps[centre, u], rows[centre, u], phases[centre, u])
            if block < 0:
                continue
            _screen(phases[centre], chunks, chunk, screen_gains, longest, work, first)
            if screened.size:
                _keep(first, energy, screened[origin : origin + _BLOCK])
            for tile in range(0, min(_BLOCK, statistic.size - origin), TILE):
                if not _passes(first[tile : tile + TILE], energy[tile : tile + TILE], weights[waiting]):
                    continue
                fold(rows[centre], chunks, chunk, tile, lanes, waiting * lanes, folded[0], folded[1])
                places[waiting] = origin + tile
                waiting += 1
                if waiting == _TILES:
                    bank(folded[0], folded[1], cosines, sines, gains, bank_work, best)
                    _hand_out(best, places, weights, lanes, statistic)
                    waiting = 0
    part = best[: waiting * lanes]
    bank(folded[0], folded[1], cosines, sines, gains, bank_work, part)
    _hand_out(part, places, weights, lanes, statistic)
