"""What a SoapySDR device says of itself."""

from __future__ import annotations

import time

import SoapySDR
from SoapySDR import SOAPY_SDR_RX, SOAPY_SDR_TX

__all__ = ["describe", "unlocked"]

#: The sensor with which an emulated radio shows whose it is.
_TOKEN_SENSOR = "sdr_gsc_token"
#: An oscillator or reference may take so long to lock.
_LOCK_S = 0.5


def _span(ranges: object) -> list[float] | None:
    """Outer limits of a range, or of a list of them."""
    several = list(ranges) if hasattr(ranges, "__len__") else [ranges]
    if not several:
        return None
    return [min(one.minimum() for one in several), max(one.maximum() for one in several)]


def _common(first: list[float] | None, second: list[float] | None) -> list[float] | None:
    if first is None or second is None:
        return None
    return [max(first[0], second[0]), min(first[1], second[1])]


def describe(device: SoapySDR.Device, address: dict, n_channels: int, *, timed: bool) -> dict:
    """Name, ranges and properties; see the backend's `open`."""

    def limits(get: object) -> list[float] | None:
        return _common(_span(get(SOAPY_SDR_RX, 0)), _span(get(SOAPY_SDR_TX, 0)))

    hardware = dict(device.getHardwareInfo())
    serials = [hardware[key] for key in ("serial", "mboard_serial") if key in hardware]
    tx_gains, rx_gains = (device.getGainRange(direction, 0) for direction in (SOAPY_SDR_TX, SOAPY_SDR_RX))
    return {
        "model": f"{device.getDriverKey()} {device.getHardwareKey()}",
        "serial": serials[0] if serials else address.get("serial", ""),
        "token": device.readSensor(_TOKEN_SENSOR) if _TOKEN_SENSOR in device.listSensors() else "",
        "n_channels": n_channels,
        "keeps_time": timed,
        "center_frequency_hz": limits(device.getFrequencyRange),
        "sample_rate_hz": limits(device.getSampleRateRange),
        "bandwidth_hz": limits(device.getBandwidthRange),
        "tx_gain_db": _span(tx_gains),
        "rx_gain_db": _span(rx_gains),
        "tx_gain_step_db": tx_gains.step(),
        "rx_gain_step_db": rx_gains.step(),
        "clock_sources": list(device.listClockSources()) or ["internal"],
    }


def unlocked(device: SoapySDR.Device, both: list[tuple[int, int]]) -> list[str]:
    """Names of what did not lock in time.

    Args:
        device: the device.
        both: direction and channel of what is used.
    """
    sensors = [("reference", ("ref_locked",))] if "ref_locked" in device.listSensors() else []
    for direction, channel in both:
        if "lo_locked" in device.listSensors(direction, channel):
            name = "receive" if direction == SOAPY_SDR_RX else "transmit"
            sensors.append((f"{name} oscillator of channel {channel}", (direction, channel, "lo_locked")))
    deadline = time.monotonic() + _LOCK_S
    while sensors := [one for one in sensors if device.readSensor(*one[1]).lower() not in ("true", "1", "locked")]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return [name for name, _ in sensors]
