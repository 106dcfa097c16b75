"""What a recording gives: a capture, and what its metadata did not say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..capture import Capture
from ..errors import RecordingError, SettingsError

__all__ = ["Collection", "Given", "Notice", "Recording"]


@dataclass(frozen=True, slots=True)
class Given:
    """What the user knows of a recording; it goes before what the metadata say.

    Attributes:
        sample_rate_hz: of the samples.
        full_scale: counts of an integer dataset that stand for 1.0; 2048 for 12 bits at the lower end of 16.
        channel: which of several channels, 0 for the first.

    Raises:
        SettingsError: a value out of range.
    """

    sample_rate_hz: float | None = None
    full_scale: float | None = None
    channel: int | None = None

    def __post_init__(self) -> None:
        for name in ("sample_rate_hz", "full_scale"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise SettingsError(f"{name} is {value}; it must be a positive number")
        if self.channel is not None and self.channel < 0:
            raise SettingsError(f"channel is {self.channel}; the first one is 0")


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a recording's metadata lack, or leave open.

    Attributes:
        field: of SigMF, such as ``core:sample_rate``.
        message: what was found, what was taken instead, what to give where that is wrong.
        is_guess: whether figures depend on what was taken.
    """

    field: str
    message: str
    is_guess: bool = False


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording.

    Attributes:
        name: without a SigMF suffix.
        capture: its samples.
        annotations: as they stand there, sample numbers counted from the first sample of the dataset.
        notices: what the metadata lack.
        role: ``transmitted`` or ``received`` in a collection of ours; None elsewhere.
    """

    name: str
    capture: Capture
    annotations: tuple[Mapping[str, object], ...] = ()
    notices: tuple[Notice, ...] = ()
    role: str | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """Fields of SigMF that are missing or leave something open, each once."""
        return tuple(dict.fromkeys(notice.field for notice in self.notices))

    def settled(self) -> Capture:
        """The capture, if nothing was guessed on which figures depend.

        Raises:
            RecordingError: something was.
        """
        guesses = [notice.message for notice in self.notices if notice.is_guess]
        if guesses:
            raise RecordingError(f"{self.name}.sigmf-meta leaves something open: {'; '.join(guesses)}")
        return self.capture


@dataclass(frozen=True, slots=True)
class Collection:
    """Recordings that belong together.

    Attributes:
        name: without a SigMF suffix.
        reference: what was sent, where the collection tells.
        received: what was heard, in the order of the collection.
        notices: what the collection lacks; those of its recordings stand there.
    """

    name: str
    reference: Recording | None
    received: tuple[Recording, ...]
    notices: tuple[Notice, ...] = ()
