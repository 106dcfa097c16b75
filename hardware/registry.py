"""The one public door to radios: an address in, an opened radio out."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np

from .errors import BadValueError, DriverMissingError
from .radio import Radio

__all__ = ["open_radio"]

_SCHEMES = "loopback:PROFILE[?SETTING=VALUE&...], replay:RECORDING.sigmf-meta"
_WITHOUT_DRIVER = ("pluto", "usrp", "soapy")
_DEFAULT_PROFILE = "office"


def open_radio(uri: str, *, generator: np.random.Generator | None = None, **overrides: object) -> Radio:
    """Open a radio by its address.

    - ``loopback:office``: simulated, with a named channel profile (``office`` where none is named). A query sets
      any field of `ChannelProfile`, and ``seed``: ``loopback:office?esn0_db=10&cfo_range_hz=125000&seed=3``.
    - ``replay:path.sigmf-meta``: a recording.

    Args:
        uri: the address.
        generator: randomness of a simulated radio, instead of a seed.
        **overrides: more query settings; they win over the address.

    Raises:
        BadValueError: an address that cannot be understood.
        DriverMissingError: a kind of radio without a driver in this release.
        RecordingError: a recording that is missing or damaged.
        SettingsError: unknown channel profile or setting, or a value out of range.
    """
    scheme, separator, rest = uri.partition(":")
    if scheme in _WITHOUT_DRIVER and separator:
        raise DriverMissingError(
            f"{uri!r} needs a driver for {scheme} radios, which this release does not have", f"use one of {_SCHEMES}"
        )
    if scheme == "loopback" and separator:
        return _open_loopback(uri, rest, generator, overrides)
    if scheme == "replay" and separator:
        if generator is not None or overrides:
            given = ", ".join([*overrides, *(["generator"] if generator is not None else [])])
            raise BadValueError(f"a recording takes no settings, but got {given}", "leave them out")
        from .replay import ReplayRadio

        return ReplayRadio(Path(rest))
    raise BadValueError(f"{uri!r} is not the address of a radio", f"use one of {_SCHEMES}")


def _open_loopback(uri: str, rest: str, generator: np.random.Generator | None, overrides: dict[str, object]) -> Radio:
    from sdr_gsc.channel.profile import profile, with_text_settings

    from .loopback import LoopbackRadio

    name, _, query = rest.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise BadValueError(f"{query!r} in {uri!r} is not a query", "write SETTING=VALUE&SETTING=VALUE") from error
    settings = dict(pairs)
    if len(settings) < len(pairs):
        raise BadValueError(f"{uri!r} gives a setting twice", "give every setting once")
    settings |= {key: str(value) for key, value in overrides.items()}
    seed = settings.pop("seed", None)
    if generator is None:
        if not (seed or "0").isdecimal():
            raise BadValueError(f"seed is {seed!r}", "write a whole number, 0 or more")
        generator = np.random.Generator(np.random.PCG64(int(seed or 0)))
    elif seed is not None:
        raise BadValueError(f"{uri!r} gets a generator and the seed {seed}", "give one of them")
    channel = with_text_settings(profile(name or _DEFAULT_PROFILE), settings)
    return LoopbackRadio(channel, generator, uri)
