from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sdr_gsc.phy.coding._packing import pack_bits, unpack_bits


@given(st.binary(max_size=50))
def test_bits_are_those_of_numpy_and_pack_again(data):
    packed = np.frombuffer(data, np.uint8).copy()
    bits = np.full(8 * packed.size + 3, 7, np.uint8)
    unpack_bits(packed, bits)
    np.testing.assert_array_equal(bits[: 8 * packed.size], np.unpackbits(packed))
    assert list(bits[8 * packed.size :]) == [7, 7, 7]
    again = np.zeros_like(packed)
    pack_bits(bits, again)
    np.testing.assert_array_equal(again, packed)
