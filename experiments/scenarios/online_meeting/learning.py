"""What is learnt once for a run, and kept below ``models``: from the first half of the clip alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, save
from torch import Tensor

from sdr_gsc.errors import SettingsError
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.decoder import SemanticDecoder

from ...campaign.run_directory import RunDirectory, write_whole
from ..video.clips import Clip, open_clip
from .adapting import Lessons, adapt, learn_change
from .settings import MeetingSettings

__all__ = ["Halves", "Learnt", "learn", "open_halves"]

_CHANGE, _DECODER = "meeting-change.safetensors", "meeting-decoder.safetensors"


@dataclass(frozen=True, slots=True)
class Halves:
    """A clip, cut in two.

    Attributes:
        clip: all of it.
        middle: number of the first frame that is judged; all before are learnt from.
    """

    clip: Clip
    middle: int

    @property
    def learnt(self) -> np.ndarray:
        """Frames to learn from, float32 [T, H, W, 3]."""
        return self.clip.frames[: self.middle]

    def window(self, count: int, repetition: int, repetitions: int) -> range:
        """Numbers of `count` frames of the second half; repetitions are spread evenly over it."""
        room = len(self.clip.frames) - self.middle - count
        start = self.middle + (room * repetition // (repetitions - 1) if repetitions > 1 else 0)
        return range(start, start + count)


@dataclass(frozen=True, slots=True)
class Learnt:
    """What the receiver has learnt.

    Attributes:
        change: see `learn_change`.
        codec: with the adapted decoder; None where no method asked for one.
    """

    change: Tensor
    codec: Codec | None

    @classmethod
    def load(cls, out: RunDirectory, codec: Codec) -> Learnt:
        """Read what `learn` left."""
        folder = out.folder("models")
        change = load_file(folder / _CHANGE, device=str(codec.device))["change"]
        if not (folder / _DECODER).is_file():
            return cls(change, None)
        decoder = SemanticDecoder()
        decoder.load_state_dict(load_file(folder / _DECODER))
        decoder.to(codec.device).eval().requires_grad_(requires_grad=False)
        return cls(change, replace(codec, decoder=decoder))


def open_halves(settings: MeetingSettings) -> Halves:
    """Read the clip.

    Raises:
        SettingsError: its second half is too short for a trial.
        PictureError: see `open_clip`.
    """
    clip = open_clip(settings.clip, side_px=settings.side_px)
    halves = Halves(clip, len(clip.frames) // 2)
    judged = len(clip.frames) - halves.middle
    if judged < settings.frames:
        raise SettingsError(
            f"frames is {settings.frames}, and the second half of {settings.clip} has {judged}; needed at most those"
        )
    return halves


def learn(settings: MeetingSettings, out: RunDirectory) -> None:
    """Learn what the methods of a run need; what is there already, or in the recorded run of these settings, stays.

    Raises:
        SettingsError: see `open_halves`, `learn_change` and `fit`.
    """
    folder = out.folder("models")
    adapted = "updates+adapted" in settings.methods
    if settings.recorded is not None:
        _take_over(settings, RunDirectory.open(Path(settings.recorded)), folder)
    if (folder / _CHANGE).is_file() and ((folder / _DECODER).is_file() or not adapted):
        return
    halves = open_halves(settings)
    codec = Codec.load(None if settings.weights is None else Path(settings.weights), settings.device)
    change = learn_change(codec, halves.learnt)
    if adapted:
        lessons = Lessons(halves.learnt, tuple(map(settings.schedule, settings.cbr)), change, settings.levels)
        seed = TrialSeeds(settings.seed, "adaptation").integer("training")
        checkpoint = folder / "meeting-decoder.checkpoint.pt"
        decoder = adapt(codec, lessons, settings.adaptation, checkpoint, seed)
        state = {name: value.cpu().contiguous() for name, value in decoder.state_dict().items()}
        write_whole(folder / _DECODER, save(state))
        checkpoint.unlink(missing_ok=True)
    write_whole(folder / _CHANGE, save({"change": change.cpu().contiguous()}))


def _take_over(settings: MeetingSettings, recorded: RunDirectory, folder: Path) -> None:
    """Copy what a run has learnt, if this one would learn the same: another machine learns other last bits."""
    before = recorded.settings()
    if not isinstance(before, MeetingSettings):
        return
    decided = ("clip", "side_px", "seed", "cbr", "key_gain", "levels", "adaptation", "weights", "methods")
    if any(getattr(before, name) != getattr(settings, name) for name in decided):
        return
    # In the order in which they were made: the last one says that all are there.
    for name in (_DECODER, _CHANGE):
        source = recorded.path / "models" / name
        if source.is_file() and not (folder / name).is_file():
            write_whole(folder / name, source.read_bytes())
