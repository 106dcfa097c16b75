"""The way of a burst from one radio's samples to another's, in the order in which nature damages it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields

import numpy as np

from ..capture import Capture
from ._impairment_kernels import rotate
from ._normals import LANES, add_normals, seed_lanes
from .awgn import complex_noise
from .converters import require_full_scale
from .fading import FadingFilter, FadingRealization, draw_fading
from .front_ends import Stage, receiver_stages, transmitter_stages
from .levels import Levels, count_nonzero, energy, receive_levels
from .profile import ChannelProfile
from .resampling import HALF_LENGTH, lead_in_place, resample

__all__ = ["Offsets", "draw_offsets", "simulate"]

#: A burst passes in pieces of so many samples: all stages find a piece in the cache, and random streams continue.
_PIECE = 256 * LANES


@dataclass(frozen=True, slots=True)
class Offsets:
    """What a realization drew beside fading and noise."""

    delay_samples: float
    cfo_hz: float
    sfo_ppm: float
    phase_rad: float


def draw_offsets(profile: ChannelProfile, generator: np.random.Generator) -> Offsets:
    """Draw what the profile leaves to chance; every range is uniform."""
    # Every value is drawn whether it is used or not, so that changing one range leaves the others' draws alone.
    delay, cfo, sfo, phase = generator.uniform(-1, 1, 4).tolist()
    return Offsets(
        delay_samples=profile.delay_samples + profile.delay_range_samples * (delay + 1) / 2,
        cfo_hz=profile.cfo_hz + profile.cfo_range_hz * cfo,
        sfo_ppm=profile.sfo_ppm + profile.sfo_range_ppm * sfo,
        phase_rad=math.pi * phase if profile.random_phase else 0.0,
    )


def _emit(
    burst: np.ndarray,
    stages: list[Stage],
    channel: FadingRealization,
    carrier: tuple[float, float],
    arriving: np.ndarray,
) -> tuple[float, float]:
    """Send a burst through the transmitter, the channel and the carrier offset.

    Args:
        burst: complex64 [n].
        stages: the transmitter.
        channel: the way.
        carrier: phase in rad per sample, and at the first.
        arriving: complex64 [n + taps - 1] to write to, on the transmitter's clock.

    Returns:
        Energy before and after the channel.
    """
    fade = FadingFilter(channel, min(_PIECE, arriving.size))
    turn_rad, start_rad = carrier
    sent_energy = arriving_energy = 0.0
    for first in range(0, arriving.size, _PIECE):
        source, target = burst[first : first + _PIECE], arriving[first : first + _PIECE]
        sent = fade.inlet[: source.size]
        sent[:] = source
        fade.inlet[source.size :] = 0  # the echoes outlast the burst
        for stage in stages:
            stage(sent)
        sent_energy += energy(sent)
        fade(target)
        arriving_energy += energy(target)
        if turn_rad or start_rad:
            rotate(target.view(np.float32), turn_rad, start_rad + turn_rad * first)
    return sent_energy, arriving_energy


def _stale(n_samples: int, signal_power: float, noise_power: float, generator: np.random.Generator) -> np.ndarray:
    """What a driver's buffers still hold: noise, then something loud that stops at no particular place."""
    samples = complex_noise(n_samples, noise_power, generator)
    loud_from, loud_to = np.sort(generator.integers(0, n_samples + 1, 2))
    samples[loud_from:loud_to] += complex_noise(int(loud_to - loud_from), signal_power, generator)
    return samples


def _receive(
    arriving: np.ndarray, out: np.ndarray, instants: tuple[float, float], levels: Levels, generator: np.random.Generator
) -> None:
    """Sample what arrives with the receiver's clock, at the instants (first, step), with gain and noise."""
    first, step = instants
    lanes = seed_lanes(generator)
    for at in range(0, out.size, _PIECE):
        piece = out[at : at + _PIECE]
        resample(arriving, first + at * step, step, piece.size, gain=levels.gain, out=piece)
        if levels.noise_power > 0:
            add_normals(lanes, piece.view(np.float32), math.sqrt(levels.noise_power / 2))


