import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.ad936x_samples import fold_power, from_lanes, to_lanes

RAIL = st.floats(-1.0, 1.0, width=32)


@given(st.lists(st.tuples(RAIL, RAIL), min_size=1, max_size=50), st.integers(0, 1))
def test_there_and_back_is_within_half_a_code_and_never_wraps(rails, channel):
    samples = np.array([complex(i, q) for i, q in rails], np.complex64)
    lanes = np.full((samples.size, 4), 77, np.int16)
    to_lanes(samples, lanes, channel)
    assert not np.any(lanes[:, 2 * channel : 2 * channel + 2] & 15)  # the converter drops these bits
    assert np.all(np.delete(lanes, (2 * channel, 2 * channel + 1), axis=1) == 77)
    back, _ = from_lanes(lanes >> 4, channel)
    assert back.dtype == np.complex64
    error = back - samples
    # One code at positive full scale, half a code elsewhere.
    assert np.all(np.abs(error.real) <= np.where(samples.real > 2046.5 / 2048, 1, 0.5) / 2048 + 1e-7)
    assert np.all(np.abs(error.imag) <= np.where(samples.imag > 2046.5 / 2048, 1, 0.5) / 2048 + 1e-7)


def test_full_scale():
    lanes = np.zeros((2, 2), np.int16)
    to_lanes(np.array([1 + 1j, -1 - 1j], np.complex64), lanes, 0)
    np.testing.assert_array_equal(lanes, [[2047 << 4, 2047 << 4], [-32768, -32768]])


@pytest.mark.parametrize(
    ("codes", "clipped"), [([0, 0], 0), ([2046, -2047], 0), ([2047, 0], 1), ([0, -2048], 1), ([2047, -2048], 1)]
)
def test_samples_at_the_limit_are_counted_once(codes, clipped):
    samples, counted = from_lanes(np.array([codes, [1, 1]], np.int16), 0)
    np.testing.assert_array_equal(samples, np.array([complex(*codes), 1 + 1j], np.complex64) / 2048)
    assert counted == clipped


def test_power_of_all_lanes_is_folded():
    lanes = np.arange(12, dtype=np.int16).reshape(6, 2)
    expected = (lanes.astype(float) ** 2).sum(1)
    np.testing.assert_allclose(
        fold_power(lanes, 4), [expected[0] + expected[4], expected[1] + expected[5], *expected[2:4]]
    )


def test_large_codes_do_not_overflow():
    np.testing.assert_allclose(fold_power(np.full((1000, 4), -2048, np.int16), 1), [1000 * 4 * 2048.0**2], rtol=1e-5)
