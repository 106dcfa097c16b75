"""Fields of `RadioSettings` from outside: from an address, from arguments, from the bench file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sdr_gsc.errors import SettingsError

from .radio import RadioSettings

__all__ = ["checked_setting", "settings_from"]

_NAMES = tuple(field.name for field in fields(RadioSettings))


def settings_from(given: Mapping[str, object], place: str) -> dict[str, Any]:
    """Fields of `RadioSettings` from texts or values.

    Args:
        given: name -> value; a text is parsed: ``2.45e9``, ``none`` for no bandwidth, ``0,1`` for channels.
        place: where they come from, for messages.

    Raises:
        SettingsError: unknown name, or a value of the wrong kind.
    """
    return {
        name: checked_setting(name, _parsed(name, value) if isinstance(value, str) else value, place)
        for name, value in given.items()
    }


def checked_setting(name: str, value: object, place: str) -> Any:  # noqa: ANN401 - the field's own kind
    """One field of `RadioSettings`, of the kind that it needs.

    Raises:
        SettingsError: names the place, the setting and what to write.
    """
    if name not in _NAMES:
        raise SettingsError(f"{place}: {name} is unknown; write some of {', '.join(_NAMES)}")
    if name == "clock_source":
        if isinstance(value, str):
            return value
        raise SettingsError(f"{place}: clock_source is {value!r}; write a name such as internal")
    if name == "channels":
        if isinstance(value, list | tuple) and value and all(type(one) is int for one in value):
            return tuple(value)
        raise SettingsError(f"{place}: channels is {value!r}; write numbers such as 0 or 0,1")
    if name == "bandwidth_hz" and value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SettingsError(f"{place}: {name} is {value!r}; write a number")
    return float(value)


def _parsed(name: str, text: str) -> object:
    # What cannot be parsed stays a text, which `checked_setting` then refuses with the right message.
    try:
        if name == "clock_source":
            return text
        if name == "channels":
            return tuple(int(part) for part in text.split(","))
        if name == "bandwidth_hz" and text.lower() == "none":
            return None
        return float(text)
    except ValueError:
        return text
