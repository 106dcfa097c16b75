from __future__ import annotations

import math

import numpy as np
import pytest

from sdr_gsc.errors import SettingsError
from sdr_gsc.semantic.bounds import (
    capacity_bits,
    distortion_at_rate,
    fading_capacity_bits,
    opta_psnr_db,
    transform_variances,
)


def test_capacity_is_shannons():
    assert capacity_bits(4096, 10 * math.log10(3)) == pytest.approx(2 * 4096)
    assert fading_capacity_bits(np.full(10, 1 / 7)) == pytest.approx(30)


def test_lost_symbols_carry_nothing_and_fading_costs():
    noise = np.array([1 / 3, np.inf, 1 / 3])
    assert fading_capacity_bits(noise) == pytest.approx(4)
    # The same mean of the signal-to-noise ratio, spread over symbols: less by Jensen's inequality.
    assert fading_capacity_bits(1 / np.array([0.5, 5.5])) < capacity_bits(2, 10 * math.log10(3))


def test_one_gaussian_value_loses_six_decibels_per_bit():
    assert distortion_at_rate(np.array([9.0]), 0) == pytest.approx(9)
    assert distortion_at_rate(np.array([9.0]), 1) == pytest.approx(9 / 4)
    assert distortion_at_rate(np.array([9.0]), 2.5) == pytest.approx(9 / 32)


def test_water_covers_what_is_not_worth_a_bit():
    # Two bits on 16 and 1: the level is 1, where the smaller one just drowns; three bits reach both.
    assert distortion_at_rate(np.array([1.0, 16.0]), 2) == pytest.approx(2)
    assert distortion_at_rate(np.array([1.0, 16.0]), 3) == pytest.approx(1)
    assert distortion_at_rate(np.array([1.0, 16.0]), 1) == pytest.approx(5)
    assert distortion_at_rate(np.array([1.0, 16.0, 0.0]), 3) == pytest.approx(1)


def test_the_level_fits_the_rate_for_any_source():
    generator = np.random.default_rng(0)
    variances = generator.exponential(size=300) ** 3
    for bits in (0.0, 1.0, 40.0, 700.0):
        distortion = distortion_at_rate(variances, bits)
        # The level by bisection on R(θ), an independent way to the same point.
        low, high = -80.0, 20.0
        for _ in range(100):
            middle = (low + high) / 2
            spent = np.maximum(0, 0.5 * (np.log2(variances) - middle)).sum()
            low, high = (middle, high) if spent > bits else (low, middle)
        assert distortion == pytest.approx(np.minimum(2.0**high, variances).sum(), rel=1e-6)


def test_nothing_is_lost_of_nothing():
    assert distortion_at_rate(np.zeros(4), 3) == 0
    assert distortion_at_rate(np.zeros(0), 3) == 0


@pytest.mark.parametrize(("variances", "bits"), [([-1.0], 1), ([np.nan], 1), ([1.0], -1), ([1.0], np.inf)])
def test_what_is_no_source_or_no_rate_is_refused(variances, bits):
    with pytest.raises(SettingsError):
        distortion_at_rate(np.array(variances), bits)


def test_a_noise_variance_must_be_positive():
    with pytest.raises(SettingsError, match="positive"):
        fading_capacity_bits(np.array([1.0, 0.0]))
    with pytest.raises(SettingsError, match="symbols"):
        capacity_bits(-1, 0.0)


def test_an_orthonormal_transform_keeps_the_energy(untrained_codec):
    picture = np.random.default_rng(1).uniform(0, 1, (64, 96, 3)).astype(np.float32)
    encoder = untrained_codec.encoder
    variances, left = transform_variances(encoder, picture)
    assert variances.shape == (128,)
    # Of white pixels, 128 of 768 orthonormal directions hold a sixth of the energy, and the others keep theirs.
    energy = 768 * picture.var()
    assert variances.sum() == pytest.approx(energy / 6, rel=0.1)
    assert left == pytest.approx(energy * 5 / 6, rel=0.1)


def test_opta_meets_its_ends(untrained_codec):
    picture = np.random.default_rng(2).uniform(0, 1, (64, 64, 3)).astype(np.float32)
    variances, left = transform_variances(untrained_codec.encoder, picture)
    nothing, everything = (-10 * math.log10(each / 768) for each in (variances.sum() + left, left))
    psnr = [opta_psnr_db(untrained_codec.encoder, picture, bits) for bits in (0.0, 1e3, 1e4, 1e6)]
    assert psnr[0] == pytest.approx(nothing)
    assert psnr == sorted(psnr)
    assert psnr[-1] == pytest.approx(everything)
