"""From symbols or bytes to samples."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.fft

from ..errors import SettingsError
from ..units import from_db, to_db
from ._header import encode_header, header_cells
from ._sequences import qpsk_points, random_bits
from .blocks import block_bytes, block_symbols, blocks_per_frame, coded_plan, encode_blocks, split_payload
from .framing import MAX_COUNT, FrameHeader, FrameLayout, frame_plan, interleave
from .numerology import Numerology
from .preamble import Preamble

__all__ = ["Transmission", "Transmitter", "pilot_values"]

_PILOT_SEED = 0x9117


def pilot_values(numerology: Numerology, n_symbols: int) -> np.ndarray:
    """Pilots of the symbols after the preamble, float32 [n_symbols, Np] of ±1; they differ, so no line spectrum."""
    return _pilots(numerology.pilots.size, n_symbols)


@functools.lru_cache(maxsize=64)
def _pilots(per_symbol: int, n_symbols: int) -> np.ndarray:
    values = 1.0 - 2.0 * random_bits(_PILOT_SEED, n_symbols * per_symbol).astype(np.float32)
    values.setflags(write=False)
    return values.reshape(n_symbols, per_symbol)


@dataclass(frozen=True, slots=True)
class Transmission:
    """A burst ready for a radio.

    Attributes:
        samples: complex64 [n], magnitude <= 1, with the gaps before and after.
        n_frames: frames in the burst.
        n_payload_symbols: payload symbols before padding.
        n_air_samples: samples between the gaps: preambles, headers, pilots and prefixes included.
        papr_db: peak-to-average power ratio of the burst before clipping.
        mean_power: mean of |x|² over the burst without gaps, linear, full scale 1.
        clipped: samples whose magnitude was cut to full scale.
    """

    samples: np.ndarray
    n_frames: int
    n_payload_symbols: int
    n_air_samples: int
    papr_db: float
    mean_power: float
    clipped: int


@dataclass(frozen=True, slots=True)
class Transmitter:
    """OFDM transmitter with a fixed amplitude: the mean power does not depend on what is sent.

    Attributes:
        numerology: the grid.
        frame_symbols: payload symbols per frame, at most.
        backoff_db: mean power below full scale, >= 0. OFDM peaks beyond it are clipped (and counted): one sample in
            10^7 at the default, exp(-10^(backoff_db/10)).
        gap_samples: zeros before and after the burst.

    Raises:
        SettingsError: a value out of range.
    """

    numerology: Numerology = field(default_factory=Numerology)
    frame_symbols: int = 2048
    backoff_db: float = 12.0
    gap_samples: int = 512
    _preamble: Preamble = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.frame_symbols <= MAX_COUNT:
            raise SettingsError(f"frame_symbols is {self.frame_symbols}; it must lie in 1…{MAX_COUNT}")
        if not 0 <= self.backoff_db <= 60:
            raise SettingsError(f"backoff_db is {self.backoff_db}; it must lie in 0…60")
        if self.gap_samples < 0:
            raise SettingsError(f"gap_samples is {self.gap_samples}; it must not be negative")
        object.__setattr__(self, "_preamble", Preamble(self.numerology))

    def transmit_symbols(self, symbols: np.ndarray, descriptor: bytes, seed: int) -> Transmission:
        """Uncoded soft symbols.

        Args:
            symbols: complex64 [n], finite, unit mean power.
            descriptor: at most 32 bytes, sent in every frame header.
            seed: interleaver seed; the receiving end needs it for `deinterleave`.

        Raises:
            SettingsError: empty, not finite or wrongly scaled symbols, or a descriptor that is too long.
        """
        symbols = np.asarray(symbols, np.complex64)
        if symbols.ndim != 1 or symbols.size == 0 or not np.isfinite(symbols).all():
            raise SettingsError(f"symbols must be finite complex64 [n], n >= 1, not of shape {list(symbols.shape)}")
        power = float(np.mean(symbols.real**2 + symbols.imag**2))
        # A handful of points scatters around the mean power of its constellation; a picture does not.
        if not abs(power - 1) < 0.05 + 5 / np.sqrt(symbols.size):
            raise SettingsError(f"mean symbol power is {power:.4g}; it must be 1: divide by its square root")
        n_frames = len(frame_plan(symbols.size, self.frame_symbols))
        parts = interleave(symbols, seed, n_frames)
        headers = [FrameHeader(i, part.size, None, 0, descriptor) for i, part in enumerate(parts)]
        return self._burst(headers, parts, symbols.size, seed)

    def transmit_bytes(self, payload: bytes, mcs: int, descriptor: bytes, seed: int) -> Transmission:
        """Coded bytes.

        Args:
            payload: at least one byte; `join_blocks` puts the blocks together again.
            mcs: index into MCS_TABLE.
            descriptor: at most 32 bytes, sent in every frame header.
            seed: chooses the padding.

        Raises:
            SettingsError: empty payload, or frames too short for one block.
        """
        per_frame = blocks_per_frame(self.frame_symbols, mcs)
        if per_frame == 0:
            raise SettingsError(
                f"one block of MCS {mcs} takes {block_symbols(1, mcs)} symbols, a frame holds {self.frame_symbols}; "
                "raise frame_symbols"
            )
        blocks = split_payload(payload, mcs)
        parts, headers, first = [], [], 0
        for sequence, count in enumerate(coded_plan(len(blocks), -(-len(blocks) // per_frame))):
            parts.append(encode_blocks(blocks[first : first + count], mcs, seed + sequence))
            headers.append(FrameHeader(sequence, parts[-1].size, mcs, count, descriptor))
            first += count
        return self._burst(headers, parts, sum(part.size for part in parts), seed)

    def capacity_bytes(self, n_symbols: int, mcs: int) -> int:
        """Payload bytes that fit `n_symbols` payload symbols as whole blocks; may be 0.

        The coded frames take no more payload symbols and no more air than the same number of uncoded symbols would.
        """
        plan = frame_plan(n_symbols, self.frame_symbols)
        air = self.air_samples(n_symbols)
        blocks = len(plan) * blocks_per_frame(plan[0], mcs)
        # Filling fewer frames more fully can beat leaving a remainder in each.
        while blocks_per_frame(self.frame_symbols, mcs):
            sizes = self._coded_sizes(blocks + 1, mcs)
            if sum(sizes) > n_symbols or sum(map(self._frame_length, sizes)) > air:
                break
            blocks += 1
        return blocks * block_bytes(mcs)

    def air_samples(self, n_symbols: int) -> int:
        """Samples on the air, without gaps, of `n_symbols` uncoded payload symbols."""
        return sum(self._frame_length(size) for size in frame_plan(n_symbols, self.frame_symbols))

    def _coded_sizes(self, n_blocks: int, scheme: int) -> list[int]:
        """Payload symbols of each frame that carries its share of `n_blocks`."""
        n_frames = -(-n_blocks // blocks_per_frame(self.frame_symbols, scheme))
        return [block_symbols(count, scheme) for count in coded_plan(n_blocks, n_frames)]

    def _frame_length(self, n_symbols: int) -> int:
        grid = self.numerology
        header = header_cells(grid.data.size) // grid.data.size
        return self._preamble.length + grid.symbol_length * (header + FrameLayout.of(n_symbols, grid).length)

    def _burst(
        self, headers: Sequence[FrameHeader], parts: Sequence[np.ndarray], n_payload: int, seed: int
    ) -> Transmission:
        frames = [self._frame(header, part, seed) for header, part in zip(headers, parts, strict=True)]
        burst = np.concatenate(frames)
        burst *= np.float32(np.sqrt(from_db(-self.backoff_db) / self.numerology.occupied_fraction))
        power = burst.real**2 + burst.imag**2
        mean, peak = float(np.mean(power, dtype=np.float64)), float(power.max())
        over = power > 1.0
        # The margin keeps rounding from leaving a magnitude of 1 + 1e-7.
        burst[over] *= np.float32(1 - 1e-6) / np.sqrt(power[over])
        gap = np.zeros(self.gap_samples, np.complex64)
        return Transmission(
            samples=np.concatenate([gap, burst, gap]),
            n_frames=len(frames),
            n_payload_symbols=n_payload,
            n_air_samples=burst.size,
            papr_db=to_db(peak / mean),
            mean_power=float(np.mean(burst.real**2 + burst.imag**2, dtype=np.float64)),
            clipped=int(np.count_nonzero(over)),
        )

    def _frame(self, header: FrameHeader, payload: np.ndarray, seed: int) -> np.ndarray:
        grid = self.numerology
        n_data = grid.data.size
        cells = encode_header(header.pack(), header_cells(n_data))
        layout = FrameLayout.of(payload.size, grid)
        n_header = cells.size // n_data
        is_data = np.concatenate([np.ones(n_header, bool), ~layout.is_training])
        capacity = int(np.count_nonzero(is_data)) * n_data
        fill = qpsk_points(seed ^ 0xF111, capacity - cells.size - payload.size)
        spectrum = np.zeros((is_data.size, grid.fft_size), np.complex64)
        data = np.zeros((is_data.size, n_data), np.complex64)
        data[is_data] = np.concatenate([cells, payload, fill]).reshape(-1, n_data)
        spectrum[:, grid.data] = data
        spectrum[:, grid.pilots] = pilot_values(grid, is_data.size)
        spectrum[np.ix_(~is_data, grid.active)] = self._preamble.tones
        symbols = scipy.fft.ifft(spectrum, axis=1, norm="ortho", overwrite_x=True)
        with_prefix = np.concatenate([symbols[:, grid.fft_size - grid.cp_length :], symbols], axis=1)
        return np.concatenate([self._preamble.samples, with_prefix.reshape(-1)])
