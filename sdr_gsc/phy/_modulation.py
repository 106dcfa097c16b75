"""Compiled inner loops of the transmitter: cells of a frame into subcarriers, subcarriers into samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.fft
from numba import njit

from ._grid_tables import GridTables
from ._sequences import qpsk_point

__all__ = ["FrameContent", "emit_rows", "limit", "map_rows", "modulate"]

#: Samples transformed at a time: what a core's nearest caches hold.
_CHUNK_SAMPLES = 8192
#: The margin keeps rounding from leaving a magnitude of 1 + 1e-7.
_FULL_SCALE = np.float32(1 - 1e-6)
#: Peaks kept side by side: one running maximum would wait for itself.
_LANES = 64


class FrameContent(NamedTuple):
    """What the OFDM symbols behind a preamble carry.

    Attributes:
        header: complex64 [h·Nd].
        payload: complex64 [n].
        filling: stream of the points that fill the last OFDM symbol.
        pilots: float32 [h + S, Np].
        is_training: bool [S], the symbols behind the header.
    """

    header: np.ndarray
    payload: np.ndarray
    filling: np.uint64
    pilots: np.ndarray
    is_training: np.ndarray


@njit(cache=True, nogil=True)
def map_rows(grid: GridTables, content: FrameContent, first: int, taken: int, rows: np.ndarray) -> int:
    """Subcarriers of consecutive OFDM symbols of a frame.

    Args:
        grid: the grid.
        content: what to map.
        first: OFDM symbol of the first row; 0 is the first one of the header.
        taken: payload symbols that stand in earlier OFDM symbols.
        rows: complex64 [rows, N], zero where nothing is active; filled.

    Returns:
        Payload symbols taken so far.
    """
    header, payload, filling, pilots, is_training = content
    per_symbol = grid.data.size
    in_header = header.size // per_symbol
    for index in range(rows.shape[0]):
        symbol = first + index
        row = rows[index]
        if symbol >= in_header and is_training[symbol - in_header]:
            for k in range(grid.active.size):
                row[grid.active[k]] = grid.training[k]
            continue
        for k in range(grid.pilots.size):
            row[grid.pilots[k]] = pilots[symbol, k]
        if symbol < in_header:
            cells = header[symbol * per_symbol : (symbol + 1) * per_symbol]
        else:
            cells = payload[taken : taken + per_symbol]
            taken += cells.size
        for k in range(cells.size):
            row[grid.data[k]] = cells[k]
        for k in range(cells.size, per_symbol):
            row[grid.data[k]] = qpsk_point(filling, k - cells.size)
    return taken


@njit(cache=True, nogil=True, fastmath=True)
def limit(samples: np.ndarray, levels: np.ndarray) -> None:
    """Measure samples and cut what exceeds full scale.

    Args:
        samples: complex64 [n], changed in place.
        levels: float64 [4], updated: energy and peak power before cutting, energy cut off, samples cut.
    """
    rails = samples.view(np.float32)
    peaks = np.zeros(_LANES, np.float32)
    energy = np.float32(0)
    whole = samples.size // _LANES * _LANES
    for first in range(0, whole, _LANES):
        part = rails[2 * first : 2 * (first + _LANES)]
        for k in range(_LANES):
            power = part[2 * k] * part[2 * k] + part[2 * k + 1] * part[2 * k + 1]
            energy += power
            peaks[k] = max(peaks[k], power)
    rest = rails[2 * whole :]
    for k in range(rest.size // 2):
        power = rest[2 * k] * rest[2 * k] + rest[2 * k + 1] * rest[2 * k + 1]
        energy += power
        peaks[k] = max(peaks[k], power)
    peak = peaks.max()
    levels[0] += energy
    levels[1] = max(levels[1], peak)
    if peak > 1:
        _cut(rails, levels)


@njit(cache=True, nogil=True, fastmath=True)
def _cut(rails: np.ndarray, levels: np.ndarray) -> None:
    for k in range(rails.size // 2):
        power = rails[2 * k] * rails[2 * k] + rails[2 * k + 1] * rails[2 * k + 1]
        if power > 1:
            factor = _FULL_SCALE / np.sqrt(power)
            rails[2 * k] *= factor
            rails[2 * k + 1] *= factor
            levels[2] += power - _FULL_SCALE * _FULL_SCALE
            levels[3] += 1


@njit(cache=True, nogil=True, fastmath=True)
def emit_rows(rows: np.ndarray, cp_length: int, amplitude: np.float32, out: np.ndarray, levels: np.ndarray) -> None:
    """OFDM symbols with their prefixes.

    Args:
        rows: complex64 [rows, N], subcarriers.
        cp_length: samples.
        amplitude: factor on top of the unitary transform.
        out: complex64 [rows·(N + CP)], filled.
        levels: as in `limit`.
    """
    waves = scipy.fft.ifft(rows, axis=1, norm="ortho").view(np.float32)
    rails = out.view(np.float32)
    step = 2 * (rows.shape[1] + cp_length)
    for index in range(rows.shape[0]):
        wave = waves[index]
        symbol = rails[index * step : (index + 1) * step]
        body = symbol[2 * cp_length :]
        for k in range(body.size):
            body[k] = wave[k] * amplitude
        tail = wave[wave.size - 2 * cp_length :]
        for k in range(tail.size):
            symbol[k] = tail[k] * amplitude
    limit(out, levels)


@njit(cache=True, nogil=True)
def modulate(
    grid: GridTables,
    content: FrameContent,
    beginning: np.ndarray,
    amplitude: np.float32,
    out: np.ndarray,
    levels: np.ndarray,
) -> None:
    """Samples of one frame.

    Args:
        grid: the grid.
        content: what to send.
        beginning: complex64 [P], the preamble, scaled already.
        amplitude: factor on top of the unitary transform.
        out: complex64 [P + symbols·(N + CP)], filled.
        levels: as in `limit`.
    """
    out[: beginning.size] = beginning
    limit(out[: beginning.size], levels)
    total = content.header.size // grid.data.size + content.is_training.size
    step = grid.fft_size + grid.cp_length
    at_once = min(total, max(1, _CHUNK_SAMPLES // grid.fft_size))
    rows = np.zeros((at_once, grid.fft_size), np.complex64)
    taken = 0
    for first in range(0, total, at_once):
        part = rows[: min(at_once, total - first)]
        taken = map_rows(grid, content, first, taken, part)
        start = beginning.size + first * step
        emit_rows(part, grid.cp_length, amplitude, out[start : start + part.shape[0] * step], levels)
