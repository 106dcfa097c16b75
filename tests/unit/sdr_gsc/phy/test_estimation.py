import numpy as np
import pytest

from sdr_gsc.phy._kernels import equalize_tones, gather_symbols, lag_sums
from sdr_gsc.phy._tracking import Drift, PilotFit, PilotTracker
from sdr_gsc.phy.equalization import NoiseLevel, equalize, noise_level
from sdr_gsc.phy.estimation import ChannelEstimate, ChannelEstimator, Observations
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.preamble import Preamble

GRID = Numerology()
SIGNED = GRID.signed(GRID.active)


def gaussian(generator: np.random.Generator, *shape: int) -> np.ndarray:
    parts = generator.standard_normal((2, *shape))
    return (parts[0] + 1j * parts[1]) / np.sqrt(2)


def exponential_channels(generator: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Responses [count, 52] of 8-tap Rayleigh channels of rms 2 samples, and their true correlation [52, 52]."""
    profile = np.exp(-np.arange(8) / 2)
    profile /= profile.sum()
    delays = np.arange(8) + 3  # where the receiver puts the first path
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
        estimate = estimator.static(estimator.coordinates(seen.astype(np.complex64)), variance)
        errors.append(np.mean(np.abs(estimate.response[0] - truth) ** 2))
        predicted.append(np.mean(estimate.error_variance))
    eigenvalues = np.maximum(np.linalg.eigvalsh(correlation), 0)
    bound = np.sum(eigenvalues * variance / (eigenvalues + variance)) / 52
    assert -0.5 < 10 * np.log10(np.mean(errors) / bound) < 1.2
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
        seen = estimator.coordinates((truth + noise).astype(np.complex64))
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
    dft = np.exp(-2j * np.pi * np.outer(SIGNED, np.arange(3, 7)) / 64) / 2
    errors, still, predicted = [], [], []
    for _ in range(60):
        angles = np.cos(2 * np.pi * generator.random((16, 4)))
        phases = 2 * np.pi * generator.random((16, 4))

        def taps_at(t: np.ndarray, angles: np.ndarray = angles, phases: np.ndarray = phases) -> np.ndarray:
            return np.mean(np.exp(1j * (2 * np.pi * doppler * t[:, None, None] * angles + phases)), axis=1) * 4

        seen = taps_at(times) @ dft.T + gaussian(generator, 7, 52) * np.sqrt(variance / 4)
        coordinates = estimator.coordinates(seen.astype(np.complex64))
        estimate = estimator.track(Observations(times, symbols, coordinates, variance), wanted)
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


def fit_of(pilots: np.ndarray, times: np.ndarray, variance: float, deviation: float = 0.05) -> PilotFit:
    tracker = PilotTracker(GRID.signed(GRID.pilots), 64, 80)
    usable = np.ones(times.size, bool)
    start = Drift(search=6 * deviation, slope_deviation=deviation)
    shift = np.zeros(times.size, np.int64)
    return tracker.fit(pilots, np.ones((1, 4), np.complex64), variance, times, shift, usable, start)


def test_clock_offset_is_near_its_bound() -> None:
    generator = np.random.default_rng(4)
    count, variance = 60, 0.01
    errors = []
    for _ in range(300):
        pilots, times, _ = pilots_of(generator, count, variance, 30.0, 0.01)
        errors.append(-1e6 * fit_of(pilots, times, variance).drift.delay_rate - 30.0)
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


def test_lost_symbols_do_not_disturb_the_fit() -> None:
    generator = np.random.default_rng(6)
    pilots, times, phase = pilots_of(generator, 60, 1e-4, 20.0, 0.03)
    usable = np.ones(60, bool)
    usable[10:30] = False
    pilots[~usable] = 77
    start = Drift(search=0.3, slope_deviation=0.05)
    fit = PilotTracker(GRID.signed(GRID.pilots), 64, 80).fit(
        pilots, np.ones((1, 4), np.complex64), 1e-4, times, np.zeros(60, np.int64), usable, start
    )
    np.testing.assert_allclose(fit.phase, phase, atol=0.02)
    assert -1e6 * fit.drift.delay_rate == pytest.approx(20, abs=3)
    nothing = PilotTracker(GRID.signed(GRID.pilots), 64, 80).fit(
        pilots, np.ones((1, 4), np.complex64), 1e-4, times, np.zeros(60, np.int64), np.zeros(60, bool), start
    )
    assert np.isfinite(nothing.phase).all()


def test_equalizer_inverts_and_predicts() -> None:
    generator = np.random.default_rng(7)
    count, variance = 400, 0.02
    response, _ = exponential_channels(generator, 1)
    response = response.astype(np.complex64)
    sent = np.exp(2j * np.pi * generator.random((count, 52)))
    spectra = np.zeros((count, 64), np.complex64)
    spectra[:, GRID.active] = sent * response + np.sqrt(variance) * gaussian(generator, count, 52)
    channel = ChannelEstimate(response, np.zeros((1, 52), np.float32), 0.0)
    fit = PilotFit(np.zeros(count), 0.0, np.zeros(count), np.zeros(count), Drift())
    symbols, predicted = equalize(
        spectra,
        GRID.active,
        SIGNED,
        np.arange(52),
        channel,
        fit,
        np.zeros(count, np.int64),
        NoiseLevel(variance, 0.0),
    )
    error = np.mean(np.abs(symbols - sent) ** 2 / predicted, axis=0)
    np.testing.assert_allclose(error, 1, atol=0.3)
    assert error.mean() == pytest.approx(1, abs=0.03)


def test_a_dead_subcarrier_has_no_evidence() -> None:
    response = np.ones((1, 52), np.complex64)
    response[0, 5] = 0
    channel = ChannelEstimate(response, np.zeros((1, 52), np.float32), 0.0)
    fit = PilotFit(np.zeros(1), 0.0, np.zeros(1), np.zeros(1), Drift())
    symbols, predicted = equalize(
        np.ones((1, 64), np.complex64), GRID.active, SIGNED, np.arange(52), channel, fit, np.zeros(1, np.int64),
        NoiseLevel(0.1, 0.0),
    )  # fmt: skip
    assert symbols[0, 5] == 0
    assert np.isinf(predicted[0, 5])
    assert np.isfinite(np.delete(predicted[0], 5)).all()


def test_noise_is_split_only_when_distortion_is_certain() -> None:
    assert noise_level(1.0, 156, 1.05, 10.0) == NoiseLevel(1.05, 0.0)
    split = noise_level(1.0, 156, 3.0, 10.0)
    assert split == NoiseLevel(1.0, 0.2)
    assert split.total(10.0) == pytest.approx(3.0)


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

    spectra = gaussian(generator, 2, 64).astype(np.complex64)
    inverse = gaussian(generator, 1, 52).astype(np.complex64)
    phase, delay = np.array([0.3, -2.0]), np.array([0.2, -1.5])
    equalized = np.empty((2, 52), np.complex64)
    equalize_tones(spectra, GRID.active, SIGNED, inverse, phase, delay, equalized)
    turn = np.exp(1j * (-phase[:, None] + 2 * np.pi * SIGNED * delay[:, None] / 64))
    np.testing.assert_allclose(equalized, spectra[:, GRID.active] * inverse * turn, rtol=1e-3, atol=1e-4)
