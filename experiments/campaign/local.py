"""Trials in processes of this machine: one that dies costs the trial in its hand, and is replaced."""

from __future__ import annotations

import json
import os
import select
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from .engine import Failure, Outcome
from .run_directory import RunDirectory
from .study import Trial
from .worker import trial_json

__all__ = ["LocalEngine", "default_workers"]

#: Time for a worker to unwind its stack, which may mute a radio.
_FAREWELL_S = 10.0
#: How often workers are looked at that say nothing.
_LOOK_S = 1.0
#: Of what a worker said on stderr, kept for the account of its end.
_LAST_WORDS_BYTES = 4096


def default_workers() -> int:
    """One for each processor that this process may use, at most 8: each holds the models once."""
    return min(len(os.sched_getaffinity(0)), 8)


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    trial: Trial | None = None
    since_s: float = 0.0
    ready: bool = False
    answer: bytearray = field(default_factory=bytearray)

    @property
    def out(self) -> IO[bytes]:
        if self.process.stdout is None:  # Popen was asked for a pipe
            raise RuntimeError("the worker has no stdout")
        return self.process.stdout

    def hang_up(self) -> None:
        """Close its stdin, which ends it; one that died already has closed the other end."""
        if self.process.stdin is not None:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                return


class LocalEngine:
    """Worker processes; see `Engine`. They start when they are first needed.

    Each computes with one thread unless OMP_NUM_THREADS says otherwise, so that figures do not depend on how many
    there are.

    Args:
        out: the run, which workers open themselves.
        workers: at most so many at a time.
        limit_s: after which a trial counts as hanging, and its worker is ended; None waits for ever.
    """

    def __init__(self, out: RunDirectory, workers: int, limit_s: float | None = None) -> None:
        self._out = out
        self._count = workers
        self._limit_s = limit_s
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()
        self._looked_s = time.monotonic()

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.hang_up()
        end_s = time.monotonic() + _FAREWELL_S
        for worker in self._workers:
            self._bury(worker, end_s)
        self._workers.clear()
        self._selector.close()

    def free(self) -> int:
        """See `Engine.free`."""
        return self._count - sum(worker.trial is not None for worker in self._workers)

    def submit(self, trial: Trial) -> None:
        """See `Engine.submit`."""
        worker = self._idle() or self._start()
        worker.trial, worker.since_s = trial, time.monotonic()
        try:
            stdin = worker.process.stdin
            if stdin is not None:
                stdin.write(json.dumps(trial_json(trial)).encode() + b"\n")
                stdin.flush()
        except BrokenPipeError:
            # It died a moment ago; `wait` finds its end and says so.
            return

    def wait(self) -> Sequence[Outcome]:
        """See `Engine.wait`."""
        found: list[Outcome | None] = []
        while not any(found) and any(worker.trial is not None for worker in self._workers):
            found += [self._read(key.data) for key, _ in self._selector.select(_LOOK_S)]
            if time.monotonic() - self._looked_s >= _LOOK_S:
                self._looked_s = time.monotonic()
                found += [self._looked_at(worker) for worker in tuple(self._workers)]
        return [outcome for outcome in found if outcome is not None]

    def _idle(self) -> _Worker | None:
        for worker in tuple(self._workers):
            if worker.trial is None:
                if worker.process.poll() is None:
                    return worker
                # It died between two trials, which costs none.
                self._ended(worker)
        return None

    def _start(self) -> _Worker:
        errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the worker is buried)
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "experiments.campaign.worker", str(self._out.path.resolve()), os.getcwd()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                # Where the package is, so that nothing in the user's folder is taken for it.
                cwd=Path(__file__).resolve().parents[2],
                env={"OMP_NUM_THREADS": "1", **os.environ},
            )
        except OSError:
            errors.close()
            raise
        worker = _Worker(process, errors)
        self._workers.append(worker)
        self._selector.register(worker.out, selectors.EVENT_READ, worker)
        return worker

    def _read(self, worker: _Worker) -> Outcome | None:
        data = os.read(worker.out.fileno(), 1 << 20)
        if not data:
            return self._ended(worker)
        worker.answer += data
        if b"\n" not in data:
            return None
        *whole, rest = bytes(worker.answer).split(b"\n")
        worker.answer = bytearray(rest)
        for line in whole:
            answer: dict[str, Any] = json.loads(line)
            if "ready" in answer:
                # A trial's time begins when there is somebody to run it.
                worker.ready, worker.since_s = True, time.monotonic()
            elif (trial := worker.trial) is not None:
                worker.trial = None
                if "failure" in answer:
                    return Outcome(trial, failure=Failure(**answer["failure"]))
                return Outcome(trial, answer["line"])
        return None

    def _looked_at(self, worker: _Worker) -> Outcome | None:
        """A worker that says nothing: it may be dead while a process of its own still holds its end of the pipe."""
        if worker.process.poll() is not None:
            # What it said last is read first.
            return None if select.select([worker.out], [], [], 0)[0] else self._ended(worker)
        trial = worker.trial
        if trial is None or self._limit_s is None or time.monotonic() - worker.since_s < self._limit_s:
            return None
        worker.trial = None
        worker.hang_up()
        self._ended(worker)
        cause = f"it took longer than trial_limit_s = {self._limit_s:g} s, and its worker was ended"
        return Outcome(trial, failure=Failure("TrialTimeout", cause))

    def _ended(self, worker: _Worker) -> Outcome | None:
        self._selector.unregister(worker.out)
        self._workers.remove(worker)
        last_words, status = self._bury(worker, time.monotonic() + _FAREWELL_S)
        if worker.trial is None:
            return None
        said = f": {last_words}" if last_words else ""
        if not worker.ready and status > 0:
            # No other worker could start either.
            return Outcome(worker.trial, failure=Failure("WorkerDied", f"a worker cannot start{said}", fatal=True))
        died = f"signal {_signal_name(-status)}" if status < 0 else f"exit status {status}"
        hint = "; out of memory? use fewer --workers" if status == -signal.SIGKILL else ""
        return Outcome(worker.trial, failure=Failure("WorkerDied", f"the worker process ended with {died}{hint}{said}"))

    def _bury(self, worker: _Worker, end_s: float) -> tuple[str, int]:
        """Wait for a worker's end, then kill it; returns the last line that it said, and its status."""
        try:
            worker.process.wait(max(end_s - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        worker.hang_up()
        worker.out.close()
        worker.errors.seek(max(worker.errors.seek(0, os.SEEK_END) - _LAST_WORDS_BYTES, 0))
        lines = worker.errors.read().decode(errors="replace").strip().splitlines()
        worker.errors.close()
        return (lines[-1] if lines else ""), worker.process.returncode


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no names
        return str(number)
