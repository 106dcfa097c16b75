"""Everything that ``sdr-gsc bench radio`` measures: drivers on emulated radios, beside the vendors' interfaces."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

from hardware.errors import RadioError
from hardware.registry import open_radio
from sdr_gsc.capture import Capture
from sdr_gsc.errors import SettingsError

from .emulated import cpu_seconds, emulated
from .radio_live import measure_live_link
from .radio_raw import raw_pluto_capture_s, raw_usrp_capture_s
from .radio_streams import Sustained, receive_rate, transmit_rate, with_rate
from .rows import Row, row

__all__ = ["DRIVERS", "PARTS", "bench_radio"]

DRIVERS = ("pluto", "ad9361", "usrp", "soapy")
PARTS = ("receive", "transmit", "burst", "cost", "live")
RATES_HZ = (1e6, 2e6, 5e6, 10e6, 20e6)
_LIVE_RATE_HZ = 10e6
_COST_RATE_HZ, _COST_SAMPLES, _COST_REPETITIONS, _COST_ROUNDS = 4e6, 262_144, 15, 5
_BURST_RATE_HZ, _BURST_SAMPLES, _BURSTS = 4e6, 20_000, 15
#: Share of the asked rate below which a stream does not keep up; clocks of two machines differ by less.
_KEEPS_UP = 0.99

OnPart = Callable[[str, int, int], None]


def bench_radio(
    *,
    drivers: Sequence[str] = DRIVERS,
    only: Sequence[str] | None = None,
    rates_hz: Sequence[float] = RATES_HZ,
    seconds: float = 3.0,
    live_s: float = 60.0,
    on_step: OnPart = lambda part, done, count: None,
) -> list[Row]:
    """Measure drivers on emulated radios, which run in a process of their own and are paced by the clock.

    Args:
        drivers: some of `DRIVERS`.
        only: some of `PARTS`; None takes all.
        rates_hz: of the streams.
        seconds: of each stream.
        live_s: of the live link.
        on_step: told of a part's name, its finished steps and their number.

    Raises:
        SettingsError: an unknown driver or part.
    """
    parts = PARTS if only is None else tuple(only)
    for kind, asked, known in (("driver", drivers, DRIVERS), ("part", parts, PARTS)):
        unknown = [name for name in asked if name not in known]
        if unknown:
            raise SettingsError(f"there is no {kind} {unknown[0]!r}; needed some of {', '.join(known)}")
    rows: list[Row] = []
    for part, measure, target in (("receive", receive_rate, _KEEPS_UP), ("transmit", transmit_rate, _KEEPS_UP)):
        if part in parts:
            cases = [(driver, rate) for driver in drivers for rate in rates_hz]
            for done, (driver, rate) in enumerate(cases):
                on_step(part, done, len(cases))
                with emulated([_radio_of(driver)], "--profile", "ideal") as (uri,):
                    rows += _stream_rows(part, driver, rate, measure, _address(driver, uri), seconds, target)
    if "burst" in parts:
        for done, driver in enumerate(drivers):
            on_step("burst", done, len(drivers))
            with emulated([_radio_of(driver)], "--profile", "ideal") as (uri,):
                rows.append(_burst_row(driver, _address(driver, uri)))
    if "cost" in parts:
        for done, driver in enumerate(name for name in drivers if name in ("pluto", "usrp")):
            on_step("cost", done, 2)
            with emulated([driver], "--profile", "ideal") as (uri,):
                rows += _cost_rows(driver, uri)
    if "live" in parts:
        rows += _live_rows(live_s, on_step)
    return rows


def _radio_of(driver: str) -> str:
    return "usrp" if driver == "soapy" else driver


def _address(driver: str, uri: str) -> str:
    return uri.replace("usrp:", "soapy:driver=uhd,", 1) if driver == "soapy" else uri


def _stream_rows(
    part: str, driver: str, rate_hz: float, measure: Callable[..., Sustained], uri: str, seconds: float, target: float
) -> list[Row]:
    name = f"{driver}: {part} at {rate_hz / 1e6:g} Msps"
    try:
        found = measure(uri, rate_hz=rate_hz, seconds=seconds)
    except RadioError:
        return [row(f"{name}, sustained", float("nan"), "Msps", target=target * rate_hz / 1e6)]
    lost = "lost samples" if part == "receive" else "underflows"
    return [
        row(f"{name}, sustained", found.rate_hz / 1e6, "Msps", target=target * rate_hz / 1e6),
        row(f"{name}, {lost}", found.losses, "", target=0, better="lower"),
        row(f"{name}, share of a core", found.cpu_share, "core"),
    ]


def _burst_row(driver: str, uri: str) -> Row:
    burst = Capture(np.full(_BURST_SAMPLES, 0.25 + 0.25j, np.complex64), _BURST_RATE_HZ)
    seconds = []
    with open_radio(with_rate(uri, _BURST_RATE_HZ)) as radio:
        radio.exchange(burst)
        for _ in range(_BURSTS):
            began = time.perf_counter()
            radio.exchange(burst)
            seconds.append(time.perf_counter() - began)
    return row(f"{driver}: round trip of a burst of 5 ms", 1e3 * median(seconds), "ms")


def _cost_rows(driver: str, uri: str) -> list[Row]:
    """CPU time of a fresh capture, of this process and its worker, beside that of the vendor's interface alone."""
    address = uri.partition(":")[2]
    raw = raw_pluto_capture_s if driver == "pluto" else raw_usrp_capture_s
    ours, theirs = [], []
    # Turn and turn about: a machine that gets busier does so for both.
    for _ in range(_COST_ROUNDS):
        ours.append(_capture_s(uri))
        theirs.append(raw(address, rate_hz=_COST_RATE_HZ, n_samples=_COST_SAMPLES, repetitions=_COST_REPETITIONS))
    ratio = median(mine / their for mine, their in zip(ours, theirs, strict=True))
    return [
        row(f"{driver}: CPU time of a capture over the vendor's interface", ratio, "ratio", target=1.3, better="lower"),
        row(f"{driver}: CPU time of a capture", 1e3 * median(ours), "ms", anchor=1e3 * median(theirs)),
    ]


def _capture_s(uri: str) -> float:
    with open_radio(with_rate(uri, _COST_RATE_HZ)) as radio:
        radio.capture(_COST_SAMPLES)
        began = cpu_seconds()
        for _ in range(_COST_REPETITIONS):
            radio.capture(_COST_SAMPLES)
        return (cpu_seconds() - began) / _COST_REPETITIONS


def _live_rows(seconds: float, on_step: OnPart) -> list[Row]:
    with emulated(["pluto"], "--profile", "cabled") as (uri,):
        live = measure_live_link(
            uri, rate_hz=_LIVE_RATE_HZ, seconds=seconds, on_step=lambda done, count: on_step("live", done, count)
        )
    name = f"live link at {_LIVE_RATE_HZ / 1e6:g} Msps, {live.seconds:.0f} s"
    return [
        row(f"{name}: sustained", live.rate_hz / 1e6, "Msps", target=_KEEPS_UP * _LIVE_RATE_HZ / 1e6),
        row(f"{name}: lost samples", live.lost_samples, "", target=0, better="lower"),
        row(
            f"{name}: frames received over expected",
            live.frames_received / max(live.frames_expected, 1),
            "ratio",
            target=1.0,
        ),  # fmt: skip
        row(f"{name}: frames out of order", live.wrong_order, "", target=0, better="lower"),
        row(f"{name}: pictures", live.pictures_per_s, "1/s"),
        row(f"{name}: share of a core", live.cpu_share, "core"),
    ]
