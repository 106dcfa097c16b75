"""From symbols or bytes to samples."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import SettingsError
from ..units import from_db, to_db
from ._grid_tables import GridTables, grid_tables
from ._header import encode_header
from ._interleaving import energy
from ._modulation import FrameContent, emit_rows, limit, map_rows, modulate
from ._papr_kernel import clip_and_filter
from ._sequences import qpsk_state, random_bits
from .blocks import block_bytes, block_symbols, blocks_per_frame, coded_plan, encode_blocks, split_payload
from .framing import MAX_COUNT, FrameHeader, FrameLayout, frame_plan, interleave
from .numerology import Numerology
from .papr import ClipAndFilter
from .preamble import Preamble

__all__ = ["Transmission", "Transmitter", "pilot_values"]

_PILOT_SEED = 0x9117
_FILL_SEED = 0xF111


def pilot_values(numerology: Numerology, n_symbols: int) -> np.ndarray:
    """Pilots of the symbols after the preamble, float32 [n_symbols, Np] of ±1; they differ, so no line spectrum."""
    # Shorter tables begin longer ones: few lengths are kept.
    return _pilots(numerology.pilots.size, 1 << max(8, (n_symbols - 1).bit_length()))[:n_symbols]


@functools.lru_cache(maxsize=32)
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
        papr_evm_db: what lowering the peaks cost: error of the payload's data subcarriers relative to their power; -inf
            where no symbol had such peaks, None without `papr_reduction`.
        frame_starts: first sample of each frame's preamble; frames follow one another without a pause.
    """

    samples: np.ndarray
    n_frames: int
    n_payload_symbols: int
    n_air_samples: int
    papr_db: float
    mean_power: float
    clipped: int
    papr_evm_db: float | None
    frame_starts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Transmitter:
    """OFDM transmitter with a fixed amplitude: the mean power does not depend on what is sent.

    Attributes:
        numerology: the grid.
        frame_symbols: payload symbols per frame, at most.
        backoff_db: mean power below full scale, >= 0. OFDM peaks beyond it are clipped (and counted): one sample in
            10^7 at the default, exp(-10^(backoff_db/10)).
        gap_samples: zeros before and after the burst.
        papr_reduction: lowers the peaks at the price of EVM, so that less back-off will do; None, the default, leaves
            them: soft symbols carry a picture in their very values, and clipping noise, unlike thermal noise, remains
            however good the channel is.

    Raises:
        SettingsError: a value out of range.
    """

    numerology: Numerology = field(default_factory=Numerology)
    frame_symbols: int = 2048
    backoff_db: float = 12.0
    gap_samples: int = 512
    papr_reduction: ClipAndFilter | None = None
    _tables: GridTables = field(init=False, repr=False, compare=False)
    _amplitude: np.float32 = field(init=False, repr=False, compare=False)
    _beginning: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.frame_symbols <= MAX_COUNT:
            raise SettingsError(f"frame_symbols is {self.frame_symbols}; it must lie in 1…{MAX_COUNT}")
        if not 0 <= self.backoff_db <= 60:
            raise SettingsError(f"backoff_db is {self.backoff_db}; it must lie in 0…60")
        if self.gap_samples < 0:
            raise SettingsError(f"gap_samples is {self.gap_samples}; it must not be negative")
        preamble = Preamble(self.numerology)
        amplitude = np.float32(np.sqrt(from_db(-self.backoff_db) / self.numerology.occupied_fraction))
        object.__setattr__(self, "_tables", grid_tables(preamble))
        object.__setattr__(self, "_amplitude", amplitude)
        object.__setattr__(self, "_beginning", amplitude * preamble.samples)

    def transmit_symbols(self, symbols: np.ndarray, descriptor: bytes, seed: int) -> Transmission:
        """Uncoded soft symbols.

        Args:
            symbols: complex64 [n], finite, unit mean power.
            descriptor: at most 32 bytes, sent in every frame header.
            seed: interleaver seed; the receiving end needs it for `deinterleave`.

        Raises:
            SettingsError: empty, not finite or wrongly scaled symbols, or a descriptor that is too long.
        """
        symbols = np.ascontiguousarray(symbols, np.complex64)
        total = energy(symbols) if symbols.ndim == 1 and symbols.size else math.nan
        if not math.isfinite(total):
            raise SettingsError(f"symbols must be finite complex64 [n], n >= 1, not of shape {list(symbols.shape)}")
        power = total / symbols.size
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
        symbols = self._tables.header_symbols + FrameLayout.of(n_symbols, self.numerology).length
        return self._beginning.size + symbols * self.numerology.symbol_length

    def _burst(
        self, headers: Sequence[FrameHeader], parts: Sequence[np.ndarray], n_payload: int, seed: int
    ) -> Transmission:
        lengths = [self._frame_length(part.size) for part in parts]
        gap, air = self.gap_samples, sum(lengths)
        samples = np.empty(air + 2 * gap, np.complex64)
        samples[:gap] = 0
        samples[gap + air :] = 0
        levels = np.zeros(4)
        errors = np.zeros(2)
        filling = qpsk_state(seed ^ _FILL_SEED)
        start = gap
        for header, part, length in zip(headers, parts, lengths, strict=True):
            self._frame(header, part, filling, samples[start : start + length], levels, errors)
            start += length
        before, peak, cut, clipped = levels.tolist()
        error, reference = errors.tolist()
        return Transmission(
            samples=samples,
            n_frames=len(parts),
            n_payload_symbols=n_payload,
            n_air_samples=air,
            papr_db=to_db(peak * air / before),
            mean_power=(before - cut) / air,
            clipped=int(clipped),
            papr_evm_db=None if self.papr_reduction is None else to_db(error / reference),
            frame_starts=tuple(itertools.accumulate(lengths[:-1], initial=gap)),
        )

    def _frame(
        self,
        header: FrameHeader,
        payload: np.ndarray,
        filling: np.uint64,
        out: np.ndarray,
        levels: np.ndarray,
        errors: np.ndarray,
    ) -> None:
        """Samples of one frame into `out`; what `limit` measures into `levels`, error and data energy into `errors`."""
        grid, tables, beginning = self.numerology, self._tables, self._beginning
        cells = encode_header(header.pack(), tables.header_symbols * grid.data.size)
        is_training = FrameLayout.of(payload.size, grid).is_training
        n_symbols = tables.header_symbols + is_training.size
        content = FrameContent(cells, payload, filling, pilot_values(grid, n_symbols), is_training)
        if self.papr_reduction is None:
            modulate(tables, content, beginning, self._amplitude, out, levels)
            return
        rows = np.zeros((n_symbols, grid.fft_size), np.complex64)
        map_rows(tables, content, 0, 0, rows)
        in_payload = tables.header_symbols + np.flatnonzero(~is_training)
        highest = np.float32(from_db(self.papr_reduction.peak_db) * grid.occupied_fraction)
        iterations = self.papr_reduction.iterations
        clip_and_filter(rows, np.arange(tables.header_symbols), grid.data, highest, iterations)
        errors += clip_and_filter(rows, in_payload, grid.data, highest, iterations)
        first = out[: beginning.size]
        first[:] = beginning
        limit(first, levels)
        emit_rows(rows, grid.cp_length, self._amplitude, out[beginning.size :], levels)
