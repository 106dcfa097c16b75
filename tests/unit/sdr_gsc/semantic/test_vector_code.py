from __future__ import annotations

import numpy as np
import pytest

from sdr_gsc.errors import DescriptorError, SettingsError
from sdr_gsc.semantic.vector_code import VectorCode


def unit(generator, dimensions):
    vector = generator.standard_normal(dimensions)
    return vector / np.sqrt(np.mean(vector**2))


@pytest.mark.parametrize(("dimensions", "count"), [(1, 1), (7, 7), (7, 100), (64, 64), (64, 1000), (384, 384)])
def test_without_noise_the_vector_comes_back(generator, dimensions, count):
    code, vector = VectorCode(np.ones(dimensions)), unit(generator, dimensions)
    values = code.spread(3.7 * vector, count)
    assert values.shape == (count,)
    assert values.dtype == np.float32
    found = code.estimate(values, np.zeros(count, np.float32), 0.0)
    assert found.heard
    assert np.allclose(found.mean, vector, atol=2e-5)


def test_whole_blocks_keep_the_power(generator):
    code = VectorCode(np.ones(48))
    values = code.spread(unit(generator, 48), 48 * 9)
    assert np.mean(values[:48] ** 2) == pytest.approx(1, rel=1e-5)
    assert np.mean(values**2) == pytest.approx(1, rel=1e-5)


def test_the_estimate_is_the_gaussian_posterior(generator):
    """Written out: C = (S^-1 + H' N^-1 H)^-1, every received value a row of its own."""
    signal = np.array([2.0, 1.0, 0.6, 0.3, 1.1])
    code, count = VectorCode(signal), 33
    rows = np.stack([code.rows(20)[m % 20] for m in range(count)])
    noise = generator.uniform(0.1, 3, count)
    noise[::5] = np.inf
    values = generator.standard_normal(count)
    precision = np.diag(1 / signal) + rows.T @ np.diag(1 / noise) @ rows
    covariance = np.linalg.inv(precision)
    found = code.estimate(values, noise, 0.0)
    assert np.allclose(found.covariance, covariance)
    assert np.allclose(found.mean, covariance @ rows.T @ (values / noise))


def test_repetitions_average_noise_but_not_the_quantizers_error():
    code = VectorCode(np.ones(2))
    mean, variance = code.combine(np.array([1.0, 2.0] * 8), np.full(16, 0.5), 0.25)
    # Eight distinct rows, each twice.
    assert mean.shape == (8,)
    assert np.allclose(variance, 0.5 / 2 + 0.25)


def test_nothing_heard_leaves_the_prior():
    code = VectorCode(np.array([1.5, 0.5]))
    found = code.estimate(np.full(12, np.nan), np.full(12, np.inf), 0.01)
    assert not found.heard
    assert (found.mean == 0).all()
    assert np.allclose(found.covariance, np.diag([1.5, 0.5]))


def test_the_error_is_what_the_covariance_says(generator):
    code = VectorCode(np.ones(32))
    errors, claimed = [], []
    for _ in range(60):
        vector = generator.standard_normal(32)
        scale = np.sqrt(np.mean(vector**2))
        noise = generator.uniform(0.2, 4, 40)
        values = code.spread(vector, 40) * scale + generator.standard_normal(40) * np.sqrt(noise)
        found = code.estimate(values, noise, 0.0)
        errors.append(np.sum((found.mean - vector) ** 2))
        claimed.append(np.trace(found.covariance))
    assert np.mean(errors) == pytest.approx(np.mean(claimed), rel=0.1)


def test_fewer_values_than_components_still_say_something(generator):
    code = VectorCode(np.ones(128))
    similarities = []
    for count in (8, 32, 96, 128, 512):
        vector = unit(generator, 128)
        found = code.estimate(code.spread(vector, count), np.full(count, 0.1), 0.0)
        similarities.append(found.mean @ vector / np.linalg.norm(found.mean) / np.linalg.norm(vector))
    assert similarities == sorted(similarities)
    assert similarities[0] > 0
    assert similarities[-1] > 0.97


def test_zeros_have_no_direction():
    assert (VectorCode(np.ones(5)).spread(np.zeros(5), 12) == 0).all()


def test_bad_input_is_refused():
    code = VectorCode(np.ones(4))
    for vector in (np.ones(5), np.array([1, 2, np.nan, 0.0])):
        with pytest.raises(SettingsError, match="needed"):
            code.spread(vector, 8)
    for signal in (np.ones(0), np.ones((2, 2)), np.array([1.0, 0.0]), np.array([np.inf])):
        with pytest.raises(SettingsError):
            VectorCode(signal)
    with pytest.raises(DescriptorError, match="as many"):
        code.combine(np.ones(4), np.ones(5), 0.0)
    for variance in (-1.0, np.nan):
        with pytest.raises(DescriptorError, match="variance"):
            code.combine(np.ones(4), np.full(4, variance), 0.0)
