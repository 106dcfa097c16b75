"""The page ``docs/calibration.md``: what calibrations found, figure by figure, with the plots of their procedures."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import matplotlib

from calibration.outcome import Plot
from calibration.procedures.catalogue import PROCEDURES
from sdr_gsc.plot.style import MARKERS, PALETTE, annotate, legend, new_figure, save_figure

from .calibrating import Calibrated

__all__ = ["render_page", "table_rows", "write_page"]

_HEAD = ("figure", "before", "after", "unit", "bound", "target", "met")
_VERDICTS = {True: "✓", False: "✗", None: ""}


def table_rows(found: Calibrated) -> list[dict[str, object]]:
    """Rows as ``calibrate --json`` has them: those of a benchmark with `before` and `after`; None for no number.

    A procedure that failed is one row without figures, which meets nothing.
    """
    rows = [
        _row(found.address, done.procedure.name, {name: _finite(value) for name, value in asdict(each).items()})
        for done in found.done
        for each in done.outcome.rows
    ]
    rows += [_row(found.address, name, {"metric": f"{name} failed", "unit": "", "met": False}) for name in found.failed]
    order = list(PROCEDURES)
    return sorted(rows, key=lambda row: order.index(str(row["procedure"])))


def _row(address: str, procedure: str, fields: Mapping[str, object]) -> dict[str, object]:
    return {
        "radio": address,
        "procedure": procedure,
        "metric": fields["metric"],
        "value": fields.get("after"),
        "unit": fields["unit"],
        "anchor": None,
        "ratio": None,
        "bound": fields.get("bound"),
        "target": fields.get("target"),
        "aim": None,
        "met": fields["met"],
        "before": fields.get("before"),
        "after": fields.get("after"),
    }


def write_page(path: Path, found: Sequence[Calibrated], environment: Mapping[str, object]) -> None:
    """Write the page, and its pictures in ``images`` beside it; those of an earlier run that are gone are deleted."""
    folder = path.parent / "images"
    folder.mkdir(parents=True, exist_ok=True)
    drawn: dict[tuple[int, str, str], str] = {}
    for number, radio in enumerate(found):
        for done in radio.done:
            for plot in done.outcome.plots:
                name = _slug(f"{path.stem}-{number + 1}-{done.procedure.name}-{plot.title}")
                target = folder / f"{name}.svg"
                _draw(plot, target)
                drawn[number, done.procedure.name, plot.title] = target.relative_to(path.parent).as_posix()
    kept = {path.parent / link for link in drawn.values()}
    for old in folder.glob(f"{path.stem}-*.svg"):
        if old not in kept:
            old.unlink()
    path.write_text(render_page(found, environment, drawn), "utf-8")


def render_page(
    found: Sequence[Calibrated], environment: Mapping[str, object], pictures: Mapping[tuple[int, str, str], str]
) -> str:
    """The page as Markdown.

    Args:
        found: calibrated radios.
        environment: software and machine.
        pictures: link to each plot, by number of the radio, procedure, and title.
    """
    tried = {
        name for each in found for name in (*each.skipped, *each.failed, *(done.procedure.name for done in each.done))
    }
    chosen = "" if tried == set(PROCEDURES) else " --what " + ",".join(name for name in PROCEDURES if name in tried)
    command = "sdr-gsc calibrate " + " ".join(f"'{_shown(each.address)}'" for each in found) + chosen
    lines = [
        "# Calibration",
        "",
        "What a radio is, measured, with a date. One command found all of this and wrote this page:",
        "",
        f"    {command} --page docs/calibration.md",
        "",
        f"Python {environment['python']} on {environment['cpu']}. Simulated and emulated radios hide imperfections "
        "drawn from a seed (`loopback:cabled?impaired=SEED`, `sdr-gsc emulate pluto --impaired SEED`); the procedures "
        "see nothing but the radio's own interface.",
        "",
        "**before** is what was found, **after** what is left with the new records applied, **bound** what theory "
        "allows, **target** what must be reached. Records are files below one folder for each serial number; they are "
        "applied above the driver (`sdr-gsc send … --calibration DIR`), and every run names those it used. "
        "`sdr-gsc calibrate --check EXPERIMENT.toml` says which are missing or have expired.",
    ]
    names = [name for name in PROCEDURES if any(done.procedure.name == name for each in found for done in each.done)]
    lines += ["", "## Procedures", ""]
    for name in names:
        procedure = PROCEDURES[name]
        text = importlib.import_module(procedure.measure.__module__).__doc__ or ""
        lines += [f"### {name}", "", f"{procedure.summary[0].upper()}{procedure.summary[1:]}.", "", "```text"]
        lines += [text.strip(), "```", ""]
    for number, radio in enumerate(found):
        lines += [f"## {_shown(radio.address)}", "", f"{radio.model}, serial number {_shown(radio.serial)}.", ""]
        lines += _table(table_rows(radio))
        for name, lacking in radio.skipped.items():
            lines += ["", f"Left out: {name}: {lacking}."]
        for name, error in radio.failed.items():
            lines += ["", f"Failed: {name}: {_shown(' '.join(str(error).split()))}."]
        for done in radio.done:
            lines += [line for note in done.outcome.notes for line in ("", f"Note: {done.procedure.name}: {note}.")]
            lines += [
                line
                for plot in done.outcome.plots
                for line in ("", f"![{plot.title}]({pictures[number, done.procedure.name, plot.title]})")
            ]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _shown(text: str) -> str:
    """An address or serial number of an emulated radio without its ports, which are others every time."""
    return re.sub(r"(127\.0\.0\.1:|_port=|emulated)\d+", r"\1…", text)


def _finite(value: object) -> object:
    # JSON has no infinities, and no word for what is not a number.
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(rows: Iterable[Mapping[str, object]]) -> list[str]:
    lines = ["| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD)]
    for row in rows:
        before, after, bound, target = (_figure(row[key]) for key in ("before", "after", "bound", "target"))
        verdict = _VERDICTS[row["met"]]  # type: ignore[index]
        cells = (str(row["metric"]), before, after, str(row["unit"]), bound, target, verdict)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


def _figure(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float | int) else ""


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _draw(plot: Plot, target: Path) -> None:
    figure, (ax,) = new_figure(6.4, 4.0)
    for index, curve in enumerate(plot.curves):
        colour = PALETTE[index % len(PALETTE)]
        if curve.points:
            ax.plot(
                curve.x, curve.y, linestyle="none", marker=MARKERS[index % len(MARKERS)], markersize=3.5, color=colour,
                label=curve.label,
            )  # fmt: skip
        else:
            ax.plot(curve.x, curve.y, color=colour, linewidth=1.6, label=curve.label)
    if plot.curves:
        legend(ax)
    annotate(ax, title=plot.title, x=plot.x_label, y=plot.y_label)
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        save_figure(figure, target)
