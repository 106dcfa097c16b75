from __future__ import annotations

import numpy as np
import pytest

from sdr_gsc.errors import PictureError
from sdr_gsc.metrics.frechet import GaussianFit, frechet_distance, patch_features, shrinkage


def gaussian(mean, covariance) -> GaussianFit:
    return GaussianFit(np.asarray(mean, float), np.asarray(covariance, float), 0.0)


def test_between_gaussians_of_one_value_it_is_the_distance_of_means_and_deviations():
    # (μ1 - μ2)² + (σ1 - σ2)².
    assert frechet_distance(gaussian([1.0], [[4.0]]), gaussian([4.0], [[25.0]])) == pytest.approx(9 + 9)


def test_covariances_that_commute_add_up_value_by_value():
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5))).Q
    first, second = np.array([1, 4, 9, 0.25, 0.0]), np.array([4, 4, 1, 2.25, 0.0])
    fits = [gaussian(np.zeros(5), rotation * values @ rotation.T) for values in (first, second)]
    assert frechet_distance(*fits) == pytest.approx(np.sum((np.sqrt(first) - np.sqrt(second)) ** 2), abs=1e-9)


def test_two_by_two_covariances_have_a_closed_form():
    # tr (A½BA½)½ of 2x2 matrices is sqrt(tr(AB) + 2 sqrt(det A det B)).
    a, b = np.array([[2.0, 0.7], [0.7, 1.0]]), np.array([[1.0, -0.4], [-0.4, 3.0]])
    cross = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a) * np.linalg.det(b)))
    wanted = 5 + np.trace(a) + np.trace(b) - 2 * cross
    assert frechet_distance(gaussian([0, 0], a), gaussian([1, 2], b)) == pytest.approx(wanted)
    assert frechet_distance(gaussian([1, 2], b), gaussian([0, 0], a)) == pytest.approx(wanted)


def test_nothing_separates_a_fit_from_itself():
    features = np.random.default_rng(1).standard_normal((50, 8)) * np.arange(1, 9)
    fit = GaussianFit.of(features)
    assert frechet_distance(fit, fit) == pytest.approx(0, abs=1e-9)


def test_a_fit_finds_the_distribution_it_was_drawn_from():
    generator = np.random.default_rng(2)
    covariance = np.array([[4.0, 1.0], [1.0, 1.0]])
    fit = GaussianFit.of(generator.multivariate_normal([3, -1], covariance, 20_000))
    np.testing.assert_allclose(fit.mean, [3, -1], atol=0.06)
    np.testing.assert_allclose(fit.covariance, covariance, atol=0.12)
    assert fit.shrunk < 0.01


def test_white_features_are_shrunk_almost_wholly_and_strong_structure_hardly():
    generator = np.random.default_rng(3)
    white = generator.standard_normal((40, 60))
    assert shrinkage(white) > 0.8
    assert shrinkage(np.outer(generator.standard_normal(200), np.ones(20)) + 0.01 * white[:1, :20]) < 0.05
    # Fewer patches than features: the sample covariance is singular, the fit is not.
    assert np.linalg.eigvalsh(GaussianFit.of(white).covariance).min() > 0.1


def test_shrinking_keeps_the_mean_variance():
    features = np.random.default_rng(4).standard_normal((30, 10)) * np.linspace(1, 5, 10)
    fit = GaussianFit.of(features)
    assert 0 < fit.shrunk < 1
    assert np.trace(fit.covariance) == pytest.approx(np.trace(np.cov(features, rowvar=False)))


@pytest.mark.parametrize("features", [np.zeros((1, 3)), np.zeros(3), np.array([[0.0, np.nan], [1, 2]])])
def test_features_that_say_nothing_are_refused(features):
    with pytest.raises(ValueError, match="two patches"):
        GaussianFit.of(features)


def test_fits_of_different_features_are_refused():
    with pytest.raises(ValueError, match="as many"):
        frechet_distance(gaussian([0], [[1]]), gaussian([0, 0], np.eye(2)))


def test_blur_moves_patches_away_from_photographs_and_mirroring_hardly_does(photographs):
    picture = photographs["chelsea"]
    rows = np.cumsum(np.pad(picture, ((8, 8), (0, 0), (0, 0)), mode="edge"), 0)
    blurred = ((rows[16:] - rows[:-16]) / 16).astype(np.float32).clip(0, 1)
    whole, mirrored, soft = (
        GaussianFit.of(patch_features(each)) for each in (picture, np.ascontiguousarray(picture[:, ::-1]), blurred)
    )
    assert frechet_distance(whole, mirrored) < frechet_distance(whole, soft) / 3


def test_patches_are_counted():
    assert patch_features(np.full((64, 128, 3), 0.5, np.float32)).shape == (3, 80)
    with pytest.raises(PictureError, match="64 a side"):
        patch_features(np.full((63, 128, 3), 0.5, np.float32))
