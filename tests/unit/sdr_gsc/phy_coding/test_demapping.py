from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdr_gsc.errors import SettingsError
from sdr_gsc.phy.constellation import ORDERS, Qam
from sdr_gsc.phy.demapping import LLR_LIMIT, soft_demap


def brute_force(symbols, variance, order):
    qam = Qam(order)
    width = qam.bits_per_symbol
    labels = (np.arange(order)[:, None] >> np.arange(width)[::-1]) & 1
    distance = np.abs(symbols.astype(complex)[:, None] - qam.points.astype(complex)) ** 2
    llr = np.empty((symbols.size, width))
    for bit in range(width):
        llr[:, bit] = distance[:, labels[:, bit] == 1].min(axis=1) - distance[:, labels[:, bit] == 0].min(axis=1)
    return llr / variance[:, None]


@settings(deadline=None, max_examples=30)
@given(order=st.sampled_from(ORDERS), seed=st.integers(0, 2**32 - 1))
def test_equals_the_minimum_over_all_points(order, seed):
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.2, 3)
    symbols = (spread * (rng.standard_normal(40) + 1j * rng.standard_normal(40))).astype(np.complex64)
    variance = rng.uniform(0.05, 2, 40).astype(np.float32)
    llr = soft_demap(symbols, variance, order)
    assert llr.dtype == np.float32
    np.testing.assert_allclose(llr, brute_force(symbols, variance, order), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("order", ORDERS)
def test_signs_of_clean_points_are_their_labels(order):
    bits = np.random.default_rng(1).integers(0, 2, 600 * Qam(order).bits_per_symbol, dtype=np.uint8)
    llr = soft_demap(Qam(order).modulate(bits), 1e-3, order)
    np.testing.assert_array_equal(llr.reshape(-1) < 0, bits == 1)


def test_qpsk_has_the_closed_form():
    # BPSK per axis with amplitude 1/sqrt(2) in noise of variance v/2: LLR = 2 sqrt(2) y / v, exact
    symbols = np.array([0.3 - 1.2j, 2 + 0.01j], np.complex64)
    expected = 2 * np.sqrt(2) * symbols.view(np.float32).reshape(-1, 2) / 0.4
    np.testing.assert_allclose(soft_demap(symbols, 0.4, 4), expected, rtol=1e-5)


def test_16_qam_has_the_closed_form_in_every_region():
    a, v = 1 / np.sqrt(10), 0.3
    y = np.linspace(-1.6, 1.6, 101)
    llr = soft_demap((y + 1j * y).astype(np.complex64), v, 16)
    first = np.where(np.abs(y) <= 2 * a, 4 * a * y, 8 * a * y - 8 * a**2 * np.sign(y)) / v
    # 3GPP: the second bit is 0 for the inner amplitudes
    second = -4 * a * (np.abs(y) - 2 * a) / v
    for axis in range(2):
        np.testing.assert_allclose(llr[:, axis], first, atol=1e-4)
        np.testing.assert_allclose(llr[:, 2 + axis], second, atol=1e-4)


@pytest.mark.parametrize("order", ORDERS)
def test_no_evidence_is_zero_and_certainty_is_the_limit(order):
    points = Qam(order).points[[0, 1, order - 1]]
    variance = np.array([np.inf, 0, 0.1], np.float32)
    llr = soft_demap(points, variance, order)
    assert np.all(llr[0] == 0)
    assert np.all(np.abs(llr[1]) == LLR_LIMIT)
    assert np.all(np.isfinite(llr))
    assert np.all(llr[2] != 0)


def test_damaged_evidence_counts_as_none():
    symbols = np.array([np.nan + 1j, np.inf - 1j, 1 + 1j, 1 + 1j], np.complex64)
    variance = np.array([0.1, 0.1, np.nan, -1], np.float32)
    llr = soft_demap(symbols, variance, 64)
    assert np.all(llr[:2, 0::2] == 0)
    assert np.all(llr[2:] == 0)


def test_ratios_scale_inversely_with_the_noise():
    symbols = np.array([0.4 + 0.9j], np.complex64)
    np.testing.assert_allclose(soft_demap(symbols, 0.5, 64), 4 * soft_demap(symbols, 2.0, 64), rtol=1e-5)


def test_ratios_are_calibrated():
    # Of the bits given ratio L, the fraction that is 0 must be near 1 / (1 + exp(-L)); exact for QPSK.
    rng = np.random.default_rng(5)
    bits = rng.integers(0, 2, 200_000, dtype=np.uint8)
    symbols = Qam(4).modulate(bits)
    noise = np.sqrt(0.5) * (rng.standard_normal(symbols.size) + 1j * rng.standard_normal(symbols.size))
    llr = soft_demap((symbols + noise).astype(np.complex64), 1.0, 4).reshape(-1)
    for low in (-3.0, -1.0, 0.0, 2.0):
        chosen = (llr >= low) & (llr < low + 0.5)
        predicted = np.mean(1 / (1 + np.exp(-llr[chosen].astype(float))))
        assert np.mean(bits[chosen] == 0) == pytest.approx(predicted, abs=0.02)


def test_empty_input_gives_an_empty_table():
    assert soft_demap(np.empty(0, np.complex64), np.empty(0, np.float32), 256).shape == (0, 8)


def test_misfitting_input_is_refused():
    with pytest.raises(SettingsError, match="one per symbol"):
        soft_demap(np.zeros(3, np.complex64), np.zeros(2, np.float32), 4)
    with pytest.raises(SettingsError, match="one dimension"):
        soft_demap(np.zeros((2, 2), np.complex64), 1.0, 4)
    with pytest.raises(SettingsError, match="expected one of"):
        soft_demap(np.zeros(3, np.complex64), 1.0, 5)
