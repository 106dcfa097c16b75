"""Commands that send pictures: what they do with settings once these are checked, and what they print."""

from __future__ import annotations

import sys
from pathlib import Path

from .campaign.run_directory import RunDirectory
from .cli_campaign import fresh_folder
from .cli_console import print_json, print_table, show_progress, step_listener
from .configuration import DemoSettings, SendSettings
from .procedures.demo import run_demo
from .procedures.locating import located
from .procedures.send import Answer, send
from .reports.report import metrics_table, write_report
from .reports.wording import decimal

__all__ = ["print_answer", "run_demo_command", "run_send_command"]


def run_demo_command(settings: DemoSettings, out: Path | None, *, as_json: bool) -> int:
    """The demonstration with its report."""
    settings = located(settings, Path())
    with show_progress("demonstration") as watch:
        directory, result = run_demo(settings, out or fresh_folder("demo"), watch.stage, step_listener(watch))
        watch.stage("drawing the report")
        path = write_report(directory)
    if as_json:
        print_json({"report": str(path), "nfe": result.nfe, "transmissions": result.results})
    else:
        table = metrics_table(directory.trials())
        print_table("", table.head, table.rows)
        kept = directory.settings()
        if isinstance(kept, DemoSettings) and kept.posterior_steps:
            print(f"posterior: {kept.posterior_steps} evaluations (NFE)")
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
