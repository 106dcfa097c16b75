from __future__ import annotations

import numpy as np
import pytest

from sdr_gsc.errors import PictureError
from sdr_gsc.metrics.calibration import coverage, reliability


@pytest.fixture
def truthful():
    """A picture, a reconstruction with normal errors, and the deviation that they were drawn with."""
    generator = np.random.default_rng(0)
    sent = np.full((128, 96, 3), 0.5, np.float32)
    deviation = generator.uniform(0.01, 0.08, (128, 96)).astype(np.float32)
    errors = generator.standard_normal(sent.shape) * deviation[..., None]
    return sent, (sent + errors).astype(np.float32), deviation


@pytest.mark.parametrize("probability", [0.5, 0.9, 0.99])
def test_intervals_cover_what_they_promise(truthful, probability):
    # The standard error of a share among 36864 values is below 0.003.
    assert coverage(*truthful, probability) == pytest.approx(probability, abs=0.01)


def test_a_map_that_is_too_sure_covers_less_and_one_that_is_not_covers_more(truthful):
    sent, received, deviation = truthful
    # P(|N(0,1)| <= 1.645/2) and P(|N(0,1)| <= 2·1.645).
    assert coverage(sent, received, deviation / 2) == pytest.approx(0.589, abs=0.01)
    assert coverage(sent, received, deviation * 2) == pytest.approx(0.999, abs=0.002)
    assert coverage(sent, received, np.zeros_like(deviation)) == 0
    assert coverage(sent, sent, np.zeros_like(deviation)) == 1


def test_a_truthful_map_lies_on_the_line(truthful):
    bins = reliability([truthful], bins=8)
    np.testing.assert_allclose(bins.error, bins.predicted, rtol=0.06)
    assert (np.diff(bins.predicted) > 0).all()
    assert bins.expected_error < 0.03


def test_the_line_knows_by_how_much_a_map_is_wrong(truthful):
    sent, received, deviation = truthful
    assert reliability([(sent, received, deviation / 2)]).expected_error == pytest.approx(1.0, abs=0.04)
    assert reliability([(sent, received, deviation * 2)]).expected_error == pytest.approx(0.5, abs=0.02)


def test_pictures_are_pooled(truthful):
    once, twice = reliability([truthful], bins=4), reliability([truthful, truthful], bins=4)
    np.testing.assert_allclose(once.predicted, twice.predicted, rtol=1e-3)
    np.testing.assert_allclose(once.error, twice.error, rtol=1e-2)


def test_what_is_no_deviation_is_refused(truthful):
    sent, received, deviation = truthful
    for wrong in (-deviation, np.full_like(deviation, np.nan), deviation[:-1], deviation[..., None]):
        with pytest.raises(PictureError, match="deviation"):
            coverage(sent, received, wrong)
    with pytest.raises(ValueError, match="probability"):
        coverage(sent, received, deviation, 1.0)
    with pytest.raises(ValueError, match="at least one"):
        reliability([])
