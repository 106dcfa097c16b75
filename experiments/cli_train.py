"""``sdr-gsc train``: a folder of pictures in, weights and a card out; killed runs resume."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from sdr_gsc.errors import SettingsError

from .cli_console import show_progress

__all__ = ["Effort", "train_app"]

train_app = App(name="train", help="Train the shipped models again, or your own.")


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
        if min(self.steps, self.batch, self.threads) < 1 or self.seed < 0 or not self.learning_rate > 0:
            raise SettingsError(
                f"steps {self.steps}, batch {self.batch}, threads {self.threads}, learning rate {self.learning_rate}, "
                f"seed {self.seed}; needed positive numbers (the seed may be 0)"
            )
        if not 16 <= self.side_px <= 256 or self.side_px % 16:
            raise SettingsError(f"side_px is {self.side_px}; needed a multiple of 16 from 16 to 256")


@train_app.command
def corpus(
    out: Path,
    /,
    *,
    from_debs: Path | None = None,
    side_px: int = 1024,
    max_mib: float = 200.0,
) -> int:
    """Gather free photographs from Debian packages, which are unpacked and not installed.

    Args:
        out: Folder to fill.
        from_debs: Folder with the package files; nothing is downloaded.
        side_px: Larger pictures are reduced to this smaller side.
        max_mib: Size of the packed copy.
    """
    from .training.corpus import gather_corpus, pack_corpus

    with show_progress("gathering photographs") as watch:
        gather_corpus(out, side_px=side_px, from_debs=from_debs, progress=watch.stage)
        watch.stage("packing")
        pack = pack_corpus(out, out / "pack.npy", max_mib=max_mib)
    print(f"{len(pack.names)} photographs in {out}; licences in {out / 'manifest.json'}")
    return 0


@train_app.command
def codec(
    pictures: Path,
    /,
    *,
    start: Path | None = None,
    out: Path = Path("models"),
    effort: Effort = Effort(),  # noqa: B008
) -> int:
    """Train encoder and deterministic decoder. A new codec needs a new refine.

    Args:
        pictures: Folder of pictures.
        start: Folder of a codec to go on from.
        out: Folder for weights, card and checkpoint.
        effort: How long, how fast, and from which seed.
    """
    effort.check()
    from sdr_gsc.semantic.codec import Codec
    from sdr_gsc.semantic.rate import rate_by_cbr

    from .training.codec import CodecModel, evaluate_codec, train_codec
    from .training.loop import LoopSettings
    from .training.pictures import PictureSet, held_out_photographs
    from .training.shipping import Provenance, describe_pictures, ship

    before = None if start is None else Codec.load(start)
    command = _command("codec", effort)
    if before is not None:
        command += f"; went on from the weights with SHA-256 {before.card.sha256}, {before.card.trained_with}"
    with show_progress("reading pictures") as watch:
        found = PictureSet.load(pictures, lambda done, count: watch.advance("reading pictures", done, count))
        watch.stage("training the codec")
        model = train_codec(
            found, LoopSettings(**asdict(effort)), _checkpoint(out, "codec"),
            lambda news: watch.advance(f"codec, loss {news.loss:.3f}", news.step, news.steps),
            None if before is None else CodecModel.of(before),
        )  # fmt: skip
        watch.stage("measuring on held-out photographs")
        held_out = held_out_photographs().to(effort.device)
        metrics = {
            f"psnr_db_cbr{cbr}_10db": evaluate_codec(model, held_out, rate_by_cbr(cbr), 10.0)
            for cbr in (96, 48, 24, 12)
        }
        card = ship(
            "codec", model, out,
            Provenance(describe_pictures(pictures, len(found.pictures)), command, metrics=metrics),
        )  # fmt: skip
    return _done(out / card.file, metrics)


@train_app.command
def refine(
    pictures: Path,
    /,
    *,
    codec_folder: Annotated[Path | None, Parameter(name="--codec")] = None,
    kappa: float = 0.5,
    realism: float = 0.5,
    out: Path = Path("models"),
    effort: Effort = Effort(),  # noqa: B008
) -> int:
    """Train the refining bridge on a codec.

    Args:
        pictures: Folder of pictures.
        codec_folder: Folder of the codec; default: the output folder if it holds one, else the shipped codec.
        kappa: Starting noise that the card recommends, relative to the predicted error, in 0…1.
        realism: Where the card puts the picture between conditional mean (0) and posterior draw (1).
        out: Folder for weights, card and checkpoint.
        effort: How long, how fast, and from which seed.
    """
    effort.check()
    if not (0 < kappa <= 1 and 0 <= realism <= 1):
        raise SettingsError(f"kappa is {kappa} and realism {realism}; needed numbers in 0…1, kappa above 0")
    from sdr_gsc.semantic.codec import Codec

    from .training.codec import CodecModel
    from .training.loop import LoopSettings
    from .training.pictures import PictureSet
    from .training.refine import train_refine
    from .training.shipping import Provenance, describe_pictures, ship

    own = out if (out / "codec.safetensors").is_file() else None
    trained = Codec.load(codec_folder or own)
    model = CodecModel.of(trained)
    with show_progress("reading pictures") as watch:
        found = PictureSet.load(pictures, lambda done, count: watch.advance("reading pictures", done, count))
        watch.stage("training the bridge")
        bridge = train_refine(
            model, found, LoopSettings(**asdict(effort)), _checkpoint(out, "refine"),
            lambda news: watch.advance(f"refine, loss {news.loss:.3f}", news.step, news.steps),
        )  # fmt: skip
        provenance = Provenance(
            describe_pictures(pictures, len(found.pictures)), _command("refine", effort),
            codec_sha256=trained.card.sha256, settings={"kappa": kappa, "realism": realism},
        )  # fmt: skip
        card = ship("refine", bridge, out, provenance)
    return _done(out / card.file, {})


@train_app.command
def prior(pictures: Path, /, *, out: Path = Path("models"), effort: Effort = Effort()) -> int:  # noqa: B008
    """Train the unconditional prior.

    Args:
        pictures: Folder of pictures.
        out: Folder for weights, card and checkpoint.
        effort: How long, how fast, and from which seed.
    """
    effort.check()
    from .training.loop import LoopSettings
    from .training.pictures import PictureSet, held_out_photographs
    from .training.prior import evaluate_prior, train_prior
    from .training.shipping import Provenance, describe_pictures, ship

    with show_progress("reading pictures") as watch:
        found = PictureSet.load(pictures, lambda done, count: watch.advance("reading pictures", done, count))
        watch.stage("training the prior")
        model = train_prior(
            found, LoopSettings(**asdict(effort)), _checkpoint(out, "prior"),
            lambda news: watch.advance(f"prior, loss {news.loss:.3f}", news.step, news.steps),
        )  # fmt: skip
        watch.stage("measuring on held-out photographs")
        held_out = held_out_photographs().to(effort.device)
        metrics = {f"psnr_db_sigma_{sigma}": evaluate_prior(model, held_out, sigma) for sigma in (0.1, 0.2, 0.5)}
        card = ship(
            "prior", model, out,
            Provenance(describe_pictures(pictures, len(found.pictures)), _command("prior", effort), metrics=metrics),
        )  # fmt: skip
    return _done(out / card.file, metrics)


def _checkpoint(out: Path, name: str) -> Path:
    return out / "checkpoints" / f"{name}.pt"


def _command(name: str, effort: Effort) -> str:
    flags = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in asdict(effort).items())
    return f"sdr-gsc train {name} PICTURES {flags}"


def _done(path: Path, metrics: dict[str, float]) -> int:
    for name, value in metrics.items():
        print(f"{name}: {value:.2f}", file=sys.stderr)
    print(path)
    return 0
