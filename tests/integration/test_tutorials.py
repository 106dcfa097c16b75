"""The tutorials run from start to end, and leave what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "docs/tutorials").glob("*.py"))
LEAVES = {
    "first_link": ("sent.png", "mmse.png", "refine-4.png"),
    "first_sweep": ("run/report.html", "again/report.html", "again/compare.html", "trials.parquet"),
    "own_codec": ("10dB.png", "20dB.png"),
    "own_diffusion_model": ("prior/unet/config.json", "mmse.png", "posterior-diffpir.png"),
}


def test_every_tutorial_is_known():
    assert {path.stem for path in TUTORIALS} == set(LEAVES)


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs(path, tmp_path):
    if path.stem == "own_diffusion_model":
        pytest.importorskip("diffusers")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, path, tmp_path / "out"], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    missing = [name for name in LEAVES[path.stem] if not (tmp_path / "out" / name).is_file()]
    assert not missing
