"""The page ``docs/performance.md``: every figure of ``sdr-gsc bench phy`` beside its anchor and its bound."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .curves import Measured, joined
from .performance_plots import save_curve
from .rows import Row

__all__ = ["missed", "render_page", "write_page"]

_HEAD = ("metric", "value", "unit", "anchor", "ratio", "bound", "target", "aim", "met")
#: What stands in the name of a ratio between it and the program that it refers to.
_OVER = ", over "
#: Units of which more is better.
_SPEEDS = ("Msps", "Mbit/s")
_VERDICTS = {True: "✓", False: "✗", None: ""}


def write_page(
    path: Path,
    found: Mapping[str, Measured],
    titles: Mapping[str, str],
    environment: Mapping[str, object],
    *,
    effort: float,
    seed: int,
) -> None:
    """Write the page, and its pictures in ``images`` beside it; pictures of an earlier run that are gone are deleted.

    Args:
        path: of the page.
        found: what each part measured, by name, in the order of the page.
        titles: headings by name of part.
        environment: from `describe_environment`, and what the command adds.
        effort: of the run.
        seed: of the run.
    """
    folder = path.parent / "images"
    folder.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, Path] = {}
    for part in found.values():
        for curve in part.curves:
            drawn = save_curve(curve, folder, path.stem)
            if drawn in pictures.values():
                raise ValueError(f"two curves are drawn into {drawn.name}; needed one name for each")
            pictures[curve.name] = drawn
    for old in sorted(folder.glob(f"{path.stem}-*.svg")):
        if old not in pictures.values():
            old.unlink()
    links = {name: drawn.relative_to(path.parent).as_posix() for name, drawn in pictures.items()}
    path.write_text(render_page(found, titles, environment, links, effort=effort, seed=seed), "utf-8")


def render_page(
    found: Mapping[str, Measured],
    titles: Mapping[str, str],
    environment: Mapping[str, object],
    pictures: Mapping[str, str],
    *,
    effort: float,
    seed: int,
) -> str:
    """The page as Markdown.

    Args:
        found: what each part measured, by name.
        titles: headings by name of part.
        environment: software and machine.
        pictures: link to the picture of each curve, by the curve's name.
        effort: of the run.
        seed: of the run.
    """
    whole = joined(list(found.values()))
    lines = [
        "# Performance",
        "",
        "What the waveform reaches: its speed beside that of other people's programs, its accuracy beside what theory "
        "allows. One command measured all of this in one run and wrote this page:",
        "",
        "    sdr-gsc bench phy --page docs/performance.md",
        "",
        *_machine(environment, effort, seed),
        "",
        "**value** is ours, **anchor** the same work done by another program in the same run, **ratio** value over "
        "anchor, **bound** what theory allows, **target** what must be reached (**met** refers to it), **aim** what "
        "is hoped for. Speeds count CPU seconds of one core; works that are compared take turns, and medians are "
        "compared. Msps are million samples per second of the signal on the air, gaps included.",
        "",
        "## Beside other programs",
        "",
        *_comparison(whole.rows),
        "",
        "## Targets",
        "",
        *_targets(whole.rows),
    ]
    for name, part in found.items():
        lines += ["", f"## {titles.get(name, name)}", "", *_table(_HEAD, map(_cells, part.rows))]
        for curve in part.curves:
            lines += ["", f"### {curve.name}", "", f"![{curve.name}]({pictures[curve.name]})"]
            if curve.text:
                lines += ["", curve.text]
    return "\n".join([*lines, *_anchors(whole), *_reproduction()]) + "\n"


def missed(item: Row) -> str:
    """By how much a target is missed, in words.

    >>> from .rows import row
    >>> missed(row("speed", 3.0, "Msps", target=4.0))
    '3 Msps instead of 4: 25 % off'
    """
    if item.value is None or not math.isfinite(item.value) or item.target is None:
        return "no figure was obtained"
    if (item.unit in _SPEEDS or _OVER in item.metric) and item.value >= item.target:
        reached = f"{_number(item.value)} {item.unit} would reach {_number(item.target)}"
        return f"{reached}, but what was measured was not done right"
    off = abs(item.value - item.target)
    share = "" if item.target == 0 else f"{100 * off / abs(item.target):.0f} % off"
    by = f"{_number(off)} {item.unit} off" if item.unit in ("dB", "share", "subcarriers") else share
    return f"{_number(item.value)} {item.unit} instead of {_number(item.target)}: {by}"


def _machine(environment: Mapping[str, object], effort: float, seed: int) -> list[str]:
    packages = environment.get("packages")
    versions = packages if isinstance(packages, Mapping) else {}
    named = ", ".join(f"{name} {text}" for name, text in versions.items() if text is not None)
    return _table(
        ("", "this run"),
        [
            ("processor", f"{environment.get('cpu')}, {environment.get('cpu_count')} cores"),
            # The kernel's own version and what follows it matter to nobody.
            (
                "software",
                f"{str(environment.get('platform')).partition('-')[0]}, Python {environment.get('python')}, {named}",
            ),
            ("size", f"effort {effort:g}, seed {seed}"),
        ],
    )


def _comparison(rows: Sequence[Row]) -> list[str]:
    """Figures with an anchor, each with the target of its ratio, and ratios to anchors that measure something else."""
    ratios = {item.metric: item for item in rows if _OVER in item.metric}
    cells = []
    for item in rows:
        if item.anchor is not None and item.value is not None:
            ours, theirs = f"{_number(item.value)} {item.unit}", f"{_number(item.anchor)} {item.unit}"
            judged = next((ratios.pop(name) for name in list(ratios) if name.startswith(item.metric + _OVER)), None)
            target, met = (None, None) if judged is None else (judged.target, judged.met)
            better = f"{item.value - item.anchor:+.1f} dB" if item.unit == "dB" else _times(item.ratio)
            cells.append((item.metric, f"**{better}**", ours, theirs, _number(target), _VERDICTS[met]))
    for item in ratios.values():
        if item.value is not None:
            times = f"**{_times(item.value)}**"
            cells.append((item.metric, times, "", "", _number(item.target), _VERDICTS[item.met]))
    return _table(("", "ratio", "ours", "theirs", "target", "met"), cells) if cells else ["No anchor took part."]


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{_number(ratio)} ×"


def _targets(rows: Sequence[Row]) -> list[str]:
    judged = [item for item in rows if item.target is not None]
    reached = sum(item.met is True for item in judged)
    lines = [f"{reached} of {len(judged)} targets are met."]
    failed = [item for item in judged if item.met is False]
    if failed:
        lines += ["", "Missed:", "", *(f"- {item.metric}: {missed(item)}." for item in failed)]
    open_ones = [item for item in judged if item.met is None]
    if open_ones:
        lines += ["", "Not measured, because the anchor was missing:", "", *(f"- {item.metric}." for item in open_ones)]
    return lines


def _anchors(whole: Measured) -> list[str]:
    lines: list[str] = []
    if whole.anchors:
        lines += ["", "## Anchors", "", *_table(("anchor", "what it is, or why it is missing"), whole.anchors)]
    if whole.notes:
        lines += ["", "## Notes", "", *_table(("figure", "note"), whole.notes)]
    return lines


def _reproduction() -> list[str]:
    return [
        "",
        "## How to reproduce it",
        "",
        "`sdr-gsc bench phy` prints the tables, with `--json` as one JSON object; `--only speed,cost` measures parts "
        "of them, `--effort 0.1` measures everything in a hurry. Accuracy depends on the seed alone and comes out the "
        "same again; speeds do not, and absolute ones hold for the machine above: compare ratios. The anchors are "
        "fetched by pip in the versions named here into a folder of the user's cache and run from there; liquid-dsp "
        "needs a C compiler. `--no-anchors` goes without them.",
    ]


def _cells(item: Row) -> tuple[str, ...]:
    figures = (item.anchor, item.ratio, item.bound, item.target, item.aim)
    value = "–" if item.value is None else _number(item.value)
    return (item.metric, value, item.unit, *map(_number, figures), _VERDICTS[item.met])


def _number(value: float | None) -> str:
    """Three digits, more only where they stand before the point; no exponent where one can do without."""
    if value is None:
        return ""
    if not math.isfinite(value):
        return "no figure"
    if value != 0 and not 1e-4 <= abs(value) < 1e7:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in rows]
