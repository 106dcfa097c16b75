"""What a result depends on besides its settings: software, machine, threads."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["PACKAGES", "describe_environment"]

#: Distributions whose versions can change a figure.
PACKAGES = (
    "sdr-gsc",
    "numpy",
    "scipy",
    "numba",
    "rocket-fft",
    "torch",
    "safetensors",
    "pillow",
    "torchmetrics",
    "scikit-image",
    "sigmf",
    "matplotlib",
    "pydantic",
)


def describe_environment(*, torch_threads: bool = True) -> dict[str, object]:
    """JSON-compatible description; a git commit only where the code runs from a repository.

    Args:
        torch_threads: ask torch for its threads, which loads it.
    """
    threads: dict[str, object] = {name: os.environ[name] for name in ("OMP_NUM_THREADS",) if name in os.environ}
    gpu = None
    if torch_threads:
        import torch  # a second; not needed by measurements of the waveform alone

        threads["torch"] = torch.get_num_threads()
        if torch.cuda.is_available():
            gpu = {
                "name": torch.cuda.get_device_name(),
                "cuda": torch.version.cuda,
                "tf32_convolutions": torch.backends.cudnn.allow_tf32,
                "tf32_products": torch.backends.cuda.matmul.allow_tf32,
            }
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpu": _cpu_model(),
        "cpu_count": os.cpu_count(),
        "gpu": gpu,
        "threads": threads,
        "packages": {name: _version(name) for name in PACKAGES},
        "git": _git(),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text("utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git() -> dict[str, object] | None:
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    try:
        commit = _ask_git(root, "rev-parse", "HEAD")
        changed = bool(_ask_git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "changed": changed}


def _ask_git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True, timeout=10)
    return done.stdout.strip()
