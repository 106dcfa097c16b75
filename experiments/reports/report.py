"""The report of a run, made from its directory alone: run it again whenever the directory has changed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from sdr_gsc.link import gather
from sdr_gsc.phy.report import FrameReport
from sdr_gsc.semantic.picture import load_picture

from ..campaign.run_directory import RunDirectory
from ..campaign.settings import CampaignSettings
from ..configuration import DemoSettings, SendSettings
from ..procedures.keeping import kept_capture, kept_deviation, kept_picture
from ..procedures.scoring import measured_reports, sent_points
from ..procedures.tasking import has_task
from ..procedures.transmission import Bench
from .campaign_report import write_campaign_report
from .figures import Drawn, draw_link, draw_pictures, draw_uncertainty
from .page import Facts, Image, Page, Section, Table, render
from .wording import decimal, decoder_label, fate, metric_lines

__all__ = ["metrics_table", "write_report"]

_METRICS = ("psnr_db", "ssim", "ms_ssim", "perceptual")


def write_report(directory: RunDirectory) -> Path:
    """Draw the figures and write ``report.html``; returns its path.

    Raises:
        SettingsError: the folder's settings cannot be read.
        RecordingError: a trial or a capture is damaged.
    """
    settings = directory.settings()
    if isinstance(settings, CampaignSettings):
        from ..campaign.kinds import study_of

        return write_campaign_report(directory, settings, study_of(settings))
    trials = directory.trials()
    environment = directory.described()
    title = "One picture over the air" if settings.kind == "send" else "One photograph, every decoder"
    summary = _summary(settings.radio, settings.esn0_db, settings.seed, trials)
    sections = _picture_sections(directory, trials, settings)
    sections += [
        Section("Settings", (Facts(directory.config.read_text("utf-8").strip()),), folded=True),
        Section("Environment", (Facts(json.dumps(environment, indent=2)),), folded=True),
    ]
    version = str(environment.get("packages", {}).get("sdr-gsc") or "")
    command = shlex.join(map(str, environment.get("command") or ("sdr-gsc", "resume", str(directory.path))))
    page = Page(title, summary, sections, f"sdr-gsc {version}".strip(), command)
    directory.report.write_text(render(page), "utf-8")
    return directory.report


def _facts(**facts: str) -> tuple[tuple[str, str], ...]:
    return tuple(facts.items())


def _summary(
    radio: str, esn0_db: float | None, seed: int, trials: Iterable[Mapping[str, object]]
) -> tuple[tuple[str, str], ...]:
    first = next(iter(trials), {})
    facts = [("radio", radio)]
    if esn0_db is not None:
        facts.append(("Es/N0 set", f"{esn0_db:g} dB"))
    facts += [
        ("Es/N0 measured", decimal(first.get("esn0_db"), 1, " dB")),
        ("payload CBR", _as_ratio(first.get("cbr_payload"))),
        ("effective CBR", _as_ratio(first.get("cbr_effective"))),
        ("seed", str(seed)),
    ]
    return tuple(facts)


def _as_ratio(value: object) -> str:
    return f"1/{1 / value:.1f}" if isinstance(value, float) and value > 0 else "–"


def metrics_table(trials: Iterable[Mapping[str, object]]) -> Table:
    """One row per mapping and decoder."""
    rows = []
    for trial in trials:
        decoders = trial["decoders"]
        if not isinstance(decoders, dict):
            continue
        for name, figures in decoders.items():
            timings = figures.get("timings_s") or {}
            judged = f" (task vector, judged by {figures['judged_by']})" if figures.get("uses_task_vector") else ""
            rows.append(
                (
                    decoder_label(str(trial["mapping"]), name) + judged,
                    *(decimal(figures.get(key), 2 if key == "psnr_db" else 3) for key in _METRICS),
                    {True: "yes", False: "no", None: "–"}[figures.get("top1_agrees")],
                    str(figures.get("nfe") or "–"),
                    decimal(sum(timings.values()) if timings else None, 2),
                )
            )
    head = ("decoder", "PSNR (dB)", "SSIM", "MS-SSIM", "perceptual ↓", "same class", "NFE", "time (s)")
    return Table(head, tuple(rows))


def _bench(settings: SendSettings | DemoSettings) -> Bench:
    if isinstance(settings, DemoSettings):
        return Bench.open(settings.weights)
    return Bench.open(settings.weights, codec=settings.codec, codec_code=settings.codec_code)


def _picture_sections(
    directory: RunDirectory, trials: tuple[dict[str, object], ...], settings: SendSettings | DemoSettings
) -> list[Section]:
    pictures: list[Image] = []
    if kept_picture(directory, None) is not None:
        pictures.append(Image("sent", directory.path / "pictures" / "sent.png", ("the original",)))
    uncertain: list[Drawn] = []
    link: list[Section] = []
    bench = _bench(settings)
    for trial in trials:
        name, mapping = str(trial["trial"]), str(trial["mapping"])
        decoders = trial["decoders"]
        for decoder, figures in (decoders if isinstance(decoders, dict) else {}).items():
            pictures.append(_picture(directory, name, mapping, decoder, figures))
        if not uncertain:
            uncertain += _uncertainty(directory, name, decoders if isinstance(decoders, dict) else {})
        link += _link(directory, name, mapping, bench, first=not link)
    if pictures:
        draw_pictures(directory.folder("figures"), {_caption(image): _shown(image) for image in pictures})
    sections = [Section("Pictures", tuple(pictures)), Section("In figures", (metrics_table(trials),))]
    if uncertain:
        text = (
            "Standard deviation over posterior samples where the decoder draws several, predicted by the decoder where "
            "not; beside it the error that was really made, on the same scale."
        )
        blocks = tuple(Image(item.caption, item.path, (item.caption,), wide=True) for item in uncertain)
        sections.append(Section("How sure the decoder is", blocks, text))
    return sections + link


def _picture(directory: RunDirectory, trial: str, mapping: str, decoder: str, figures: Mapping[str, object]) -> Image:
    path = directory.path / "pictures" / f"{trial}.{decoder.replace(':', '-')}.png"
    return Image(decoder_label(mapping, decoder), path if path.is_file() else None, metric_lines(figures))


def _caption(image: Image) -> str:
    """Title, and the figures below the picture."""
    return "\n".join((image.title, *(image.notes if image.path else ("not received",))))


def _shown(image: Image) -> np.ndarray:
    """The picture; mid-grey stands for one that was not received."""
    return load_picture(image.path) if image.path else np.full((64, 64, 3), 0.5, np.float32)


def _uncertainty(directory: RunDirectory, trial: str, decoders: Mapping[str, Mapping[str, object]]) -> list[Drawn]:
    """The map of the decoder that draws most: the last one that has any."""
    for decoder in reversed(list(decoders)):
        deviation = kept_deviation(directory, trial, decoder)
        if deviation is None:
            continue
        picture, sent = kept_picture(directory, trial, decoder), kept_picture(directory, None)
        name = f"{trial}.{decoder.replace(':', '-')}"
        return [draw_uncertainty(directory.folder("figures"), name, deviation, picture, sent)]
    return []


def _link(directory: RunDirectory, trial: str, mapping: str, bench: Bench, *, first: bool) -> list[Section]:
    capture = kept_capture(directory, trial)
    if capture is None:
        return []
    reception = gather(capture, bench.receiver)
    sent = kept_picture(directory, None)
    points = None
    if sent is not None and reception.descriptor is not None:
        task = bench.task_model() if has_task(reception.descriptor) else None
        points = sent_points(sent, reception.descriptor, bench.codec, task)
    reports = measured_reports(reception, points, bench.receiver.numerology)
    drawn = draw_link(directory.folder("figures"), trial, capture, reception, reports, bench.receiver, everything=first)
    images = tuple(Image(item.caption, item.path, (item.caption,), wide=True) for item in drawn)
    frames = _frame_table(reports, capture.sample_rate_hz)
    return [Section(f"The link: {mapping}", (*images, frames), folded=not first)]


def _frame_table(reports: Iterable[FrameReport], sample_rate_hz: float) -> Table:
    rows = tuple(
        (
            "–" if report.sequence is None else str(report.sequence),
            f"{1e3 * report.start_sample / sample_rate_hz:.3f}",
            f"{report.detection_metric:.2f} > {report.detection_threshold:.2f}",
            decimal(report.esn0_db, 1),
            f"{report.cfo_hz:+.0f}",
            f"{report.sfo_ppm:+.1f}",
            decimal(report.post_eq_snr_db, 1),
            decimal(report.evm_db, 1),
            fate(report),
        )
        for report in reports
    )
    head = (
        "frame", "start (ms)", "detection", "Es/N0 (dB)", "CFO (Hz)", "SFO (ppm)", "post-eq (dB)", "EVM (dB)", "fate",
    )  # fmt: skip
    return Table(head, rows)
