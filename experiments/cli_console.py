"""What commands say: tables and JSON on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

    from sdr_gsc.diffusion.sampler import SamplerStep

__all__ = ["Watch", "fail", "print_json", "print_table", "show_progress", "split_names", "step_listener"]


def split_names(given: Iterable[str] | None) -> tuple[str, ...] | None:
    """Names from repeated options and comma lists, each once.

    >>> split_names(["mmse,refine", "mmse"])
    ('mmse', 'refine')
    """
    if given is None:
        return None
    names = [name.strip() for item in given for name in item.split(",")]
    return tuple(dict.fromkeys(name for name in names if name))


def fail(error: BaseException) -> int:
    """One line on stderr; returns exit status 2."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError):
        text = "not enough memory; use a smaller picture or fewer samples"
    print(f"sdr-gsc: {text}", file=sys.stderr)
    return 2


def print_json(value: object) -> None:
    """One line of JSON on stdout."""
    print(json.dumps(value, allow_nan=False, ensure_ascii=False))


def print_table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout; numbers are set to the right."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    kept = [tuple(map(escape, row)) for row in rows]
    table = Table(title=title or None, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for index, name in enumerate(head):
        numeric = index > 0 and all(row[index][:1] in "+-–0123456789" for row in kept)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in kept:
        table.add_row(*row)
    # Piped output is for programs and files, which have no width.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


class Watch:
    """A progress display on stderr that says what is going on and how far it is."""

    def __init__(self, progress: Progress, stage: str) -> None:
        self._progress = progress
        self._task = progress.add_task(stage, total=None)

    def stage(self, text: str) -> None:
        """Begin something whose length is unknown."""
        self._progress.reset(self._task, description=text, total=None)

    def advance(self, text: str, done: int, count: int) -> None:
        """So many of so many are done."""
        self._progress.update(self._task, description=text, completed=done, total=count)


@contextmanager
def show_progress(stage: str) -> Iterator[Watch]:
    """A progress bar on stderr while the block runs."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    console = Console(stderr=True)
    # A log file needs no bars, and an error is one line there.
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Watch(progress, stage)


def step_listener(watch: Watch) -> Callable[[str, SamplerStep], None]:
    """Show the steps of a sampling decoder."""

    def listen(decoder: str, step: SamplerStep) -> None:
        watch.advance(f"decoding: {decoder}", step.step, step.steps)

    return listen
