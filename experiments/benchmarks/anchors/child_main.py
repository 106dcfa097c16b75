"""The child's side: ``python -m experiments.benchmarks.anchors.child_main sionna|commpy``.

Says what it can do in one line of JSON, then measures everything once for each line it is sent.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Work", "main"]


@dataclass(frozen=True, slots=True)
class Work:
    """Something to be timed.

    Attributes:
        name: package, version, and what is called.
        run: does it once.
        amount: symbols, samples or bits per call.
        errors: share of errors in what the last call returned.
    """

    name: str
    run: Callable[[], object]
    amount: int
    errors: Callable[[], float]


def main(package: str) -> int:
    """Serve until stdin ends."""
    # What the package prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value: object) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    try:
        works: dict[str, Work] = importlib.import_module(f"{__package__}.{package}_works").works()
        for work in works.values():
            work.run()
    except Exception as error:  # whatever it is, only the parent can tell anybody
        answer({"missing": f"{package} does not work here: {type(error).__name__}: {error}"})
        return 1
    answer({"works": {k: {"name": w.name, "amount": w.amount, "errors": w.errors()} for k, w in works.items()}})
    for _ in sys.stdin:
        seconds = {}
        for key, work in works.items():
            began = time.process_time()
            work.run()
            seconds[key] = time.process_time() - began
        answer(seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
