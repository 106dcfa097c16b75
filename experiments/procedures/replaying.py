"""The decoding of recordings, those of others too: every picture in them, and what they fail to tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.diffusion.decoders import check_used
from sdr_gsc.diffusion.decoding import Decoder
from sdr_gsc.errors import DescriptorError
from sdr_gsc.link import gather_frames, gather_pictures
from sdr_gsc.phy.received import ReceivedFrame
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.recording.adapting import resampled, shifted
from sdr_gsc.recording.recording import Collection, Notice
from sdr_gsc.recording.sigmf_collection import read_collection
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.descriptor import Descriptor
from sdr_gsc.semantic.descriptor import Mapping as PayloadMapping
from sdr_gsc.semantic.mapping import points_of
from sdr_gsc.semantic.quantizer import Quantizer
from sdr_gsc.semantic.values import Reception

from .replay_settings import ReplaySettings
from .scoring import link_json, measured_reports, score, sent_points
from .search_account import search_account
from .send import SEND_TRIAL, Answer
from .tasking import has_task, task_json
from .transmission import Bench, OnStep, decode_all, is_received, quietly

__all__ = ["Replayed", "reference_points", "replay"]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a recording gave.

    Attributes:
        answer: of the picture with most frames, the first one among equals; its JSON has all that is said here.
        pictures: one for each picture that could be decoded, in the order of their first frames; none where no header
            was good.
        notices: what the recording lacks, or leaves open.
    """

    answer: Answer
    pictures: tuple[Answer, ...]
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class _Desk:
    """What every picture of a recording is decoded with."""

    name: str
    bench: Bench
    decoders: Mapping[str, Decoder]
    seed: int
    sent: tuple[Reception, ...]
    air_samples: int | None
    on_step: OnStep


def replay(
    path: Path, settings: ReplaySettings, *, reference: np.ndarray | None = None, on_step: OnStep = quietly
) -> Replayed:
    """Decode a recording, an archive, or what was received of a collection.

    The JSON is the one of ``send``, with ``missing`` and ``notices`` where the recording leaves something open,
    ``pictures`` where it holds several, and ``looked_for`` and ``found`` where no picture was found. What a collection
    says was sent is used to measure the EVM only.

    Args:
        path: with or without a SigMF suffix, or a folder that holds one recording or collection.
        settings: how it is read and decoded.
        reference: the sent picture, for metrics, float32 [H, W, 3] in [0, 1]; of several pictures, that of `answer`.
        on_step: told of every step of a sampling decoder.

    Raises:
        RecordingError: missing, damaged, or not complex samples of one channel.
        DescriptorError: pictures that another codec sent, and no others.
        SettingsError: options that none of the decoders uses, or a rate out of range.
    """
    options = settings.decoder_options()
    check_used(settings.decoders, options)
    collection = read_collection(path, settings.given)
    recording = collection.received[0]
    capture = _adapted(recording.capture, settings)
    bench = Bench.open(settings.weights, codec=settings.codec, codec_code=settings.codec_code)
    frames = bench.receiver.receive(capture).frames
    desk = _Desk(
        f"replay:{path}", bench, bench.decoders(settings.decoders, options), settings.seed,
        _receptions_sent(collection, bench.receiver), _air_samples(collection), on_step,
    )  # fmt: skip
    notices = (*_of_collection(collection), *collection.notices, *recording.notices)
    pictures, unread = _decoded(gather_pictures(frames), desk, frames, reference)
    if pictures:
        answer = max(pictures, key=_frame_count)
    else:
        answer = _answer(gather_frames(frames), desk, reference)
        answer.result.update(search_account(capture, frames, bench.receiver))
    result = dict(answer.result)
    if len(pictures) + len(unread) > 1:
        result["pictures"] = [*(each.result for each in pictures), *unread]
    if notices:
        result["missing"] = list(dict.fromkeys(notice.field for notice in notices))
        result["notices"] = [notice.message for notice in notices]
    return Replayed(replace(answer, result=result), pictures, notices)


def reference_points(sent: Sequence[Reception], descriptor: Descriptor) -> np.ndarray | None:
    """The points of a picture, complex64 [n], read from what was sent; None where that does not hold them all.

    Receiving samples that no channel has touched leaves an error far smaller than the distance of two points; the
    nearest ones are those that were sent.

    Args:
        sent: received from the samples that were given to the radio.
        descriptor: of the picture.
    """
    for reception in sent:
        if reception.descriptor != descriptor or descriptor.mapping is not PayloadMapping.DIRECT:
            continue
        if not np.isfinite(reception.noise_variance).all():
            return None
        latents = reception.symbols / np.float32(descriptor.gain)
        quantizer = Quantizer.of(descriptor.levels)
        points = points_of(quantizer.indices(np.stack([latents.real, latents.imag], -1)), descriptor)
        # Points that lie elsewhere, or were clipped hard, are not of this grid; then nothing is claimed.
        near = np.abs(points - reception.symbols).max(initial=0.0) < quantizer.step * descriptor.gain / 4
        return points if near else None
    return None