def simulate(
    capture: Capture,
    profile: ChannelProfile,
    generator: np.random.Generator,
    *,
    n_samples: int | None = None,
) -> Capture:
    """Send a burst through a simulated pair of radios and the channel between them.

    Order: transmit converter, amplifier, transmit mixer and carrier leakage, phase noise, fading, carrier-frequency
    offset, delay and the receiver's own sampling clock, white noise, receive gain, receive mixer and DC, receive
    converter. Es/N0 is set exactly: the received energy without noise (carrier leakage left out) over the number of
    non-zero samples sent is the burst's mean power P, and the noise power per sample is P / (occupied_bandwidth Es/N0).
    A silent burst has no power to relate the noise to; it gets the noise of a burst at full scale (P = 1).

    Args:
        capture: the burst to send, full scale 1.0.
        profile: settings.
        generator: source of all randomness; one made from the same seed, used the same way so far, gives the same
            capture bit for bit.
        n_samples: length of the received capture; None receives stale samples, delay, burst, echoes and tail.

    Returns:
        Received capture with the same rate, centre frequency and start. `clipped` counts samples beyond the receive
        converter's range. `settings` holds the profile and, under "truth", what this realization drew - for scoring a
        receiver, never for helping it.

    Raises:
        ClippingError: a transmit rail beyond full scale.
    """
    require_full_scale(capture.samples)
    draw = draw_offsets(profile, generator)
    # Each stage has a stream of its own: bursts of different lengths meet the same fading.
    of_oscillators, of_fading, of_noise, of_stale = generator.spawn(4)
    rate_hz, n_burst = capture.sample_rate_hz, capture.samples.size
    n_nonzero = count_nonzero(capture.samples)

    paths = profile.power_delay_profile()
    spread = math.ceil(float(paths.delays_s.max()) * rate_hz)
    channel = draw_fading(
        paths,
        n_samples=n_burst + spread + 2 * HALF_LENGTH,
        sample_rate_hz=rate_hz,
        doppler_hz=profile.doppler_hz,
        generator=of_fading,
    )
    step = 1 + 1e-6 * draw.sfo_ppm
    first = channel.bulk_delay_samples - draw.delay_samples * step
    if n_samples is None:
        own = math.ceil(draw.delay_samples + (n_burst + spread) / step) + profile.tail_samples
        n_samples = profile.stale_samples + own
    n_stale = min(profile.stale_samples, n_samples)
    # What arrives lies a little behind what is received, in the same memory: fresh memory takes longer than the work.
    n_arriving = n_burst + channel.taps.shape[1] - 1
    lead = n_stale + lead_in_place(first, step, n_samples - n_stale)
    memory = np.empty(max(n_samples, lead + n_arriving), np.complex64)
    arriving, received = memory[lead : lead + n_arriving], memory[:n_samples]

    stages = transmitter_stages(profile, energy(capture.samples) / max(n_nonzero, 1), rate_hz, of_oscillators)
    carrier = 2 * math.pi * draw.cfo_hz / rate_hz, draw.phase_rad
    energies = _emit(capture.samples, stages, channel, carrier, arriving)
    levels = receive_levels(profile, channel, n_burst, n_nonzero, *energies)

    received[:n_stale] = _stale(n_stale, levels.signal_power, levels.noise_power, of_stale)
    _receive(arriving, received[n_stale:], (first, step), levels, of_noise)
    stages, converter = receiver_stages(profile)
    for at in range(0, n_samples, _PIECE):
        for stage in stages:
            stage(received[at : at + _PIECE])

    settings = {field.name: getattr(profile, field.name) for field in fields(profile)}
    truth = asdict(draw) | {
        "signal_power": levels.signal_power,
        "noise_power": levels.noise_power,
        "first_sample": n_stale + draw.delay_samples,
    }
    return Capture(
        samples=received,
        sample_rate_hz=rate_hz,
        center_frequency_hz=capture.center_frequency_hz,
        start=capture.start,
        clipped=0 if converter is None else converter.clipped,
        settings={"profile": settings, "truth": truth},
    )
