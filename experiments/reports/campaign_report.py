"""The report of a campaign: what its kind shows, what failed, and the commands that made it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from ..campaign.run_directory import RunDirectory, write_whole
from ..campaign.settings import CampaignSettings
from ..campaign.study import Study
from .page import Facts, Page, Section, Table, render

__all__ = ["write_campaign_report"]


def write_campaign_report(directory: RunDirectory, settings: CampaignSettings, study: Study) -> Path:
    """Draw the figures and write ``report.html``; returns its path.

    Raises:
        RecordingError: a trial is damaged.
    """
    trials, failures = directory.results()
    described = directory.described()
    planned = len(study.plan())
    summary = [
        ("kind", str(getattr(settings, "kind", "campaign")).replace("_", " ")),
        ("trials", f"{len(trials)} of {planned}"),
        ("seed", str(settings.seed)),
    ]
    radio = getattr(settings, "radio", None)
    if radio:
        summary.insert(1, ("radio", str(radio)))
    if failures:
        summary.append(("given up", str(len(failures))))
    sections = study.sections(directory, trials) if trials else []
    missed = study.shortfalls(trials)
    if missed:
        sections.append(Section("Not shown", (Table(("what",), tuple((sentence,) for sentence in missed)),)))
    if failures:
        rows = tuple(
            (
                str(line["trial"]),
                str(line["failed"]["kind"]),
                str(line["failed"]["attempts"]),
                str(line["failed"]["cause"]),
            )
            for line in failures
        )
        sections.append(Section("Given up", (Table(("trial", "error", "attempts", "cause"), rows),)))
    sections += [
        Section("Settings", (Facts(directory.config.read_text("utf-8").strip()),), folded=True),
        Section("Environment", (Facts(json.dumps(described, indent=2)),), folded=True),
    ]
    version = str((described.get("packages") or {}).get("sdr-gsc") or "")
    command = described.get("command") or ["sdr-gsc", "run", str(directory.config)]
    page = Page(settings.name, tuple(summary), sections, f"sdr-gsc {version}".strip(), shlex.join(map(str, command)))
    write_whole(directory.report, render(page).encode())
    return directory.report
