from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from sdr_gsc.phy.coding import _lanes as lanes

UNARY = {"magnitude": np.abs, "quarter": lambda a: a >> 2}
BINARY = {
    "add": np.add,
    "subtract": np.subtract,
    "subtract_to_zero": lambda a, b: np.maximum(a - b, 0),
    "exclusive_or": np.bitwise_xor,
    "minimum": np.minimum,
    "maximum": np.maximum,
    "take_sign": lambda a, b: np.where(b < 0, -a, a),
}
POSITIVE = ("quarter", "subtract_to_zero")
FROM, TO = np.uint64(5), np.uint64(3)


def values(name, count, seed):
    """Two operands with many equal lanes, zeros and extremes of either sign."""
    rng = np.random.default_rng(seed)
    drawn = rng.choice(np.array([-32767, -300, -7, -1, 0, 1, 7, 300, 32767, *range(-9, 9)], np.int16), (2, count))
    if name in ("add", "subtract"):
        drawn //= 2  # overflow is nothing to rely on
    return np.abs(drawn) if name in POSITIVE else drawn


def unary(operation):
    @njit
    def work(a, b, out, row):
        lanes.store(out, TO, operation(lanes.load(a, FROM, row)))

    return work


def binary(operation):
    @njit
    def work(a, b, out, row):
        lanes.store(out, TO, operation(lanes.load(a, FROM, row), lanes.load(b, FROM, row)))

    return work


@pytest.mark.parametrize("vectors", [1, 3])
@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_arithmetic_is_that_of_numpy(name, vectors):
    row = (0,) * vectors
    width = vectors * lanes.LANES
    a, b = values(name, width + 8, vectors)
    out = np.full(width + 8, 99, np.int16)
    part = slice(5, 5 + width)
    if name in UNARY:
        unary(getattr(lanes, name))(a, b, out, row)
        expected = UNARY[name](a[part])
    else:
        binary(getattr(lanes, name))(a, b, out, row)
        expected = BINARY[name](a[part], b[part])
    np.testing.assert_array_equal(out[3 : 3 + width], expected)
    assert np.all(out[:3] == 99)
    assert np.all(out[3 + width :] == 99)


@pytest.mark.parametrize("vectors", [1, 3])
def test_choices_questions_and_bytes(vectors):
    row = (0,) * vectors
    width = vectors * lanes.LANES
    start = np.uint64(0)

    @njit
    def work(a, b, row, chosen, constant, signs, small):
        x, y = lanes.load(a, start, row), lanes.load(b, start, row)
        lanes.store(chosen, start, lanes.where_equal(x, y, x, lanes.filled(np.int16(-5), row)))
        lanes.store(constant, start, lanes.filled(np.int16(-5), row))
        lanes.store_signs(signs, start, x)
        lanes.store_bits(small, start, lanes.magnitude(lanes.exclusive_or(x, x)))
        return lanes.any_negative(x), lanes.any_zero(x)

    a, b = values("where_equal", width, 7)
    chosen, constant = np.empty(width, np.int16), np.empty(width, np.int16)
    signs, small = np.full(width, 9, np.uint8), np.full(width, 9, np.uint8)
    assert work(a, b, row, chosen, constant, signs, small) == (True, True)
    np.testing.assert_array_equal(chosen, np.where(a == b, a, -5))
    assert np.any(a == b)
    assert np.all(constant == -5)
    np.testing.assert_array_equal(signs, a < 0)
    assert not small.any()
    for lane in range(width):
        one = np.ones(width, np.int16)
        assert work(one, b, row, chosen, constant, signs, small) == (False, False)
        one[lane] = -32768
        assert work(one, b, row, chosen, constant, signs, small) == (True, False)
        one[lane] = 0
        assert work(one, b, row, chosen, constant, signs, small) == (False, True)