def _adapted(capture: Capture, settings: ReplaySettings) -> Capture:
    capture = shifted(capture, settings.shift_hz)
    return capture if settings.rate_hz is None else resampled(capture, settings.rate_hz)


def _receptions_sent(collection: Collection, receiver: Receiver) -> tuple[Reception, ...]:
    if collection.reference is None:
        return ()
    # Sent at the waveform's own rate and frequency, whatever became of the recording of it.
    return gather_pictures(receiver.receive(collection.reference.capture).frames)


def _air_samples(collection: Collection) -> int | None:
    """Samples of all frames that were sent, where the reference says where they stand."""
    annotations = () if collection.reference is None else collection.reference.annotations
    counts = [each.get("core:sample_count") for each in annotations if "sdr_gsc:sequence" in each]
    known = [count for count in counts if isinstance(count, int)]
    return sum(known) if known and len(known) == len(counts) else None


def _of_collection(collection: Collection) -> tuple[Notice, ...]:
    if len(collection.received) == 1:
        return ()
    names = ", ".join(recording.name for recording in collection.received)
    return (
        Notice(
            "core:streams",
            f"the collection {collection.name} holds {len(collection.received)} received recordings ({names}): the "
            "first one is decoded; name another one to decode that",
        ),
    )


def _decoded(
    receptions: Sequence[Reception], desk: _Desk, frames: Sequence[ReceivedFrame], reference: np.ndarray | None
) -> tuple[tuple[Answer, ...], list[dict[str, object]]]:
    """Answers, and the JSON of pictures that this codec cannot read; where there are only these, the first one's error.

    The reference is the picture with most frames.
    """
    if len(receptions) == 1:
        # As in a live transmission, frames whose header was lost count to the only picture there is.
        return (_answer(gather_frames(frames), desk, reference),), []
    counts = [len(reception.reports) for reception in receptions]
    answers: list[Answer] = []
    unread: list[dict[str, object]] = []
    errors: list[DescriptorError] = []
    for index, reception in enumerate(receptions):
        identity = _identity(reception)
        try:
            answer = _answer(reception, desk, reference if index == counts.index(max(counts)) else None)
        except DescriptorError as error:
            errors.append(error)
            unread.append({**identity, "error": str(error)})
        else:
            answers.append(replace(answer, result=identity | answer.result))
    if errors and not answers:
        raise errors[0]
    return tuple(answers), unread


def _identity(reception: Reception) -> dict[str, object]:
    descriptor = reception.descriptor
    if descriptor is None:
        return {}
    return {"picture_id": descriptor.picture_id, "width": descriptor.width, "height": descriptor.height}


def _frame_count(answer: Answer) -> int:
    frames = answer.result["frames"]
    return int(frames["detected"]) if isinstance(frames, dict) else 0


def _answer(reception: Reception, desk: _Desk, reference: np.ndarray | None) -> Answer:
    descriptor, bench = reception.descriptor, desk.bench
    mapping = descriptor.mapping.value if descriptor is not None else "unknown"
    task = bench.task_model() if descriptor is not None and has_task(descriptor) else None
    points = None
    if descriptor is not None:
        points = reference_points(desk.sent, descriptor)
        if points is None and reference is not None:
            points = sent_points(reference, descriptor, bench.codec, task)
    seeds = TrialSeeds(desk.seed, SEND_TRIAL)
    found = decode_all(reception, mapping, desk.decoders, seeds, bench.codec.device, desk.on_step)
    result = link_json(
        mapping=mapping,
        radio=desk.name,
        cbr_payload=_payload_cbr(descriptor),
        cbr_effective=_effective_cbr(descriptor, desk),
        frames_sent=None if descriptor is None else descriptor.n_frames,
        reports=measured_reports(reception, points, bench.receiver.numerology),
        reconstructions=found,
        metrics=score(reference, found),
        numerology=bench.receiver.numerology,
    )
    if task is not None and descriptor is not None:
        result["task"] = task_json(descriptor, reception, task, reference, found)
    return Answer(result, is_received(reception), found)


def _payload_cbr(descriptor: Descriptor | None) -> float | None:
    """Known for uncoded payloads alone: coded ones do not say how many symbols carried them."""
    if descriptor is None or descriptor.mapping is not PayloadMapping.DIRECT:
        return None
    return descriptor.n_symbols / (3 * descriptor.height * descriptor.width)


def _effective_cbr(descriptor: Descriptor | None, desk: _Desk) -> float | None:
    """Known where it is known what was sent, and that it was this picture alone."""
    alone = len(desk.sent) == 1 and desk.sent[0].descriptor == descriptor
    if descriptor is None or desk.air_samples is None or not alone:
        return None
    return desk.air_samples / (3 * descriptor.height * descriptor.width)
