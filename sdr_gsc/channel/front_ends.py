"""The two analogue front ends as chains of stages that change a piece of the signal in place."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..units import from_db
from ._impairment_kernels import compress, mix
from .converters import Converter
from .impairments import PhaseNoise, mixer_rails, offset_rail
from .profile import ChannelProfile

__all__ = ["Stage", "receiver_stages", "transmitter_stages"]

#: Changes complex64 [n] in place; pieces come in the order of time.
Stage = Callable[[np.ndarray], None]


def _amplifier(smoothness: float, saturation: float) -> Stage:
    inverse_power, p = np.float32(saturation**-2), np.float32(smoothness)
    return lambda samples: compress(samples.view(np.float32), inverse_power, p)


def _mixer(gain_db: float, phase_deg: float, dc_dbfs: float | None) -> list[Stage]:
    """A mixer and the constant that it or its converter adds; nothing where it is perfect."""
    if not gain_db and not phase_deg and dc_dbfs is None:
        return []
    crosstalk, gain = mixer_rails(gain_db, phase_deg)
    offset = np.float32(0) if dc_dbfs is None else offset_rail(dc_dbfs)
    return [lambda samples: mix(samples.view(np.float32), crosstalk, gain, offset)]


def transmitter_stages(
    profile: ChannelProfile, mean_power: float, sample_rate_hz: float, generator: np.random.Generator
) -> list[Stage]:
    """Converter, amplifier, mixer with carrier leakage, and the phase noise of both oscillators.

    Args:
        profile: settings.
        mean_power: of the burst, linear; the amplifier's back-off refers to it. A silent burst meets no amplifier.
        sample_rate_hz: of the burst.
        generator: source of the phase noise.
    """
    stages: list[Stage] = []
    if profile.dac_bits is not None:
        stages.append(Converter(profile.dac_bits))
    if profile.amplifier_smoothness is not None and mean_power > 0:
        saturation = math.sqrt(mean_power * from_db(profile.amplifier_backoff_db))
        stages.append(_amplifier(profile.amplifier_smoothness, saturation))
    stages += _mixer(profile.tx_iq_gain_db, profile.tx_iq_phase_deg, profile.tx_dc_dbfs)
    if profile.linewidth_hz > 0:
        stages.append(PhaseNoise(profile.linewidth_hz, sample_rate_hz, generator))
    return stages


def receiver_stages(profile: ChannelProfile) -> tuple[list[Stage], Converter | None]:
    """Mixer with DC, and the converter, which is also handed out for its count of clipped samples."""
    stages = _mixer(profile.rx_iq_gain_db, profile.rx_iq_phase_deg, profile.rx_dc_dbfs)
    if profile.adc_bits is None:
        return stages, None
    converter = Converter(profile.adc_bits)
    return [*stages, converter], converter
