"""Peak memory of receiving, in a process of its own: ``python -m experiments.benchmarks.throughput_memory 2048 1 2 5``.

Memory that was freed stays with the process unless its allocator is told otherwise, which it must be before it starts;
and Linux alone tells the peak since a moment. Python's own account does not see what compiled kernels allocate.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sdr_gsc.errors import SdrGscError

from .throughput_traffic import traffic

__all__ = ["main", "peak_mebibytes"]

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_THRESHOLD_BYTES = 65536
_TIMEOUT_S = 600


def peak_mebibytes(payload_bytes: int, counts: Sequence[int]) -> list[float]:
    """Most memory that receiving captures of so many frames takes beyond the capture; NaN where nobody tells.

    Raises:
        SdrGscError: the process failed.
    """
    if not _RESET.exists():
        return [float("nan")] * len(counts)
    limits = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(_THRESHOLD_BYTES))
    done = subprocess.run(
        [sys.executable, "-P", "-m", __name__, str(payload_bytes), *map(str, counts)],
        capture_output=True, text=True, timeout=_TIMEOUT_S, env=os.environ | limits,
    )  # fmt: skip
    if done.returncode != 0:
        raise SdrGscError(f"the process that measures memory failed: {' '.join(done.stderr.splitlines()[-1:])}")
    return json.loads(done.stdout)


def _memory_bytes(name: str) -> int:
    for line in _STATUS.read_text("ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise ValueError(f"{_STATUS} has no {name}")


def main(payload_bytes: int, counts: Sequence[int]) -> list[float]:
    """Measure, in this process."""
    found = []
    # Once for nothing: compiled kernels and tables stay.
    warm = traffic(payload_bytes, 2, np.random.default_rng(0))
    warm.receive()
    for count in counts:
        scene = traffic(payload_bytes, count, np.random.default_rng(count))
        before = _memory_bytes("VmRSS")
        _RESET.write_text("5")
        frames = scene.receive()
        found.append((_memory_bytes("VmHWM") - before) / 2**20)
        del frames
    return found


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), [int(text) for text in sys.argv[2:]])))
