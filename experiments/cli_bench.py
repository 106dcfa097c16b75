"""``sdr-gsc bench``: figures beside their anchors, measured in one run."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from .cli_console import print_json, print_table, show_progress, split_names

if TYPE_CHECKING:
    from .benchmarks.rows import Row

__all__ = ["bench_app"]

bench_app = App(name="bench", help="Measure speed beside anchors. Exit status 1: a target is missed.")
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON object and nothing else.")]


@bench_app.command
def phy(
    *,
    only: Annotated[list[str] | None, Parameter(name="--only")] = None,
    effort: float = 1.0,
    seed: int = 1,
    anchors: Annotated[bool, Parameter(name="--anchors", negative="--no-anchors")] = True,
    page: Path | None = None,
    json: Json = False,
) -> int:
    """Speed and accuracy of the waveform beside other programs and beside theory; some minutes on one core.

    Args:
        only: Parts: speed, cost, link, coding, detection and others; repeat, or a,b. All by default.
        effort: Work spent; 1 gives the figures of docs/performance.md, 0.1 is a smoke test.
        seed: Everything random follows from it.
        anchors: Fetch and measure other programs: liquid-dsp, Sionna, scikit-commpy.
        page: Write all figures and plots as a Markdown page too, pictures into images/ beside it.
        json: Print one JSON object and nothing else.
    """
    from .benchmarks.curves import joined
    from .benchmarks.phy import PARTS, bench_phy
    from .procedures.environment import describe_environment

    parts = split_names(only)
    if page is not None and parts is not None:
        from sdr_gsc.errors import SettingsError

        raise SettingsError("--page shows all figures of one run; leave out --only, or --page")
    with show_progress("bench phy") as watch:
        found = bench_phy(
            only=parts, effort=effort, seed=seed, anchors=anchors,
            on_step=lambda name, done, count: watch.advance(f"bench phy: {name}", done, count),
        )  # fmt: skip
    whole = joined(list(found.values()))
    for name, text in whole.anchors:
        if text.startswith("missing:"):
            print(f"sdr-gsc: {name} is {text}", file=sys.stderr)
    further = {"anchors": dict(whole.anchors), "notes": dict(whole.notes), "clock": "CPU seconds", "effort": effort}
    if page is not None:
        from .benchmarks.performance_page import write_page

        titles = {part.name: part.title for part in PARTS}
        write_page(page, found, titles, describe_environment(torch_threads=False), effort=effort, seed=seed)
    return _print(whole.rows, further | {"seed": seed}, torch_threads=False, as_json=json)


@bench_app.command
def decode(
    *,
    decoder: Annotated[list[str] | None, Parameter(name=["--decoder", "--decoders"])] = None,
    weights: str | None = None,
    device: str = "cpu",
    side_px: int = 256,
    repetitions: int = 3,
    json: Json = False,
) -> int:
    """Decoders: seconds, evaluations and PSNR per picture.

    Args:
        decoder: Which decoders; all by default.
        weights: Folder with other weights than the shipped ones.
        device: torch device.
        side_px: Side of the picture.
        repetitions: Of each decoder; medians are taken.
        json: Print one JSON object and nothing else.
    """
    from .benchmarks.decode import DECODERS, bench_decode

    with show_progress("bench decode") as watch:
        rows = bench_decode(
            weights=weights, device=device, side_px=side_px, repetitions=_positive(repetitions),
            names=split_names(decoder) or DECODERS,
            on_step=lambda done, count: watch.advance("bench decode", done, count),
        )  # fmt: skip
    return _print(rows, {"device": device}, torch_threads=True, as_json=json)


@bench_app.command
def link(*, weights: str | None = None, side_px: int = 256, repetitions: int = 5, json: Json = False) -> int:
    """The way of one picture, stage by stage.

    Args:
        weights: Folder with other weights than the shipped ones.
        side_px: Side of the picture.
        repetitions: Of each stage; medians are taken.
        json: Print one JSON object and nothing else.
    """
    from .benchmarks.link import bench_link

    with show_progress("bench link") as watch:
        rows = bench_link(
            weights=weights, side_px=side_px, repetitions=_positive(repetitions),
            on_step=lambda done, count: watch.advance("bench link", done, count),
        )  # fmt: skip
    return _print(rows, {}, torch_threads=True, as_json=json)


@bench_app.command
def radio(
    *,
    driver: Annotated[list[str] | None, Parameter(name=["--driver", "--drivers"])] = None,
    only: Annotated[list[str] | None, Parameter(name="--only")] = None,
    seconds: float = 3.0,
    live_s: float = 60.0,
    json: Json = False,
) -> int:
    """Drivers on emulated radios: streams at 1 to 20 Msps, bursts, cost over the vendors' interfaces, a live link.

    Args:
        driver: pluto, ad9361, usrp, soapy; all by default.
        only: Parts: receive, transmit, burst, cost, live; all by default.
        seconds: Of each stream.
        live_s: Of the live link.
        json: Print one JSON object and nothing else.
    """
    from .benchmarks.radio import DRIVERS, bench_radio

    with show_progress("bench radio") as watch:
        rows = bench_radio(
            drivers=split_names(driver) or DRIVERS, only=split_names(only), seconds=seconds, live_s=live_s,
            on_step=lambda name, done, count: watch.advance(f"bench radio: {name}", done, count),
        )  # fmt: skip
    return _print(rows, {"seconds": seconds, "live_s": live_s}, torch_threads=False, as_json=json)


def _positive(repetitions: int) -> int:
    from sdr_gsc.errors import SettingsError

    if repetitions < 1:
        raise SettingsError(f"repetitions is {repetitions}; needed at least 1")
    return repetitions


def _print(rows: Sequence[Row], further: Mapping[str, object], *, torch_threads: bool, as_json: bool) -> int:
    from .benchmarks.rows import table_json
    from .procedures.environment import describe_environment

    if as_json:
        print_json(table_json({**describe_environment(torch_threads=torch_threads), **further}, rows))
    else:
        verdicts = {True: "yes", False: "NO", None: ""}
        cells = [
            (
                item.metric, _short(item.value), item.unit, _short(item.anchor), _short(item.ratio), _short(item.bound),
                _short(item.target), _short(item.aim), verdicts[item.met],
            )
            for item in rows
        ]  # fmt: skip
        print_table("", ("metric", "value", "unit", "anchor", "ratio", "bound", "target", "aim", "met"), cells)
    return 1 if any(item.met is False for item in rows) else 0


def _short(value: float | None) -> str:
    return "" if value is None else "no figure" if value != value else f"{value:.4g}"
