"""What the training commands share: effort, pictures, checkpoint, and the way to a shipped model."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import Parameter

from sdr_gsc.errors import SettingsError

from .cli_console import show_progress

if TYPE_CHECKING:
    from torch import nn

    from sdr_gsc.semantic.codec import Codec

    from .cli_console import Watch
    from .training.loop import LoopSettings, Progress
    from .training.pictures import PictureSet
    from .training.shipping import Base

__all__ = ["Course", "Effort", "ShortEffort", "codec_for", "open_course", "own_folder"]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long, how fast, and from which seed.

    Attributes:
        steps: Optimizer steps in all.
        batch: Crops per step.
        side_px: Side of a crop, a multiple of 16.
        learning_rate: Peak rate.
        seed: Everything random follows from it.
        device: torch device.
        threads: CPU threads.
    """

    steps: int = 20_000
    batch: int = 8
    side_px: int = 128
    learning_rate: float = 6e-4
    seed: int = 0
    device: str = "cpu"
    threads: int = 2

    def check(self) -> None:
        """Refuse what no training can use."""
        from .procedures.devices import require_device

        if min(self.steps, self.batch, self.threads) < 1 or self.seed < 0 or not self.learning_rate > 0:
            raise SettingsError(
                f"steps {self.steps}, batch {self.batch}, threads {self.threads}, learning rate {self.learning_rate}, "
                f"seed {self.seed}; needed positive numbers (the seed may be 0)"
            )
        if not 16 <= self.side_px <= 256 or self.side_px % 16:
            raise SettingsError(f"side_px is {self.side_px}; needed a multiple of 16 from 16 to 256")
        require_device(self.device)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class ShortEffort(Effort):
    """Minutes on a CPU, gently; see Effort."""

    steps: int = 200
    batch: int = 4
    side_px: int = 96
    learning_rate: float = 1e-4


@dataclass(slots=True)
class Course:
    """What every training has: its pictures, its settings, its checkpoint, and where the model goes.

    Attributes:
        name: of the command.
        card: of the model.
        folder: of the pictures.
        out: for weights, card and checkpoint.
        effort: see there.
        watch: shows progress.
        pictures: read from the folder.
        notes: what else the card has to say about the command.
    """

    name: str
    card: str
    folder: Path
    out: Path
    effort: Effort
    watch: Watch
    pictures: PictureSet
    notes: str = ""
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def settings(self) -> LoopSettings:
        """Of the training loop."""
        from .training.loop import LoopSettings

        return LoopSettings(**asdict(self.effort))

    @property
    def checkpoint(self) -> Path:
        """To write and resume from."""
        return self.out / "checkpoints" / f"{self.card}.pt"

    def show(self, news: Progress) -> None:
        """One step's news on the screen."""
        self.watch.advance(f"{self.name}, loss {news.loss:.3f}", news.step, news.steps)

    def ship(
        self,
        model: nn.Module,
        codec_sha256: str = "",
        settings: Mapping[str, float] | None = None,
        base: Base | None = None,
    ) -> int:
        """Write weights and card, say where and how good; the command's exit code."""
        from .training.shipping import Provenance, describe_pictures, ship

        flags = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in asdict(self.effort).items())
        provenance = Provenance(
            trained_on=describe_pictures(self.folder, len(self.pictures.pictures)),
            trained_with=f"sdr-gsc train {self.name} PICTURES {flags}{self.notes}",
            codec_sha256=codec_sha256,
            settings=settings or {},
            metrics=self.metrics,
            base=base,
        )
        card = ship(self.card, model, self.out, provenance)
        for name, value in self.metrics.items():
            print(f"{name}: {value:.2f}", file=sys.stderr)
        print(self.out / card.file)
        return 0


@contextmanager
def open_course(
    name: str, card: str, folder: Path, out: Path, effort: Effort, *, likeness: float = 0.0
) -> Iterator[Course]:
    """Look for the teacher if `likeness` has a weight, read the pictures and open the progress display."""
    from .training.likeness import check_teacher
    from .training.pictures import PictureSet

    if likeness:
        check_teacher()
    with show_progress("reading pictures") as watch:
        found = PictureSet.load(folder, lambda done, count: watch.advance("reading pictures", done, count))
        watch.stage(f"training: {name}")
        yield Course(name, card, folder, out, effort, watch, found)


def codec_for(folder: Path | None, out: Path) -> Codec:
    """The codec of a folder; by default the output folder's if it holds one, else the shipped one."""
    from sdr_gsc.semantic.codec import Codec

    return Codec.load(folder or own_folder(out, "codec"))


def own_folder(out: Path, name: str) -> Path | None:
    """The output folder if it holds that model, else None."""
    return out if (out / f"{name}.safetensors").is_file() else None
