"""``sdr-gsc score``: two pictures, all metrics."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from .cli_console import print_json, print_table

__all__ = ["score"]


def score(
    sent: Path,
    received: Path,
    /,
    *,
    lpips: Path | None = None,
    json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Measure a received picture against the sent one.

    Args:
        sent: The original.
        received: A picture of the same size, for example from a run's folder.
        lpips: AlexNet weights of torchvision (alexnet-owt-7be5be79.pth); adds LPIPS, which cannot be shipped.
        json: Print one JSON object and nothing else.
    """
    from sdr_gsc.metrics.lpips import Lpips
    from sdr_gsc.metrics.measure import measure
    from sdr_gsc.semantic.picture import load_picture

    eye = Lpips(lpips) if lpips is not None else None
    found = asdict(measure(load_picture(sent), load_picture(received), lpips=eye))
    if found["psnr_db"] == math.inf:  # equal pictures; JSON knows no infinity
        found["psnr_db"] = None
    if json:
        print_json(found)
    else:
        print_table(
            "metrics",
            ("metric", "value"),
            [(name, "–" if value is None else str(value)) for name, value in found.items()],
        )
    return 0
