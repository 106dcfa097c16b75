"""Another package's works in a process of its own: its imports, its warnings and its threads stay there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from .cache import Absent, AnchorError, fetched

__all__ = ["Child", "ChildAnchor", "open_child"]

#: Exact versions; h5py and importlib-resources are all that Sionna needs beyond this project's own dependencies.
_REQUIREMENTS = {
    "sionna": ("sionna-no-rt==2.2.0", "h5py==3.16.0", "importlib-resources==7.1.0"),
    "commpy": ("scikit-commpy==0.8.0", "sympy==1.14.0", "mpmath==1.3.0"),
}
_SOURCE_ONLY = {"commpy": "scikit-commpy"}


class ChildAnchor:
    """One work of a child.

    Attributes:
        name: package, version, and what is called.
        amount: symbols, samples or bits per call.
        errors: share of them (or of blocks of them) that came out wrong.
    """

    __slots__ = ("amount", "errors", "name")

    def __init__(self, name: str, amount: int, errors: float) -> None:
        self.name, self.amount, self.errors = name, amount, errors


class Child:
    """A process that measures when asked. A context manager: leaving ends the process.

    Args:
        process: running ``anchors.child_main``.

    Attributes:
        anchors: works by key.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.anchors: dict[str, ChildAnchor] = {}

    def begin(self) -> Absent | None:
        """Wait until it is ready, its works done once; or the reason why it is not."""
        answer = self._answer()
        if answer is None:
            return Absent("its process ended while it was starting")
        if "missing" in answer:
            return Absent(answer["missing"])
        self.anchors = {key: ChildAnchor(**value) for key, value in answer["works"].items()}
        return None

    def measure(self) -> dict[str, float]:
        """CPU seconds of each work, done once.

        Raises:
            AnchorError: the process has ended.
        """
        try:
            self._pipe(self._process.stdin).write("\n")
            self._pipe(self._process.stdin).flush()
            answer = self._answer()
        except OSError:
            answer = None
        if answer is None:
            raise AnchorError("the process that measures another package has ended; run again, or with --no-anchors")
        return answer

    def _answer(self) -> dict | None:
        line = self._pipe(self._process.stdout).readline()
        return json.loads(line) if line else None

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        if pipe is None:
            raise ValueError("the process was started without pipes")
        return pipe

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._pipe(self._process.stdin).close()
            self._process.wait(timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        finally:
            self._pipe(self._process.stdout).close()


def open_child(package: str) -> Child | Absent:
    """A child with the works of ``"sionna"`` or ``"commpy"``; `Child.begin` tells whether it is ready.

    A package that this interpreter has is used as it is; another one is fetched into the cache.
    """
    requirements = _REQUIREMENTS[package]
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    if not _installed(requirements[0].partition("==")[0]):
        name = requirements[0].replace("==", "-")
        folder = fetched(name, requirements, from_source=_SOURCE_ONLY.get(package))
        if isinstance(folder, Absent):
            return folder
        environment["PYTHONPATH"] = _joined(folder, environment.get("PYTHONPATH"))
    return Child(
        subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", f"{__package__}.child_main", package],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
        )
    )  # fmt: skip


def _installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def _joined(folder: Path, path: str | None) -> str:
    return str(folder) if not path else f"{folder}{os.pathsep}{path}"
