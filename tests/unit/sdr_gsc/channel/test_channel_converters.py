import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from sdr_gsc.channel.awgn import complex_noise
from sdr_gsc.channel.converters import quantize, require_full_scale
from sdr_gsc.errors import ClippingError


def expected_sqnr(bits, loading):
    """Clipping plus quantization noise of a Gaussian rail of deviation 1/loading."""
    clipping = 2 * norm.sf(loading) * (1 + loading**2) - 2 * loading * norm.pdf(loading)
    return 1 / (clipping + (2 * loading / 2**bits) ** 2 / 12)


@pytest.mark.parametrize(("bits", "loading"), [(6, 3.0), (8, 4.0), (10, 5.0), (12, 6.0)])
def test_sqnr_of_gaussian_rails(bits, loading):
    x = complex_noise(4_000_000, 2 / loading**2, np.random.default_rng(3))
    y, clipped = quantize(x, bits)
    error = np.mean(np.abs(y - x) ** 2, dtype=np.float64)
    sqnr_db = 10 * np.log10(np.mean(np.abs(x) ** 2, dtype=np.float64) / error)
    assert sqnr_db == pytest.approx(10 * np.log10(expected_sqnr(bits, loading)), abs=0.5)
    probability = 1 - (1 - 2 * norm.sf(loading)) ** 2
    assert clipped == pytest.approx(probability * x.size, abs=6 * np.sqrt(probability * x.size) + 6)


@given(bits=st.integers(1, 16), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_error_is_at_most_half_a_step_and_codes_are_odd(bits, seed):
    rails = np.random.default_rng(seed).uniform(-1, 1, 400).astype(np.float32)
    y, clipped = quantize(rails.view(np.complex64), bits)
    step = 2.0 ** (1 - bits)
    assert clipped == 0
    assert np.max(np.abs(y.view(np.float32) - rails)) <= step / 2 * (1 + 1e-3)
    codes = y.view(np.float32).astype(np.float64) / (step / 2)
    np.testing.assert_allclose(codes % 2, 1)
    assert np.max(np.abs(codes)) <= 2**bits - 1


def test_saturation_is_counted_per_sample():
    x = np.array([2 + 2j, -3 + 0.1j, 1 - 1j, 0.5], np.complex64)
    y, clipped = quantize(x, 8)
    assert clipped == 2
    top = 1 - 1 / 256
    np.testing.assert_allclose(y[:2], [top + 1j * top, -top + 1j * (13 - 0.5) / 128])


@pytest.mark.parametrize("bits", [0, 25])
def test_bits_are_bounded(bits):
    with pytest.raises(ValueError, match=f"not {bits}"):
        quantize(np.zeros(1, np.complex64), bits)


@pytest.mark.parametrize("bad", [1.0001, -1.0001j, np.nan, np.inf])
def test_transmit_samples_beyond_full_scale_are_refused(bad):
    require_full_scale(np.array([1 + 1j, -1 - 1j], np.complex64))
    with pytest.raises(ClippingError, match="full scale"):
        require_full_scale(np.array([0, bad], np.complex64))
