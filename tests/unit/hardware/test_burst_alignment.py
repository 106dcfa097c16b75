import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.burst_alignment import GUARD_SAMPLES, RepeatedBurst, folded_power, start_of_burst


def noise(generator, n, deviation=1.0):
    return (deviation * (generator.standard_normal(n) + 1j * generator.standard_normal(n))).astype(np.complex64)


@given(burst=st.integers(1, 300_000), listen=st.none() | st.integers(1, 600_000))
def test_a_plan_holds_the_burst_once_in_every_window(burst, listen):
    plan = RepeatedBurst.plan(burst, listen)
    assert plan.window_samples == (burst + 2 * GUARD_SAMPLES if listen is None else listen)
    assert plan.period_samples >= max(burst + 2 * GUARD_SAMPLES, plan.window_samples)
    assert plan.period_samples % 16 == 0
    assert plan.period_samples <= 1.2 * max(burst + 2 * GUARD_SAMPLES, plan.window_samples) + 64
    if plan.window_samples >= burst:
        assert plan.lead_samples + burst <= plan.window_samples


@pytest.mark.parametrize("snr_db", [-3.0, 10.0, 40.0])
@pytest.mark.parametrize("listen", [None, 3000, 5000, 12_000])
def test_the_burst_is_found_at_any_offset(generator, snr_db, listen):
    burst = 0.2 * noise(generator, 4000)
    plan = RepeatedBurst.plan(burst.size, listen)
    for _ in range(10):
        offset = int(generator.integers(plan.period_samples))
        clean = np.resize(np.roll(plan.padded(burst), offset), plan.least_capture_samples)
        # Carrier offset and phase: two radios, thousands of turns within a burst.
        turned = clean * np.exp(2j * np.pi * (0.31 * np.arange(clean.size) + 0.2))
        received = turned + noise(generator, clean.size, 0.2 * 10 ** (-snr_db / 20)) + 0.1
        window = plan.window([burst], folded_power(received.astype(np.complex64), plan.period_samples))
        assert window.stop - window.start == plan.window_samples
        assert window.stop <= received.size
        part = clean[window]
        inside = min(burst.size, plan.window_samples)
        np.testing.assert_array_equal(part[plan.lead_samples : plan.lead_samples + inside], burst[:inside])
        assert np.count_nonzero(part) == inside


def test_silence_inside_the_burst_does_not_mislead(generator):
    burst = 0.2 * noise(generator, 9000)
    burst[3000:6000] = 0
    period = RepeatedBurst.plan(burst.size, None).period_samples
    power = folded_power(np.roll(np.pad(burst, (0, period - burst.size)), 777), period)
    assert start_of_burst([burst], power) == 777


def test_channels_are_found_together(generator):
    bursts = [0.2 * noise(generator, 2000), np.zeros(2000, np.complex64)]
    received = np.roll(np.pad(bursts[0], (0, 1000)), 2500)
    assert start_of_burst(bursts, folded_power(received, 3000)) == 2500


def test_folding_drops_an_incomplete_period():
    np.testing.assert_array_equal(folded_power(np.array([1, 2, 3, 4, 5], np.complex64), 2), [1 + 9, 4 + 16])
