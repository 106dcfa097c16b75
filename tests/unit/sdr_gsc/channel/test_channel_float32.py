"""Single-precision functions against double precision, over everything that the channel asks of them."""

import numpy as np
import pytest
from numba import njit

from sdr_gsc.channel._float32 import exp2, half_turn_cosine_sine, log2


@njit
def all_log2(x):
    out = np.empty_like(x)
    for k in range(x.size):
        out[k] = log2(x[k])
    return out


@njit
def all_exp2(x):
    out = np.empty_like(x)
    for k in range(x.size):
        out[k] = exp2(x[k])
    return out


@njit
def all_turns(x):
    out = np.empty(x.size, np.complex64)
    for k in range(x.size):
        c, s = half_turn_cosine_sine(x[k])
        out[k] = complex(c, s)
    return out


def test_logarithm():
    generator = np.random.default_rng(0)
    x = np.concatenate([2 ** generator.uniform(-120, 120, 50_000), generator.uniform(0.5, 2, 50_000), [1.0]])
    x = x.astype(np.float32)
    expected = np.log2(x, dtype=np.float64)
    np.testing.assert_allclose(all_log2(x), expected, rtol=1.5e-7, atol=1.5e-7)
    assert all_log2(np.ones(1, np.float32))[0] == 0


def test_logarithm_of_nothing_is_far_below_every_number():
    assert all_log2(np.zeros(1, np.float32))[0] < -126


def test_exponential():
    x = np.random.default_rng(1).uniform(-126, 127, 100_000).astype(np.float32)
    np.testing.assert_allclose(all_exp2(x), np.exp2(x, dtype=np.float64), rtol=2e-7)
    assert all_exp2(np.zeros(1, np.float32))[0] == pytest.approx(1, abs=1e-7)
    np.testing.assert_array_equal(all_exp2(np.array([-127.0, -1e30], np.float32)), np.float32(2.0**-126))


def test_cosine_and_sine():
    x = np.linspace(-0.25, 0.25, 100_001).astype(np.float32)
    np.testing.assert_allclose(all_turns(x), np.exp(2j * np.pi * x.astype(np.float64)), atol=2.5e-7)
