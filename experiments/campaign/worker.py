"""One worker process: trials come in on stdin as JSON, their lines leave on stdout.

Run as ``python -m experiments.campaign.worker RUN``. When stdin ends, because the run is over or its process was
killed, the worker unwinds its stack as after SIGTERM, so that an open radio falls silent.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from .engine import Failure
from .failing import failure_of
from .kinds import study_of
from .run_directory import RunDirectory
from .study import RunTrial, Trial

__all__ = ["main", "parsed_trial", "trial_json"]


def trial_json(trial: Trial) -> dict[str, Any]:
    """A trial as it travels to a worker."""
    return {"name": trial.name, "cell": trial.cell, "values": dict(trial.values), "needs": list(trial.needs)}


def parsed_trial(found: dict[str, Any]) -> Trial:
    """The inverse of `trial_json`."""
    return Trial(found["name"], found["cell"], found["values"], tuple(found["needs"]))


def _listen(lines: queue.SimpleQueue[str | None]) -> None:
    # Orders may come while a trial runs, the end of stdin too; the main thread alone can unwind its stack.
    for line in sys.stdin:
        lines.put(line)
    lines.put(None)
    os.kill(os.getpid(), signal.SIGTERM)


def _leave(signal_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + signal_number)


def _answer(out: TextIO, **content: object) -> None:
    out.write(json.dumps(content, allow_nan=False, ensure_ascii=False) + "\n")
    out.flush()


def _failure_json(failure: Failure) -> dict[str, Any]:
    return {"kind": failure.kind, "cause": failure.cause, "fatal": failure.fatal}


def main(path: str) -> int:
    """Serve until stdin ends."""
    signal.signal(signal.SIGTERM, _leave)
    # Ctrl-C on a terminal reaches all its processes; the run decides what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Answers alone leave on stdout, whatever libraries print.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    directory = RunDirectory.open(Path(path))
    run: RunTrial | None = None
    while (line := lines.get()) is not None:
        trial = parsed_trial(json.loads(line))
        try:
            if run is None:
                run = study_of(directory.settings()).open(directory)
            _answer(out, line=run(trial))
        except Exception as error:  # whatever a trial does costs that trial alone
            _answer(out, failure=_failure_json(failure_of(error)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
