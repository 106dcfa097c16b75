"""What a trial costs the driver of a Ray cluster when it does nothing: ``python -m experiments.campaign.ray_cost``."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .engine import Engine, Outcome
from .inline import InlineEngine
from .local import default_workers
from .ray_engine import RayEngine
from .run_directory import RunDirectory
from .running import run_campaign
from .settings import CampaignSettings
from .study import Line, RunTrial, Trial

__all__ = ["main"]

#: Of a line of a sweep, about.
_LINE_BYTES = 2000


class CostSettings(CampaignSettings):
    """How many trials of what size.

    Attributes:
        n_trials: of the plan.
        capture_bytes: that travel from one part of a trial to the other; 0 does not divide trials.
        file_bytes: that each trial leaves.
    """

    n_trials: int = 200
    capture_bytes: int = 0
    file_bytes: int = 0


class CostStudy:
    """Trials that do nothing; see `Study` and `StagedStudy`."""

    def __init__(self, settings: CostSettings) -> None:
        self.settings = settings

    def plan(self) -> tuple[Trial, ...]:
        """Divided trials need something, as those of radios do: as many as there are workers run at a time."""
        n_radios = default_workers()
        needs = [(f"radio:none{index}",) if self.settings.capture_bytes else () for index in range(n_radios)]
        return tuple(
            Trial(f"t/{number}", f"t{number % n_radios}", {"number": number}, needs[number % n_radios])
            for number in range(self.settings.n_trials)
        )

    def bytes_per_trial(self) -> int:
        """See `Study.bytes_per_trial`."""
        return self.settings.file_bytes

    def prepare(self, out: RunDirectory) -> None:
        """Nothing is shared."""

    def open(self, out: RunDirectory) -> RunTrial:
        """See `Study.open`."""
        air, judge = self.open_air(out), self.open_judge(out)
        return lambda trial: judge(trial, air(trial))

    def open_air(self, out: RunDirectory) -> Callable[[Trial], Any]:
        """See `StagedStudy.open_air`."""
        return lambda trial: np.zeros(self.settings.capture_bytes, np.uint8)

    def open_judge(self, out: RunDirectory) -> Callable[[Trial, Any], Line]:
        """See `StagedStudy.open_judge`."""

        def judge(trial: Trial, aired: np.ndarray) -> Line:
            if self.settings.file_bytes:
                (out.folder("captures") / f"{trial.values['number']}.bin").write_bytes(bytes(self.settings.file_bytes))
            return {"bytes": len(aired), "filler": "x" * _LINE_BYTES}

        return judge

    def sections(self, out: RunDirectory, trials: Sequence[Line]) -> list[Any]:
        """See `Study.sections`."""
        return []

    def summary(self, trials: Sequence[Line]) -> Line:
        """See `Study.summary`."""
        return {}

    def shortfalls(self, trials: Sequence[Line]) -> list[str]:
        """See `Study.shortfalls`."""
        return []


class _Timed:
    """An engine that notes when trials end, and what processor time the driver took until then."""

    def __init__(self, inner: Engine) -> None:
        self._inner = inner
        self.ends: list[tuple[float, float]] = []

    def __enter__(self) -> _Timed:
        self._inner.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._inner.__exit__(*error)

    def free(self) -> int:
        return self._inner.free()

    def submit(self, trial: Trial) -> None:
        self._inner.submit(trial)

    def wait(self) -> Sequence[Outcome]:
        found = self._inner.wait()
        self.ends += [(time.perf_counter(), time.process_time())] * len(found)
        return found


def _measure(name: str, settings: CostSettings, open_engine: Callable[..., Engine]) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        out = RunDirectory(Path(folder) / "run")
        out.path.mkdir()
        out.environment.write_text(json.dumps({"run_format": 2}), "utf-8")
        study = CostStudy(settings)
        engine = _Timed(open_engine(out, settings, study))
        run_campaign(out, settings, study, lambda: engine)
        # Workers open while the first trials wait.
        wall, processor = zip(*engine.ends[settings.n_trials // 5 :], strict=True)
        n = len(wall) - 1
        return {
            "engine": name,
            "capture_bytes": settings.capture_bytes,
            "file_bytes": settings.file_bytes,
            "wall_ms_per_trial": round(1e3 * (wall[-1] - wall[0]) / n, 3),
            "driver_cpu_ms_per_trial": round(1e3 * (processor[-1] - processor[0]) / n, 3),
            "median_interval_ms": round(1e3 * statistics.median(np.diff(wall)), 3),
            "line_bytes": round(out.trials_file.stat().st_size / settings.n_trials),
        }


def main() -> int:
    """Print one JSON object for each engine and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--address", default=None)
    given = parser.parse_args()
    plain = CostSettings(name="cost", n_trials=given.trials)
    staged = plain.model_copy(update={"capture_bytes": 10**6})
    kept = staged.model_copy(update={"file_bytes": 10**6})
    print(json.dumps(_measure("inline", plain, lambda out, _, study: InlineEngine(study, out))))
    for settings in (plain, staged, kept):
        row = _measure("ray", settings, lambda out, each, study: RayEngine(out, each, study, given.address))
        print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
