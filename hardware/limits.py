"""What a radio may transmit: the bench file, which only the people at the bench can write."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from .airtime import WINDOW_S, Airtime
from .bench_file import Allowance, BenchRadio, find_bench_file, read_bench_file
from .emulation.token import is_ours
from .errors import ForbiddenError

__all__ = ["Allowance", "Bench", "BenchRadio", "Permission"]


_EVERYTHING = Allowance(band_hz=(-math.inf, math.inf), max_tx_gain_db=math.inf)


class Permission:
    """What one radio may transmit; every transmission passes `check` before its samples reach a driver.

    Args:
        radio: the radio, for people: address and serial number.
        allowances: each enough by itself.
        remedy: what to write where, with ``{lines}`` for the lines that would allow what was refused.
        airtime: how long it has transmitted of late; None where nothing is limited.
    """

    def __init__(
        self, radio: str, allowances: tuple[Allowance, ...], remedy: str = "{lines}", airtime: Airtime | None = None
    ) -> None:
        self._radio = radio
        self._allowances = allowances
        self._remedy = remedy
        self._airtime = airtime

    @classmethod
    def exempt(cls) -> Self:
        """Allows everything: for what exists only in this computer."""
        return cls("simulated radio", (_EVERYTHING,))

    @property
    def is_exempt(self) -> bool:
        """Whether nothing is limited."""
        return _EVERYTHING in self._allowances

    def check(self, *, center_frequency_hz: float, sample_rate_hz: float, tx_gain_db: float, duration_s: float) -> None:
        """Permit one transmission, and count it.

        Args:
            center_frequency_hz: of the local oscillator; half the sample rate on either side must lie in the band.
            sample_rate_hz: of the samples.
            tx_gain_db: in the radio's own scale.
            duration_s: from the first to the last sample.

        Raises:
            ForbiddenError: says which limit forbids it, and which lines of bench.toml would allow it.
        """
        longest_s = self.longest_s(
            center_frequency_hz=center_frequency_hz, sample_rate_hz=sample_rate_hz, tx_gain_db=tx_gain_db
        )
        if not duration_s <= longest_s:
            self._refuse_duration(center_frequency_hz, sample_rate_hz, tx_gain_db, duration_s)
        self.account(duration_s)

    def longest_s(self, *, center_frequency_hz: float, sample_rate_hz: float, tx_gain_db: float) -> float:
        """The longest transmission that is allowed now, in seconds; infinite where nothing limits it.

        Raises:
            ForbiddenError: not on this frequency, or not with this gain.
        """
        low, high = center_frequency_hz - sample_rate_hz / 2, center_frequency_hz + sample_rate_hz / 2
        in_band = [one for one in self._allowances if one.band_hz[0] <= low <= high <= one.band_hz[1]]
        if not in_band:
            self._refuse(
                f"transmit from {low / 1e6:.10g} to {high / 1e6:.10g} MHz",
                "no [[radio.allow]] covers that band",
                Allowance(band_hz=(low, high), max_tx_gain_db=tx_gain_db, max_duration_s=1.0, max_duty=0.1),
            )
        loud = [one for one in in_band if tx_gain_db <= one.max_tx_gain_db]
        if not loud:
            most = max(one.max_tx_gain_db for one in in_band)
            self._refuse(
                f"transmit with a gain of {tx_gain_db:g} dB",
                f"max_tx_gain_db is {most:g} in that band",
                in_band[0].replace(max_tx_gain_db=tx_gain_db),
            )
        return max(min(one.max_duration_s, self._left_s(one)) for one in loud)

    def account(self, duration_s: float) -> None:
        """Count a transmission that is over."""
        if self._airtime is not None and any(one.max_duty < 1 for one in self._allowances):
            self._airtime.spend(duration_s)

    def _left_s(self, allowance: Allowance) -> float:
        if self._airtime is None or allowance.max_duty >= 1:
            return math.inf
        return max(0.0, allowance.max_duty * WINDOW_S - self._airtime.spent_s())

    def _refuse_duration(self, center_hz: float, rate_hz: float, gain_db: float, duration_s: float) -> None:
        low, high = center_hz - rate_hz / 2, center_hz + rate_hz / 2
        fitting = [
            one
            for one in self._allowances
            if one.band_hz[0] <= low <= high <= one.band_hz[1] and gain_db <= one.max_tx_gain_db
        ]
        most = max(fitting, key=lambda one: min(one.max_duration_s, self._left_s(one)))
        if not duration_s <= most.max_duration_s:
            self._refuse(
                f"transmit for {duration_s:.3g} s at a time",
                f"max_duration_s is {most.max_duration_s:g}",
                most.replace(max_duration_s=_rounded_up(duration_s)),
            )
        spent_s = most.max_duty * WINDOW_S - self._left_s(most)
        self._refuse(
            f"transmit for another {duration_s:.3g} s now",
            f"it has transmitted {spent_s:.3g} of the last {WINDOW_S:g} s and max_duty is {most.max_duty:g}; "
            "wait a minute, or",
            most.replace(max_duty=min(1.0, _rounded_up((spent_s + duration_s) / WINDOW_S))),
        )

    def _refuse(self, what: str, reason: str, wanted: Allowance) -> None:
        raise ForbiddenError(
            f"{self._radio} may not {what}: {reason}", self._remedy.replace("{lines}", "\n" + wanted.as_toml())
        )


@dataclass(frozen=True, slots=True)
class Bench:
    """The bench file: the radios of a bench, what they may transmit and how they are set at first.

    Attributes:
        path: the file; None where there is none, and nothing may be transmitted.
        radios: its entries.
    """

    path: Path | None
    radios: tuple[BenchRadio, ...] = ()

    @classmethod
    def load(cls, path: Path | None = None) -> Bench:
        """Read a bench file.

        Args:
            path: of the file; None takes the first of ``$SDR_GSC_BENCH``, ``./bench.toml`` and
                ``~/.config/sdr-gsc/bench.toml`` that exists.

        Raises:
            SettingsError: names the file, the key and what to write.
        """
        found = find_bench_file(path)
        return cls(None) if found is None else cls(found, read_bench_file(found))

    def uris(self) -> list[str]:
        """Addresses of the radios, in the order of the file."""
        return [radio.uri for radio in self.radios if radio.uri]

    def defaults(self, uri: str, serial: str = "") -> Mapping[str, Any]:
        """What the file sets for a radio at first: fields of `RadioSettings`, some or none."""
        entry = self._entry(uri, serial)
        return {} if entry is None else entry.defaults

    def permission(self, *, uri: str, serial: str = "", token: str = "") -> Permission:
        """What a radio may transmit.

        Args:
            uri: address without settings.
            serial: number that the device itself gave.
            token: what the device showed to prove that it is an emulator of this user.
        """
        if token and is_ours(token):
            return Permission.exempt()
        name = f"{uri} (serial {serial})" if serial else uri
        if token:
            name += ", which shows an emulator's token that is not valid here,"
        entry = self._entry(uri, serial)
        if entry is not None:
            return Permission(
                name,
                entry.allowances,
                f"if it is allowed where the antenna stands, write below its [[radio]] in {self.path}:{{lines}}",
                Airtime(serial or uri),
            )
        where = self.path or "bench.toml"
        lines = "[[radio]]\n" + f'uri = "{uri}"\n' + (f'serial = "{serial}"\n' if serial else "")
        remedy = f"if it is allowed where the antenna stands, write in {where}:\n{lines}{{lines}}"
        return Permission(name, (), remedy)

    def _entry(self, uri: str, serial: str) -> BenchRadio | None:
        address = uri.partition("?")[0]
        by_serial = [radio for radio in self.radios if radio.serial and radio.serial == serial]
        # An entry with a serial number is for that device only, wherever it answers.
        by_address = [
            radio for radio in self.radios if radio.uri == address and not (serial and radio.serial not in ("", serial))
        ]
        return next(iter(by_serial or by_address), None)


def _rounded_up(value: float) -> float:
    # Two digits that allow at least the value.
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(value / step) * step:.3g}")
