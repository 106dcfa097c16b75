"""Compression, clipping, noise figure, and EVM without noise."""

import math

import numpy as np
import pytest

from calibration.compression import clipping_distortion, fit_compression
from calibration.errors import CalibrationError
from calibration.link_quality import noise_free_evm_db
from calibration.noise_figure import noise_figure_db, noise_figure_deviation_db
from sdr_gsc.channel.impairments import rapp_amplifier


@pytest.mark.parametrize(("saturation", "smoothness"), [(0.9, 2.0), (1.1, 3.0), (0.7, 1.2)])
def test_compression_of_a_known_amplifier_is_found(saturation, smoothness):
    rng = np.random.default_rng(1)
    given = 10 ** (np.linspace(-25, 0, 25) / 20)
    got = np.abs(rapp_amplifier(given.astype(np.complex64), smoothness, saturation)) * 0.3
    sigma = np.full(25, 1e-5)
    found = fit_compression(given, got + sigma * rng.standard_normal(25), sigma)
    truth = saturation * (10 ** (smoothness / 10) - 1) ** (1 / (2 * smoothness))
    assert 20 * math.log10(found.one_db / truth) == pytest.approx(0.0, abs=0.05)
    assert found.gain == pytest.approx(0.3, rel=1e-3)
    np.testing.assert_allclose(found.output(given), got, rtol=2e-3)
    with pytest.raises(CalibrationError, match="at least 6"):
        fit_compression(given[:3], got[:3], sigma[:3])


@pytest.mark.parametrize("backoff_db", [1.0, 3.0, 6.0])
def test_clipping_distortion_is_that_of_a_clipped_gaussian(backoff_db):
    rng = np.random.default_rng(2)
    samples = rng.standard_normal((2_000_000, 2)) @ [1, 1j] / math.sqrt(2)
    excess = np.maximum(np.abs(samples) - 10 ** (backoff_db / 20), 0)
    assert clipping_distortion(backoff_db) == pytest.approx(np.mean(excess**2), rel=0.05)


def test_noise_figure_and_its_deviation():
    true_db, enr_db = 4.0, 15.0
    own = 10 ** (true_db / 10) - 1
    hot, cold = 1 + 10 ** (enr_db / 10) + own, 1 + own
    assert noise_figure_db(hot, cold, enr_db) == pytest.approx(true_db, abs=1e-9)
    rng = np.random.default_rng(3)
    n = 10_000
    draws = [
        noise_figure_db(hot * rng.chisquare(2 * n) / (2 * n), cold * rng.chisquare(2 * n) / (2 * n), enr_db)
        for _ in range(800)
    ]
    assert np.std(draws) == pytest.approx(noise_figure_deviation_db(hot, cold, n, enr_db), rel=0.1)
    for pair in ((1.0, 1.0), (1.0, 2.0), (1000.0, 1.0)):
        with pytest.raises(CalibrationError, match="source is switched"):
            noise_figure_db(*pair, enr_db)


def test_evm_without_noise_is_unbiased():
    rng = np.random.default_rng(4)
    same = 0.005 * (rng.standard_normal((2000, 2)) @ [1, 1j])
    errors = same + 0.03 * (rng.standard_normal((32, 2000, 2)) @ [1, 1j])
    assert noise_free_evm_db(errors) == pytest.approx(10 * math.log10(np.mean(np.abs(same) ** 2)), abs=0.5)
    assert noise_free_evm_db(errors - same) < -55
