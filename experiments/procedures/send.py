"""One transmission on request, and the decoding of a recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_gsc.diffusion.decoders import check_used
from sdr_gsc.link import gather
from sdr_gsc.recording.sigmf_reader import read_capture
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.descriptor import Mapping as PayloadMapping
from sdr_gsc.semantic.values import Reception, Reconstruction

from ..configuration import SendSettings
from .airing import Airing, used_records
from .keeping import keep_capture, keep_pictures, keep_source
from .photographs import find_picture, is_photograph
from .run_directory import RunDirectory
from .scoring import link_json, measured_reports, score, sent_points, trial_json
from .tasking import has_task, task_json
from .transmission import CLASSICAL, Bench, OnStep, decode_all, is_received, quietly, send_picture

__all__ = ["Answer", "replay", "send"]

_TRIAL = "send"


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
    seeds = TrialSeeds(settings.seed, _TRIAL)
    transmitted = send_picture(
        picture, settings, bench, decoders,
        airing=Airing(
            settings.radio, settings.tx, settings.rx, settings.esn0_db, settings.bench, settings.attempts,
            settings.digital_loopback, settings.calibration, settings.tx_power_db,
        ),
        seeds=seeds, on_step=on_step,
    )  # fmt: skip
    result, trial, reports = trial_json(_TRIAL, transmitted, picture, bench.receiver.numerology, bench.codec)
    used = used_records(transmitted.capture)
    result |= used
    trial = {**trial, **used}
    if directory is not None:
        if not is_photograph(settings.image):
            keep_source(directory, Path(settings.image))
        keep_capture(directory, _TRIAL, transmitted.capture, reports)
        keep_pictures(directory, _TRIAL, picture, transmitted.reconstructions)
        if not directory.trials():
            directory.append(trial)
    return Answer(result, transmitted.received, dict(transmitted.reconstructions))


def _relocated(settings: SendSettings) -> SendSettings:
    """The settings as the run directory keeps them: the picture is the copy inside."""
    if is_photograph(settings.image):
        return settings
    return settings.model_copy(update={"image": f"pictures/source{Path(settings.image).suffix.lower()}"})


def replay(
    recording: Path,
    decoder_names: tuple[str, ...],
    *,
    weights: str | None = None,
    seed: int = 0,
    reference: np.ndarray | None = None,
    on_step: OnStep = quietly,
) -> Answer:
    """Decode a recording.

    Args:
        recording: SigMF.
        decoder_names: decoders that see the reception.
        weights: folder with other weights than the shipped ones.
        seed: of the decoders.
        reference: the sent picture, for metrics, float32 [H, W, 3] in [0, 1].
        on_step: told of every step of a sampling decoder.

    Raises:
        DescriptorError: a picture that another codec sent.
    """
    capture = read_capture(recording)
    bench = Bench.open(weights)
    decoders = bench.decoders(decoder_names)
    reception = gather(capture, bench.receiver)
    mapping = reception.descriptor.mapping.value if reception.descriptor is not None else "unknown"
    points = None
    task = None
    if reception.descriptor is not None and has_task(reception.descriptor):
        task = bench.task_model()
    if reception.descriptor is not None and reference is not None:
        points = sent_points(reference, reception.descriptor, bench.codec, task)
    found = decode_all(reception, mapping, decoders, TrialSeeds(seed, _TRIAL), bench.codec.device, on_step)
    result = link_json(
        mapping=mapping,
        radio=f"replay:{recording}",
        cbr_payload=_payload_cbr(reception),
        cbr_effective=None,
        frames_sent=None if reception.descriptor is None else reception.descriptor.n_frames,
        reports=measured_reports(reception, points, bench.receiver.numerology),
        reconstructions=found,
        metrics=score(reference, found),
        numerology=bench.receiver.numerology,
    )
    if task is not None and reception.descriptor is not None:
        result["task"] = task_json(reception.descriptor, reception, task, reference, found)
    return Answer(result, is_received(reception), found)


def _payload_cbr(reception: Reception) -> float | None:
    """Known for uncoded payloads alone: coded ones do not say how many symbols carried them."""
    descriptor = reception.descriptor
    if descriptor is None or descriptor.mapping is not PayloadMapping.DIRECT:
        return None
    return descriptor.n_symbols / (3 * descriptor.height * descriptor.width)
