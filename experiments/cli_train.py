"""``sdr-gsc train``: a folder of pictures in, weights and a card out; killed runs resume."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from sdr_gsc.errors import SettingsError

from .cli_console import show_progress
from .cli_train_course import Effort, ShortEffort, codec_for, open_course, own_folder

__all__ = ["train_app"]

train_app = App(name="train", help="Train the shipped models again, or your own.")


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
    rate: int | None = None,
    out: Path = Path("models"),
    effort: Effort = Effort(),  # noqa: B008
) -> int:
    """Train encoder and deterministic decoder. A new codec needs a new refine.

    Args:
        pictures: Folder of pictures.
        start: Folder of a codec to go on from.
        rate: Train at this inverse CBR alone, for comparison with the model of all rates.
        out: Folder for weights, card and checkpoint.
        effort: How long, how fast, and from which seed.
    """
    effort.check()
    from sdr_gsc.semantic.codec import Codec
    from sdr_gsc.semantic.rate import rate_by_cbr

    from .training.codec import CodecModel, evaluate_codec, train_codec
    from .training.pictures import held_out_photographs

    only = None if rate is None else rate_by_cbr(rate)
    before = None if start is None else Codec.load(start)
    with open_course("codec", "codec", pictures, out, effort) as course:
        if rate is not None:
            course.notes = f" --rate {rate}"
        if before is not None:
            course.notes += f"; went on from the weights with SHA-256 {before.card.sha256}, {before.card.trained_with}"
        model = train_codec(
            course.pictures, course.settings, course.checkpoint, course.show,
            None if before is None else CodecModel.of(before), only_rate=only,
        )  # fmt: skip
        course.watch.stage("measuring on held-out photographs")
        held_out = held_out_photographs().to(effort.device)
        for cbr in (96, 48, 24, 12) if rate is None else (rate,):
            course.metrics[f"psnr_db_cbr{cbr}_10db"] = evaluate_codec(model, held_out, rate_by_cbr(cbr), 10.0)
        return course.ship(model)


@train_app.command
def refine(
    pictures: Path,
    /,
    *,
    codec_folder: Annotated[Path | None, Parameter(name="--codec")] = None,
    start: Path | None = None,
    likeness: float = 20.0,
    kappa: float = 0.5,
    noise: float = 0.0,
    realism: float = 1.0,
    out: Path = Path("models"),
    effort: Effort = Effort(),  # noqa: B008
) -> int:
    """Train the refining bridge on a codec, with the teacher that `pip install 'sdr-gsc[training]'` brings.

    Args:
        pictures: Folder of pictures.
        codec_folder: Folder of the codec; default: the output folder if it holds one, else the shipped codec.
        start: Folder of a trained bridge to go on from; default: start from the codec's network.
        likeness: Weight of the distance between features of picture and estimate; 0 asks for least squared error alone.
        kappa: Strength of the bridge that the card recommends: noise relative to the predicted error, in 0…1.
        noise: Noise at the start relative to the bridge's own, 0…1, that the card recommends.
        realism: Where the card puts the picture between the codec's estimate (0) and the end of the walk (1).
        out: Folder for weights, card and checkpoint.
        effort: How long, how fast, and from which seed.
    """
    effort.check()
    if not (0 < kappa <= 1 and 0 <= noise <= 1 and 0 <= realism <= 1):
        raise SettingsError(
            f"kappa is {kappa}, noise {noise} and realism {realism}; needed numbers in 0…1, kappa above 0"
        )
    from sdr_gsc.diffusion.models import load_bridge

    from .training.codec import CodecModel
    from .training.refine import RefineAim, train_refine

    aim = RefineAim(likeness)
    trained = codec_for(codec_folder, out)
    before = None if start is None else load_bridge(trained, start)
    with open_course("refine", "refine", pictures, out, effort, likeness=likeness) as course:
        course.notes = f" --likeness {likeness}"
        if before is not None:
            course.notes += f"; went on from refine with SHA-256 {before[1].sha256}, {before[1].trained_with}"
        bridge = train_refine(
            CodecModel.of(trained), course.pictures, course.settings, course.checkpoint, course.show,
            None if before is None else before[0], aim,
        )  # fmt: skip
        return course.ship(bridge, trained.card.sha256, {"kappa": kappa, "noise": noise, "realism": realism})


@train_app.command
def distil(
    pictures: Path,
    /,
    *,
    codec_folder: Annotated[Path | None, Parameter(name="--codec")] = None,
    start: Path | None = None,
    squared: float = 1.0,
    likeness: float = 20.0,
    adversarial: float = 0.0,
    matching: float = 0.0,
    consistency: float = 0.0,
    kappa: float = 0.5,
    noise: float = 0.0,
    psnr_loss_db: float = 0.7,
    parts: str = "head,decode.0,decode.1,fuse.0,fuse.1",
    out: Path = Path("models"),
    effort: Effort = Effort(),  # noqa: B008
) -> int:
    """Distil a trained bridge, so that one evaluation gives a realistic picture; see `train refine` for the teacher.

    Args:
        pictures: Folder of pictures.
        codec_folder: Folder of the codec; default: the output folder if it holds one, else the shipped codec.
        start: Folder of the trained `refine` to go on from; default: the output folder if it holds one, else shipped.
        squared: Weight of the squared error, relative to the predicted one.
        likeness: Weight of the distance between features of picture and estimate.
        adversarial: Weight of the critic's verdict.
        matching: Weight of the distance between the critic's features.
        consistency: Weight of the distance between estimates along the bridge.
        kappa: Strength of the bridge: noise relative to the predicted error, above 0, at most 1.
        noise: Noise at the start relative to the bridge's own, 0…1.
        psnr_loss_db: The card's realism is the largest that costs no more PSNR than this on the training pictures.
        parts: What learns, with commas between; the file holds only what differs from `refine`.
        out: Folder for weights, card and checkpoint.
        effort: How long, how fast, and from which seed.
    """
    effort.check()
    from sdr_gsc.diffusion.models import load_bridge
    from sdr_gsc.semantic.rate import rate_by_cbr

    from .training.codec import CodecModel
    from .training.distil import Balance, balanced_realism, distilled_psnr_db, train_distil
    from .training.pictures import held_out_photographs
    from .training.shipping import Base

    chosen = tuple(part.strip() for part in parts.split(","))
    balance = Balance(squared, likeness, adversarial, matching, consistency, kappa, noise)
    trained = codec_for(codec_folder, out)
    before, origin = load_bridge(trained, start or own_folder(out, "refine"))
    with open_course("distil", "consistency", pictures, out, effort, likeness=likeness) as course:
        model = CodecModel.of(trained)
        bridge = train_distil(
            model, before, course.pictures, course.settings, balance, course.checkpoint, course.show, chosen
        )  # fmt: skip
        course.watch.stage("finding the realism")
        realism = balanced_realism(model, bridge, course.pictures, course.settings, balance, psnr_loss_db)
        course.watch.stage("measuring on held-out photographs")
        held_out = held_out_photographs().to(effort.device)
        for cbr in (48, 24):
            plain, made = distilled_psnr_db(model, bridge, held_out, rate_by_cbr(cbr), 10.0, balance, (0.0, realism))
            course.metrics |= {f"mmse_psnr_db_cbr{cbr}_10db": plain, f"psnr_db_cbr{cbr}_10db": made}
        flags = " ".join(f"--{key} {value}" for key, value in asdict(balance).items())
        flags += f" --psnr-loss-db {psnr_loss_db} --parts {','.join(chosen)}"
        course.notes = f" {flags}; went on from refine with SHA-256 {origin.sha256}"
        settings = {"kappa": kappa, "noise": noise, "realism": realism}
        return course.ship(bridge, trained.card.sha256, settings, Base(origin.sha256, before))


@train_app.command
def adapt(
    pictures: Path,
    /,
    *,
    what: Literal["decoder", "refine"] = "decoder",
    codec_folder: Annotated[Path | None, Parameter(name="--codec")] = None,
    start: Path | None = None,
    likeness: float = 20.0,
    out: Path = Path("adapted"),
    effort: ShortEffort = ShortEffort(),  # noqa: B008
) -> int:
    """Adapt the receiver to pictures of a new kind, of which it has a few; the sender goes on as before.

    Args:
        pictures: Folder of pictures of that kind.
        what: The deterministic decoder, or the bridge on top of it.
        codec_folder: Folder of the codec; default: the output folder if it holds one, else the shipped codec.
        start: For `refine`, folder of the bridge to go on from; default: the output folder's, else the shipped one.
        likeness: For `refine`, see `train refine`; 0 needs no teacher.
        out: Folder for weights, card and checkpoint.
        effort: How long, how fast, and from which seed.
    """
    effort.check()
    import numpy as np

    from sdr_gsc.diffusion.models import load_bridge

    from .training.adapt import adapt_decoder, adapt_refine, decoder_gain
    from .training.codec import CodecModel
    from .training.pictures import held_out_photographs
    from .training.refine import RefineAim

    trained = codec_for(codec_folder, out)
    if what == "decoder":
        with open_course(f"adapt --what {what}", "codec", pictures, out, effort) as course:
            before = CodecModel.of(trained).to(effort.device)
            model = adapt_decoder(before, course.pictures, course.settings, course.checkpoint, course.show)
            course.watch.stage("measuring")
            own = course.pictures.crops(8, 128, np.random.default_rng(effort.seed))
            sets = {"own_pictures": own.to(effort.device), "photographs": held_out_photographs().to(effort.device)}
            course.metrics |= decoder_gain(before, model, sets)
            course.notes = f"; went on from the codec with SHA-256 {trained.card.sha256}"
            # On the air it goes by the hash of the sender's codec, also where it had been adapted before.
            return course.ship(model, trained.card.codec_sha256 or trained.card.sha256)
    aim = RefineAim(likeness)
    bridge, card = load_bridge(trained, start or own_folder(out, "refine"))
    with open_course(f"adapt --what {what}", "refine", pictures, out, effort, likeness=likeness) as course:
        adapted = adapt_refine(
            CodecModel.of(trained), bridge, course.pictures, course.settings, course.checkpoint, course.show, aim
        )  # fmt: skip
        course.notes = f" --likeness {likeness}; went on from the bridge with SHA-256 {card.sha256}"
        return course.ship(adapted, trained.card.sha256, card.settings)


@train_app.command
def prior(pictures: Path, /, *, out: Path = Path("models"), effort: Effort = Effort()) -> int:  # noqa: B008
    """Train the unconditional prior.

    Args:
        pictures: Folder of pictures.
        out: Folder for weights, card and checkpoint.
        effort: How long, how fast, and from which seed.
    """
    effort.check()
    from .training.pictures import held_out_photographs
    from .training.prior import evaluate_prior, train_prior

    with open_course("prior", "prior", pictures, out, effort) as course:
        model = train_prior(course.pictures, course.settings, course.checkpoint, course.show)
        course.watch.stage("measuring on held-out photographs")
        held_out = held_out_photographs().to(effort.device)
        for sigma in (0.1, 0.2, 0.5):
            course.metrics[f"psnr_db_sigma_{sigma}"] = evaluate_prior(model, held_out, sigma)
        return course.ship(model)
