from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdr_gsc.errors import SettingsError
from sdr_gsc.phy.coding.crc import CRC_BYTES, append_crc32, check_crc32


@given(st.binary(min_size=1, max_size=200))
def test_payload_survives(payload):
    block = append_crc32(payload)
    assert len(block) == len(payload) + CRC_BYTES
    assert check_crc32(block) == payload


@given(st.binary(min_size=1, max_size=100), st.data())
def test_every_burst_of_up_to_32_bits_is_found(payload, data):
    block = int.from_bytes(append_crc32(payload), "big")
    n_bits = 8 * (len(payload) + CRC_BYTES)
    burst = data.draw(st.integers(1, 2**32 - 1))
    shift = data.draw(st.integers(0, n_bits - 32))
    damaged = (block ^ (burst << shift)).to_bytes(n_bits // 8, "big")
    assert check_crc32(damaged) is None


def test_check_value_of_the_polynomial():
    assert append_crc32(b"123456789")[-4:] == bytes.fromhex("cbf43926")


@pytest.mark.parametrize("size", [0, 1, 4, 5, 100])
def test_all_zero_blocks_never_pass(size):
    assert check_crc32(bytes(size)) is None


def test_empty_payload_is_refused():
    with pytest.raises(SettingsError, match="empty block"):
        append_crc32(b"")
