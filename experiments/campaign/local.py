"""Trials in processes of this machine: one that dies costs the trial in its hand, and is replaced."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .engine import Failure, Outcome
from .run_directory import RunDirectory
from .study import Trial
from .worker import trial_json

__all__ = ["LocalEngine", "default_workers"]

_FAREWELL_S = 10.0


def default_workers() -> int:
    """One for each processor that this process may use, at most 8: each holds the models once."""
    return min(len(os.sched_getaffinity(0)), 8)


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    trial: Trial | None = None
    answer: bytes = b""

    @property
    def out(self) -> IO[bytes]:
        if self.process.stdout is None:  # Popen was asked for a pipe
            raise RuntimeError("the worker has no stdout")
        return self.process.stdout


class LocalEngine:
    """Worker processes; see `Engine`. They start when they are first needed.

    Each computes with one thread unless OMP_NUM_THREADS says otherwise, so that figures do not depend on how many
    there are.

    Args:
        out: the run, which workers open themselves.
        workers: at most so many at a time.
    """

    def __init__(self, out: RunDirectory, workers: int) -> None:
        self._out = out
        self._count = workers
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            if worker.process.stdin is not None:
                # A worker that died already has closed the other end.
                try:
                    worker.process.stdin.close()
                except BrokenPipeError:
                    continue
        for worker in self._workers:
            self._bury(worker)
        self._workers.clear()
        self._selector.close()

    def free(self) -> int:
        """See `Engine.free`."""
        return self._count - sum(worker.trial is not None for worker in self._workers)

    def submit(self, trial: Trial) -> None:
        """See `Engine.submit`."""
        worker = next((worker for worker in self._workers if worker.trial is None), None) or self._start()
        worker.trial = trial
        try:
            stdin = worker.process.stdin
            if stdin is not None:
                stdin.write(json.dumps(trial_json(trial)).encode() + b"\n")
                stdin.flush()
        except BrokenPipeError:
            # It died between two trials; `wait` finds its end and says so.
            return

    def wait(self) -> Sequence[Outcome]:
        """See `Engine.wait`."""
        found: list[Outcome] = []
        while not found and any(worker.trial is not None for worker in self._workers):
            for key, _ in self._selector.select():
                outcome = self._read(key.data)
                if outcome is not None:
                    found.append(outcome)
        return found

    def _start(self) -> _Worker:
        errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the worker is buried)
        process = subprocess.Popen(
            [sys.executable, "-m", "experiments.campaign.worker", str(self._out.path.resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=Path(__file__).resolve().parents[2],
            env={"OMP_NUM_THREADS": "1", **os.environ},
        )
        worker = _Worker(process, errors)
        self._workers.append(worker)
        self._selector.register(worker.out, selectors.EVENT_READ, worker)
        return worker

    def _read(self, worker: _Worker) -> Outcome | None:
        data = os.read(worker.out.fileno(), 1 << 20)
        trial = worker.trial
        if not data:
            return self._ended(worker)
        worker.answer += data
        if not worker.answer.endswith(b"\n") or trial is None:
            return None
        answer: dict[str, Any] = json.loads(worker.answer)
        worker.answer, worker.trial = b"", None
        if "failure" in answer:
            return Outcome(trial, failure=Failure(**answer["failure"]))
        return Outcome(trial, answer["line"])

    def _ended(self, worker: _Worker) -> Outcome | None:
        self._selector.unregister(worker.out)
        self._workers.remove(worker)
        last_words, status = self._bury(worker)
        if worker.trial is None:
            return None
        died = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        hint = "; out of memory? use fewer --workers" if status == -signal.SIGKILL else ""
        said = f": {last_words}" if last_words else ""
        return Outcome(worker.trial, failure=Failure("WorkerDied", f"the worker process ended with {died}{hint}{said}"))

    def _bury(self, worker: _Worker) -> tuple[str, int]:
        """Wait for a worker's end, which may mute a radio first; returns the last line it said, and its status."""
        try:
            worker.process.wait(_FAREWELL_S)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        for pipe in (worker.process.stdin, worker.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
        worker.errors.seek(0)
        lines = worker.errors.read().decode(errors="replace").strip().splitlines()
        worker.errors.close()
        return (lines[-1] if lines else ""), worker.process.returncode
