"""The page ``docs/decoders.md``: every figure of ``sdr-gsc bench decode``, in words, tables and pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from sdr_gsc.semantic.rate import rate_by_cbr, symbols_per_picture

from .decode import DecodeFound
from .decode_ablation import WEIGHTINGS, ablation_name
from .decode_baselines import CAPACITY, FIXED_MCS
from .decode_judging import Judged
from .decode_plan import solver_name
from .decode_plots import Drawn, draw_all
from .decode_points import CHANNELS
from .decode_rows import ablation_series, points_table, shown_series, solver_series
from .rows import Row

__all__ = ["render_page", "write_page"]

_VERDICTS = {True: "✓", False: "✗", None: ""}


def write_page(
    path: Path, found: DecodeFound, judged: Judged, environment: Mapping[str, object], command: str, seconds: float
) -> None:
    """Write the page, and its pictures in ``images`` beside it; pictures of an earlier run that are gone are deleted.

    Args:
        path: of the page.
        found: the figures.
        judged: the targets.
        environment: software and machine.
        command: that made the page.
        seconds: that it took.
    """
    folder = path.parent / "images"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = list(draw_all(found))
    saved = [each.save(folder, path.stem) for each in drawn]
    for old in folder.glob(f"{path.stem}-*"):
        if old.suffix in (".svg", ".jpg") and old not in saved:
            old.unlink()
    pictures = [(each, file.relative_to(path.parent).as_posix()) for each, file in zip(drawn, saved, strict=True)]
    path.write_text(render_page(found, judged, environment, pictures, command, seconds), "utf-8")


def render_page(
    found: DecodeFound,
    judged: Judged,
    environment: Mapping[str, object],
    pictures: Sequence[tuple[Drawn, str]],
    command: str,
    seconds: float,
) -> str:
    """The page as Markdown.

    Args:
        found: the figures.
        judged: the targets.
        environment: software and machine.
        pictures: figures with the links to their files.
        command: that made the page.
        seconds: that it took.
    """
    shown = {each.name: (each, link) for each, link in pictures}
    curves = [item for name, item in shown.items() if not name.startswith("pictures")]
    grids = [item for name, item in shown.items() if name.startswith("pictures")]
    lines = [
        "# Decoders",
        "",
        "What the decoders make of received symbols: distortion, perception and calibration over rates, Es/N0 and "
        "channels, beside picture files and coded symbols in the same air samples. One command measured all of this in "
        "one run and wrote this page, this sentence included:",
        "",
        f"    {command}",
        "",
        *_setting(found, environment, seconds),
        "",
        "## Targets",
        "",
        *_targets(judged),
        "",
        "## What was trained, with which budget",
        "",
        *_training(found),
        "",
        "## Rate, distortion and perception",
        "",
        _definitions(found),
    ]
    for each, link in curves:
        lines += ["", f"### {each.title}", "", f"![{each.title}]({link})", "", each.text]
    lines += ["", "## Pictures", "", _about_pictures(found)]
    for each, link in grids:
        lines += ["", f"### {each.title.removeprefix('Pictures: ')}", "", f"![{each.title}]({link})"]
    lines += ["", "## Figures at every point", "", *_points(found)]
    lines += ["", "## Solvers of the posterior", "", *_solvers(found)]
    lines += ["", "## What the measured weights are worth", "", *_ablation(found)]
    lines += ["", "## Cost", "", *_costs(found)]
    if found.speed is not None:
        lines += ["", "## On a GPU", "", *_table(("figure", "value", "unit"), map(_plain, found.speed.rows))]
    if found.notes:
        lines += ["", "## Left out", "", *_table(("", "why"), found.notes)]
    return "\n".join(lines) + "\n"


def _setting(found: DecodeFound, environment: Mapping[str, object], seconds: float) -> list[str]:
    plan = found.plan
    packages = environment.get("packages")
    versions = packages if isinstance(packages, Mapping) else {}
    named = ", ".join(f"{name} {versions[name]}" for name in ("torch", "numpy", "pillow") if versions.get(name))
    rates = ", ".join(
        f"1/{cbr} ({symbols_per_picture(plan.side_px, plan.side_px, rate_by_cbr(cbr))} symbols)" for cbr in plan.rates
    )
    levels = ", ".join(f"{level:g}" for level in sorted({point.esn0_db for point in plan.points}))
    channels = "; ".join(f"{name}: {CHANNELS[name].text}" for name in _used_channels(found))
    threads = environment.get("threads")
    used = threads.get("torch") if isinstance(threads, Mapping) else None
    return _table(
        ("", "this run"),
        [
            ("processor", f"{environment.get('cpu')}, {environment.get('cpu_count')} cores, {used} threads of torch"),
            ("device of the networks", str(environment.get("device", "cpu"))),
            ("software", f"Python {environment.get('python')}, {named}"),
            ("time", f"{seconds / 60:.0f} minutes"),
            (
                "photographs",
                f"{', '.join(plan.pictures)}; centre square, {plan.side_px} pixels a side; never training data",
            ),
            (
                "realizations of the channel per photograph",
                f"{plan.repetitions}; slow decoders one, of {plan.slow_pictures} photographs if nothing is erased",
            ),
            ("payload CBR", rates),
            ("Es/N0 (dB)", levels),
            ("channels", channels),
        ],
    )


def _used_channels(found: DecodeFound) -> list[str]:
    used = {point.channel for point in found.plan.points}
    return [name for name in CHANNELS if name in used]


def _definitions(found: DecodeFound) -> str:
    from sdr_gsc.phy.coding.mcs import MCS_TABLE

    return (
        "`perceptual` is a distance between features of EfficientNet-Lite0 in the form of LPIPS, agreement the share "
        "of pictures in which that network sees the class that it sees in the original, and Fréchet the distance "
        "between Gaussians fitted to its features of patches; nothing is trained with any of them. What teaches "
        "`refine` and `consistency` beside squared error is EfficientNet-Lite1: other weights, but the same "
        "architecture and training photographs, so Lite2, which has taught nothing either, looks at what it teaches, "
        "too, over white noise. `posterior:cddb` has the bridge of `refine` for a prior and holds it to the likelihood "
        "of the symbols. A picture that did not arrive counts as mid-grey. The fading of a realization is the same at "
        "every rate and Es/N0 and for every way of sending. *classical* is the best of JPEG, WebP, AVIF and JPEG 2000, "
        "at full, half or quarter size, that fits the air samples of the uncoded symbols; its oracle knows of every "
        "single realization which scheme gives the least squared error, its fixed scheme is "
        f"{MCS_TABLE[FIXED_MCS].name}. *coded symbols* are the "
        "codec's symbols as bits behind the same code, decoded by mmse. Nothing here uses a task vector: those "
        "results have tables of their own. OPTA is computed from the variances of the codec's linear transform over "
        "each photograph, by reverse water-filling at capacity; photographs are not Gaussian and their blocks not "
        "alike, so it is a line to compare with and not a bound."
    )


def _targets(judged: Judged) -> list[str]:
    rows = [item for item in judged.rows if item.target is not None]
    reached = sum(item.met is True for item in rows)
    lines = [f"{reached} of {len(rows)} targets are met.", "", *_rows(rows)]
    failed = [item for item in rows if item.met is not True]
    if failed:
        lines += ["", "Missed:", "", *(f"- {item.metric}: {_missed(item, judged.reasons)}." for item in failed)]
    beside = [item for item in judged.rows if item.target is None]
    return [*lines, "", "Beside them:", "", *_table(("figure", "value", "unit"), map(_plain, beside))]


def _missed(item: Row, reasons: Mapping[str, str]) -> str:
    if item.metric in reasons:
        return f"no figure ({reasons[item.metric]})"
    if item.value is None or item.target is None:
        return "no figure"
    off = abs(item.value - item.target)
    if item.target and item.value >= item.target and item.unit == "share" and item.aim is not None:
        return f"{_number(item.value)}, above the interval around {_number(item.aim)}"
    return f"{_number(item.value)} {item.unit} instead of {_number(item.target)}, {_number(off)} off"


def _training(found: DecodeFound) -> list[str]:
    cells = [
        (title, f"{card.parameters / 1e6:.2f} million", card.description, f"`{card.trained_with}`")
        for title, card in found.cards.items()
    ]
    sources = {card.trained_on for card in found.cards.values()}
    lines = _table(("model", "parameters", "what it is", "how it was made"), cells)
    return [*lines, "", *(f"Pictures: {source}." for source in sorted(sources))]


def _points(found: DecodeFound) -> list[str]:
    points = tuple(dict.fromkeys((*found.plan.points, *found.plan.slow_points)))
    ordered = sorted(points, key=lambda point: (-point.cbr, list(CHANNELS).index(point.channel), point.esn0_db))
    head, cells = points_table(found, (*shown_series(found), CAPACITY), ordered)
    return [
        "Means over the photographs, with 95 % bands. *cover* is the share of values inside the 90 % intervals that "
        "the decoder predicts: the codec's predicted error, and how far the picture lies from the codec's estimate. "
        "*s* are the seconds of a decoding, *choice* is what the oracle took.",
        "",
        *_table(head, cells),
    ]


def _solvers(found: DecodeFound) -> list[str]:
    if not any(found.samples.points(name) for name in solver_series(found)):
        return ["Not measured in this run."]
    head, cells = points_table(found, solver_series(found), found.plan.solver_points)
    bare = {solver_name(name): name for name in found.plan.solvers}
    kept = (0, 1, 2, 3, 4, 5, 7, 8, 10, 11, 12)
    return [
        f"Each with at most {found.plan.solver_nfe} evaluations, on the same receptions; *mmse* is the estimate that "
        "they begin with. `posterior:cddb` and `mmse` know pictures from the codec's training; the others have the "
        "unconditional prior, which is small. *cover* as above, for the picture that was drawn.",
        "",
        *_table(
            [head[index] for index in kept],
            ([bare.get(line[index], line[index]) for index in kept] for line in cells),
        ),
    ]


def _about_pictures(found: DecodeFound) -> str:
    text = f"The photograph is {found.plan.pictures[0]}; figures are those of this one picture."
    if any(CHANNELS[point.channel].erased for point in found.grid):
        text += " Where symbols are erased no picture file is shown: one that lacks a fifth of itself is not received."
    return text


def _ablation(found: DecodeFound) -> list[str]:
    if not any(found.samples.points(name) for name in ablation_series(found)):
        return ["Not measured in this run."]
    head, cells = points_table(found, ablation_series(found), found.plan.ablation_points)
    kept = (0, 1, 2, 3, 4, 5, 7, 8)
    lines = [
        "The same decoders on the same receptions: with the noise variance that the receiver measured for every "
        f"symbol (*{WEIGHTINGS[0]}*), with one variance for all symbols, lost ones included (*{WEIGHTINGS[1]}*), and "
        f"as if there were no noise (*{WEIGHTINGS[2]}*). Slow decoders take at most 10 evaluations here.",
        "",
        *_table([head[index] for index in kept], ([line[index] for index in kept] for line in cells)),
        "",
    ]
    for name in found.plan.ablation:
        for point in found.plan.ablation_points:
            for weighting in WEIGHTINGS[1:]:
                pair = ablation_name(name, WEIGHTINGS[0]), ablation_name(name, weighting)
                mean, low, high = found.samples.differences(*pair, point, lambda sample: sample.quality.psnr_db)
                if math.isfinite(mean):
                    lines.append(
                        f"- {name}, {point.name}: measured weights are worth {mean:+.2f} dB ({low:+.2f}…{high:+.2f}) "
                        f"over {weighting}."
                    )
    return lines


def _costs(found: DecodeFound) -> list[str]:
    cells = []
    for name, cost in found.costs.items():
        memory = f"{cost.memory_mebibytes:.0f}" if math.isfinite(cost.memory_mebibytes) else ""
        spent = [sample.seconds for sample in found.samples.every if sample.series == name and sample.received]
        seconds = float(np.median(spent)) if spent else cost.seconds
        cells.append((name, f"{seconds:.2f}", memory))
    head = ("decoder", "seconds per picture, median", "peak memory beyond the models (MiB)")
    return [*_table(head, cells), "", f"All shipped models together take {found.model_mebibytes:.1f} MiB."]


def _rows(rows: Iterable[Row]) -> list[str]:
    head = ("target", "value", "unit", "must", "aim", "met")
    return _table(
        head,
        [
            (item.metric, _number(item.value), item.unit, _number(item.target), _number(item.aim), _VERDICTS[item.met])
            for item in rows
        ],
    )


def _plain(item: Row) -> tuple[str, str, str]:
    return item.metric, _number(item.value), item.unit


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if math.isfinite(value) else "no figure"


def _table(head: Sequence[str], cells: Iterable[Sequence[str]]) -> list[str]:
    def line(texts: Sequence[str]) -> str:
        return "| " + " | ".join(text.replace("|", "\\|").replace("\n", " ") for text in texts) + " |"

    return [line(head), "| " + " | ".join("---" for _ in head) + " |", *map(line, cells)]
