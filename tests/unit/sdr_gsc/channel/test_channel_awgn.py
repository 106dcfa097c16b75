import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdr_gsc.channel.awgn import complex_noise, noise_power_per_sample
from sdr_gsc.units import EsN0


@given(power=st.floats(1e-6, 1e3))
@settings(max_examples=10, deadline=None)
def test_power_and_circularity(power):
    noise = complex_noise(200_000, power, np.random.default_rng(1))
    assert noise.dtype == np.complex64
    # E|n|^2 has a relative standard error of 1/sqrt(n).
    assert np.mean(np.abs(noise) ** 2, dtype=np.float64) == pytest.approx(power, rel=5 / np.sqrt(noise.size))
    assert abs(np.mean(noise**2, dtype=np.complex128)) < 7 * power / np.sqrt(noise.size)


def test_noise_power_is_parseval():
    # 52 of 64 bins at unit energy each make 52/64 of power per sample.
    assert noise_power_per_sample(52 / 64, EsN0(10.0), 52 / 64) == pytest.approx(0.1)


def test_same_generator_state_same_noise():
    first, second = (complex_noise(100, 1.0, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
