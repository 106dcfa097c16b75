import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from sdr_gsc.errors import PictureError
from sdr_gsc.metrics.distortion import ms_ssim, psnr_db, ssim


def noisy(picture, sigma, seed=0):
    noise = np.random.default_rng(seed).standard_normal(picture.shape).astype(np.float32)
    return np.clip(picture + sigma * noise, 0, 1).astype(np.float32)


@given(st.floats(0.001, 0.5))
def test_psnr_of_a_constant_error_is_known_in_closed_form(error):
    sent = np.full((8, 9, 3), 0.25, np.float32)
    received = (sent + np.float32(error)).astype(np.float32)
    assert psnr_db(sent, received) == pytest.approx(-20 * math.log10(error), abs=1e-3)


def test_equal_pictures_are_perfect(photographs):
    picture = photographs["coffee"]
    assert psnr_db(picture, picture) == math.inf
    assert ssim(picture, picture) == pytest.approx(1)
    assert ms_ssim(picture, picture) == pytest.approx(1)


@pytest.mark.parametrize("metric", [psnr_db, ssim, ms_ssim])
def test_more_noise_is_worse_and_order_does_not_matter(photographs, metric):
    picture = photographs["astronaut"]
    figures = [metric(picture, noisy(picture, sigma)) for sigma in (0.02, 0.05, 0.1, 0.2)]
    assert figures == sorted(figures, reverse=True)
    assert metric(picture, noisy(picture, 0.1)) == pytest.approx(metric(noisy(picture, 0.1), picture), abs=1e-5)


def test_ssim_agrees_with_an_independent_implementation(photographs):
    picture = photographs["chelsea"]
    received = noisy(picture, 0.08)
    _, other = structural_similarity(
        picture,
        received,
        data_range=1.0,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    assert ssim(picture, received) == pytest.approx(other.mean(), abs=2e-3)  # they mirror the borders differently


def test_figures_that_do_not_exist_are_none_and_not_something_else():
    small = np.random.default_rng(1).random((175, 200, 3), dtype=np.float32)
    assert ms_ssim(small, small) is None
    assert ssim(small, small) is not None
    assert ssim(small[:10], small[:10]) is None
    smallest = np.random.default_rng(1).random((176, 176, 3), dtype=np.float32)
    assert ms_ssim(smallest, smallest) == pytest.approx(1)


def test_ms_ssim_of_unrelated_pictures_is_a_number(generator):
    first, second = generator.random((2, 180, 180, 3), dtype=np.float32)
    figure = ms_ssim(first, 1 - second)
    assert figure is not None
    assert 0 <= figure < 0.5


@pytest.mark.parametrize(
    ("received", "complaint"),
    [
        (np.zeros((8, 8, 3)), "float64"),
        (np.zeros((8, 9, 3), np.float32), "shape"),
        (np.zeros((8, 8), np.float32), "shape"),
        (np.full((8, 8, 3), 255, np.float32), "spans"),
        (np.full((8, 8, 3), np.nan, np.float32), "spans"),
    ],
)
def test_what_is_no_picture_is_refused_with_a_reason(received, complaint):
    with pytest.raises(PictureError, match=complaint):
        psnr_db(np.zeros((8, 8, 3), np.float32), received)
