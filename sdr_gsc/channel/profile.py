"""Every number of a simulated channel, and four named sets of them."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from ..errors import SettingsError
from .delay_profiles import DELAY_PROFILES, PowerDelayProfile, power_delay_profile

__all__ = ["PROFILE_NAMES", "ChannelProfile", "profile", "with_text_settings"]

_REFERENCES = ("realization", "ensemble")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelProfile:
    """Settings of `simulate`. A `*_range` adds a value drawn uniformly once per realization.

    Attributes:
        name: for reports.
        esn0_db: Es/N0 per occupied subcarrier in dB; None adds no noise.
        esn0_reference: "realization" relates Es/N0 to the mean power received in that realization, "ensemble" to the
            average over all fading realizations.
        occupied_bandwidth: active subcarriers over FFT size of the waveform, in (0, 1].
        delay_profile: one of `DELAY_PROFILES`.
        delay_spread_s: rms delay spread.
        n_taps: taps of the exponential profile.
        tap_spacing_s: spacing of these taps.
        rician_k_db: K of the first path in dB; None keeps the profile's own (Rayleigh but for TDL-D and TDL-E).
        doppler_hz: maximum Doppler shift; 0 keeps the channel constant during a realization.
        random_phase: start the carrier at a uniformly drawn phase.
        cfo_hz: carrier-frequency offset, positive when the received carrier lies above the receiver's.
        cfo_range_hz: adds a draw from +-cfo_range_hz.
        sfo_ppm: sampling-frequency offset, positive when the transmitter's clock is faster.
        sfo_range_ppm: adds a draw from +-sfo_range_ppm.
        linewidth_hz: linewidth of the Wiener phase noise of both oscillators together.
        delay_samples: where the burst's first path starts in the received capture, stale samples not counted.
        delay_range_samples: adds a draw from 0 ... delay_range_samples, fractions included.
        stale_samples: samples in front that belong to an earlier capture: noise, then the end of some other burst.
        tail_samples: received samples after the burst, beyond the channel's own echoes.
        dac_bits: bits of the transmit converter; None is exact.
        amplifier_smoothness: p of the Rapp amplifier; None is linear.
        amplifier_backoff_db: saturation power over the burst's mean power in dB.
        tx_iq_gain_db: transmit mixer's rail gain error.
        tx_iq_phase_deg: transmit mixer's phase error.
        tx_dc_dbfs: carrier leakage of the transmitter while the burst lasts; None for none.
        receive_level_dbfs: mean power of the burst with its noise at the receive converter; None leaves gain 1. At -12
            the rails lie 5.6 deviations below full scale: 12 bits leave 62.1 dB, and 62.7 dB at best, at -11.
        rx_iq_gain_db: receive mixer's rail gain error.
        rx_iq_phase_deg: receive mixer's phase error.
        rx_dc_dbfs: constant at the receive converter; None for none.
        adc_bits: bits of the receive converter; None is exact and never clips.
    """

    name: str = "custom"
    esn0_db: float | None = None
    esn0_reference: str = "realization"
    occupied_bandwidth: float = 52 / 64
    delay_profile: str = "none"
    delay_spread_s: float = 0.0
    n_taps: int = 8
    tap_spacing_s: float = 250e-9
    rician_k_db: float | None = None
    doppler_hz: float = 0.0
    random_phase: bool = False
    cfo_hz: float = 0.0
    cfo_range_hz: float = 0.0
    sfo_ppm: float = 0.0
    sfo_range_ppm: float = 0.0
    linewidth_hz: float = 0.0
    delay_samples: float = 0.0
    delay_range_samples: float = 0.0
    stale_samples: int = 0
    tail_samples: int = 0
    dac_bits: int | None = None
    amplifier_smoothness: float | None = None
    amplifier_backoff_db: float = 12.0
    tx_iq_gain_db: float = 0.0
    tx_iq_phase_deg: float = 0.0
    tx_dc_dbfs: float | None = None
    receive_level_dbfs: float | None = None
    rx_iq_gain_db: float = 0.0
    rx_iq_phase_deg: float = 0.0
    rx_dc_dbfs: float | None = None
    adc_bits: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise SettingsError(f"{field.name} is {value}; needed a finite number")
        for field_name in _NOT_NEGATIVE:
            if getattr(self, field_name) < 0:
                raise SettingsError(f"{field_name} is {getattr(self, field_name)}; needed 0 or more")
        for field_name in ("dac_bits", "adc_bits"):
            bits = getattr(self, field_name)
            if bits is not None and not 1 <= bits <= 24:
                raise SettingsError(f"{field_name} is {bits}; needed 1 ... 24, or none")
        if not 0 < self.occupied_bandwidth <= 1:
            raise SettingsError(f"occupied_bandwidth is {self.occupied_bandwidth}; needed more than 0, at most 1")
        if self.esn0_reference not in _REFERENCES:
            raise SettingsError(f"esn0_reference is {self.esn0_reference!r}; needed one of {', '.join(_REFERENCES)}")
        if self.amplifier_smoothness is not None and not self.amplifier_smoothness > 0:
            raise SettingsError(f"amplifier_smoothness is {self.amplifier_smoothness}; needed more than 0, or none")
        if abs(self.sfo_ppm) + self.sfo_range_ppm > 1000:
            raise SettingsError(f"sfo_ppm is {self.sfo_ppm} +- {self.sfo_range_ppm}; needed within +-1000 ppm in total")
        if self.delay_profile not in DELAY_PROFILES:
            raise SettingsError(f"delay_profile is {self.delay_profile!r}; needed one of {', '.join(DELAY_PROFILES)}")
        self.power_delay_profile()

    def power_delay_profile(self) -> PowerDelayProfile:
        """Delays and mean powers that these settings describe."""
        return power_delay_profile(
            self.delay_profile,
            delay_spread_s=self.delay_spread_s,
            n_taps=self.n_taps,
            tap_spacing_s=self.tap_spacing_s,
            rician_k_db=self.rician_k_db,
        )


_NOT_NEGATIVE = (
    "delay_spread_s",
    "tap_spacing_s",
    "doppler_hz",
    "cfo_range_hz",
    "sfo_range_ppm",
    "linewidth_hz",
    "delay_samples",
    "delay_range_samples",
    "stale_samples",
    "tail_samples",
)

_CABLED = ChannelProfile(
    name="cabled",
    esn0_db=30.0,
    random_phase=True,
    cfo_range_hz=500.0,
    sfo_range_ppm=2.0,
    linewidth_hz=1.0,
    delay_samples=200.0,
    delay_range_samples=200.0,
    tail_samples=400,
    dac_bits=12,
    amplifier_smoothness=3.0,
    amplifier_backoff_db=16.0,
    tx_iq_gain_db=0.05,
    tx_iq_phase_deg=0.2,
    tx_dc_dbfs=-55.0,
    receive_level_dbfs=-12.0,
    rx_iq_gain_db=0.05,
    rx_iq_phase_deg=0.2,
    rx_dc_dbfs=-55.0,
    adc_bits=12,
)
_OFFICE = replace(
    _CABLED,
    name="office",
    esn0_db=20.0,
    delay_profile="exponential",
    delay_spread_s=500e-9,
    cfo_range_hz=5e3,
    sfo_range_ppm=20.0,
    linewidth_hz=10.0,
    stale_samples=512,
    amplifier_smoothness=2.0,
    amplifier_backoff_db=12.0,
    tx_iq_gain_db=0.1,
    tx_iq_phase_deg=0.5,
    tx_dc_dbfs=-50.0,
    rx_iq_gain_db=0.1,
    rx_iq_phase_deg=0.5,
    rx_dc_dbfs=-50.0,
)
_MOBILE = replace(
    _OFFICE,
    name="mobile",
    esn0_db=20.0,
    delay_profile="tdl-c",
    delay_spread_s=300e-9,
    doppler_hz=50.0,
    linewidth_hz=20.0,
)
_PROFILES = {each.name: each for each in (ChannelProfile(name="ideal"), _CABLED, _OFFICE, _MOBILE)}
#: Names that `profile` knows.
PROFILE_NAMES = tuple(_PROFILES)


def profile(name: str) -> ChannelProfile:
    """Named profile; docs/conventions.md has the table of their numbers.

    Raises:
        SettingsError: unknown name.
    """
    if name not in _PROFILES:
        raise SettingsError(f"channel profile is {name!r}; needed one of {', '.join(PROFILE_NAMES)}")
    return _PROFILES[name]


def _parse(name: str, text: str, kind: object) -> object:
    choices = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if type(None) in choices and text.lower() == "none":
        return None
    target = next(choice for choice in choices if choice is not type(None))
    if target is bool:
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
    elif callable(target):
        try:
            return target(text)
        except ValueError:
            pass
    wanted = " or ".join("none" if choice is type(None) else choice.__name__ for choice in choices)
    raise SettingsError(f"{name} is {text!r}; needed {wanted}")


def with_text_settings(base: ChannelProfile, settings: Mapping[str, str]) -> ChannelProfile:
    """Replace fields by values written as text, as in a radio's address.

    Args:
        base: profile to start from.
        settings: field name -> text; "none" switches an optional field off, booleans are "true" or "false".

    Raises:
        SettingsError: unknown field, text of the wrong kind, or a value out of range.
    """
    kinds = typing.get_type_hints(ChannelProfile)
    unknown = sorted(set(settings) - set(kinds))
    if unknown:
        raise SettingsError(f"channel settings {', '.join(unknown)} are unknown; needed some of {', '.join(kinds)}")
    parsed: dict[str, typing.Any] = {name: _parse(name, text, kinds[name]) for name, text in settings.items()}
    return replace(base, **parsed)
