from __future__ import annotations

import zlib

import numpy as np
import pytest

from sdr_gsc.errors import SettingsError
from sdr_gsc.phy._header import (
    HEADER_BYTES,
    decode_header,
    encode_header,
    header_cells,
    header_tables,
    read_header,
    write_header,
)
from sdr_gsc.phy._sequences import permutation, random_bits
from sdr_gsc.phy.coding.ldpc import LdpcCode
from sdr_gsc.phy.constellation import Qam
from sdr_gsc.phy.demapping import soft_demap

every_length = pytest.mark.parametrize("data_subcarriers", [12, 48, 200, 936])
SCATTER_SEED, WHITENING_SEED = 0x4EAD, 0x5D6


def drawn_fields(seed=0):
    fields = bytearray(np.random.default_rng(seed).bytes(HEADER_BYTES))
    fields[-1] &= 0xF0
    return bytes(fields)


def scatter(cells):
    rounds = -(-2 * cells // 648)
    return np.concatenate([permutation(SCATTER_SEED + turn, 648) for turn in range(rounds)])[: 2 * cells]


def described_encoder(fields, cells):
    """The air format in plain numpy."""
    information = np.unpackbits(np.frombuffer(fields, np.uint8))[:292]
    checksum = np.unpackbits(np.frombuffer(zlib.crc32(fields).to_bytes(4, "big"), np.uint8))
    word = LdpcCode.ieee80211n(648, "1/2").encode(np.concatenate([information, checksum])[None])[0]
    return Qam(4).modulate(word[scatter(cells)] ^ random_bits(WHITENING_SEED, 2 * cells))


def described_decoder(points, variance):
    llr = soft_demap(points, variance, 4).reshape(-1)
    llr *= 1 - 2 * random_bits(WHITENING_SEED, llr.size).astype(np.float32)
    combined = np.zeros(648, np.float32)
    np.add.at(combined, scatter(points.size), llr)
    bits = LdpcCode.ieee80211n(648, "1/2").decode(combined[None], 50).bits[0]
    fields, checksum = np.packbits(bits[:292]).tobytes(), np.packbits(bits[292:]).tobytes()
    return fields if zlib.crc32(fields).to_bytes(4, "big") == checksum else None


@every_length
def test_encoder_writes_the_described_format(data_subcarriers):
    cells = header_cells(data_subcarriers)
    assert cells % data_subcarriers == 0
    assert cells >= 648
    fields = drawn_fields(cells)
    points = encode_header(fields, cells)
    assert points.dtype == np.complex64
    np.testing.assert_array_equal(points, described_encoder(fields, cells))


@every_length
def test_decoder_agrees_with_the_described_one_where_headers_are_lost(data_subcarriers):
    cells = header_cells(data_subcarriers)
    rng = np.random.default_rng(cells)
    outcomes = []
    for trial in range(60):
        fields = drawn_fields(trial)
        # Around the limit of the code, which moves with the number of copies.
        level = 10 ** (rng.uniform(1.0, 4.0) / 10) * cells / 648
        variance = (level * rng.uniform(0.5, 1.5, cells)).astype(np.float32)
        noise = rng.standard_normal((2, cells)) * np.sqrt(variance / 2)
        points = (encode_header(fields, cells) + noise[0] + 1j * noise[1]).astype(np.complex64)
        decoded = decode_header(points, variance)
        assert decoded == described_decoder(points, variance)
        assert decoded in (None, fields)
        outcomes.append(decoded is None)
    assert 10 < sum(outcomes) < 50


def test_one_copy_is_enough():
    cells = header_cells(48)
    fields = drawn_fields()
    points, variance = encode_header(fields, cells), np.full(cells, 0.5, np.float32)
    rng = np.random.default_rng(1)
    points = (points + rng.standard_normal(cells) / 2 + 0.5j * rng.standard_normal(cells)).astype(np.complex64)
    variance[: cells // 2] = np.inf
    points[: cells // 2] = np.nan
    assert decode_header(points, variance) == fields


def test_compiled_code_may_call_the_kernels():
    cells = header_cells(48)
    tables = header_tables(cells)
    fields = np.frombuffer(drawn_fields(3), np.uint8).copy()
    axes, out = np.empty(2 * cells, np.float32), np.empty(HEADER_BYTES, np.uint8)
    write_header(fields, tables, axes)
    np.testing.assert_array_equal(axes.view(np.complex64), encode_header(fields.tobytes(), cells))
    assert read_header(axes, np.full(cells, 0.1, np.float32), tables, out)
    np.testing.assert_array_equal(out, fields)
    assert not read_header(-axes, np.full(cells, 0.1, np.float32), tables, out)


def test_misfitting_input_is_refused():
    with pytest.raises(SettingsError, match="needed 37"):
        encode_header(bytes(36), 672)
    with pytest.raises(SettingsError, match="one variance for each"):
        decode_header(np.zeros(672, np.complex64), np.ones(671, np.float32))
    with pytest.raises(SettingsError, match="one dimension"):
        decode_header(np.zeros((2, 336), np.complex64), np.ones((2, 336), np.float32))
