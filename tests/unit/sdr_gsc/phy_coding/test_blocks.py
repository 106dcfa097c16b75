from __future__ import annotations

import zlib

import numpy as np
import pytest

from sdr_gsc.errors import SettingsError
from sdr_gsc.phy._sequences import permutation, random_bits
from sdr_gsc.phy.blocks import block_bytes, block_symbols, blocks_per_frame, decode_blocks, encode_blocks
from sdr_gsc.phy.coding.ldpc import LdpcCode
from sdr_gsc.phy.coding.mcs import MCS_TABLE, mcs
from sdr_gsc.phy.constellation import Qam
from sdr_gsc.phy.demapping import soft_demap

schemes = pytest.mark.parametrize("scheme", [entry.index for entry in MCS_TABLE])
MIXING_SEED, WHITENING_SEED = 0xB17, 0x3A5


def noisy(symbols, variance, seed):
    noise = np.random.default_rng(seed).standard_normal((2, symbols.size)) * np.sqrt(variance / 2)
    return (symbols + noise[0] + 1j * noise[1]).astype(np.complex64)


def drawn_blocks(count, scheme, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.bytes(block_bytes(scheme)) for _ in range(count)]


def described_encoder(blocks, scheme, seed):
    """The air format in plain numpy."""
    chosen = mcs(scheme)
    information = np.zeros((len(blocks), chosen.information_bits), np.uint8)
    for row, block in zip(information, blocks, strict=True):
        bits = np.unpackbits(np.frombuffer(block + zlib.crc32(block).to_bytes(4, "big"), np.uint8))
        row[: bits.size] = bits
    sent = LdpcCode.ieee80211n(1944, chosen.rate).encode(information) if chosen.is_coded else information
    sent = sent.reshape(-1) ^ random_bits(WHITENING_SEED, sent.size)
    if chosen.is_coded:
        sent = sent[permutation(MIXING_SEED, sent.size)]
    fill = -sent.size % chosen.coded_bits_per_symbol
    return Qam(chosen.order).modulate(np.concatenate([sent, random_bits(seed, fill)]))


