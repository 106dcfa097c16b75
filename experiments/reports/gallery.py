"""A page of what several runs show: their figures and headline figures, each with the command that made it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from PIL import Image as Pillow

from sdr_gsc.errors import SettingsError

from ..campaign.kinds import study_of
from ..campaign.run_directory import RunDirectory, write_whole
from ..campaign.settings import CampaignSettings
from ..campaign.study import Line
from .page import Image

__all__ = ["write_gallery"]

_WIDTH_PX = 960
_QUALITY = 85


def write_gallery(runs: Sequence[Path], page: Path, images: Path) -> Path:
    """Write a Markdown page.

    Args:
        runs: finished campaigns, in the order of the page.
        page: to be written.
        images: folder of the page's figures; JPEG files named after their run are replaced.

    Raises:
        SettingsError: a run is no campaign, or has no trials.
    """
    images.mkdir(parents=True, exist_ok=True)
    parts = [_HEAD]
    for path in runs:
        directory = RunDirectory.open(path)
        settings = directory.settings()
        if not isinstance(settings, CampaignSettings):
            raise SettingsError(f"{path} holds one transmission; a gallery shows campaigns")
        parts.append(_part(directory, settings, page, images))
    write_whole(page, ("\n".join(parts).rstrip() + "\n").encode())
    return page


_HEAD = """# Gallery

What each shipped configuration shows. Every figure is made by the command above it, from the run's directory alone;
`report.html` in that directory has more: pictures side by side, tables, settings, software.
"""


def _part(directory: RunDirectory, settings: CampaignSettings, page: Path, images: Path) -> str:
    trials = directory.trials()
    if not trials:
        raise SettingsError(f"{directory.path} has no finished trials; go on with: sdr-gsc resume {directory.path}")
    study = study_of(settings)
    shown = [
        (section, block)
        for section in study.sections(directory, trials)
        for block in section.blocks
        if isinstance(block, Image) and block.wide and block.path is not None
    ]
    command = shlex.join(map(str, directory.described().get("command") or ("sdr-gsc", "run", str(directory.config))))
    lines = [
        f"## {settings.name.replace('_', ' ')}",
        "",
        f"    {command}",
        "",
        *_facts(trials, study.summary(trials)),
        "",
    ]
    for number, (section, block) in enumerate(shown):
        target = images / f"{settings.name}.{number}.jpg"
        _shrink(block, target)
        link = target.relative_to(page.parent) if target.is_relative_to(page.parent) else target
        if section.text and section is not (shown[number - 1][0] if number else None):
            lines += [section.text, ""]
        lines += [f"![{block.notes[0] if block.notes else block.title}]({link.as_posix()})", ""]
    return "\n".join(lines)


def _facts(trials: Sequence[Line], summary: Line) -> list[str]:
    # What is nested deeper is a table of its own, which the report has.
    plain = {name: value for name, value in summary.items() if not _is_nested(value)}
    rows = [("trials", str(len(trials)))] + [(name.replace("_", " "), _plain(value)) for name, value in plain.items()]
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]


def _is_nested(value: object) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(isinstance(part, dict | list) for part in parts)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name} {_plain(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _shrink(block: Image, target: Path) -> None:
    if block.path is None:
        return
    with Pillow.open(block.path) as picture:
        shown = picture.convert("RGB")
    if shown.width > _WIDTH_PX:
        shown = shown.resize((_WIDTH_PX, round(shown.height * _WIDTH_PX / shown.width)), Pillow.Resampling.LANCZOS)
    shown.save(target, quality=_QUALITY, optimize=True)
