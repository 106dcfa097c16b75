"""Hidden imperfections of one radio, drawn from a seed: what a calibration is to find out."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from .impairments import image_rejection_db
from .profile import ChannelProfile

__all__ = ["FILTER_REACH", "FrontEnd", "GainCurve", "Half", "with_ideal_front_ends"]

#: Taps of a ripple filter on each side of the middle one.
FILTER_REACH = 3
#: Range of nominal gains over which the gain curves are drawn: transmit below the largest, receive as set.
_TX_GAINS_DB, _RX_GAINS_DB = (-90.0, 0.0), (0.0, 76.0)
_IMAGE_REJECTION_DB = (25.0, 35.0)
_DC_DBFS = (-35.0, -25.0)
#: Amplitude of the ripple, at most 1.5 dB up or down, and of the phase, in rad, at most.
_RIPPLE, _PHASE_RIPPLE_RAD = (0.08, 0.155), 0.05
_GAIN_ERROR_DB = (0.4, 1.0)
_CLOCK_PPM, _DRIFT_PPM_S, _DELAY_S = 5.0, 0.004, (0.5e-6, 12e-6)
_TEMPERATURE_C = (25.0, 45.0)


@dataclass(frozen=True, slots=True)
class GainCurve:
    """How much larger a gain is than its setting: sum_k a_k cos(k pi u + b_k), u = 0 ... 1 over the range of settings.

    Attributes:
        range_db: settings of which it speaks; the ends hold beyond.
        waves: (a_k in dB, b_k in rad) for k = 1, 2, ...
    """

    range_db: tuple[float, float] = (0.0, 1.0)
    waves: tuple[tuple[float, float], ...] = ()

    def true_db(self, nominal_db: float) -> float:
        """Gain in dB that a setting in dB truly has."""
        low, high = self.range_db
        place = (min(max(nominal_db, low), high) - low) / (high - low)
        return nominal_db + sum(a * math.cos(k * math.pi * place + b) for k, (a, b) in enumerate(self.waves, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """One direction of a front end.

    Attributes:
        iq_gain_db: gain error of the quadrature rail, as `iq_imbalance` has it.
        iq_phase_deg: its phase error.
        dc: constant at the converter, relative to full scale.
        taps: complex [2 FILTER_REACH + 1] of the ripple filter at the sampling rate, on the radio-frequency side of the
            mixer, the middle one at delay 0.
        gain: true gain against its setting.
    """

    iq_gain_db: float = 0.0
    iq_phase_deg: float = 0.0
    dc: complex = 0j
    taps: tuple[complex, ...] = (0, 0, 0, 1, 0, 0, 0)
    gain: GainCurve = GainCurve()

    @property
    def image_rejection_db(self) -> float:
        """Power of a tone over that of its mirror image, in dB."""
        return image_rejection_db(self.iq_gain_db, self.iq_phase_deg)

    @property
    def dc_dbfs(self) -> float:
        """Power of the constant, in dB of full scale."""
        return 20 * math.log10(abs(self.dc)) if self.dc else -math.inf

    def response(self, cycles_per_sample: np.ndarray) -> np.ndarray:
        """Ripple filter's response, complex128 [...], at frequencies relative to the sampling rate."""
        delays = np.arange(-FILTER_REACH, FILTER_REACH + 1)
        turns = np.multiply.outer(np.asarray(cycles_per_sample, np.float64), delays)
        return np.exp(-2j * np.pi * turns) @ np.array(self.taps, np.complex128)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEnd:
    """One channel of a radio as it truly is; procedures have to find it out, tests may look.

    Attributes:
        tx: transmit direction; its gain is that below the radio's largest, <= 0.
        rx: receive direction.
        tx_saturation: amplitude at the antenna that the transmit amplifier never exceeds, where a full-scale signal at
            the largest gain would have 1; inf is linear.
        tx_smoothness: p of `rapp_amplifier`.
        clock_ppm: how much faster clock and oscillators run than they should, when time begins.
        drift_ppm_s: by how much the oscillators' error grows in a second. The clock that counts samples keeps its pace.
        delay_s: what the transmit side adds to the way, beside everything that is known.
        temperature_c: what the radio's sensor says.
    """

    tx: Half = Half()
    rx: Half = Half()
    tx_saturation: float = math.inf
    tx_smoothness: float = 2.0
    clock_ppm: float = 0.0
    drift_ppm_s: float = 0.0
    delay_s: float = 0.0
    temperature_c: float = 35.0

    @classmethod
    def draw(cls, seed: int, channel: int = 0) -> Self:
        """Draw a front end. The channels of one seed belong to one radio: they share clock, delay and temperature.

        Image rejections 25 ... 35 dB, constants -35 ... -25 dBFS, ripple within 1.5 dB and 3 degrees, gain errors
        within 1 dB, 1 dB of compression for a full-scale tone 0 ... 3 dB below the largest transmit gain, clocks within
        5 ppm that drift by at most 0.004 ppm/s, delays of 0.5 ... 12 us.

        Args:
            seed: 0 or more.
            channel: 0 for the first.
        """
        seeds = np.random.SeedSequence(seed, spawn_key=(channel,))
        of_radio = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
        of_channel = np.random.Generator(np.random.PCG64(seeds))
        tx, rx = _draw_half(of_channel, _TX_GAINS_DB), _draw_half(of_channel, _RX_GAINS_DB)
        # A Rapp amplifier with p = 2 compresses by 1 dB where the drive is (10^0.2 - 1)^(1/4) of its saturation.
        one_db = 10 ** (-of_channel.uniform(0.0, 3.0) / 20)
        return cls(
            tx=tx,
            rx=rx,
            tx_saturation=one_db / (10**0.2 - 1) ** 0.25,
            clock_ppm=of_radio.uniform(-_CLOCK_PPM, _CLOCK_PPM),
            drift_ppm_s=of_radio.uniform(-_DRIFT_PPM_S, _DRIFT_PPM_S),
            delay_s=of_radio.uniform(*_DELAY_S),
            temperature_c=round(of_radio.uniform(*_TEMPERATURE_C), 1),
        )

    def without_clock(self) -> Self:
        """The same with a clock that is right: a radio next to which others are measured."""
        return replace(self, clock_ppm=0.0, drift_ppm_s=0.0)


