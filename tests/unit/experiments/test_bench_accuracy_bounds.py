"""Each closed form against an evaluation that shares nothing with it: counting, integrals, or another derivation."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from experiments.benchmarks.accuracy import bounds, coding_bounds, counting

FALSE_ALARMS = 1e-2


def gaussian(generator, *shape):
    parts = generator.standard_normal((2, *shape))
    return (parts[0] + 1j * parts[1]) / np.sqrt(2)


@pytest.mark.parametrize("snr_db", [-12.0, -9.0])
def test_detection_bound_is_what_a_matched_filter_reaches(generator, snr_db):
    length, count = 32, 40_000
    waveform = np.exp(2j * np.pi * generator.random(length))
    noise = gaussian(generator, count, length)
    alone = np.abs(noise @ waveform.conj()) ** 2
    # Under noise alone the output power over its mean is exponential.
    threshold = -length * np.log(FALSE_ALARMS)
    assert np.mean(alone > threshold) == pytest.approx(FALSE_ALARMS, rel=0.2)
    amplitude = 10 ** (snr_db / 20)
    output = np.abs((noise + amplitude * waveform * np.exp(1j)) @ waveform.conj()) ** 2
    expected = bounds.detection_probability(length * amplitude**2, FALSE_ALARMS)
    assert np.mean(output > threshold) == pytest.approx(float(expected), abs=0.01)


def test_detection_bound_in_fading_is_the_mean_over_channels(generator):
    powers = np.exp(-np.arange(8) / 2)
    powers /= powers.sum()
    gains = (np.abs(gaussian(generator, 200_000, 8)) ** 2) @ powers
    for energy in (10.0, 60.0):
        expected = np.mean(bounds.detection_probability(energy * gains, 1e-6))
        assert bounds.detection_probability_in_fading(energy, powers, 1e-6) == pytest.approx(expected, abs=0.005)


def test_frequency_bounds_are_cases_of_the_general_one():
    n, copies, snr = 128, 4, 20.0
    waveform = np.exp(2j * np.pi * np.random.default_rng(1).random(n))
    derivative = (1j * np.arange(n) * waveform)[:, None]
    known = bounds.deviations(derivative, waveform[:, None], 1 / snr)[0] / (2 * np.pi)
    assert bounds.known_waveform_deviation(n, snr) == pytest.approx(known, rel=1e-9)
    content = np.exp(2j * np.pi * np.random.default_rng(2).random(n // copies))
    repeated = (1j * np.arange(n) * np.tile(content, copies))[:, None]
    unknown = np.kron(np.ones((copies, 1)), np.eye(n // copies))
    assert bounds.repeated_waveform_deviation(n, copies, snr) == pytest.approx(
        bounds.deviations(repeated, unknown, 1 / snr)[0] / (2 * np.pi), rel=1e-9
    )


def test_frequency_bound_is_met_by_maximum_likelihood(generator):
    n, snr, count = 64, 10.0, 2000
    offset = 0.003
    received = np.exp(2j * np.pi * offset * np.arange(n)) + gaussian(generator, count, n) / np.sqrt(snr)
    grid = np.linspace(0, 2 * offset, 601)
    power = np.abs(received @ np.exp(-2j * np.pi * np.outer(np.arange(n), grid))) ** 2
    at = np.clip(np.argmax(power, axis=1), 1, grid.size - 2)
    rows = np.arange(count)
    a, b, c = (power[rows, at + step] for step in (-1, 0, 1))
    found = grid[at] + (grid[1] - grid[0]) * 0.5 * (a - c) / (a - 2 * b + c)
    rmse = np.sqrt(np.mean((found - offset) ** 2))
    assert rmse / bounds.known_waveform_deviation(n, snr) == pytest.approx(1, abs=0.06)


def test_timing_bound_for_many_tones():
    tones, n, snr = np.arange(-26, 27), 64, 5.0
    # One symbol: the same energy on each tone; the derivative of a delay is -j2πk/N times the tone.
    derivative = (-2j * np.pi * tones / n)[:, None].astype(complex)
    energy_per_tone = snr * n / tones.size
    exact = bounds.deviations(derivative, np.ones((tones.size, 1)), 1 / energy_per_tone)[0]
    assert bounds.timing_deviation(n, tones.size / n, snr) == pytest.approx(exact, rel=1e-3)


def test_clock_bound_with_free_phases_and_a_free_delay():
    tones, n_symbols, snr, n, symbol = np.array([-21, -7, 7, 21]), 30, 40.0, 64, 80
    slope = np.kron(np.ones(n_symbols), -2j * np.pi * tones / n)
    times = np.kron(symbol * np.arange(n_symbols), np.ones(tones.size))
    phases = np.kron(np.eye(n_symbols), np.ones((tones.size, 1)))
    exact = bounds.deviations(np.stack([slope * times, slope], axis=1), phases, 1 / snr)[0]
    assert bounds.clock_deviation(n_symbols, tones, snr, n, symbol) == pytest.approx(exact, rel=1e-9)


def test_channel_bound_is_the_eigenvalue_formula_and_the_error_of_the_estimator(generator):
    dft = np.exp(-2j * np.pi * np.outer(np.arange(12), np.arange(3)) / 16)
    powers = np.array([0.6, 0.3, 0.1])
    matrix = (dft * powers) @ dft.conj().T
    eigenvalues = np.maximum(np.linalg.eigvalsh(matrix), 0)
    same = bounds.channel_error(matrix, np.full(12, 8.0))
    assert same == pytest.approx(np.mean(eigenvalues / 8 / (eigenvalues + 1 / 8)), rel=1e-9)
    precision = np.where(np.arange(12) % 4, 3.0, 30.0)
    channels = (gaussian(generator, 20_000, 3) * np.sqrt(powers)) @ dft.T
    seen = channels + gaussian(generator, 20_000, 12) / np.sqrt(precision)
    weights = matrix @ np.linalg.inv(matrix + np.diag(1 / precision))
    error = np.mean(np.abs(seen @ weights.T - channels) ** 2)
    assert bounds.channel_error(matrix, precision) == pytest.approx(error, rel=0.02)


@pytest.mark.parametrize("level", [1.0, 2.0, 3.0])
def test_clipping_noise_is_the_integral_of_what_is_cut(level):
    def excess(x):
        return 2 * (x - level) ** 2 * scipy.stats.norm.pdf(x)

    assert bounds.clipping_noise(level) == pytest.approx(scipy.integrate.quad(excess, level, 12)[0], rel=1e-6)


def test_converter_noise_is_what_a_converter_does(generator):
    from sdr_gsc.channel.converters import quantize

    for power, bits in ((10**-1.2, 6), (10**-0.4, 12)):
        samples = (gaussian(generator, 400_000) * np.sqrt(power)).astype(np.complex64)
        error = np.mean(np.abs(quantize(samples, bits)[0] - samples) ** 2) / power
        assert bounds.converter_noise(power, bits) == pytest.approx(error, rel=0.03)


def test_capacity_and_dispersion_are_moments_of_the_information_density(generator):
    for esn0 in (0.3, 1.0, 2.5):
        received = 1 + generator.standard_normal(400_000) / np.sqrt(2 * esn0)
        density = 1 - np.logaddexp(0, -4 * esn0 * received) / np.log(2)
        capacity, dispersion = coding_bounds.capacity_and_dispersion(esn0)
        assert capacity == pytest.approx(np.mean(density), abs=0.004)
        assert dispersion == pytest.approx(np.var(density), rel=0.02)


def test_limits_of_codes_are_those_in_the_literature():
    # Richardson and Urbanke, Modern Coding Theory: the rate-1/2 limit of the binary-input channel is 0.187 dB.
    assert coding_bounds.shannon_limit_db(0.5) == pytest.approx(0.187, abs=0.001)
    found = coding_bounds.ebn0_at_rate_db(1e-2, 1944, 972)
    assert coding_bounds.block_error_rate(found, 1944, 972) == pytest.approx(1e-2, rel=1e-6)
    longer = coding_bounds.ebn0_at_rate_db(1e-2, 200_000, 100_000)
    assert coding_bounds.shannon_limit_db(0.5) < longer < coding_bounds.shannon_limit_db(0.5) + 0.1


def test_intervals_of_counts():
    assert counting.poisson_interval(0) == pytest.approx((0, 3.689), abs=1e-3)
    low, high = counting.poisson_interval(20)
    assert scipy.stats.poisson.sf(19, low) == pytest.approx(0.025, rel=1e-6)
    assert scipy.stats.poisson.cdf(20, high) == pytest.approx(0.025, rel=1e-6)
    limit = counting.poisson_limit(10.0)
    assert scipy.stats.poisson.sf(limit, 10) <= 1e-3 < scipy.stats.poisson.sf(limit - 1, 10)


def test_crossing_is_found_where_the_logarithm_is_straight():
    snr_db = [0.0, 1.0, 2.0, 3.0]
    counts = [10_000] * 4
    assert counting.crossing_db(snr_db, [10_000, 1000, 100, 10], counts, 10**-1.5) == pytest.approx(1.5)
    assert counting.crossing_db(snr_db, [10_000, 1000, 0, 0], counts, 1e-2) < 2
    assert np.isnan(counting.crossing_db(snr_db, [10_000, 9000, 8000, 7000], counts, 1e-2))
    assert np.isnan(counting.crossing_db(snr_db, [1, 1, 1, 1], counts, 1e-2))
    assert np.isnan(counting.decibels(float("nan")))
