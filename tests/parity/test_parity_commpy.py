"""Constellations, pulses and sequences against scikit-commpy."""

import numpy as np
import pytest

from sdr_gsc.phy.constellation import ORDERS, Qam
from sdr_gsc.phy.sequences import root_raised_cosine, zadoff_chu


@pytest.fixture(scope="module")
def modem(commpy):
    from commpy.modulation import QAMModem

    return QAMModem


def bijection(order, modem):
    """Our label of the point that each of their labels stands for."""
    theirs = np.asarray(modem.constellation) / np.sqrt(modem.Es)
    return np.abs(theirs[:, None] - Qam(order).points[None, :]).argmin(axis=1), theirs


@pytest.mark.parametrize("order", ORDERS)
def test_points_are_the_same_with_other_labels(modem, order):
    own, theirs = bijection(order, modem(order))
    assert np.array_equal(np.sort(own), np.arange(order))
    np.testing.assert_allclose(theirs, Qam(order).points[own], atol=1e-6)


@pytest.mark.parametrize("order", ORDERS)
def test_both_labellings_are_gray(modem, order):
    own, theirs = bijection(order, modem(order))
    distance = np.abs(theirs[:, None] - theirs[None, :])
    first, second = np.nonzero(np.abs(distance - 2 * Qam(order).half_spacing) < 1e-3)
    assert first.size == 4 * (order - np.sqrt(order))  # every inner edge of the square, from both ends
    for labels in (np.arange(order), own):
        assert np.all(np.bitwise_count(labels[first] ^ labels[second]) == 1)


@pytest.mark.parametrize("order", ORDERS)
def test_modulation_of_bits(modem, order):
    theirs, width = modem(order), Qam(order).bits_per_symbol
    own, _ = bijection(order, theirs)
    labels = np.random.default_rng(order).integers(0, order, 500)
    bits = (labels[:, None] >> np.arange(width)[::-1]) & 1
    own_bits = (own[labels][:, None] >> np.arange(width)[::-1]) & 1
    expected = theirs.modulate(bits.ravel()) / np.sqrt(theirs.Es)
    np.testing.assert_allclose(Qam(order).modulate(own_bits.ravel().astype(np.uint8)), expected, atol=1e-6)


@pytest.mark.parametrize("roll_off", [0.0, 0.22, 0.35, 0.5, 1.0])
@pytest.mark.parametrize("samples_per_symbol", [2, 4, 5])
def test_root_raised_cosine(commpy, roll_off, samples_per_symbol):
    from commpy.filters import rrcosfilter

    # Theirs has its peak at sample n/2: an even length less its first sample is symmetric.
    _, theirs = rrcosfilter(66, roll_off, 1.0, float(samples_per_symbol))
    expected = theirs[1:] / np.sqrt(np.sum(theirs[1:] ** 2))
    np.testing.assert_allclose(root_raised_cosine(65, roll_off, samples_per_symbol), expected, atol=1e-12)


@pytest.mark.parametrize(("root", "length"), [(1, 3), (25, 139), (129, 839), (7, 64), (3, 100)])
def test_zadoff_chu(commpy, root, length):
    from commpy.sequences import zcsequence

    np.testing.assert_allclose(zadoff_chu(root, length), zcsequence(root, length), atol=1e-6)
