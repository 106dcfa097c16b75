from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdr_gsc.errors import SettingsError
from sdr_gsc.semantic.quantizer import LEVELS, Quantizer

# Max, "Quantizing for minimum distortion", 1960, Table II (equally spaced levels): L, step, mean squared error.
_MAX_1960 = [(4, 0.9957, 0.1188), (8, 0.5860, 0.03744), (16, 0.3352, 0.01154), (32, 0.1881, 0.003490)]


@pytest.mark.parametrize(("levels", "step", "distortion"), _MAX_1960)
def test_steps_and_distortions_are_those_of_max(levels: int, step: float, distortion: float) -> None:
    quantizer = Quantizer.of(levels)
    assert quantizer.step == pytest.approx(step, abs=2e-4)
    assert quantizer.distortion == pytest.approx(distortion, rel=5e-3)


@pytest.mark.parametrize("levels", LEVELS)
def test_distortion_is_met_on_gaussian_samples_and_the_power_is_one_less_it(levels: int) -> None:
    quantizer = Quantizer.of(levels)
    samples = np.random.default_rng(1).standard_normal(400_000).astype(np.float32)
    decoded = quantizer.values(quantizer.indices(samples))
    assert np.mean((decoded - samples) ** 2) == pytest.approx(quantizer.distortion, rel=0.02)
    # At the optimum over all scalings E[z q] = E[q²], hence E[q²] = 1 - D (Gersho and Gray, lemma 6.2.2).
    assert np.mean(decoded**2) == pytest.approx(1 - quantizer.distortion, rel=0.01)


@given(st.sampled_from(LEVELS), st.floats(-100, 100, width=32))
def test_a_value_goes_to_its_nearest_level(levels: int, value: float) -> None:
    quantizer = Quantizer.of(levels)
    chosen = quantizer.values(quantizer.indices(np.float32([value])))[0]
    everything = quantizer.values(np.arange(levels, dtype=np.uint8))
    assert abs(chosen - value) <= np.abs(everything - value).min() + 1e-4


@given(st.sampled_from(LEVELS))
def test_levels_survive_quantization(levels: int) -> None:
    quantizer = Quantizer.of(levels)
    indices = np.arange(levels, dtype=np.uint8)
    assert (quantizer.indices(quantizer.values(indices)) == indices).all()


def test_other_numbers_of_levels_are_refused() -> None:
    with pytest.raises(SettingsError, match="needed one of"):
        Quantizer.of(12)