def with_ideal_front_ends(profile: ChannelProfile) -> ChannelProfile:
    """The channel alone: mixers, constants, amplifier, clocks and delays are those of the radios' own `FrontEnd`.

    What a front end does is the same in every transmission, so the draws of each realization go, too; noise is that of
    the receiver's floor.
    """
    return replace(
        profile,
        esn0_db=None,
        cfo_hz=0.0,
        cfo_range_hz=0.0,
        sfo_ppm=0.0,
        sfo_range_ppm=0.0,
        delay_samples=0.0,
        delay_range_samples=0.0,
        stale_samples=0,
        amplifier_smoothness=None,
        tx_iq_gain_db=0.0,
        tx_iq_phase_deg=0.0,
        tx_dc_dbfs=None,
        receive_level_dbfs=None,
        rx_iq_gain_db=0.0,
        rx_iq_phase_deg=0.0,
        rx_dc_dbfs=None,
    )


def _draw_half(generator: np.random.Generator, gains_db: tuple[float, float]) -> Half:
    # |beta / alpha| of a weak imbalance is half of (gain error + j phase error).
    error = 2 * 10 ** (-generator.uniform(*_IMAGE_REJECTION_DB) / 20)
    direction = generator.uniform(0, 2 * math.pi)
    level_dbfs, angle = generator.uniform(*_DC_DBFS), generator.uniform(-math.pi, math.pi)
    return Half(
        iq_gain_db=20 * math.log10(1 + error * math.cos(direction)),
        iq_phase_deg=math.degrees(error * math.sin(direction)),
        dc=cmath.rect(10 ** (level_dbfs / 20), angle),
        taps=_draw_taps(generator),
        gain=_draw_curve(generator, gains_db),
    )


def _draw_taps(generator: np.random.Generator) -> tuple[complex, ...]:
    """H(f) = 1 + sum_k a_k cos(2 pi k f + b_k) + j sum_k c_k cos(2 pi k f).

    The phase is even in f: whatever band is looked at around 0, the filter has no mean delay.
    """
    weights = generator.uniform(0.2, 1.0, FILTER_REACH)
    a = generator.uniform(*_RIPPLE) * weights / weights.sum()
    b = generator.uniform(-math.pi, math.pi, FILTER_REACH)
    c = generator.uniform(-1, 1, FILTER_REACH) * _PHASE_RIPPLE_RAD / FILTER_REACH
    late = (a * np.exp(-1j * b) + 1j * c) / 2
    early = (a * np.exp(1j * b) + 1j * c) / 2
    return tuple(complex(tap) for tap in (*early[::-1], 1.0, *late))


def _draw_curve(generator: np.random.Generator, range_db: tuple[float, float]) -> GainCurve:
    amplitudes = generator.uniform(-1, 1, 3)
    phases = generator.uniform(-math.pi, math.pi, 3)
    shape = GainCurve(range_db, tuple(zip(amplitudes.tolist(), phases.tolist(), strict=True)))
    nominal = np.linspace(*range_db, 181).tolist()
    largest = max(abs(shape.true_db(one) - one) for one in nominal)
    scale = generator.uniform(*_GAIN_ERROR_DB) / largest
    return replace(shape, waves=tuple((scale * a, b) for a, b in shape.waves))
