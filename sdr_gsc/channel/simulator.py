"""The way of a burst from one radio's samples to another's, in the order in which nature damages it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numba import njit

from ..capture import Capture
from ..units import EsN0, from_db
from .awgn import complex_noise, noise_power_per_sample
from .converters import quantize, require_full_scale
from .fading import FadingRealization, apply_fading, draw_fading
from .impairments import add_dc_offset, frequency_shift, iq_imbalance, phase_noise, rapp_amplifier
from .profile import ChannelProfile
from .resampling import HALF_LENGTH, resample

__all__ = ["simulate"]


@dataclass(frozen=True, slots=True)
class _Draw:
    """What a realization drew beside fading and noise."""

    delay_samples: float
    cfo_hz: float
    sfo_ppm: float
    phase_rad: float


def _draw(profile: ChannelProfile, generator: np.random.Generator) -> _Draw:
    # Every value is drawn whether it is used or not, so that changing one range leaves the others' draws alone.
    delay, cfo, sfo, phase = generator.uniform(-1, 1, 4).tolist()
    return _Draw(
        delay_samples=profile.delay_samples + profile.delay_range_samples * (delay + 1) / 2,
        cfo_hz=profile.cfo_hz + profile.cfo_range_hz * cfo,
        sfo_ppm=profile.sfo_ppm + profile.sfo_range_ppm * sfo,
        phase_rad=math.pi * phase if profile.random_phase else 0.0,
    )


@njit(cache=True, nogil=True, fastmath=True)
def _sum_of_squares(rails: np.ndarray) -> float:
    # Single precision inside a block, where it vectorizes; double precision over the blocks, where it must not drift.
    total = 0.0
    for first in range(0, rails.size, 1024):
        part = np.float32(0)
        for value in rails[first : first + 1024]:
            part += value * value
        total += float(part)
    return total


def _energy(samples: np.ndarray) -> float:
    return float(_sum_of_squares(samples.view(np.float32)))


def _transmitter(capture: Capture, n_sent: int, profile: ChannelProfile, generator: np.random.Generator) -> np.ndarray:
    samples = capture.samples
    if profile.dac_bits is not None:
        samples, _ = quantize(samples, profile.dac_bits)
    power = _energy(capture.samples) / n_sent
    if profile.amplifier_smoothness is not None and power > 0:
        saturation = math.sqrt(power * from_db(profile.amplifier_backoff_db))
        samples = rapp_amplifier(samples, profile.amplifier_smoothness, saturation)
    if profile.tx_iq_gain_db or profile.tx_iq_phase_deg:
        samples = iq_imbalance(samples, profile.tx_iq_gain_db, profile.tx_iq_phase_deg)
    if profile.tx_dc_dbfs is not None:
        samples = add_dc_offset(samples, profile.tx_dc_dbfs)
    if profile.linewidth_hz > 0:
        samples = phase_noise(samples, profile.linewidth_hz, capture.sample_rate_hz, generator)
    return samples


def _leakage_energy(profile: ChannelProfile, channel: FadingRealization, n_samples: int) -> float:
    """Energy that the transmitter's carrier leakage alone brings: it is received but occupies no subcarrier."""
    if profile.tx_dc_dbfs is None:
        return 0.0
    gain = float(np.mean(np.abs(channel.taps.sum(axis=1, dtype=np.complex128)) ** 2))
    return from_db(profile.tx_dc_dbfs) * gain * n_samples


def _stale(n_samples: int, signal_power: float, noise_power: float, generator: np.random.Generator) -> np.ndarray:
    """What a driver's buffers still hold: noise, then something loud that stops at no particular place."""
    samples = complex_noise(n_samples, noise_power, generator)
    loud_from, loud_to = np.sort(generator.integers(0, n_samples + 1, 2))
    samples[loud_from:loud_to] += complex_noise(int(loud_to - loud_from), signal_power, generator)
    return samples


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
    draw = _draw(profile, generator)
    # Each stage has a stream of its own: bursts of different lengths meet the same fading.
    of_oscillators, of_fading, of_noise, of_stale = generator.spawn(4)
    rate_hz = capture.sample_rate_hz
    n_nonzero = int(np.count_nonzero(capture.samples))
    n_sent = max(n_nonzero, 1)
    sent = _transmitter(capture, n_sent, profile, of_oscillators)
    transmit_leakage = 0.0 if profile.tx_dc_dbfs is None else from_db(profile.tx_dc_dbfs) * sent.size
    ensemble_power = (_energy(sent) - transmit_leakage) / n_sent

    paths = profile.power_delay_profile()
    spread = math.ceil(float(paths.delays_s.max()) * rate_hz)
    channel = draw_fading(
        paths,
        n_samples=sent.size + spread + 2 * HALF_LENGTH,
        sample_rate_hz=rate_hz,
        doppler_hz=profile.doppler_hz,
        generator=of_fading,
    )
    received = apply_fading(sent, channel)
    signal_energy = _energy(received) - _leakage_energy(profile, channel, sent.size)
    realization_power = max(signal_energy, 0.0) / n_sent
    if draw.cfo_hz or draw.phase_rad:
        received = frequency_shift(received, draw.cfo_hz, rate_hz, draw.phase_rad)

    step = 1 + 1e-6 * draw.sfo_ppm
    if n_samples is None:
        own = math.ceil(draw.delay_samples + (sent.size + spread) / step) + profile.tail_samples
        n_samples = profile.stale_samples + own
    n_stale = min(profile.stale_samples, n_samples)
    first = channel.bulk_delay_samples - draw.delay_samples * step
    received = resample(received, first, step, n_samples - n_stale)

    reference_power = realization_power if profile.esn0_reference == "realization" else ensemble_power
    if n_nonzero == 0:
        reference_power = 1.0
    noise_power = 0.0
    if profile.esn0_db is not None:
        esn0 = EsN0(from_db(profile.esn0_db))
        noise_power = noise_power_per_sample(reference_power, esn0, profile.occupied_bandwidth)
        received += complex_noise(received.size, noise_power, of_noise)
    if n_stale:
        received = np.concatenate([_stale(n_stale, realization_power, noise_power, of_stale), received])

    gain = 1.0
    if profile.receive_level_dbfs is not None and realization_power + noise_power > 0:
        gain = math.sqrt(from_db(profile.receive_level_dbfs) / (realization_power + noise_power))
        received *= np.float32(gain)
    if profile.rx_iq_gain_db or profile.rx_iq_phase_deg:
        received = iq_imbalance(received, profile.rx_iq_gain_db, profile.rx_iq_phase_deg)
    if profile.rx_dc_dbfs is not None:
        received = add_dc_offset(received, profile.rx_dc_dbfs)
    clipped = 0
    if profile.adc_bits is not None:
        received, clipped = quantize(received, profile.adc_bits)

    truth = asdict(draw) | {
        "signal_power": realization_power * gain**2,
        "noise_power": noise_power * gain**2,
        "first_sample": n_stale + draw.delay_samples,
    }
    return Capture(
        samples=received,
        sample_rate_hz=rate_hz,
        center_frequency_hz=capture.center_frequency_hz,
        start=capture.start,
        clipped=clipped,
        settings={"profile": asdict(profile), "truth": truth},
    )
