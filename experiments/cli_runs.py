"""Commands that send pictures: what they do with settings once these are checked, and what they print."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

from sdr_gsc.errors import SettingsError

from .cli_console import print_json, print_table, show_progress, step_listener
from .configuration import DemoSettings, SendSettings, SweepSettings, read_settings
from .procedures.demo import run_demo
from .procedures.locating import located
from .procedures.run_directory import RunDirectory
from .procedures.send import Answer, send
from .procedures.sweep import header_totals, plan, run_sweep, shortfalls
from .reports.report import metrics_table, write_report
from .reports.wording import decimal

__all__ = ["print_answer", "resume_command", "run_config_command", "run_demo_command", "run_send_command"]


def _fresh(name: str) -> Path:
    return Path("runs") / f"{name}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"


def run_demo_command(settings: DemoSettings, out: Path | None, *, as_json: bool) -> int:
    """The demonstration with its report."""
    settings = located(settings, Path())
    with show_progress("demonstration") as watch:
        directory, result = run_demo(settings, out or _fresh("demo"), watch.stage, step_listener(watch))
        watch.stage("drawing the report")
        path = write_report(directory)
    if as_json:
        print_json({"report": str(path), "nfe": result.nfe, "transmissions": result.results})
    else:
        table = metrics_table(directory.trials())
        print_table("", table.head, table.rows)
        kept = directory.settings()
        if isinstance(kept, DemoSettings) and kept.posterior_steps:
            print(f"posterior: {kept.posterior_samples} samples of {kept.posterior_steps} evaluations each (NFE)")
        print(f"report: {path}")
    return 0 if result.received else 1


def run_send_command(settings: SendSettings, out: Path | None, *, as_json: bool) -> int:
    """One transmission, with a run directory and a report where asked for."""
    settings = located(settings, Path())
    with show_progress("sending") as watch:
        answer = send(settings, out, step_listener(watch))
        if out is not None:
            watch.stage("drawing the report")
            write_report(RunDirectory.open(out))
    return print_answer(answer, as_json=as_json)


def print_answer(answer: Answer, *, as_json: bool) -> int:
    """The result of one transmission; returns the exit status."""
    result = answer.result
    if as_json:
        print_json(result)
    else:
        link = [
            (name, decimal(result[key], digits, unit))
            for name, key, digits, unit in (
                ("payload CBR", "cbr_payload", 5, ""),
                ("effective CBR", "cbr_effective", 5, ""),
                ("Es/N0", "esn0_db", 2, " dB"),
                ("sample SNR", "sample_snr_db", 2, " dB"),
                ("post-equalizer SNR", "post_eq_snr_db", 2, " dB"),
                ("EVM SNR", "evm_snr_db", 2, " dB"),
            )
        ]
        frames = result["frames"]
        if isinstance(frames, dict):
            link += [(f"frames {name.replace('_', ' ')}", str(count)) for name, count in frames.items()]
        print_table("", (f"{result['mapping']} over {result['radio']}", ""), link)
        table = metrics_table([result])
        print_table("", ("\n" + table.head[0], *table.head[1:]), table.rows)
        task = result.get("task")
        if isinstance(task, dict):
            rows = [(name.replace("_", " "), str(value)) for name, value in task.items() if value not in (None, {})]
            print_table("", ("\ntask", ""), rows)
    if not answer.received:
        print("sdr-gsc: nothing was received", file=sys.stderr)
    return 0 if answer.received else 1


def run_config_command(
    config: Path, *, quick: bool, out: Path | None, weights: str | None, as_json: bool, calibration: str | None = None
) -> int:
    """Whatever a configuration file describes."""
    settings = located(read_settings(config), config.parent)
    if weights is not None:
        settings = settings.model_copy(update={"weights": str(Path(weights).resolve())})
    if calibration is not None:
        if isinstance(settings, DemoSettings):
            raise SettingsError(f"{config} describes a demonstration, which takes no calibration: leave it out")
        settings = settings.model_copy(update={"calibration": str(Path(calibration).resolve())})
    if isinstance(settings, SweepSettings):
        resolved = settings.resolved(quick=quick)
        plan(resolved)
        return _sweep(RunDirectory.create(out or Path("runs") / settings.name, resolved), resolved, as_json=as_json)
    if quick:
        raise SettingsError(f"{config} describes one transmission; --quick is for grids: leave it out")
    target = out or _fresh(settings.kind)
    if isinstance(settings, SendSettings):
        return run_send_command(settings, target, as_json=as_json)
    return run_demo_command(settings, target, as_json=as_json)


def resume_command(run: Path, *, as_json: bool) -> int:
    """Finish what a run directory describes."""
    directory = RunDirectory.open(run)
    settings = directory.settings()
    if isinstance(settings, SweepSettings):
        return _sweep(directory, settings, as_json=as_json)
    # The directory keeps its own copy of the picture, at a path that starts there.
    placed = located(settings, run)
    if isinstance(placed, SendSettings):
        return run_send_command(placed, run, as_json=as_json)
    if isinstance(placed, DemoSettings):
        return run_demo_command(placed, run, as_json=as_json)
    raise TypeError(f"no command for {type(placed).__name__}")


def _sweep(directory: RunDirectory, settings: SweepSettings, *, as_json: bool) -> int:
    with show_progress(settings.name) as watch:
        run_sweep(directory, settings, lambda done, count: watch.advance(settings.name, done, count))
        watch.stage("drawing the report")
        path = write_report(directory)
    trials = directory.trials()
    sent, right, wrong = header_totals(trials)
    missed = shortfalls(trials, settings.expect)
    summary = {
        "run": str(directory.path),
        "report": str(path),
        "trials": len(trials),
        "received": sum(bool(trial["received"]) for trial in trials),
        "headers": {"sent": sent, "right": right, "wrong": wrong},
        "missed": missed,
    }
    if as_json:
        print_json(summary)
    else:
        rows = [
            ("trials", str(len(trials))),
            ("pictures of which anything arrived", str(summary["received"])),
            ("headers sent / right / wrong but accepted", f"{sent} / {right} / {wrong}"),
        ]
        print_table("", (settings.name, ""), rows)
        print(f"report: {path}")
    for sentence in missed:
        print(f"sdr-gsc: {sentence}", file=sys.stderr)
    return 1 if missed else 0
