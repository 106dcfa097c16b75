"""The tables of docs/conventions.md say what the code does."""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sdr_gsc.channel.delay_profiles import exponential_profile
from sdr_gsc.channel.profile import PROFILE_NAMES, ChannelProfile, profile
from sdr_gsc.semantic.descriptor import DESCRIPTOR_BYTES, NO_MCS, Descriptor, Mapping

PAGE = (Path(__file__).parents[4] / "docs" / "conventions.md").read_text(encoding="utf-8")
DEFAULT_RATE_HZ = 4e6


def number(value, scale=1.0):
    return "–" if value is None else f"{value * scale:.6g}"


def plus_minus(center, width):
    return f"±{width:g}" if center == 0 else f"{center:g} ± {width:g}"


def rician_k(each):
    k_db = each.power_delay_profile().rician_k_db
    return {math.inf: "∞ (constant)", -math.inf: "Rayleigh"}.get(k_db) or f"{k_db:g}"


def iq(gain_db, phase_deg):
    return f"{gain_db:g} dB, {phase_deg:g}°"


ROWS = {
    "Es/N0, dB (`esn0_db`)": lambda p: number(p.esn0_db),
    "delay profile (`delay_profile`)": lambda p: p.delay_profile,
    "rms delay spread, ns (`delay_spread_s`)": lambda p: number(p.delay_spread_s, 1e9),
    "rms delay spread, samples at 4 MHz": lambda p: number(p.delay_spread_s, DEFAULT_RATE_HZ),
    "largest delay, samples at 4 MHz": lambda p: f"{p.power_delay_profile().delays_s.max() * DEFAULT_RATE_HZ:.3g}",
    "Rician K of the first path, dB": rician_k,
    "maximum Doppler shift, Hz (`doppler_hz`)": lambda p: number(p.doppler_hz),
    "random carrier phase (`random_phase`)": lambda p: "yes" if p.random_phase else "no",
    "CFO, Hz (`cfo_hz`, `cfo_range_hz`)": lambda p: plus_minus(p.cfo_hz, p.cfo_range_hz),
    "SFO, ppm (`sfo_ppm`, `sfo_range_ppm`)": lambda p: plus_minus(p.sfo_ppm, p.sfo_range_ppm),
    "phase-noise linewidth, Hz (`linewidth_hz`)": lambda p: number(p.linewidth_hz),
    "start of the burst, samples (`delay_samples`, `delay_range_samples`)": lambda p: (
        f"{p.delay_samples:g} … {p.delay_samples + p.delay_range_samples:g}"
    ),
    "stale samples in front (`stale_samples`)": lambda p: number(p.stale_samples),
    "samples after the burst (`tail_samples`)": lambda p: number(p.tail_samples),
    "DAC, bits (`dac_bits`)": lambda p: number(p.dac_bits),
    "Rapp amplifier, p (`amplifier_smoothness`)": lambda p: number(p.amplifier_smoothness),
    "amplifier back-off, dB (`amplifier_backoff_db`)": lambda p: (
        "–" if p.amplifier_smoothness is None else number(p.amplifier_backoff_db)
    ),
    "TX IQ imbalance": lambda p: iq(p.tx_iq_gain_db, p.tx_iq_phase_deg),
    "TX carrier leakage, dBFS (`tx_dc_dbfs`)": lambda p: number(p.tx_dc_dbfs),
    "RX IQ imbalance": lambda p: iq(p.rx_iq_gain_db, p.rx_iq_phase_deg),
    "RX DC, dBFS (`rx_dc_dbfs`)": lambda p: number(p.rx_dc_dbfs),
    "level at the ADC, dBFS (`receive_level_dbfs`)": lambda p: number(p.receive_level_dbfs),
    "ADC, bits (`adc_bits`)": lambda p: number(p.adc_bits),
}