def described_decoder(symbols, variance, n_blocks, scheme):
    chosen = mcs(scheme)
    n_bits = n_blocks * chosen.block_bits
    llr = np.empty(n_bits, np.float32)
    order = permutation(MIXING_SEED, n_bits) if chosen.is_coded else np.arange(n_bits)
    llr[order] = soft_demap(symbols, variance, chosen.order).reshape(-1)[:n_bits]
    llr *= 1 - 2 * random_bits(WHITENING_SEED, n_bits).astype(np.float32)
    llr = llr.reshape(n_blocks, -1)
    bits = LdpcCode.ieee80211n(1944, chosen.rate).decode(llr, 50).bits if chosen.is_coded else llr < 0
    blocks = [np.packbits(row[: chosen.information_bits // 8 * 8]).tobytes() for row in bits]
    return tuple(block[:-4] if zlib.crc32(block[:-4]).to_bytes(4, "big") == block[-4:] else None for block in blocks)


@schemes
def test_encoder_writes_the_described_format(scheme):
    for count in (1, 3):
        blocks = drawn_blocks(count, scheme)
        symbols = encode_blocks(blocks, scheme, seed=5)
        assert symbols.dtype == np.complex64
        assert symbols.size == block_symbols(count, scheme)
        np.testing.assert_array_equal(symbols, described_encoder(blocks, scheme, seed=5))


@schemes
def test_decoder_agrees_with_the_described_one_where_blocks_are_lost(scheme):
    blocks = drawn_blocks(6, scheme, seed=2)
    symbols = encode_blocks(blocks, scheme, seed=6)
    rng = np.random.default_rng(scheme)
    outcomes = set()
    for esn0_db in np.arange(0, 34, 0.25):
        variance = (10 ** (-esn0_db / 10) * rng.uniform(0.5, 1.5, symbols.size)).astype(np.float32)
        received = noisy(symbols, variance, int(4 * esn0_db))
        decoded = decode_blocks(received, variance, 6, scheme)
        assert decoded == described_decoder(received, variance, 6, scheme)
        assert all(block in (None, sent) for block, sent in zip(decoded, blocks, strict=True))
        outcomes |= {block is None for block in decoded}
        if None not in decoded:
            break
    assert outcomes == {True, False}


def test_uncoded_blocks_have_64_bytes_in_272_symbols():
    assert block_bytes(11) == 64
    assert block_symbols(1, 11) == 272
    assert block_symbols(32, 11) == 8704
    assert blocks_per_frame(271, 11) == 0
    assert blocks_per_frame(8704, 11) == 32


def test_one_wrong_sign_loses_one_uncoded_block():
    blocks = drawn_blocks(4, 11)
    symbols = encode_blocks(blocks, 11, seed=0)
    variance = np.full(symbols.size, 0.1, np.float32)
    lost = []
    for axis in range(0, 2 * symbols.size, 97):
        damaged = symbols.copy()
        damaged.view(np.float32)[axis] *= -1
        decoded = decode_blocks(damaged, variance, 4, 11)
        wrong = [index for index in range(4) if decoded[index] != blocks[index]]
        assert len(wrong) == 1
        assert decoded[wrong[0]] is None
        lost += wrong
    assert set(lost) == {0, 1, 2, 3}


def test_uncoded_blocks_fail_as_often_as_the_bits_do():
    # A block of 544 bits is right with probability (1 - Q(sqrt(Es/N0)))^544: 0.65 at 10 dB.
    blocks = drawn_blocks(400, 11)
    symbols = encode_blocks(blocks, 11, seed=0)
    variance = np.full(symbols.size, 0.1, np.float32)
    good = np.mean([block is not None for block in decode_blocks(noisy(symbols, 0.1, 3), variance, 400, 11)])
    assert good == pytest.approx((1 - 7.827e-4) ** 544, abs=3 * np.sqrt(0.65 * 0.35 / 400))


@schemes
def test_nothing_received_is_no_block(scheme):
    n_symbols = block_symbols(3, scheme)
    silence = np.zeros(n_symbols, np.complex64)
    assert decode_blocks(silence, np.full(n_symbols, np.inf, np.float32), 3, scheme) == (None,) * 3
    assert decode_blocks(np.full_like(silence, np.nan), np.ones(n_symbols, np.float32), 3, scheme) == (None,) * 3


def test_coded_blocks_survive_an_erased_quarter():
    blocks = drawn_blocks(5, 0)
    symbols = encode_blocks(blocks, 0, seed=0)
    variance = np.full(symbols.size, 0.1, np.float32)
    received = noisy(symbols, 0.1, 4)
    received[: symbols.size // 4] = 0
    variance[: symbols.size // 4] = np.inf
    assert decode_blocks(received, variance, 5, 0) == tuple(blocks)


def test_symbols_behind_the_blocks_and_strides_do_not_matter():
    blocks = drawn_blocks(2, 3)
    symbols = encode_blocks(blocks, 3, seed=0)
    longer = np.concatenate([symbols, np.ones(7, np.complex64)])
    spaced = np.zeros((longer.size, 2), np.complex64)
    spaced[:, 0] = longer
    assert decode_blocks(spaced[:, 0], np.full(longer.size, 0.01), 2, 3) == tuple(blocks)


def test_misfitting_input_is_refused():
    blocks = drawn_blocks(2, 11)
    for wrong in ([], [blocks[0], blocks[1][:-1]], [blocks[0] + b"x"]):
        with pytest.raises(SettingsError, match="all of 64 bytes"):
            encode_blocks(wrong, 11, seed=0)
    symbols = encode_blocks(blocks, 11, seed=0)
    variance = np.ones(symbols.size, np.float32)
    for received, noise in ((symbols[:-1], variance[:-1]), (symbols, variance[:-1]), (symbols[None], variance[None])):
        with pytest.raises(SettingsError, match="at least 544 symbols"):
            decode_blocks(received, noise, 2, 11)
