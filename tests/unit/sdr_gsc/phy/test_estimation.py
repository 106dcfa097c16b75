from dataclasses import dataclass

import numpy as np
import pytest

from sdr_gsc.phy._equalizer_kernel import Noise, equalize_symbols, known_tones, noise_level
from sdr_gsc.phy._grid_tables import grid_tables
from sdr_gsc.phy._header_kernel import settle_window
from sdr_gsc.phy._kernels import gather_symbols
from sdr_gsc.phy._phase_kernel import PhaseGuess, fit_phase
from sdr_gsc.phy._pilot_kernel import DelayFit, add_delay_information, pilot_sums, solve_delay, turn_pilots
from sdr_gsc.phy._search_kernel import lag_sums
from sdr_gsc.phy.estimation import ChannelEstimator, Observations
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.preamble import Preamble

GRID = Numerology()
SIGNED = GRID.signed(GRID.active)
TABLES = grid_tables(Preamble())
NO_DRIFT = DelayFit(0.0, 0.0, 0.0, 0.0, 0.0)


def gaussian(generator: np.random.Generator, *shape: int) -> np.ndarray:
    parts = generator.standard_normal((2, *shape))
    return (parts[0] + 1j * parts[1]) / np.sqrt(2)


def exponential_channels(generator: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Responses [count, 52] of 8-tap Rayleigh channels of rms 2 samples, and their true correlation [52, 52]."""
    profile = np.exp(-np.arange(8) / 2)
    profile /= profile.sum()
    delays = np.arange(8) + ChannelEstimator(Preamble()).slack  # where the receiver puts the first path
    dft = np.exp(-2j * np.pi * np.outer(SIGNED, delays) / 64)
    taps = gaussian(generator, count, 8) * np.sqrt(profile)
    return taps @ dft.T, (dft * profile) @ dft.conj().T


@pytest.mark.parametrize("esn0_db", [10.0, 20.0, 30.0])
def test_estimate_is_close_to_the_true_lmmse_bound(esn0_db: float) -> None:
    generator = np.random.default_rng(1)
    estimator = ChannelEstimator(Preamble())
    response, correlation = exponential_channels(generator, 400)
    variance = 10 ** (-esn0_db / 10) / 4
    errors, predicted = [], []
    for truth in response:
        seen = truth + np.sqrt(variance) * gaussian(generator, 52)
        once = Observations(np.zeros(1), np.ones(1), seen.astype(np.complex64)[None, :], variance)
        estimate = estimator.track(once, np.zeros(1))
        errors.append(np.mean(np.abs(estimate.response[0] - truth) ** 2))
        predicted.append(np.mean(estimate.error_variance))
    eigenvalues = np.maximum(np.linalg.eigvalsh(correlation), 0)
    bound = np.sum(eigenvalues * variance / (eigenvalues + variance)) / 52
    assert -0.5 < 10 * np.log10(np.mean(errors) / bound) < 0.5
    assert np.mean(errors) / np.mean(predicted) == pytest.approx(1, abs=0.15)


def test_several_observations_of_a_static_channel_average() -> None:
    generator = np.random.default_rng(2)
    estimator = ChannelEstimator(Preamble())
    response, _ = exponential_channels(generator, 200)
    times, symbols = np.array([0.0, 900.0, 1500.0, 3000.0]), np.array([4.0, 7.0, 7.0, 1.0])
    variance = 0.1
    moving, errors = 0, []
    for truth in response:
        noise = gaussian(generator, 4, 52) * np.sqrt(variance / symbols)[:, None]
        seen = (truth + noise).astype(np.complex64)
        estimate = estimator.track(Observations(times, symbols, seen, variance), np.arange(0.0, 3000.0, 80))
        moving += estimate.doppler_cycles > 0
        errors.append(np.mean(np.abs(estimate.response - truth) ** 2))
    assert moving <= 10
    # 16 of 52 dimensions survive, and 19 symbols are averaged.
    assert np.mean(errors) < 1.1 * variance / 19 * 16 / 52


def test_moving_channel_is_followed() -> None:
    generator = np.random.default_rng(3)
    estimator = ChannelEstimator(Preamble())
    times = np.linspace(0, 4800, 7)
    symbols = np.full(7, 4.0)
    wanted = np.arange(0.0, 4800.0, 80)
    doppler = 1e-4  # cycles per sample: half a turn over the frame
    variance = 1e-3
    dft = np.exp(-2j * np.pi * np.outer(SIGNED, estimator.slack + np.arange(4)) / 64) / 2
    errors, still, predicted = [], [], []
    for _ in range(60):
        angles = np.cos(2 * np.pi * generator.random((16, 4)))
        phases = 2 * np.pi * generator.random((16, 4))

        def taps_at(t: np.ndarray, angles: np.ndarray = angles, phases: np.ndarray = phases) -> np.ndarray:
            return np.mean(np.exp(1j * (2 * np.pi * doppler * t[:, None, None] * angles + phases)), axis=1) * 4

        seen = taps_at(times) @ dft.T + gaussian(generator, 7, 52) * np.sqrt(variance / 4)
        estimate = estimator.track(Observations(times, symbols, seen.astype(np.complex64), variance), wanted)
        truth = taps_at(wanted) @ dft.T
        errors.append(np.mean(np.abs(estimate.response - truth) ** 2))
        still.append(np.mean(np.abs(truth[:1] - truth) ** 2))
        predicted.append(np.mean(estimate.error_variance))
    assert np.mean(errors) < 0.01 * np.mean(still)
    assert 0.4 < np.mean(errors) / np.mean(predicted) < 2.5


def pilots_of(
    generator: np.random.Generator, count: int, variance: float, ppm: float, slope: float, step: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    times = 300.0 + 80 * np.arange(count)
    walk = np.cumsum(generator.standard_normal(count)) * np.sqrt(step)
    phase = slope * times / 80 + walk
    signed = GRID.signed(GRID.pilots)
    delay = -1e-6 * ppm * times
    turn = np.exp(1j * (phase[:, None] - 2 * np.pi * signed * delay[:, None] / 64))
    return (turn + np.sqrt(variance) * gaussian(generator, count, 4)).astype(np.complex64), times, phase


@dataclass(frozen=True)
class Fitted:
    delay: DelayFit
    phase: np.ndarray
    phase_variance: float


def fit_of(
    pilots: np.ndarray,
    times: np.ndarray,
    variance: float,
    usable: np.ndarray | None = None,
    search: float = 0.3,
    deviation: float = 0.05,
) -> Fitted:
    """The fit as the receiver makes it: delay first, then phase with that delay."""
    count = times.size
    values = np.zeros((count, 64), np.complex64)
    values[:, GRID.pilots] = pilots
    usable = np.ones(count, bool) if usable is None else usable
    ones = np.ones((count, 4), np.complex64)
    ramp = 2 * np.pi * GRID.signed(GRID.pilots) / 64
    fixed = (values, ones, GRID.pilots, ramp, times, np.zeros(count, np.int64), usable)
    sums = np.zeros(5)
    add_delay_information(turn_pilots(*fixed, NO_DRIFT), ones[:1], usable, ramp, times, NO_DRIFT, variance, sums)
    delay = solve_delay(sums, count)
    phase = np.empty(count)
    total, gain = pilot_sums(turn_pilots(*fixed, delay), ones[:1], usable)
    phase_variance, _ = fit_phase(total, gain, times, variance, PhaseGuess(0.0, search, deviation, True), phase)
    return Fitted(delay, phase, phase_variance)


def test_clock_offset_is_near_its_bound() -> None:
    generator = np.random.default_rng(4)
    count, variance = 60, 0.01
    errors = []
    for _ in range(300):
        pilots, times, _ = pilots_of(generator, count, variance, 30.0, 0.01)
        errors.append(-1e6 * fit_of(pilots, times, variance).delay.rate - 30.0)
    power = 2 * (7**2 + 21**2)
    bound = np.sqrt(12 / (count * (count**2 - 1)) * variance / (2 * power)) * 64 / (2 * np.pi * 80) * 1e6
    assert abs(np.mean(errors)) < 0.2 * bound
    assert np.std(errors) < 1.15 * bound


@pytest.mark.parametrize("step", [0.0, 1e-3, 1e-2])
def test_phase_is_smoothed_as_predicted(step: float) -> None:
    generator = np.random.default_rng(5)
    variance = 0.03
    errors, predicted = [], []
    for _ in range(200):
        pilots, times, phase = pilots_of(generator, 60, variance, 0.0, 0.02, step)
        fit = fit_of(pilots, times, variance)
        errors.append(np.mean((fit.phase - phase) ** 2))
        predicted.append(fit.phase_variance)
    assert 0.4 < np.mean(errors) / np.mean(predicted) < 1.35  # a walk that is not there is allowed for
    assert np.mean(errors) < variance / 8  # better than each symbol for itself


def test_symbols_known_better_count_more() -> None:
    generator = np.random.default_rng(9)
    count, variance = 60, 0.5
    times = 300.0 + 80 * np.arange(count)
    gain = np.where(np.arange(count) % 5 == 0, 52.0, 4.0)
    slopes = []
    for _ in range(300):
        noise = gaussian(generator, count) * np.sqrt(variance * gain)
        sums = gain * np.exp(0.02j * times / 80) + noise
        guess = PhaseGuess(0.0, 0.05, 0.0, False)
        slopes.append(fit_phase(sums.astype(np.complex64), gain, times, variance, guess, np.empty(count))[1] - 0.02)
    index = np.arange(count)
    weight = 2 * gain / variance
    centred = index - np.sum(weight * index) / weight.sum()
    assert np.std(slopes) < 1.15 / np.sqrt(np.sum(weight * centred**2))


def test_lost_symbols_do_not_disturb_the_fit() -> None:
    generator = np.random.default_rng(6)
    pilots, times, phase = pilots_of(generator, 60, 1e-4, 20.0, 0.03)
    usable = np.ones(60, bool)
    usable[10:30] = False
    pilots[~usable] = 77
    fit = fit_of(pilots, times, 1e-4, usable)
    np.testing.assert_allclose(fit.phase, phase, atol=0.02)
    assert -1e6 * fit.delay.rate == pytest.approx(20, abs=3)
    assert np.isfinite(fit_of(pilots, times, 1e-4, np.zeros(60, bool)).phase).all()


def equalized(
    spectra: np.ndarray, response: np.ndarray, noise: Noise, phase: np.ndarray | None = None, fit: DelayFit = NO_DRIFT
) -> tuple[np.ndarray, np.ndarray]:
    count = spectra.shape[0]
    phase = np.zeros(count) if phase is None else phase
    times, usable = 300.0 + 80 * np.arange(count), np.ones(count, bool)
    symbols, variance = np.empty(count * 48, np.complex64), np.empty(count * 48, np.float32)
    equalize_symbols(
        spectra, np.arange(count), times, np.zeros(count, np.int64), usable, phase, 0.0, fit,
        response, np.zeros(response.shape, np.float32), noise, TABLES, symbols, variance,
    )  # fmt: skip
    return symbols.reshape(count, -1), variance.reshape(count, -1)


@pytest.mark.parametrize("moving", [False, True])
def test_equalizer_inverts_and_predicts(moving: bool) -> None:
    generator = np.random.default_rng(7)
    count, variance = 400, 0.02
    response, _ = exponential_channels(generator, 1)
    response = np.repeat(response, count if moving else 1, axis=0).astype(np.complex64)
    sent = np.exp(2j * np.pi * generator.random((count, 52)))
    phase = 0.01 * np.arange(count)
    fit = DelayFit(0.3, -4e-5, 0.0, 0.0, 0.0)
    delay = fit.offset + fit.rate * (300.0 + 80 * np.arange(count))
    turn = np.exp(1j * (phase[:, None] - 2 * np.pi * SIGNED * delay[:, None] / 64))
    spectra = np.zeros((count, 64), np.complex64)
    spectra[:, GRID.active] = sent * response * turn + np.sqrt(variance) * gaussian(generator, count, 52)
    symbols, predicted = equalized(spectra, response, Noise(variance, 0.0), phase, fit)
    error = np.mean(np.abs(symbols - sent[:, GRID.positions(GRID.data)]) ** 2 / predicted, axis=0)
    np.testing.assert_allclose(error, 1, atol=0.3)
    assert error.mean() == pytest.approx(1, abs=0.03)


def test_a_dead_subcarrier_has_no_evidence() -> None:
    response = np.ones((1, 52), np.complex64)
    dead = int(GRID.positions(GRID.data)[5])
    response[0, dead] = 0
    symbols, predicted = equalized(np.ones((1, 64), np.complex64), response, Noise(0.1, 0.0))
    assert symbols[0, 5] == 0
    assert np.isinf(predicted[0, 5])
    assert np.isfinite(np.delete(predicted[0], 5)).all()


def test_noise_is_split_only_when_distortion_is_certain() -> None:
    assert noise_level(1.0, 156, 1.05, 10.0) == Noise(1.05, 0.0)
    assert noise_level(1.0, 156, 3.0, 10.0) == Noise(1.0, 0.2)


@pytest.mark.parametrize("late", [-2, 0, 3])
def test_the_window_settles_where_a_profile_explains_the_channel(late: int) -> None:
    generator = np.random.default_rng(10)
    estimator = ChannelEstimator(Preamble())
    channels, _ = exponential_channels(generator, 100)
    seen = channels * np.exp(-2j * np.pi * SIGNED * late / 64) + 0.05 * gaussian(generator, 100, 52)
    moved = [settle_window(row.astype(np.complex64), 0.05**2, estimator.tables) for row in seen]
    # A window beyond the first path's place means that the first path of this draw had faded away.
    assert np.median(moved) == late
    assert np.mean(np.abs(np.array(moved) - late) <= 1) > 0.8


def test_kernels_agree_with_their_equations() -> None:
    generator = np.random.default_rng(8)
    samples = gaussian(generator, 400).astype(np.complex64)
    sums = np.empty((3, 10), np.float32)
    lag_sums(samples.view(np.float32), 64, 16, sums)
    products = (samples[:160].conj() * samples[64:224]).reshape(10, 16).sum(axis=1)
    np.testing.assert_allclose(sums[0] + 1j * sums[1], products, rtol=1e-4)
    np.testing.assert_allclose(sums[2], (np.abs(samples[:160]) ** 2).reshape(10, 16).sum(axis=1), rtol=1e-5)

    out = np.empty((2, 64), np.complex64)
    starts = np.array([3, 100])
    gather_symbols(samples.view(np.float32), starts, 0.05, 3, out.view(np.float32))
    for row, start in zip(out, starts, strict=True):
        n = np.arange(start, start + 64)
        np.testing.assert_allclose(row, samples[n] * np.exp(-0.05j * (n - 3)), rtol=1e-4, atol=1e-5)

    values = gaussian(generator, 2, 64).astype(np.complex64)
    reference = np.exp(2j * np.pi * generator.random((2, 52))).astype(np.complex64)
    times, shift = np.array([300.0, 380.0]), np.array([1, -2])
    fit = DelayFit(0.2, 1e-3, 0.0, 0.0, 0.0)
    seen = known_tones(values, np.arange(2), reference, times, shift, fit, TABLES)
    delay = fit.offset + fit.rate * times - shift
    turn = np.exp(2j * np.pi * SIGNED * delay[:, None] / 64)
    np.testing.assert_allclose(seen, values[:, GRID.active] * reference.conj() * turn, rtol=1e-3, atol=1e-4)
