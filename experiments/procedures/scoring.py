"""Transmissions as figures: the JSON forms that the command line promises."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from sdr_gsc.metrics.features import JUDGE_NAME
from sdr_gsc.metrics.measure import Metrics, measure
from sdr_gsc.phy.framing import interleave
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.report import FrameReport
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.descriptor import Descriptor
from sdr_gsc.semantic.descriptor import Mapping as PayloadMapping
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.objective import NO_PICTURE
from sdr_gsc.semantic.rate import RATES
from sdr_gsc.semantic.task import TaskModel
from sdr_gsc.semantic.task_symbols import encode_again
from sdr_gsc.semantic.values import Reception, Reconstruction
from sdr_gsc.units import EsN0, from_db, to_db

from .tasking import task_json
from .transmission import Transmitted

__all__ = ["link_json", "measured_reports", "score", "score_of_nothing", "sent_points", "trial_json"]


def score(sent: np.ndarray | None, reconstructions: Mapping[str, Reconstruction | None]) -> dict[str, Metrics | None]:
    """Metrics by decoder; None where there is no picture, or none to compare with."""
    scores: dict[str, Metrics | None] = {}
    for name, found in reconstructions.items():
        comparable = found is not None and sent is not None and sent.shape == found.picture.shape
        if found is not None and sent is not None and comparable:
            scores[name] = measure(sent, found.picture, by_judge=found.uses_task_vector)
        else:
            scores[name] = None
    return scores


def score_of_nothing(sent: np.ndarray) -> dict[str, float | None]:
    """Metrics of a mid-grey picture: what a receiver shows that has received nothing."""
    metric = measure(sent, np.full_like(sent, 0.5))
    return {name: _number(getattr(metric, name)) for name in ("psnr_db", "ms_ssim", "perceptual")}


def sent_points(
    picture: np.ndarray, descriptor: Descriptor, codec: Codec, task: TaskModel | None = None
) -> np.ndarray | None:
    """The points that a sender put on the air, complex64 [n], for measuring only; None where they cannot be told.

    Those of a task vector take the model that made it.
    """
    symbols = encode_again(picture, descriptor, codec, task)
    return None if symbols is None else constellation_points(symbols)


def measured_reports(reception: Reception, sent: np.ndarray | None, numerology: Numerology) -> tuple[FrameReport, ...]:
    """Frame reports with the EVM of uncoded payloads filled in, measured against the points that were sent.

    Args:
        reception: of the `direct` mapping; reports of others come back as they are.
        sent: complex64 [n_symbols], or None.
        numerology: of the waveform.
    """
    descriptor = reception.descriptor
    if sent is None or descriptor is None or sent.size != reception.symbols.size:
        return reception.reports
    # The sender's interleaver puts both back into the order of the air, which tells the subcarrier.
    seed, n_frames = descriptor.interleaver_seed, descriptor.n_frames
    error = np.where(np.isfinite(reception.noise_variance), reception.symbols - sent, np.nan).astype(np.complex64)
    frames = interleave(error, seed, n_frames)
    count = -(-sent.size // n_frames)
    padding = n_frames * count - sent.size
    marked = interleave(np.zeros(sent.size, np.complex64), seed, n_frames)
    reports = []
    for report in reception.reports:
        if report.sequence is None or report.sequence >= n_frames:
            reports.append(report)
            continue
        power = np.abs(frames[report.sequence]) ** 2
        if padding:
            # Padding is no symbol of the picture; its points alone are not zero here.
            power[marked[report.sequence] != 0] = np.nan
        reports.append(_with_evm(report, power, numerology.data.size))
    return tuple(reports)


def _with_evm(report: FrameReport, power: np.ndarray, n_data: int) -> FrameReport:
    good = np.isfinite(power)
    if not good.any():
        return report
    subcarrier = np.arange(power.size)[good] % n_data
    counts = np.bincount(subcarrier, minlength=n_data)
    sums = np.bincount(subcarrier, weights=power[good], minlength=n_data)
    per_subcarrier = 10 * np.log10(np.maximum(sums / np.maximum(counts, 1), 1e-12))
    return replace(
        report,
        evm_db=to_db(max(float(power[good].mean()), 1e-12)),
        evm_per_subcarrier_db=per_subcarrier.astype(np.float32),
    )


def _complete(report: FrameReport) -> bool:
    """For uncoded payloads: demapped to the end. For coded ones: every block is right."""
    return report.header_ok and report.failed_at is None and report.payload_ok is not False


def _harmonic_db(values_db: Sequence[float | None]) -> float | None:
    """SNR of the mean noise: harmonic mean of ratios in dB."""
    noise = [from_db(-value) for value in values_db if value is not None and math.isfinite(value)]
    return -to_db(sum(noise) / len(noise)) if noise else None


def link_json(
    *,
    mapping: str,
    radio: str,
    cbr_payload: float | None,
    cbr_effective: float | None,
    frames_sent: int | None,
    reports: Sequence[FrameReport],
    reconstructions: Mapping[str, Reconstruction | None],
    metrics: Mapping[str, Metrics | None],
    numerology: Numerology,
) -> dict[str, object]:
    """The form of ``send --json``: what is not available is None."""
    good = [report for report in reports if report.header_ok]
    arrived = {report.sequence for report in good}
    esn0_db = _harmonic_db([report.esn0_db for report in good])
    evm_db = _harmonic_db([None if report.evm_db is None else -report.evm_db for report in good])
    sample_snr_db = None
    if esn0_db is not None:
        sample_snr_db = EsN0(from_db(esn0_db)).to_sample_snr(numerology.active.size, numerology.fft_size).db
    decoders: dict[str, object] = {}
    for name, found in reconstructions.items():
        metric = metrics.get(name)
        decoders[name] = {
            "psnr_db": None if metric is None else _number(metric.psnr_db),
            "ms_ssim": None if metric is None else _number(metric.ms_ssim),
            "perceptual": None if metric is None else _number(metric.perceptual),
            "timings_s": None if found is None else dict(found.timings_s),
        }
        if found is not None and found.uses_task_vector:
            decoders[name] |= {"uses_task_vector": True, "judged_by": JUDGE_NAME}  # type: ignore[operator]
    return {
        "mapping": mapping,
        "radio": radio,
        "cbr_payload": cbr_payload,
        "cbr_effective": cbr_effective,
        "esn0_db": esn0_db,
        "sample_snr_db": sample_snr_db,
        "post_eq_snr_db": _harmonic_db([report.post_eq_snr_db for report in good]),
        "evm_snr_db": evm_db,
        "frames": {
            "sent": frames_sent,
            "detected": len(reports),
            # A radio that repeats its burst delivers a frame more than once; it counts once.
            "header_ok": len(arrived),
            "payload_ok": len({report.sequence for report in reports if _complete(report)}),
        },
        "decoders": decoders,
    }


def trial_json(
    trial: str,
    transmitted: Transmitted,
    sent: np.ndarray,
    numerology: Numerology,
    codec: Codec,
) -> tuple[dict[str, object], dict[str, object], tuple[FrameReport, ...]]:
    """One transmission as the JSON of ``send``, as a line of ``trials.jsonl``, and its measured frame reports.

    The line has all that the JSON has, and more: the ``trial`` id, what was chosen for the air, and further metrics.
    The JSON names lost frames and exchanges that the radio broke off only where there are any.
    """
    reception = transmitted.reception
    descriptor = transmitted.prepared.descriptor
    points = sent_points(sent, descriptor, codec, transmitted.task) if reception.descriptor is not None else None
    reports = measured_reports(reception, points, numerology)
    metrics = score(sent, transmitted.reconstructions)
    result = link_json(
        mapping=descriptor.mapping.value,
        radio=transmitted.radio,
        cbr_payload=transmitted.prepared.cbr_payload,
        cbr_effective=transmitted.prepared.cbr_effective,
        frames_sent=transmitted.prepared.transmission.n_frames,
        reports=reports,
        reconstructions=transmitted.reconstructions,
        metrics=metrics,
        numerology=numerology,
    )
    if transmitted.task is not None:
        result["task"] = task_json(
            descriptor, reception, transmitted.task, sent, transmitted.reconstructions, transmitted.objective
        )
    arrived = {report.sequence for report in reports if report.header_ok}
    troubles: dict[str, object] = {
        "lost_frames": sorted(set(range(transmitted.prepared.transmission.n_frames)) - arrived),
        "failed_attempts": [asdict(attempt) for attempt in transmitted.failed],
    }
    # The JSON of a transmission without trouble stays what it always was.
    result |= {name: found for name, found in troubles.items() if found}
    further: dict[str, object] = {}
    for name, found in transmitted.reconstructions.items():
        metric = metrics[name]
        further[name] = {
            **result["decoders"][name],  # type: ignore[index]
            "ssim": None if metric is None else _number(metric.ssim),
            "top1_agrees": None if metric is None else metric.top1_agrees,
            "nfe": None if found is None else found.nfe,
        }
    air = {
        "cbr_inverse": None if descriptor.rate_index == NO_PICTURE else RATES[descriptor.rate_index].inverse_cbr,
        "levels": descriptor.levels,
        "mcs": None if descriptor.mapping is PayloadMapping.DIRECT else descriptor.mcs,
        "payload_bytes": None if descriptor.mapping is PayloadMapping.DIRECT else descriptor.n_bytes or None,
        "air_samples": transmitted.prepared.transmission.n_air_samples,
        "papr_db": transmitted.prepared.transmission.papr_db,
    }
    head = {"trial": trial, "received": transmitted.received, "air": air}
    return result, {**head, **result, **troubles, "decoders": further}, reports


def _number(value: float | None) -> float | None:
    """JSON has no infinities."""
    return float(value) if value is not None and math.isfinite(value) else None
