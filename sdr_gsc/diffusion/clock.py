"""The clock that decoders time their stages with."""

from __future__ import annotations

import time

import torch

__all__ = ["seconds_on"]


def seconds_on(device: torch.device) -> float:
    """Wall clock in seconds, once the device has done what it was given: a GPU is told its work and not waited for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
