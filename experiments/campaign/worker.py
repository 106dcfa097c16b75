"""One worker process: trials come in on stdin as JSON, their lines leave on stdout.

Run as ``python -m experiments.campaign.worker RUN FOLDER``; relative paths start at FOLDER. The first line that leaves
says that the worker can run trials. When stdin ends, because the run is over or its process was killed, the worker
unwinds its stack as after SIGTERM, so that an open radio falls silent.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from .failing import failure_of
from .kinds import study_of
from .lines import plain_json
from .run_directory import RunDirectory
from .settings import CampaignSettings
from .study import RunTrial, Trial

__all__ = ["main", "parsed_trial", "trial_json"]


def trial_json(trial: Trial) -> dict[str, Any]:
    """A trial as it travels to a worker."""
    return {"name": trial.name, "cell": trial.cell, "values": dict(trial.values), "needs": list(trial.needs)}


def parsed_trial(found: dict[str, Any]) -> Trial:
    """The inverse of `trial_json`."""
    return Trial(found["name"], found["cell"], found["values"], tuple(found["needs"]))


def _orders() -> Iterator[bytes]:
    # Not through sys.stdin, whose lock a thread that waits in it would hold when the interpreter ends.
    rest = b""
    while chunk := os.read(0, 1 << 16):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole


def _listen(lines: queue.SimpleQueue[bytes | None]) -> None:
    # Orders may come while a trial runs, the end of stdin too; the main thread alone can unwind its stack.
    for line in _orders():
        lines.put(line)
    lines.put(None)
    os.kill(os.getpid(), signal.SIGTERM)


def _leave(signal_number: int, _frame: FrameType | None) -> None:
    # Once: a second signal, such as the end of stdin after a SIGTERM to all processes, must not break the unwinding.
    for number in _ending():
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + signal_number)


def _ending() -> list[signal.Signals]:
    # What nohup ignores stays ignored.
    return [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]


def _answer(out: TextIO, **content: object) -> None:
    out.write(json.dumps(content, allow_nan=False, ensure_ascii=False) + "\n")
    out.flush()


def main(path: str, folder: str) -> int:
    """Serve until stdin ends."""
    for number in _ending():
        signal.signal(number, _leave)
    # Ctrl-C on a terminal reaches all its processes; the run decides what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Answers alone leave on stdout, whatever libraries print.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    directory = RunDirectory.open(Path(path))
    # Its modules were found from where it was started; what its settings name is looked for where the run was.
    os.chdir(folder)
    settings = directory.settings()
    if not isinstance(settings, CampaignSettings):
        raise TypeError(f"{path} holds no campaign")
    study = study_of(settings)
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    _answer(out, ready=True)
    run: RunTrial | None = None
    while (line := lines.get()) is not None:
        trial = parsed_trial(json.loads(line))
        try:
            if run is None:
                run = study.open(directory)
            answer: dict[str, object] = {"line": plain_json(run(trial))}
        except Exception as error:  # whatever a trial does costs that trial alone
            answer = {"failure": asdict(failure_of(error))}
        _answer(out, **answer)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
