"""One transmission on request."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdr_gsc.diffusion.decoders import check_used
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.values import Reconstruction

from ..campaign.run_directory import RunDirectory
from ..configuration import SendSettings
from .airing import Airing, used_records
from .keeping import keep_capture, keep_pictures, keep_source
from .photographs import find_picture, is_photograph
from .scoring import trial_json
from .transmission import CLASSICAL, Bench, OnStep, quietly, send_picture

__all__ = ["SEND_TRIAL", "Answer", "send"]

#: Trial id of a transmission on request; all its randomness follows from it and the seed.
SEND_TRIAL = "send"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command prints.

    Attributes:
        result: the machine-readable form.
        received: whether anything of the picture arrived.
        reconstructions: by decoder.
    """

    result: dict[str, object]
    received: bool
    reconstructions: dict[str, Reconstruction | None]


def send(settings: SendSettings, out: Path | None = None, on_step: OnStep = quietly) -> Answer:
    """Send one picture; with `out`, leave a run directory."""
    picture = find_picture(settings.image)
    bench = Bench.open(settings.weights, codec=settings.codec, codec_code=settings.codec_code)
    options = settings.decoder_options(settings.task_guidance)
    check_used(() if settings.mapping == CLASSICAL else settings.decoders, options)
    decoders = bench.decoders(settings.decoders, options)
    directory = None if out is None else RunDirectory.create(out, _relocated(settings))
    seeds = TrialSeeds(settings.seed, SEND_TRIAL)
    transmitted = send_picture(
        picture, settings, bench, decoders,
        airing=Airing(
            settings.radio, settings.tx, settings.rx, settings.esn0_db, settings.bench, settings.attempts,
            settings.digital_loopback, settings.calibration, settings.tx_power_db,
        ),
        seeds=seeds, on_step=on_step,
    )  # fmt: skip
    result, trial, reports = trial_json(SEND_TRIAL, transmitted, picture, bench.receiver.numerology, bench.codec)
    used = used_records(transmitted.capture)
    result |= used
    trial = {**trial, **used}
    if directory is not None:
        if not is_photograph(settings.image):
            keep_source(directory, Path(settings.image))
        captures = keep_capture(directory, SEND_TRIAL, transmitted.capture, reports, transmitted.prepared.transmission)
        trial = {**trial, "captures": list(captures)}
        keep_pictures(directory, SEND_TRIAL, picture, transmitted.reconstructions)
        if not directory.trials():
            directory.append(trial)
    return Answer(result, transmitted.received, dict(transmitted.reconstructions))


def _relocated(settings: SendSettings) -> SendSettings:
    """The settings as the run directory keeps them: the picture is the copy inside."""
    if is_photograph(settings.image):
        return settings
    return settings.model_copy(update={"image": f"pictures/source{Path(settings.image).suffix.lower()}"})
