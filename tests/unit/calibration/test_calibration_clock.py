"""Clocks and delays against their Cramér-Rao bounds, and against signals that jump."""

import math

import numpy as np
import pytest

from calibration.clock import fit_clock, fit_line, require_no_jump, track_phase, white_variance, wiener_variance
from calibration.errors import CalibrationError, ClockError, NoSignalError
from calibration.timing import delay_bound_samples, find_arrival, sounding_pair
from calibration.tone import frequency_bound_hz
from sdr_gsc.channel.resampling import resample

RATE_HZ = 4e6


def noise(rng, n, power):
    return math.sqrt(power / 2) * (rng.standard_normal((n, 2)) @ [1, 1j])


def tone(rng, n, offset_hz, linewidth_hz, snr):
    walk = np.cumsum(rng.standard_normal(n)) * math.sqrt(2 * math.pi * linewidth_hz / RATE_HZ)
    turn = 2 * np.pi * offset_hz / RATE_HZ * np.arange(n) + walk + rng.uniform(-3, 3)
    return (np.exp(1j * turn) + noise(rng, n, 1 / snr)).astype(np.complex64)


@pytest.mark.parametrize("linewidth_hz", [0.0, 0.1, 2.0])
def test_frequency_meets_the_bound_with_and_without_phase_noise(linewidth_hz):
    rng = np.random.default_rng(1)
    n, block, snr = 8192, 256, 1000.0
    phases = [track_phase(tone(rng, n, 37.0, linewidth_hz, snr), 0.0, block) for _ in range(300)]
    white = white_variance(snr, block)
    walk = wiener_variance(phases, white)
    expected_walk = 2 * math.pi * linewidth_hz * block / RATE_HZ
    assert walk == pytest.approx(expected_walk, rel=0.15, abs=0.05 * white)
    fits = [fit_clock(phase, block / RATE_HZ, white, walk) for phase in phases]
    scatter = math.sqrt(np.mean([(fit.frequency_hz - 37.0) ** 2 for fit in fits]))
    # 300 draws: the root mean square is within 3 x 4 % of its expectation.
    assert scatter == pytest.approx(fits[0].deviation_hz, rel=0.13)
    if linewidth_hz == 0:
        assert scatter < 1.2 * frequency_bound_hz(snr, n, RATE_HZ)


def test_a_line_knows_how_well_it_is_known():
    rng = np.random.default_rng(2)
    times = np.linspace(0, 1, 50)
    fits = [fit_line(times, 3 - 2 * times + 0.1 * rng.standard_normal(50), 0.1) for _ in range(600)]
    assert np.std([fit.value for fit in fits]) == pytest.approx(fits[0].value_deviation, rel=0.1)
    assert np.std([fit.slope for fit in fits]) == pytest.approx(fits[0].slope_deviation, rel=0.1)
    assert np.mean([fit.value for fit in fits]) == pytest.approx(1.0, abs=0.01)
    assert np.mean([fit.scatter for fit in fits]) == pytest.approx(0.1, rel=0.05)
    with pytest.raises(CalibrationError, match="at least 3"):
        fit_line(times[:2], times[:2], 0.1)


def test_a_jump_is_no_drift():
    times = np.linspace(0, 1, 50)
    steady = fit_line(times, 100 * times, 0.1)
    require_no_jump(steady, 0.1, 1.0)
    jumped = fit_line(times, np.where(times > 0.6, 400.0, 0.0), 0.1)
    with pytest.raises(ClockError, match="jumped"):
        require_no_jump(jumped, 0.1, 1.0)


def test_delay_meets_its_bound_at_any_fraction_and_offset():
    rng = np.random.default_rng(3)
    sent = sounding_pair(1024, 0.1, 0)
    errors, snr = [], 100.0
    for _ in range(150):
        delay = rng.uniform(100, 200)
        late = resample(sent, -delay, 1.0, 2600)
        turned = late * np.exp(2j * np.pi * 2e-5 * np.arange(2600)) + noise(rng, 2600, 0.1 / snr)
        found = find_arrival(turned.astype(np.complex64), sent)
        errors.append(found.delay_samples - delay)
        assert found.offset == pytest.approx(2e-5, abs=2e-6)
    bound = delay_bound_samples(snr, sent.size, 0.8 / math.sqrt(12))
    assert math.sqrt(np.mean(np.square(errors))) < 1.3 * bound
    assert abs(np.mean(errors)) < 0.3 * bound
    assert found.sample_snr == pytest.approx(snr, rel=0.2)


def test_what_was_not_sent_has_no_delay():
    rng = np.random.default_rng(4)
    sent = sounding_pair(1024, 0.1, 0)
    with pytest.raises(NoSignalError, match="not received"):
        find_arrival(noise(rng, 4000, 0.1).astype(np.complex64), sent)
    with pytest.raises(CalibrationError, match="listen longer"):
        find_arrival(sent[:1000], sent)
