"""Constellations and demappers against Sionna, whose ratios are log P(1)/P(0): the opposite sign of ours."""

import numpy as np
import pytest

from sdr_gsc.phy.constellation import ORDERS, Qam
from sdr_gsc.phy.demapping import LLR_LIMIT, soft_demap

orders = pytest.mark.parametrize("order", ORDERS)


@pytest.fixture(scope="module")
def mapping(sionna):
    import sionna.phy.mapping

    return sionna.phy.mapping


@orders
def test_points_and_labels(mapping, order):
    qam = Qam(order)
    theirs = mapping.Constellation("qam", qam.bits_per_symbol)().numpy()
    # The index of a point is its label, first bit most significant, in both.
    np.testing.assert_allclose(qam.points, theirs, atol=1e-6)


@orders
def test_mapping_of_bits(mapping, order):
    import torch

    qam = Qam(order)
    bits = np.random.default_rng(order).integers(0, 2, 300 * qam.bits_per_symbol, dtype=np.uint8)
    theirs = mapping.Mapper("qam", qam.bits_per_symbol)(torch.from_numpy(bits.astype(np.float32))).numpy()
    np.testing.assert_allclose(qam.modulate(bits), theirs, atol=1e-6)


def received(order):
    """Noisy points, each with a noise variance of its own, and some far outside the constellation."""
    generator = np.random.default_rng(order)
    variance = 10 ** generator.uniform(-2.5, 0.5, 2000)
    points = Qam(order).points[generator.integers(0, order, 2000)]
    noise = generator.standard_normal((2, 2000)) * np.sqrt(variance / 2)
    return (points + noise[0] + 1j * noise[1]).astype(np.complex64), variance.astype(np.float32)


@orders
def test_max_log_ratios(mapping, order):
    import torch

    symbols, variance = received(order)
    demapper = mapping.Demapper("maxlog", "qam", Qam(order).bits_per_symbol, precision="double")
    theirs = demapper(torch.from_numpy(symbols.astype(complex)), torch.from_numpy(variance.astype(float))).numpy()
    ours = soft_demap(symbols, variance, order)
    expected = -theirs.reshape(ours.shape)
    assert np.abs(expected).max() > 100
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-3)


@orders
def test_max_log_is_near_the_exact_ratio_where_noise_is_weak(mapping, order):
    import torch

    qam = Qam(order)
    generator = np.random.default_rng(order)
    variance = np.float32(qam.half_spacing**2 / 20)
    noise = generator.standard_normal((2, 500)) * np.sqrt(variance / 2)
    symbols = (qam.points[generator.integers(0, order, 500)] + noise[0] + 1j * noise[1]).astype(np.complex64)
    demapper = mapping.Demapper("app", "qam", qam.bits_per_symbol, precision="double")
    exact = -demapper(torch.from_numpy(symbols.astype(complex)), torch.tensor(float(variance))).numpy()
    ours = soft_demap(symbols, variance, order)
    # On each side, the nearest point and one just as near may be equally likely, not more of them.
    expected = np.clip(exact, -LLR_LIMIT, LLR_LIMIT).reshape(ours.shape)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=np.log(2))


@orders
def test_hard_decisions(mapping, order):
    import torch

    symbols, _ = received(order)
    demapper = mapping.Demapper("maxlog", "qam", Qam(order).bits_per_symbol, hard_out=True, precision="double")
    theirs = demapper(torch.from_numpy(symbols.astype(complex)), torch.tensor(0.1, dtype=torch.float64)).numpy()
    np.testing.assert_array_equal(Qam(order).hard(symbols), theirs)
