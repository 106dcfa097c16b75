"""The exchanges of a trial: passed on to the radio, kept, or played from an earlier run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from hardware.retrying import FailedAttempt
from sdr_gsc.capture import Capture
from sdr_gsc.errors import RecordingError
from sdr_gsc.phy.report import FrameReport
from sdr_gsc.phy.transmitter import Transmission

from ..air_settings import RecordedSettings
from ..campaign.run_directory import RunDirectory
from .keeping import keep_capture, kept_exchange

__all__ = ["Tape", "exchange_bytes", "played_exchange"]

#: Share of the energy by which a reference may differ from what would be sent: far above what other rounding does, and
#: below one quantizer level of one symbol of the shortest frame.
_SAME = 5e-6
#: The shortest frame; air samples over payload symbols of longer ones; silence around a burst, on average of both ends.
_SHORTEST_SAMPLES, _AIR_OVERHEAD, _SILENCE_SAMPLES = 1568, 2.5, 1600
#: Five files: metadata, and what a disk's blocks add.
_FILES_BYTES = 17_000


def exchange_bytes(n_symbols: float) -> int:
    """Room that an exchange takes on disk, about: what was sent, what was heard, and their metadata.

    Args:
        n_symbols: payload symbols.
    """
    samples = max(_SHORTEST_SAMPLES, _AIR_OVERHEAD * n_symbols) + _SILENCE_SAMPLES
    return round(2 * 8 * samples) + _FILES_BYTES


def played_exchange(run: RunDirectory, name: str, sent: np.ndarray) -> Capture:
    """What a run has kept of an exchange, if it is the one that is asked for.

    Args:
        run: that recorded.
        name: of the exchange.
        sent: complex64, samples that would be sent now.

    Raises:
        RecordingError: the run kept no such exchange, or a damaged one, or something else was sent in it.
    """
    found = kept_exchange(run, name)
    if found is None:
        raise RecordingError(
            f'{run.path} kept no capture of {name}; record with keep = ["captures"] in the configuration, and finish '
            f"what was stopped: sdr-gsc resume {run.path}"
        )
    reference, received = found
    if reference is not None and not _same(reference.samples, sent):
        raise RecordingError(
            f"{run.path}: the run diverged at {name}: what was recorded there is not what would be sent now, so "
            "its air belongs to other symbols; replay with the settings, weights and software that recorded it, or "
            "record again"
        )
    return received


def _same(recorded: np.ndarray, sent: np.ndarray) -> bool:
    if recorded.shape != sent.shape:
        return False
    difference = float(np.sum(np.abs(recorded - sent) ** 2, dtype=np.float64))
    return difference <= _SAME * float(np.sum(np.abs(sent) ** 2, dtype=np.float64))


@dataclass(slots=True)
class Tape:
    """The exchanges of one trial, in their order.

    Attributes:
        trial: its name.
        kept: run below which exchanges are kept; None keeps none.
        played: run whose exchanges take the place of the radio; None asks the radio.
        count: exchanges so far.
        failed: exchanges that the radio broke off before the ones that succeeded.
    """

    trial: str
    kept: RunDirectory | None = None
    played: RunDirectory | None = None
    count: int = 0
    failed: list[FailedAttempt] = field(default_factory=list)
    _latest: tuple[Transmission, Capture] | None = None

    @classmethod
    def of(cls, settings: RecordedSettings, out: RunDirectory | None, trial: str) -> Tape:
        """The tape of a trial that is about to begin.

        Raises:
            SettingsError: the folder with what was recorded holds no run.
        """
        played = None if settings.recorded is None else RunDirectory.open(Path(settings.recorded))
        return cls(trial, out if "captures" in settings.keep else None, played)

    @property
    def exchange_name(self) -> str:
        """Of the latest exchange, counted from 1."""
        return f"{self.trial}.{self.count:05d}"

    def exchange(
        self, transmission: Transmission, live: Callable[[], tuple[Capture, tuple[FailedAttempt, ...]]]
    ) -> tuple[Capture, tuple[FailedAttempt, ...]]:
        """The next exchange, by the radio or as it was recorded.

        Args:
            transmission: what is sent.
            live: does it.

        Raises:
            RadioError: the radio's.
            RecordingError: see `played_exchange`.
        """
        self.count += 1
        failed: tuple[FailedAttempt, ...] = ()
        if self.played is None:
            capture, failed = live()
            self.failed += failed
        else:
            capture = played_exchange(self.played, self.exchange_name, transmission.samples)
        self._latest = transmission, capture
        return capture, failed

    def heard(self, reports: Sequence[FrameReport]) -> None:
        """Keep the latest exchange, with the frames that the receiver found in it."""
        if self.kept is not None and self._latest is not None:
            transmission, capture = self._latest
            keep_capture(self.kept, self.exchange_name, capture, reports, transmission)
        self._latest = None

    def line(self) -> dict[str, object]:
        """What a trial's line says of exchanges that failed; nothing where none did."""
        return {"failed_attempts": [asdict(attempt) for attempt in self.failed]} if self.failed else {}
