"""The `coded` mapping: indices as bits behind a channel code, at the rate and levels that fit the same air samples."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..errors import SettingsError
from .codec import Codec
from .descriptor import Descriptor, Mapping
from .mapping import constellation_points, index_bits, indices_from_bits, points_of
from .quantizer import LEVELS
from .values import Reception, SemanticSymbols

__all__ = ["coded_payload", "encode_within", "received_points"]


def encode_within(codec: Codec, picture: np.ndarray, max_bytes: int, **description: int | float) -> SemanticSymbols:
    """Encode at the rate and number of levels that reconstruct best among those that fit.

    For each rate only the largest L that fits is a candidate; the sender decodes each candidate as a receiver would
    after error-free transmission, and keeps the smallest squared error.

    Args:
        codec: the codec.
        picture: float [H, W, 3] in [0, 1].
        max_bytes: payload bytes that the air samples allow at the MCS in use.
        **description: passed on to `Codec.encode`.

    Raises:
        SettingsError: not even the lowest rate fits.
    """
    height, width = picture.shape[:2]
    candidates = []
    sizes = codec.sizes(height, width)
    for rate, count in sizes:
        reals = 2 * count
        fitting = [levels for levels in LEVELS if reals * int(math.log2(levels)) <= 8 * max_bytes]
        if fitting:
            symbols = codec.encode(picture, rate, max(fitting), **description)  # type: ignore[arg-type]
            candidates.append((_error(codec, picture, symbols), symbols))
    if not candidates:
        needed = -(-4 * sizes[0][1] // 8)
        raise SettingsError(
            f"{max_bytes} bytes cannot carry a {width}x{height} picture; the lowest rate needs {needed}: use a higher "
            "MCS or more symbols"
        )
    return min(candidates, key=lambda candidate: candidate[0])[1]


def _error(codec: Codec, picture: np.ndarray, symbols: SemanticSymbols) -> float:
    exact = Reception(
        symbols.descriptor,
        constellation_points(symbols),
        np.zeros(symbols.descriptor.n_symbols, np.float32),
        None,
        (),
    )
    height, width = picture.shape[:2]
    decoded = codec.estimate(codec.evidence(exact)).picture[0, :, :height, :width].clamp(0, 1)
    return float(np.mean((decoded.permute(1, 2, 0).cpu().numpy() - picture) ** 2))


def _order(descriptor: Descriptor) -> np.ndarray:
    """Permutation of the symbols, so that a lost block is spread over the whole picture."""
    seeds = np.random.SeedSequence(descriptor.interleaver_seed, spawn_key=(descriptor.n_symbols,))
    return np.random.Generator(np.random.PCG64(seeds)).permutation(descriptor.n_symbols)


def coded_payload(symbols: SemanticSymbols, mcs: int) -> tuple[bytes, Descriptor]:
    """Payload bytes and the descriptor that goes with them; `n_frames` is still the sender's to fill in."""
    order = _order(symbols.descriptor)
    payload = np.packbits(index_bits(replace(symbols, indices=symbols.indices[order]))).tobytes()
    return payload, replace(symbols.descriptor, mapping=Mapping.CODED, mcs=mcs, n_bytes=len(payload))


def received_points(descriptor: Descriptor, blocks: tuple[bytes | None, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Exact points with variance 0 where a block is good, symbol 0 with variance inf where any of its bits is lost.

    Args:
        descriptor: of a `coded` transmission.
        blocks: the payload in order, None where a block failed; all but the last have the same length.

    Returns:
        Symbols complex64 [n_symbols] and noise variance float32 [n_symbols].
    """
    sizes = _block_sizes(blocks, descriptor.n_bytes)
    data = b"".join(block if block is not None else bytes(size) for block, size in zip(blocks, sizes, strict=True))
    good = np.repeat([block is not None for block in blocks], sizes)
    per_symbol = 2 * int(math.log2(descriptor.levels))
    n_bits = descriptor.n_symbols * per_symbol
    bits = np.unpackbits(np.frombuffer(data, np.uint8))[:n_bits]
    heard = np.repeat(good, 8)[:n_bits].reshape(-1, per_symbol).all(1)
    points = points_of(indices_from_bits(bits, descriptor.levels), descriptor)
    order = _order(descriptor)
    symbols = np.zeros(descriptor.n_symbols, np.complex64)
    variance = np.full(descriptor.n_symbols, np.inf, np.float32)
    symbols[order] = np.where(heard, points, 0)
    variance[order] = np.where(heard, 0, np.inf)
    return symbols, variance


def _block_sizes(blocks: tuple[bytes | None, ...], n_bytes: int) -> list[int]:
    """Length of each block, also of the lost ones: all equal but the last."""
    known = [len(block) for block in blocks[:-1] if block is not None]
    if known:
        size = known[0]
    elif len(blocks) > 1 and blocks[-1] is not None:
        size = (n_bytes - len(blocks[-1])) // (len(blocks) - 1)
    else:
        size = -(-n_bytes // max(len(blocks), 1))
    return [*([size] * (len(blocks) - 1)), n_bytes - size * (len(blocks) - 1)]
