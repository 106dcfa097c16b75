from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdr_gsc.phy.coding.crc import CRC_BYTES, crc32, crc32_holds, write_crc32


def sealed(payload: bytes) -> np.ndarray:
    block = np.concatenate([np.frombuffer(payload, np.uint8), np.zeros(CRC_BYTES, np.uint8)])
    write_crc32(block)
    return block


@given(st.binary(min_size=0, max_size=100), st.integers(0, 20))
def test_agrees_with_zlib_at_every_length(data, behind):
    array = np.frombuffer(data + bytes(behind), np.uint8).copy()
    assert crc32(array, len(data)) == zlib.crc32(data)


@given(st.binary(min_size=1, max_size=200))
def test_block_ends_with_its_checksum_and_holds(payload):
    block = sealed(payload)
    assert block.tobytes() == payload + zlib.crc32(payload).to_bytes(CRC_BYTES, "big")
    assert crc32_holds(block)


@given(st.binary(min_size=1, max_size=100), st.data())
def test_every_burst_of_up_to_32_bits_is_found(payload, data):
    block = int.from_bytes(sealed(payload).tobytes(), "big")
    n_bits = 8 * (len(payload) + CRC_BYTES)
    burst = data.draw(st.integers(1, 2**32 - 1))
    shift = data.draw(st.integers(0, n_bits - 32))
    damaged = (block ^ (burst << shift)).to_bytes(n_bits // 8, "big")
    assert not crc32_holds(np.frombuffer(damaged, np.uint8).copy())


def test_check_value_of_the_polynomial():
    assert sealed(b"123456789")[-CRC_BYTES:].tobytes() == bytes.fromhex("cbf43926")


@pytest.mark.parametrize("size", [0, 1, 4, 5, 100])
def test_all_zero_blocks_never_hold(size):
    assert not crc32_holds(np.zeros(size, np.uint8))
