"""The one public door to radios: an address in, an opened radio out."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from .errors import BadValueError
from .limits import Bench
from .radio import Radio
from .setting_values import settings_from

__all__ = ["open_radio"]

_SCHEMES = (
    "loopback:PROFILE[?SETTING=VALUE&...], replay:RECORDING.sigmf-meta, pluto:ip:ADDRESS, ad9361:ip:ADDRESS, "
    "usrp:type=TYPE,addr=ADDRESS, soapy:driver=NAME"
)
_DEFAULT_PROFILE = "office"

# Scheme -> module, class, more arguments. A module loads when its scheme is asked for, a vendor library in its class.
_DRIVERS: Mapping[str, tuple[str, str, Mapping[str, object]]] = {
    "pluto": ("pluto", "PlutoRadio", {}),
    "ad9361": ("pluto", "PlutoRadio", {"two_channels": True}),
    "usrp": ("usrp", "UsrpRadio", {}),
    "soapy": ("soapy", "SoapyRadio", {}),
}


def open_radio(
    uri: str,
    *,
    generator: np.random.Generator | None = None,
    bench: Path | str | Bench | None = None,
    **overrides: object,
) -> Radio:
    """Open a radio by its address, muted.

    - ``loopback:office``: simulated, with a named channel profile (``office`` where none is named). A query sets
      any field of `ChannelProfile`, and ``seed``: ``loopback:office?esn0_db=10&cfo_range_hz=125000&seed=3``. With
      ``impaired=SEED`` the radio has imperfect front ends drawn from that seed (`FrontEnd`), gains, and a noise floor
      of ``noise_dbfs`` at a receive gain of 40 dB; the profile then says no more than what lies between the antennas.
    - ``replay:path.sigmf-meta``: a recording.
    - ``pluto:ip:192.168.2.1``, ``pluto:usb:1.2.5``, ``ad9361:ip:10.0.0.2`` (two channels), ``usrp:type=b200``,
      ``soapy:driver=lime``: real radios, and emulated ones. A query sets any field of `RadioSettings`:
      ``pluto:ip:192.168.2.1?tx_gain_db=-20&center_frequency_hz=2.45e9``. What it leaves out comes from the bench file,
      or else from the driver.

    Args:
        uri: the address.
        generator: randomness of a simulated radio, instead of a seed.
        bench: the bench file, which says what a real radio may transmit; None looks in the usual places (see
            `Bench.load`).
        **overrides: more query settings; they win over the address.

    Raises:
        BadValueError: an address that cannot be understood, or a setting that the radio cannot take.
        DriverMissingError: the vendor's library is not installed; says the command that installs it.
        RadioNotFoundError, RadioBusyError, RadioTimeoutError, DisconnectedError: the radio is not there, or in use.
        RecordingError: a recording that is missing or damaged.
        SettingsError: unknown channel profile or setting, a value out of range, or a damaged bench file.
    """
    scheme, separator, rest = uri.partition(":")
    if separator and scheme in _DRIVERS:
        if generator is not None:
            raise BadValueError(f"{uri!r} is not a simulated radio and takes no generator", "leave it out")
        return _open_driver(uri, scheme, rest, bench, overrides)
    if separator and scheme == "loopback":
        return _open_loopback(uri, rest, generator, overrides)
    if separator and scheme == "replay":
        if generator is not None or overrides:
            given = ", ".join([*overrides, *(["generator"] if generator is not None else [])])
            raise BadValueError(f"a recording takes no settings, but got {given}", "leave them out")
        from .replay import ReplayRadio

        return ReplayRadio(Path(rest))
    raise BadValueError(f"{uri!r} is not the address of a radio", f"use one of {_SCHEMES}")


def _open_driver(
    uri: str, scheme: str, rest: str, bench: Path | str | Bench | None, overrides: Mapping[str, object]
) -> Radio:
    address, _, query = rest.partition("?")
    if not address:
        raise BadValueError(f"{uri!r} names no device", f"use one of {_SCHEMES}")
    wanted = settings_from({**_query(uri, query), **overrides}, repr(uri))
    if not isinstance(bench, Bench):
        bench = Bench.load(None if bench is None else Path(bench))
    module, name, arguments = _DRIVERS[scheme]
    driver: Any = getattr(importlib.import_module(f".{module}", __package__), name)
    # The driver opens it muted, with settings that are safe; what the user and the bench file want comes on top.
    radio: Radio = driver.open(address, uri=f"{scheme}:{address}", bench=bench, **arguments)
    try:
        started = bench.defaults(radio.uri, radio.capabilities.serial)
        radio.configure(replace(radio.settings, **{**started, **wanted}))
    except BaseException:
        radio.close()
        raise
    return radio


def _open_loopback(uri: str, rest: str, generator: np.random.Generator | None, overrides: dict[str, object]) -> Radio:
    from sdr_gsc.channel.front_end_faults import FrontEnd, with_ideal_front_ends
    from sdr_gsc.channel.profile import profile, with_text_settings

    from .loopback import LoopbackRadio

    name, _, query = rest.partition("?")
    settings = _query(uri, query) | {key: str(value) for key, value in overrides.items()}
    seed, impaired, noise = (settings.pop(key, None) for key in ("seed", "impaired", "noise_dbfs"))
    if generator is None:
        generator = np.random.Generator(np.random.PCG64(_whole("seed", seed or "0")))
    elif seed is not None:
        raise BadValueError(f"{uri!r} gets a generator and the seed {seed}", "give one of them")
    base = profile(name or _DEFAULT_PROFILE)
    if impaired is None:
        if noise is not None:
            raise BadValueError(f"noise_dbfs is {noise!r} in {uri!r}", "write esn0_db, or give impaired=SEED with it")
        return LoopbackRadio(with_text_settings(base, settings), generator, uri, serial="loopback")
    number = _whole("impaired", impaired)
    return LoopbackRadio(
        with_text_settings(with_ideal_front_ends(base), settings),
        generator,
        uri,
        front_ends=[FrontEnd.draw(number, channel) for channel in range(2)],
        serial=f"loopback-{number}",
        **({} if noise is None else {"noise_dbfs": _number("noise_dbfs", noise)}),
    )


def _whole(name: str, text: str) -> int:
    if not text.isdecimal():
        raise BadValueError(f"{name} is {text!r}", "write a whole number, 0 or more")
    return int(text)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadValueError(f"{name} is {text!r}", "write a number, or -inf") from None


def _query(uri: str, query: str) -> dict[str, str]:
    try:
        # In a form a plus is a space; in an address it belongs to a number.
        pairs = parse_qsl(query.replace("+", "%2B"), keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise BadValueError(f"{query!r} in {uri!r} is not a query", "write SETTING=VALUE&SETTING=VALUE") from error
    settings = dict(pairs)
    if len(settings) < len(pairs):
        raise BadValueError(f"{uri!r} gives a setting twice", "give every setting once")
    return settings
