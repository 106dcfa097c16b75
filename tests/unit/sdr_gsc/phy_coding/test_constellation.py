from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdr_gsc.errors import SettingsError
from sdr_gsc.phy.constellation import ORDERS, Qam

orders = pytest.mark.parametrize("order", ORDERS)


@orders
def test_points_have_unit_mean_power_and_are_distinct(order):
    points = Qam(order).points
    assert points.shape == (order,)
    assert points.dtype == np.complex64
    assert np.mean(np.abs(points.astype(complex)) ** 2) == pytest.approx(1.0, abs=1e-6)
    assert abs(points.astype(complex).mean()) < 1e-6
    assert np.unique(points).size == order


@orders
def test_nearest_neighbours_differ_in_one_label_bit(order):
    qam = Qam(order)
    distance = np.abs(qam.points[:, None] - qam.points[None, :])
    a, b = np.nonzero(np.isclose(distance, 2 * qam.half_spacing, rtol=1e-3))
    side = int(np.sqrt(order))
    assert a.size == 4 * side * (side - 1)
    assert all((int(x) ^ int(y)).bit_count() == 1 for x, y in zip(a, b, strict=True))


@orders
def test_labels_follow_the_nested_formula_of_3gpp(order):
    qam = Qam(order)
    labels = (np.arange(order)[:, None] >> np.arange(qam.bits_per_symbol)[::-1]) & 1

    def amplitude(bits):
        value = np.zeros(order)
        for position in reversed(range(bits.shape[1])):
            value = (1 - 2 * bits[:, position]) * (2 ** (bits.shape[1] - 1 - position) - value)
        return value * qam.half_spacing

    expected = amplitude(labels[:, 0::2]) + 1j * amplitude(labels[:, 1::2])
    np.testing.assert_allclose(qam.points, expected, atol=1e-6)


def test_known_points_of_16_qam():
    # 3GPP TS 38.211 clause 5.1.4: 0000 -> (1 + j), 1010 -> (-3 + j), 0101 -> (1 - 3j), all over sqrt(10)
    symbols = Qam(16).modulate(np.array([0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1], np.uint8))
    np.testing.assert_allclose(symbols * np.sqrt(10), [1 + 1j, -3 + 1j, 1 - 3j], atol=1e-5)


@settings(deadline=None, max_examples=40)
@given(order=st.sampled_from(ORDERS), seed=st.integers(0, 2**32 - 1), n=st.integers(0, 50))
def test_bits_survive_modulation_and_noise_inside_the_decision_cell(order, seed, n):
    rng = np.random.default_rng(seed)
    qam = Qam(order)
    bits = rng.integers(0, 2, n * qam.bits_per_symbol, dtype=np.uint8)
    symbols = qam.modulate(bits)
    assert symbols.dtype == np.complex64
    shift = rng.uniform(-0.95, 0.95, (2, n)) * qam.half_spacing
    noisy = (symbols + shift[0] + 1j * shift[1]).astype(np.complex64)
    np.testing.assert_array_equal(qam.hard(noisy), bits)
    np.testing.assert_allclose(qam.decide(noisy), symbols, atol=1e-6)


@orders
def test_decisions_are_the_nearest_points_also_outside(order):
    rng = np.random.default_rng(order)
    symbols = (2 * (rng.standard_normal(500) + 1j * rng.standard_normal(500))).astype(np.complex64)
    qam = Qam(order)
    nearest = np.abs(symbols[:, None] - qam.points).argmin(axis=1)
    np.testing.assert_allclose(qam.decide(symbols), qam.points[nearest], atol=1e-6)
    np.testing.assert_allclose(qam.modulate(qam.hard(symbols)), qam.points[nearest], atol=1e-6)


def test_input_is_not_changed_and_nan_stays_nan():
    symbols = np.array([0.3 + 0.2j, np.nan + 1j], np.complex64)
    kept = symbols.copy()
    decided = Qam(16).decide(symbols)
    np.testing.assert_array_equal(symbols, kept)
    assert np.isnan(decided[1].real)
    assert not np.isnan(decided[0])


@orders
def test_commpy_decides_alike_up_to_a_relabelling(order):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        modulation = pytest.importorskip("commpy.modulation")
        modem = modulation.QAMModem(order)
    qam = Qam(order)
    rng = np.random.default_rng(2)
    scale = np.sqrt(np.mean(np.abs(modem.constellation) ** 2))
    own = np.abs(np.asarray(modem.constellation)[:, None] / scale - qam.points).argmin(axis=1)
    assert np.unique(own).size == order
    symbols = (0.8 * (rng.standard_normal(300) + 1j * rng.standard_normal(300))).astype(np.complex64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = modem.demodulate(symbols.astype(complex) * scale, "hard").reshape(-1, qam.bits_per_symbol)
    weights = 1 << np.arange(qam.bits_per_symbol)[::-1]
    label = qam.hard(symbols).reshape(-1, qam.bits_per_symbol) @ weights
    np.testing.assert_array_equal(own[theirs @ weights], label)


@pytest.mark.parametrize("order", [0, 2, 8, 32, 128, 4096])
def test_other_orders_are_refused(order):
    with pytest.raises(SettingsError, match="expected one of 4, 16, 64, 256, 1024"):
        Qam(order)


def test_misfitting_bits_and_symbols_are_refused():
    with pytest.raises(SettingsError, match="multiple of 4"):
        Qam(16).modulate(np.zeros(6, np.uint8))
    with pytest.raises(SettingsError, match="needed 0 or 1"):
        Qam(4).modulate(np.array([0, 2], np.uint8))
    with pytest.raises(SettingsError, match="one dimension"):
        Qam(4).decide(np.zeros((2, 2), np.complex64))
