from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdr_gsc.semantic.coded import coded_payload, received_points
from sdr_gsc.semantic.descriptor import NO_MCS, Descriptor, Mapping
from sdr_gsc.semantic.mapping import constellation_points, index_bits, indices_from_bits
from sdr_gsc.semantic.values import SemanticSymbols


def _symbols(levels: int, count: int, seed: int) -> SemanticSymbols:
    indices = np.random.default_rng(seed).integers(0, levels, (count, 2), dtype=np.uint8)
    descriptor = Descriptor(
        picture_id=0, codec_id=1, weights_prefix=b"abcd", height=16, width=16, mapping=Mapping.DIRECT, levels=levels,
        rate_index=0, n_symbols=count, n_bytes=0, mcs=NO_MCS, n_frames=1, scale=0.5, gain=0.75, interleaver_seed=seed,
        design_esn0_db=10.0,
    )  # fmt: skip
    return SemanticSymbols(indices, descriptor)


@given(st.sampled_from((4, 8, 16, 32)), st.integers(1, 60), st.integers(0, 100))
def test_bits_lead_back_to_the_indices(levels: int, count: int, seed: int) -> None:
    symbols = _symbols(levels, count, seed)
    assert (indices_from_bits(index_bits(symbols), levels) == symbols.indices).all()


@pytest.mark.parametrize("levels", [4, 8, 16, 32])
def test_neighbouring_levels_differ_in_one_bit(levels: int) -> None:
    ramp = np.stack([np.arange(levels), np.zeros(levels)], 1).astype(np.uint8)
    bits = index_bits(SemanticSymbols(ramp, _symbols(levels, levels, 0).descriptor)).reshape(levels, -1)
    assert (np.sum(bits[1:] != bits[:-1], axis=1) == 1).all()


@given(st.sampled_from((4, 16, 32)), st.integers(40, 200), st.integers(5, 40), st.integers(0, 50))
def test_coded_points_are_exact_where_blocks_are_good_and_unknown_elsewhere(
    levels: int, count: int, size: int, seed: int
) -> None:
    symbols = _symbols(levels, count, seed)
    payload, descriptor = coded_payload(symbols, mcs=0)
    blocks: list[bytes | None] = [payload[at : at + size] for at in range(0, len(payload), size)]
    lost = np.random.default_rng(seed).random(len(blocks)) < 0.4
    received = tuple(None if gone else block for block, gone in zip(blocks, lost, strict=True))
    points, variance = received_points(descriptor, received)
    heard = variance == 0
    assert (points[heard] == constellation_points(symbols)[heard]).all()
    assert (points[~heard] == 0).all()
    assert np.isinf(variance[~heard]).all()
    per_symbol = 2 * int(np.log2(levels))
    # A lost block silences the symbols that have a bit in it, and no others.
    lost_bits = 8 * sum(len(block) for block, gone in zip(blocks, lost, strict=True) if gone and block)
    assert np.sum(~heard) <= lost_bits / per_symbol + 2 * lost.sum()
    assert np.sum(~heard) >= (lost_bits - 7) // per_symbol
