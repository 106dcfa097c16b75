"""Emulated radios in a process of their own, as a bench would have them: they take no time from what is measured."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sdr_gsc.errors import SdrGscError

__all__ = ["cpu_seconds", "emulated"]

_START_S = 120.0
_END_S = 10.0
_CLOCK_TICK_HZ = 100


@contextmanager
def emulated(kinds: Sequence[str], *options: str) -> Iterator[tuple[str, ...]]:
    """Start ``sdr-gsc emulate`` and end it again.

    Args:
        kinds: radios that share one air.
        *options: of the command.

    Yields:
        Their addresses.

    Raises:
        SdrGscError: they did not start.
    """
    command = [sys.executable, "-m", "experiments.cli", "emulate", *kinds, "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                _, errors = process.communicate(timeout=_START_S)
                raise SdrGscError(f"emulated radios did not start: {' '.join(errors.split())[-300:]}")
            answer = json.loads(line)
            yield tuple(answer.get("uris", [answer["uri"]]))
        finally:
            process.terminate()
            try:
                process.communicate(timeout=_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def cpu_seconds() -> float:
    """CPU time that this process and all its living children have taken so far (Linux)."""
    return sum(map(_cpu_of, _family("self")))


def _family(pid: str) -> list[str]:
    found = [pid]
    for listing in Path("/proc", pid, "task").glob("*/children"):
        try:
            children = listing.read_text().split()
        except OSError:  # a thread that has just ended
            continue
        for child in children:
            found += _family(child)
    return found


def _cpu_of(pid: str) -> float:
    try:
        fields = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()
    except OSError:  # a process that has just ended
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICK_HZ
