import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from sdr_gsc.channel._normals import LANES, add_normals, seed_lanes
from sdr_gsc.channel.awgn import complex_noise, noise_power_per_sample
from sdr_gsc.units import EsN0

WORDS = 2.0**32


@given(power=st.floats(1e-6, 1e3))
@settings(max_examples=10, deadline=None)
def test_power_and_circularity(power):
    noise = complex_noise(200_000, power, np.random.default_rng(1))
    assert noise.dtype == np.complex64
    # E|n|^2 has a relative standard error of 1/sqrt(n).
    assert np.mean(np.abs(noise) ** 2, dtype=np.float64) == pytest.approx(power, rel=5 / np.sqrt(noise.size))
    assert abs(np.mean(noise**2, dtype=np.complex128)) < 7 * power / np.sqrt(noise.size)


def test_noise_power_is_parseval():
    # 52 of 64 bins at unit energy each make 52/64 of power per sample.
    assert noise_power_per_sample(52 / 64, EsN0(10.0), 52 / 64) == pytest.approx(0.1)


def test_same_generator_state_same_noise():
    first, second = (complex_noise(100, 1.0, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@given(short=st.integers(0, 700))
@settings(max_examples=20, deadline=None)
def test_shorter_noise_is_the_beginning_of_longer(short):
    longer = complex_noise(700, 2.0, np.random.default_rng(5))
    np.testing.assert_array_equal(complex_noise(short, 2.0, np.random.default_rng(5)), longer[:short])


def test_pieces_continue_a_stream_and_are_added():
    whole, pieces = np.ones(10 * LANES, np.float32), np.ones(10 * LANES, np.float32)
    add_normals(seed_lanes(np.random.default_rng(6)), whole, 0.5)
    lanes = seed_lanes(np.random.default_rng(6))
    for first, last in ((0, 2 * LANES), (2 * LANES, 8 * LANES), (8 * LANES, 10 * LANES)):
        add_normals(lanes, pieces[first:last], 0.5)
    np.testing.assert_array_equal(pieces, whole)
    assert np.mean(whole) == pytest.approx(1.0, abs=5 * 0.5 / np.sqrt(whole.size))


def test_streams_of_one_generator_differ():
    generator = np.random.default_rng(5)
    first, second = complex_noise(1000, 1.0, generator), complex_noise(1000, 1.0, generator)
    assert abs(np.vdot(first, second)) / 1000 < 5 / np.sqrt(1000)


def rotated(word, left):
    return (word << np.uint32(left)) | (word >> np.uint32(32 - left))


def reference_words(lanes):
    """xoshiro128++ after its authors' description, and the state after it."""
    a, b, c, d = lanes
    word = rotated(a + d, 7) + a
    shifted = b << np.uint32(9)
    c, d = c ^ a, d ^ b
    b, a = b ^ c, a ^ d
    return word, np.array([a, b, c ^ shifted, rotated(d, 11)])


def reference_noise(radius, angle):
    """Box and Muller in double precision."""
    u = (radius + ((angle & 0xFF) + 0.5) / 256) / WORDS
    return np.sqrt(-2 * np.log(u)) * np.exp(2j * np.pi * (angle & 0xFFFFFF00) / WORDS)


def agrees(made, expected):
    # Single precision has steps of 2^-24 below u = 1, and r^2 = -2 ln u takes them over: the tiniest radii are coarse.
    np.testing.assert_allclose(np.abs(made) ** 2, np.abs(expected) ** 2, rtol=2e-6, atol=5e-7)
    visible = np.abs(expected) > 1e-2
    np.testing.assert_allclose(np.angle(made * expected.conj())[visible], 0, atol=1e-6)


def test_every_deviate_is_the_one_of_the_papers():
    lanes = seed_lanes(np.random.default_rng(9))
    made = np.zeros(2 * 40 * LANES, np.float32)
    add_normals(lanes.copy(), made, 1.0)
    expected = []
    for _ in range(40):
        radius, lanes = reference_words(lanes)
        angle, lanes = reference_words(lanes)
        expected.append(reference_noise(radius.astype(np.float64), angle))
    agrees(made.view(np.complex64), np.concatenate(expected))


def test_the_rarest_words_make_the_longest_tails():
    # A lane whose first state word is 0 puts out its last one, turned by 7 bits: choose what it puts out.
    chosen = np.unique(np.r_[np.arange(64), 2 ** np.arange(32), WORDS - 1 - 2 ** np.arange(10)]).astype(np.uint32)
    lanes = seed_lanes(np.random.default_rng(10))
    assert chosen.size <= LANES
    lanes[0, : chosen.size] = 0
    lanes[3, : chosen.size] = rotated(chosen, 25)
    radius, after = reference_words(lanes)
    np.testing.assert_array_equal(radius[: chosen.size], chosen)
    angle, _ = reference_words(after)
    made = np.zeros(2 * LANES, np.float32)
    add_normals(lanes, made, 1.0)
    expected = reference_noise(radius.astype(np.float64), angle)
    agrees(made.view(np.complex64), expected)
    # 32 bits alone would end at 6.66; the largest of all is sqrt(2 ln 2^41) = 7.54.
    assert 6.66 < np.abs(expected).max() < 7.54


@pytest.fixture(scope="module")
def many():
    """2^24 rails of unit variance."""
    return complex_noise(2**23, 2.0, np.random.default_rng(11)).view(np.float32)


def test_tails_are_those_of_the_normal_distribution(many):
    magnitude = np.abs(many)
    for threshold in (0.1, 0.5, 1.0, 2.0, 3.0, 4.0, 4.5, 5.0):
        expected = 2 * norm.sf(threshold) * many.size
        deviation = np.sqrt(expected * (1 - expected / many.size))
        assert np.count_nonzero(magnitude > threshold) == pytest.approx(expected, abs=4.5 * deviation)
    assert np.count_nonzero(many > 0) == pytest.approx(many.size / 2, abs=2.5 * np.sqrt(many.size))


def test_moments(many):
    many = many[: 2**22]
    square = np.square(many, dtype=np.float64)
    n = many.size
    # Standard errors from the moments E x^(2k) = (2k - 1)!!.
    assert np.mean(many, dtype=np.float64) == pytest.approx(0, abs=4.5 / np.sqrt(n))
    assert np.mean(square) == pytest.approx(1, abs=4.5 * np.sqrt(2 / n))
    assert np.mean(square * many) == pytest.approx(0, abs=4.5 * np.sqrt(15 / n))
    assert np.mean(square**2) == pytest.approx(3, abs=4.5 * np.sqrt(96 / n))
    assert np.mean(square**3) == pytest.approx(15, abs=4.5 * np.sqrt((10395 - 225) / n))


def test_spectrum_is_white(many):
    # The mean of 2^10 periodograms in each of 2^13 bins.
    blocks = many.view(np.complex64).reshape(2**10, 2**13)
    spectrum = np.mean(np.abs(scipy.fft.fft(blocks, norm="ortho")) ** 2, axis=0, dtype=np.float64) / 2
    assert np.max(np.abs(spectrum - 1)) < 6 / np.sqrt(2**10)
    assert np.var(spectrum) == pytest.approx(2.0**-10, rel=5 * np.sqrt(2 / 2**13))


@pytest.mark.parametrize("function", [np.positive, np.square, np.abs, np.sign], ids=lambda f: f.__name__)
def test_rails_and_lanes_are_independent(many, function):
    """No function of a rail tells anything of the other rail, of the next samples, or of the lane's next deviates."""
    rails = function(many[: 2**21]).astype(np.float64).reshape(-1, 2)
    rails = (rails - rails.mean(axis=0)) / rails.std(axis=0)
    n = rails.shape[0]
    assert abs(np.mean(rails[:, 0] * rails[:, 1])) < 4.5 / np.sqrt(n)
    for lag in (1, 2, LANES // 2, LANES - 1, LANES, LANES + 1, 2 * LANES):
        for early, late in ((0, 0), (0, 1), (1, 0), (1, 1)):
            assert abs(np.mean(rails[:-lag, early] * rails[lag:, late])) < 5 / np.sqrt(n - lag)
