"""Sequences that both ends of a link make for themselves: recordings made today must decode for ever."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdr_gsc.phy._sequences import permutation, qpsk_points, random_bits, random_words

SEEDS = [0, 1, -5, 0xB17, 2**64 + 3]


def word(seed: int, index: int) -> int:
    """SplitMix64 in counter mode, in whole numbers."""
    state = (index + 1 + seed * 0xD1342543DE82EF95) * 0x9E3779B97F4A7C15 % 2**64
    state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    state = (state ^ state >> 27) * 0x94D049BB133111EB % 2**64
    return state ^ state >> 31


def test_words_are_those_published() -> None:
    # First outputs of SplitMix64 from state 0, as published with it.
    assert random_words(0, 3).tolist() == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@pytest.mark.parametrize("seed", SEEDS)
def test_sequences_follow_their_definitions(seed: int) -> None:
    assert random_words(seed, 40).tolist() == [word(seed, index) for index in range(40)]
    bits = [word(3 * seed, index) >> k & 1 for index in range(4) for k in range(64)]
    assert random_bits(seed, 200).tolist() == bits[:200]
    level = np.float32(np.sqrt(0.5))
    signs = [(1 - 2 * (w >> 63), 1 - 2 * (w >> 62 & 1)) for w in (word(3 * seed + 2, index) for index in range(40))]
    np.testing.assert_array_equal(qpsk_points(seed, 40), [level * complex(a, b) for a, b in signs])
    order: list[int] = []
    for index in range(600):
        at = (word(3 * seed + 1, index) >> 32) * (index + 1) >> 32
        order.append(index)
        order[index], order[at] = order[at], index
    np.testing.assert_array_equal(permutation(seed, 600), order)


@pytest.mark.parametrize("make", [random_words, random_bits, qpsk_points])
@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 1000])
def test_longer_sequences_begin_with_shorter_ones(make, count) -> None:
    assert make(9, count).shape == (count,)
    np.testing.assert_array_equal(make(9, count), make(9, 2000)[:count])


@given(st.integers(-(2**63), 2**63), st.integers(0, 3000))
def test_permutation_is_one(seed: int, count: int) -> None:
    order = permutation(seed, count)
    assert order.dtype == np.int32
    np.testing.assert_array_equal(np.sort(order), np.arange(count))


def test_a_long_permutation_is_one() -> None:
    count = 3_000_000  # more than is remembered
    np.testing.assert_array_equal(np.bincount(permutation(4, count), minlength=count), 1)


def test_a_remembered_permutation_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        permutation(1, 10)[0] = 3


def test_permutations_are_uniform() -> None:
    """Every index is equally often at every place, and pairs of neighbours are independent of each other."""
    size, seeds = 24, 20_000
    orders = np.array([permutation(seed, size) for seed in range(seeds)])
    places = np.stack([np.bincount(orders[:, at], minlength=size) for at in range(size)])
    expected = seeds / size
    chi_square = float(np.sum((places - expected) ** 2 / expected))
    freedom = (size - 1) ** 2
    assert abs(chi_square - freedom) < 5 * np.sqrt(2 * freedom)
    apart = np.bincount((orders[:, 1] - orders[:, 0]) % size, minlength=size)[1:]
    expected = seeds / (size - 1)
    assert np.sum((apart - expected) ** 2 / expected) < 22 + 5 * np.sqrt(44)


def test_qpsk_points_have_unit_power_and_no_mean() -> None:
    points = qpsk_points(5, 40000)
    np.testing.assert_allclose(np.abs(points), 1, atol=1e-6)
    assert abs(points.mean()) < 4 / np.sqrt(40000)


def test_bits_are_balanced_and_white() -> None:
    signs = 1.0 - 2.0 * random_bits(11, 1 << 16)
    correlation = np.fft.irfft(np.abs(np.fft.rfft(signs)) ** 2) / signs.size
    assert abs(signs.mean()) < 5 / 256
    assert np.abs(correlation[1 : 1 << 15]).max() < 6 / 256
