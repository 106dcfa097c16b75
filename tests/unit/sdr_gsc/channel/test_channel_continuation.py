"""Channels and oscillators that go on for longer than one draw, or are taken back."""

import numpy as np
import pytest

from sdr_gsc.channel.fading import FadingFilter, apply_fading, draw_fading
from sdr_gsc.channel.impairments import PhaseNoise
from sdr_gsc.channel.profile import profile

STRETCH = 8192


def channel(n_samples, first_sample=0, doppler_hz=200.0):
    return draw_fading(
        profile("mobile").power_delay_profile(),
        n_samples=n_samples,
        sample_rate_hz=4e6,
        doppler_hz=doppler_hz,
        generator=np.random.default_rng(1),
        first_sample=first_sample,
    )


@pytest.mark.parametrize("doppler_hz", [0.0, 10.0, 200.0])
def test_a_channel_drawn_in_two_is_the_channel_drawn_at_once(doppler_hz):
    whole, later = channel(2 * STRETCH, 0, doppler_hz), channel(STRETCH, STRETCH, doppler_hz)
    blocks = STRETCH // whole.block_samples
    np.testing.assert_allclose(later.taps, whole.taps[blocks:], atol=1e-6)


def test_a_filter_proceeds_without_a_seam(generator):
    samples = generator.standard_normal((2 * STRETCH, 2)).astype(np.float32).view(np.complex64)[:, 0]
    expected = apply_fading(samples, channel(2 * STRETCH + 100))[: samples.size]
    fade, out = FadingFilter(channel(STRETCH), STRETCH), np.empty_like(samples)
    for at in (0, STRETCH):
        if at:
            fade.proceed(channel(STRETCH, at))
        fade.inlet[:] = samples[at : at + STRETCH]
        fade(out[at : at + STRETCH])
    np.testing.assert_allclose(out, expected, atol=1e-5)
    # Begun in the middle, only the echoes of what was never heard are missing.
    late, echoes = FadingFilter(channel(STRETCH), STRETCH, passed=4096), channel(STRETCH).taps.shape[1]
    late.inlet[:4096] = samples[4096:STRETCH]
    half = np.empty(4096, np.complex64)
    late(half)
    np.testing.assert_allclose(half[echoes:], expected[4096 + echoes : STRETCH], atol=1e-5)


def test_what_was_saved_comes_back(generator):
    samples = generator.standard_normal((4096, 2)).astype(np.float32).view(np.complex64)[:, 0]
    fade, noise = FadingFilter(channel(STRETCH), 2048), PhaseNoise(1000.0, 4e6, np.random.default_rng(2))

    def passed(part):
        fade.inlet[:] = part
        noise(fade.inlet)
        out = np.empty(2048, np.complex64)
        fade(out)
        return out

    passed(samples[:2048])
    saved = fade.save(), noise.save()
    first = passed(samples[2048:])
    fade.restore(saved[0])
    noise.restore(saved[1])
    np.testing.assert_array_equal(passed(samples[2048:]), first)
