import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdr_gsc.channel.resampling import lead_in_place, resample

BINS = np.r_[-26:0, 1:27]


def tones(instants, generator):
    """Sum of the 52 occupied tones of 64 with random phases, known at any instant."""
    phases = generator.uniform(0, 2 * np.pi, BINS.size)
    turns = np.outer(instants, BINS / 64)
    return np.exp(2j * np.pi * (turns - np.floor(turns)) + 1j * phases).sum(axis=1) / np.sqrt(BINS.size)


@given(first=st.floats(40, 60), sfo_ppm=st.floats(-1000, 1000))
@settings(max_examples=30, deadline=None)
def test_error_floor_of_52_of_64_tones_is_below_minus_65_db(first, sfo_ppm):
    step = 1 + 1e-6 * sfo_ppm
    source = tones(np.arange(2200), np.random.default_rng(1)).astype(np.complex64)
    out = resample(source, first, step, 2000)
    exact = tones(first + step * np.arange(2000), np.random.default_rng(1))
    error_db = 10 * np.log10(np.mean(np.abs(out - exact) ** 2))
    assert error_db < -65


@given(shift=st.integers(-30, 30), n_out=st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_whole_shifts_are_exact_and_zero_outside(shift, n_out):
    source = np.arange(1, 21).astype(np.complex64)
    expected = [source[i] if 0 <= i < 20 else 0 for i in range(shift, shift + n_out)]
    np.testing.assert_array_equal(resample(source, shift, 1.0, n_out), np.array(expected, np.complex64))


def test_length_and_slope_follow_the_clock():
    # A tone sampled with a slower receiver clock (transmitter 100 ppm faster) turns 100 ppm more per sample.
    source = np.exp(2j * np.pi * 0.1 * np.arange(60_000)).astype(np.complex64)
    out = resample(source, 100.0, 1.0001, 50_000)
    turned = np.unwrap(np.angle(out.astype(np.complex128)))
    assert (turned[-1] - turned[0]) / (2 * np.pi * 0.1 * 49_999) == pytest.approx(1.0001, abs=1e-7)


def test_far_outside_is_silent():
    source = np.ones(10, np.complex64)
    np.testing.assert_array_equal(resample(source, -1000.5, 1.00001, 50), np.zeros(50))
    np.testing.assert_array_equal(resample(source, 1000.5, 1.00001, 50), np.zeros(50))


def test_gain_is_a_factor():
    source = np.exp(0.3j * np.arange(200)).astype(np.complex64)
    for first, step in ((20.25, 1.0001), (20.0, 1.0)):
        plain, doubled = resample(source, first, step, 100), resample(source, first, step, 100, gain=2.0)
        np.testing.assert_allclose(doubled, 2 * plain, rtol=1e-6)


@given(
    first=st.one_of(st.floats(-700, 300), st.integers(-700, 300).map(float)),
    sfo_ppm=st.sampled_from([0.0, 20.0, -20.0, 1000.0, -1000.0]),
    n_out=st.integers(0, 3000),
    n=st.integers(0, 2000),
)
@settings(max_examples=100, deadline=None)
def test_input_and_output_may_share_memory(first, sfo_ppm, n_out, n):
    step = 1 + 1e-6 * sfo_ppm
    source = np.exp(1j * np.arange(n) ** 2).astype(np.complex64)
    lead = lead_in_place(first, step, n_out)
    memory = np.full(max(n_out, lead + n), np.nan, np.complex64)
    memory[lead : lead + n] = source
    resample(memory[lead : lead + n], first, step, n_out, out=memory[:n_out])
    np.testing.assert_array_equal(memory[:n_out], resample(source, first, step, n_out))
