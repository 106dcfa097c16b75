"""The bench file's format: TOML in, checked values out."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from sdr_gsc.errors import SettingsError

from .setting_values import checked_setting

__all__ = ["Allowance", "BenchRadio", "find_bench_file", "read_bench_file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A ``[[radio.allow]]``: transmissions that keep every one of its limits.

    Attributes:
        band_hz: lowest and highest frequency; the whole sampled band lies between.
        max_tx_gain_db: in the radio's own scale.
        max_duration_s: of one transmission.
        max_duty: share of any minute, 0 ... 1.
    """

    band_hz: tuple[float, float]
    max_tx_gain_db: float
    max_duration_s: float = float("inf")
    max_duty: float = 1.0

    def replace(self, **changes: Any) -> Self:  # noqa: ANN401 - any of the limits
        """The same but for some limits."""
        return dataclasses.replace(self, **changes)

    def as_toml(self) -> str:
        """Lines for the bench file."""
        low, high = self.band_hz
        return (
            f"[[radio.allow]]\nband_hz = [{low:.10g}, {high:.10g}]\nmax_tx_gain_db = {self.max_tx_gain_db:g}\n"
            f"max_duration_s = {self.max_duration_s:g}\nmax_duty = {self.max_duty:g}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRadio:
    """A ``[[radio]]``.

    Attributes:
        uri: address as given to `open_radio`, without settings; empty where only the serial number counts.
        serial: number of the device; empty where the address is enough.
        defaults: fields of `RadioSettings` to start with.
        allowances: what it may transmit.
    """

    uri: str = ""
    serial: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    allowances: tuple[Allowance, ...] = ()


def find_bench_file(path: Path | None) -> Path | None:
    """The file to read; None where there is none.

    Raises:
        SettingsError: a file that was named, as argument or in the environment, does not exist.
    """
    named = path or (Path(os.environ["SDR_GSC_BENCH"]) if os.environ.get("SDR_GSC_BENCH") else None)
    if named is not None:
        if not named.is_file():
            raise SettingsError(f"there is no bench file {named}; write it, or name another")
        return named
    usual = (Path("bench.toml"), Path.home() / ".config/sdr-gsc/bench.toml")
    return next((one for one in usual if one.is_file()), None)


def read_bench_file(path: Path) -> tuple[BenchRadio, ...]:
    """The entries of a bench file.

    Raises:
        SettingsError: names the file, the key and what to write.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}; make it readable") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}; correct it there") from error
    place = str(path)
    _known(content, {"radio"}, place, "[[radio]] for each radio")
    return tuple(
        _radio(entry, f"{place}: radio {number}") for number, entry in enumerate(_tables(content, "radio", place), 1)
    )


def _radio(entry: Mapping[str, object], place: str) -> BenchRadio:
    _known(entry, {"uri", "serial", "defaults", "allow"}, place, "uri, serial, [radio.defaults] and [[radio.allow]]")
    uri, serial = _text(entry, "uri", place), _text(entry, "serial", place)
    if not uri and not serial:
        raise SettingsError(f'{place} has neither uri nor serial; write, for example: uri = "pluto:ip:192.168.2.1"')
    if "?" in uri:
        raise SettingsError(f"{place}: uri holds settings after '?'; write them below [radio.defaults]")
    defaults = entry.get("defaults", {})
    if not isinstance(defaults, dict):
        raise SettingsError(f"{place}: defaults is {defaults!r}; write a table: [radio.defaults]")
    checked = {key: checked_setting(key, value, f"{place}: defaults") for key, value in defaults.items()}
    allowances = tuple(
        _allowance(table, f"{place}: allow {number}") for number, table in enumerate(_tables(entry, "allow", place), 1)
    )
    return BenchRadio(uri=uri, serial=serial, defaults=checked, allowances=allowances)


def _allowance(entry: Mapping[str, object], place: str) -> Allowance:
    # All four are asked for: a limit that was forgotten must not mean "no limit".
    examples = {"band_hz": "[2.4e9, 2.4835e9]", "max_tx_gain_db": "-20", "max_duration_s": "1.0", "max_duty": "0.1"}
    _known(entry, set(examples), place, ", ".join(examples))
    for key, example in examples.items():
        if key not in entry:
            raise SettingsError(f"{place}: {key} is missing; write, for example: {key} = {example}")
    band = entry["band_hz"]
    if not isinstance(band, list) or len(band) != 2:
        raise SettingsError(f"{place}: band_hz is {band!r}; write two frequencies: band_hz = {examples['band_hz']}")
    low, high = (_number(edge, "band_hz", place, examples["band_hz"]) for edge in band)
    limits = {key: _number(entry[key], key, place, examples[key]) for key in examples if key != "band_hz"}
    if not 0 <= low < high:
        raise SettingsError(f"{place}: band_hz is {band}; write the lower frequency first, then a higher one")
    if not limits["max_duration_s"] > 0:
        raise SettingsError(f"{place}: max_duration_s is {limits['max_duration_s']:g}; write more than 0")
    if not 0 < limits["max_duty"] <= 1:
        raise SettingsError(f"{place}: max_duty is {limits['max_duty']:g}; write more than 0 and at most 1")
    return Allowance(band_hz=(low, high), **limits)


def _known(table: Mapping[str, object], keys: set[str], place: str, needed: str) -> None:
    unknown = sorted(set(table) - keys)
    if unknown:
        raise SettingsError(f"{place}: {', '.join(unknown)} is unknown; write only {needed}")


def _tables(table: Mapping[str, object], key: str, place: str) -> list[Mapping[str, object]]:
    found = table.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise SettingsError(f"{place}: {key} is {found!r}; write it with double brackets, [[...{key}]]")
    return found


def _text(table: Mapping[str, object], key: str, place: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise SettingsError(f'{place}: {key} is {value!r}; write a text: {key} = "{value}"')
    return value


def _number(value: object, key: str, place: str, example: str) -> float:
    # Booleans are integers to Python; not a number passes every comparison the wrong way round.
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise SettingsError(f"{place}: {key} is {value!r}; write numbers: {key} = {example}")
    return float(value)
