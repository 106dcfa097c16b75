"""The comb against a radio whose every imperfection is known."""

import math

import numpy as np
import pytest

from calibration.errors import CalibrationError, ClockError, InterferenceError, NoSignalError, TooCloseError
from calibration.filters import taps_response
from calibration.images import loop_response, receive_images, rejection_db, transmit_constant, transmit_images
from calibration.sounding import OFFSET_PERIODS, Comb, measure_sounding
from sdr_gsc.channel.resampling import resample

COMB = Comb()
POWER = 10**-1.2
N = 1 << 16
RESPONSE = np.array([0.06 + 0.03j, 1.0, -0.05j + 0.04])
TX_IMAGE, TX_DC = 0.03 * np.exp(1.1j), 0.01 - 0.02j
RX_IMAGE, RX_DC = 0.045 * np.exp(-0.4j), 0.012 + 0.006j


def noise(rng, n, power):
    return math.sqrt(power / 2) * (rng.standard_normal((n, 2)) @ [1, 1j])


def capture(rng, *, shift=0.0, snr=1000.0, stretch=0.0, jump=0.0, level=1.0, extra=0.0):
    """Mixer and constant, response, clock and phase, receive mixer and constant, noise."""
    sent = COMB.samples(POWER, N // COMB.period + 16)
    mixed = sent + TX_IMAGE * sent.conj() + TX_DC
    shaped = np.convolve(mixed, RESPONSE, "same").astype(np.complex64)
    late = resample(shaped, -20.4, 1 + stretch, N + 512)[512:]
    offset = OFFSET_PERIODS / COMB.period + shift
    frequency = np.full(N, offset)
    frequency[N // 2 :] += jump
    air = level * (late * np.exp(2j * np.pi * np.cumsum(frequency) + 0.7j) + extra)
    heard = air + RX_IMAGE * air.conj() + RX_DC + noise(rng, N, level**2 * POWER / snr)
    return heard.astype(np.complex64), offset


@pytest.mark.parametrize(("shift", "stretch"), [(0.0, 0.0), (3.2e-4, 3e-6), (-0.0155, -5e-6), (0.0618, 0.0)])
def test_every_imperfection_is_found_whatever_the_clocks_are(shift, stretch):
    rng = np.random.default_rng(1)
    heard, offset = capture(rng, shift=shift, stretch=stretch)
    found = measure_sounding(heard, COMB, POWER, OFFSET_PERIODS / COMB.period)
    assert found.offset == pytest.approx(offset, abs=1e-8)
    assert found.stretch == pytest.approx(stretch, abs=3e-7)
    assert found.sample_snr == pytest.approx(1000, rel=0.2)
    sigma = math.sqrt(found.line_variance)
    values, _ = receive_images(found)
    assert abs(values - RX_IMAGE).max() < 6 * sigma
    values, places = transmit_images(found)
    # The mixer stands before the response, so its image is the same everywhere but for that of the image's own image.
    assert abs(values.mean() - TX_IMAGE) < 2 * sigma
    assert np.array_equal(places, -found.frequencies)
    assert found.receive_dc == pytest.approx(RX_DC, abs=2e-4)
    constant = transmit_constant(found)
    left = constant + TX_IMAGE * np.conj(constant) - TX_DC
    assert abs(left) < 3e-4
    shape = taps_response(loop_response(found), found.frequencies)
    truth = taps_response(RESPONSE, found.frequencies)
    assert abs(np.abs(shape / truth) / np.mean(np.abs(shape / truth)) - 1).max() < 0.01


def test_lines_scatter_as_the_variance_says():
    rng = np.random.default_rng(2)
    values = [receive_images(measure_sounding(capture(rng)[0], COMB, POWER))[0] for _ in range(6)]
    found = measure_sounding(capture(rng)[0], COMB, POWER)
    expected = found.line_variance / np.mean(np.abs(found.direct) ** 2)
    # 6 x 52 values: the variance is within 4 x 8 % of its expectation.
    assert np.mean(np.abs(np.array(values) - RX_IMAGE) ** 2) == pytest.approx(expected, rel=0.35)


def test_rejection_does_not_count_noise():
    rng = np.random.default_rng(3)
    values = 1e-3 + noise(rng, 5000, 1e-6)
    assert rejection_db(values, 1e-6) == pytest.approx(60.0, abs=0.4)
    assert rejection_db(noise(rng, 50, 1e-6), 1e-6) < 75


def test_the_comb_has_no_tone_at_an_image():
    assert not set(COMB.bins) & set(-COMB.bins)
    assert np.mean(np.abs(COMB.samples(0.5)) ** 2) == pytest.approx(0.5, rel=1e-5)
    peak = np.abs(COMB.samples(1.0)) ** 2
    assert 10 * math.log10(peak.max()) < 5.5
    with pytest.raises(CalibrationError, match="cannot be"):
        Comb(100)


def test_bad_captures_are_refused():
    rng = np.random.default_rng(4)
    with pytest.raises(NoSignalError, match="not received"):
        measure_sounding(noise(rng, N, 0.01).astype(np.complex64), COMB, POWER)
    heard, _ = capture(rng, level=1e-4, snr=1e-4)
    with pytest.raises(NoSignalError, match="check cable"):
        measure_sounding(heard, COMB, POWER)
    heard, _ = capture(rng, shift=-OFFSET_PERIODS / COMB.period)
    with pytest.raises(TooCloseError, match="fall together"):
        measure_sounding(heard, COMB, POWER)
    heard, _ = capture(rng, jump=1e-4)
    with pytest.raises(ClockError, match="jumped"):
        measure_sounding(heard, COMB, POWER)
    interferer = 0.05 * np.exp(2j * np.pi * 0.1234 * np.arange(N))
    heard, _ = capture(rng, extra=interferer)
    with pytest.raises(InterferenceError, match=r"\+0\.1234"):
        measure_sounding(heard, COMB, POWER)
    with pytest.raises(CalibrationError, match="too few"):
        measure_sounding(heard[:1000], COMB, POWER)