def profile_table():
    profiles = [profile(name) for name in PROFILE_NAMES]
    lines = [
        "| setting | " + " | ".join(f"`{each.name}`" for each in profiles) + " |",
        "|---|" + "---|" * len(profiles),
    ]
    lines += [f"| {title} | " + " | ".join(map(show, profiles)) + " |" for title, show in ROWS.items()]
    return "\n".join(lines)


def office_table():
    taps = exponential_profile(8, 250e-9, 500e-9)
    powers = 10 * np.log10(taps.scattered)
    return "\n".join(
        [
            "| tap | " + " | ".join(str(k) for k in range(8)) + " |",
            "|---|" + "---|" * 8,
            "| delay, ns | " + " | ".join(f"{delay * 1e9:.0f}" for delay in taps.delays_s) + " |",
            "| mean power, dB | " + " | ".join(f"{power:.2f}" for power in powers) + " |",
        ]
    )


@pytest.mark.parametrize("table", [profile_table, office_table])
def test_channel_tables(table):
    assert table() in PAGE


def test_the_table_leaves_no_setting_out():
    shown = " ".join(ROWS) + " ".join(("tx_iq_gain_db", "tx_iq_phase_deg", "rx_iq_gain_db", "rx_iq_phase_deg"))
    same_everywhere = {"esn0_reference", "occupied_bandwidth", "n_taps", "tap_spacing_s", "rician_k_db"}
    for field in ChannelProfile.__dataclass_fields__:
        if field in same_everywhere:
            assert len({getattr(profile(name), field) for name in PROFILE_NAMES}) == 1
        else:
            assert field == "name" or field in shown


DESCRIPTOR = Descriptor(
    picture_id=1,
    codec_id=2,
    weights_prefix=b"abcd",
    height=32,
    width=48,
    mapping=Mapping.CODED,
    levels=8,
    rate_index=3,
    n_symbols=1000,
    n_bytes=500,
    mcs=4,
    n_frames=5,
    scale=1.5,
    gain=1.25,
    interleaver_seed=6,
    design_esn0_db=10.0,
)
CHANGES = {
    "picture_id": 0xFEDC,
    "codec_id": 200,
    "weights_prefix": b"WXYZ",
    "height": 0xABCD,
    "width": 0xABCD,
    "mapping": Mapping.CLASSICAL,
    "levels": 32,
    "rate_index": 12,
    "n_symbols": 0xFEDCBA98,
    "n_bytes": 0xFEDCBA98,
    "mcs": NO_MCS,
    "n_frames": 0xFEDC,
    "scale": 0.3330078125,
    "gain": 0.3330078125,
    "interleaver_seed": 0xFEDC,
    "design_esn0_db": -20.5,
}


def descriptor_rows():
    """field -> (first byte, number of bytes), as the page says."""
    found = re.findall(r"^\| (\d+) \| (\d+) \| (.+?) \|", PAGE, re.MULTILINE)
    return {name: (int(first), int(size)) for first, size, names in found for name in re.findall(r"`(\w+)`", names)}


def test_descriptor_table_has_every_field():
    assert set(descriptor_rows()) == {*Descriptor.__dataclass_fields__, "version"}
    spans = sorted(set(descriptor_rows().values()))
    assert [first for first, _ in spans] == [0, *(first + size for first, size in spans[:-1])]
    assert sum(spans[-1]) == DESCRIPTOR_BYTES


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_descriptor_fields_lie_where_the_table_says(field):
    changed = replace(DESCRIPTOR, **{field: CHANGES[field]})
    before, after = (np.frombuffer(each.pack(), np.uint8) for each in (DESCRIPTOR, changed))
    first, size = descriptor_rows()[field]
    where = np.flatnonzero(before != after)
    assert where.size > 0
    assert set(where) <= set(range(first, first + size))
    if size > 1:
        assert {first, first + size - 1} & set(where)
    assert Descriptor.unpack(changed.pack()) == changed
