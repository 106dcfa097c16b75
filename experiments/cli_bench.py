"""``sdr-gsc bench``: figures beside their anchors, measured in one run."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import App, Parameter

from .cli_console import print_json, print_table, show_progress, split_names

if TYPE_CHECKING:
    from .benchmarks.rows import Row

__all__ = ["bench_app"]

_Number = TypeVar("_Number", int, float)

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
    from .environment import describe_environment

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
    quick: Annotated[bool, Parameter(name="--quick", negative="")] = False,
    effort: float | None = None,
    decoder: Annotated[list[str] | None, Parameter(name=["--decoder", "--decoders"])] = None,
    cbr: Annotated[list[str] | None, Parameter(name="--cbr")] = None,
    esn0_db: Annotated[list[str] | None, Parameter(name="--esn0-db")] = None,
    channel: Annotated[list[str] | None, Parameter(name=["--channel", "--channels"])] = None,
    weights: str | None = None,
    single_rate: str | None = None,
    device: str = "cpu",
    side_px: int = 256,
    seed: int = 1,
    page: Path | None = None,
    json: Json = False,
) -> int:
    """Decoders on photographs that no training has seen, over rates, Es/N0 and channels, beside picture files.

    Args:
        quick: Fewer points: minutes on two cores; every target has its row all the same.
        effort: Work spent; 0.1 is --quick, with the figures of docs/decoders.md, 1 takes hours, 0.01 is a smoke test.
        decoder: Which decoders; repeat, or a,b. All by default.
        cbr: Inverse payload CBR; repeat, or a,b; 48 and 24 by default.
        esn0_db: Es/N0 in dB; repeat, or a,b; 0, 5, 10 and 15 by default.
        channel: awgn, office, office-erased; all by default.
        weights: Folder with other weights than the shipped ones.
        single_rate: Folder with a codec trained for one rate, to compare with.
        device: torch device; cuda measures speed on the GPU too.
        side_px: Side of the photographs; targets hold for 256.
        seed: Everything random follows from it.
        page: Write all figures and plots as a Markdown page too, pictures into images/ beside it.
        json: Print one JSON object and nothing else.
    """
    import time

    from .benchmarks.decode import bench_decode
    from .benchmarks.decode_plan import QUICK_EFFORT, plan_of
    from .benchmarks.decode_rows import figure_rows
    from .benchmarks.decode_targets import judged_rows
    from .environment import describe_environment

    if quick and effort is not None:
        from sdr_gsc.errors import SettingsError

        raise SettingsError(f"--quick is --effort {QUICK_EFFORT:g}; leave one of them out")
    spent = effort if effort is not None else QUICK_EFFORT if quick else 1.0
    plan = plan_of(
        effort=spent, decoders=split_names(decoder), cbr=_numbers(cbr, "--cbr", int),
        esn0_db=_numbers(esn0_db, "--esn0-db", float), channels=split_names(channel), side_px=side_px,
        single_rate=single_rate,
    )  # fmt: skip
    began = time.perf_counter()
    with show_progress("bench decode") as watch:
        found = bench_decode(
            plan, weights=weights, device=device, seed=seed,
            on_step=lambda stage, done, count: watch.advance(f"bench decode: {stage}", done, count),
        )  # fmt: skip
    seconds = time.perf_counter() - began
    judged = judged_rows(found)
    notes = dict(found.notes) | judged.reasons
    if page is not None:
        from .benchmarks.decode_page import write_page

        environment = describe_environment() | {"device": device}
        said = ["--quick" if quick else f"--effort {spent:g}"]
        for option, given in (
            ("--decoder", decoder), ("--cbr", cbr), ("--esn0-db", esn0_db), ("--channel", channel),
        ):  # fmt: skip
            said += [f"{option} {','.join(split_names(given) or ())}"] if given else []
        said += [] if single_rate is None else ["--single-rate FOLDER"]  # wherever that is here
        said += [] if device == "cpu" else [f"--device {device}"]
        said += [] if side_px == 256 else [f"--side-px {side_px}"]
        said += [] if seed == 1 else [f"--seed {seed}"]
        command = f"sdr-gsc bench decode {' '.join(said)} --page docs/{page.name}"
        write_page(page, found, judged, environment, command, seconds)
    rows = [*judged.rows, *figure_rows(found)] if json else judged.rows
    further = {"device": device, "effort": spent, "seed": seed, "seconds": seconds, "notes": notes}
    for name, text in notes.items() if not json else ():
        print(f"sdr-gsc: {name}: {text}", file=sys.stderr)
    return _print(rows, further, torch_threads=True, as_json=json)


@bench_app.command
def link(
    *,
    radio: str = "loopback:office",
    tx: str | None = None,
    rx: str | None = None,
    emulated: str | None = None,
    seconds: float = 15.0,
    decoder: str = "mmse",
    cbr: int = 24,
    side_px: int = 256,
    device: str = "cpu",
    batch: int = 1,
    way: str = "auto",
    pace_hz: float | None = None,
    soak: float | None = None,
    fault_rate: float = 0.0,
    esn0_db: float | None = None,
    seed: int = 1,
    weights: str | None = None,
    rate_hz: float = 4e6,
    json: Json = False,
) -> int:
    """Pictures in, pictures out, over any radio: throughput, latency by stage, loss and quality.

    Pictures go one at a time first, then as fast as the slowest stage lets them, then at the pace of a camera. With
    --soak there is one long run instead of the last two.

    Args:
        radio: Address of the radio, such as pluto:ip:192.168.2.1.
        tx: Address of the sender, where two radios share the work.
        rx: Address of the listener then.
        emulated: Start an emulated radio and use that: pluto, ad9361, usrp, soapy.
        seconds: Of the run as fast as it goes; the one before takes a quarter, the one behind half of it.
        decoder: Of the receiving end.
        cbr: Inverse payload CBR.
        side_px: Side of the pictures; aims hold for 256.
        device: torch device; with cuda the aims are targets.
        batch: Most pictures that are decoded at a time (mmse alone); pays on a GPU.
        way: exchange (a burst for each picture), stream (an endless one), or auto: what is faster here.
        pace_hz: Pictures per second of the paced run; by default 30, or what the link can do.
        soak: Seconds of a soak.
        fault_rate: Probability of faults of an emulated or simulated radio in the soak.
        esn0_db: Es/N0 of a simulated or emulated channel; 10 by default over loopback.
        seed: Everything random follows from it.
        weights: Folder with other weights than the shipped ones.
        rate_hz: Sample rate of an emulated radio; that of any other stands in its address.
        json: Print one JSON object and nothing else.
    """
    from .benchmarks.link import LinkPlan, bench_link

    plan = LinkPlan(
        radio=radio, tx=tx, rx=rx, emulated=emulated, seconds=seconds, decoder=decoder, cbr=cbr, side_px=side_px,
        device=device, batch=batch, way=way, pace_hz=pace_hz, soak_s=soak, fault_rate=fault_rate, esn0_db=esn0_db,
        seed=seed, weights=weights, rate_hz=rate_hz,
    )  # fmt: skip
    with show_progress("bench link") as watch:
        rows, further = bench_link(
            plan, on_step=lambda name, done, count: watch.advance(f"bench link: {name}", done, count)
        )
    return _print(rows, further, torch_threads=True, as_json=json)


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


def _numbers(given: list[str] | None, option: str, kind: type[_Number]) -> tuple[_Number, ...] | None:
    """Numbers from repeated options and comma lists."""
    from sdr_gsc.errors import SettingsError

    names = split_names(given)
    try:
        return None if names is None else tuple(kind(name) for name in names)
    except ValueError as error:
        raise SettingsError(f"{option} is {','.join(names or ())}; needed numbers") from error


def _print(rows: Sequence[Row], further: Mapping[str, object], *, torch_threads: bool, as_json: bool) -> int:
    from .benchmarks.rows import table_json
    from .environment import describe_environment

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
