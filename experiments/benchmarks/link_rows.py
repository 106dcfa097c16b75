"""Rows of the link's benchmark, made of what its runs gave."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from .link_account import PERCENTILES, percentiles
from .link_phase import STAGES, Outcome
from .link_radio import Faults
from .link_soak import Residue
from .rows import Row, row

__all__ = ["AIM_PICTURES_HZ", "Aims", "latency_rows", "outcome_rows", "soak_rows"]

#: What the FPGA prototype deepjsccq-ofdm-fpga (2026) reports for pictures of 256x256, over 600 s.
AIM_PICTURES_HZ, _AIM_LATENCY_S, _AIM_RUN_S = 30.0, 0.071, 600.0


class Aims:
    """What is hoped for, and where it is demanded.

    Args:
        side_px: of the pictures; the figures of others are measured against nothing.
        device: of the models; only a GPU has to reach them.
    """

    def __init__(self, side_px: int, device: str) -> None:
        self._applies = side_px == 256
        self._demanded = self._applies and device.startswith("cuda")

    def aim(self, value: float) -> float | None:
        """The figure, where it applies."""
        return value if self._applies else None

    def target(self, value: float) -> float | None:
        """The figure, where it is demanded."""
        return value if self._demanded else None


def latency_rows(name: str, outcome: Outcome, aims: Aims, *, demanded: bool) -> list[Row]:
    """Percentiles of each stage.

    Args:
        name: of the run.
        outcome: of the run.
        aims: for the total.
        demanded: whether the total's 95th percentile must reach the aim where there is a GPU.
    """
    found = percentiles(outcome.times_s)
    rows = []
    for stage in STAGES:
        for percentile in PERCENTILES:
            metric, value = f"{name}: latency, {stage}, p{percentile}", found[stage][percentile]
            if stage != "total" or percentile == max(PERCENTILES):
                rows.append(row(metric, value, "s"))
                continue
            target = aims.target(_AIM_LATENCY_S) if demanded and percentile == PERCENTILES[1] else None
            aim = aims.aim(_AIM_LATENCY_S)
            rows.append(row(metric, value, "s", target=target, aim=aim, better="lower"))
    return rows


def outcome_rows(name: str, outcome: Outcome, aims: Aims, distances: Sequence[float], *, fastest: bool) -> list[Row]:
    """Throughput, loss and quality.

    Args:
        name: of the run.
        outcome: of the run.
        aims: for throughput.
        distances: perceptual distances of the pictures that were kept.
        fastest: whether pictures were offered as fast as they went, so that the throughput is that of the link.
    """
    tally, seconds = outcome.tally, max(outcome.seconds, 1e-9)
    target, aim = (aims.target(AIM_PICTURES_HZ), aims.aim(AIM_PICTURES_HZ)) if fastest else (None, None)
    quality = fmean(outcome.psnr_db) if outcome.psnr_db else math.nan
    share = tally.frames_received / tally.frames_sent if tally.frames_sent else math.nan
    without_loss_s = tally.longest_run * seconds / max(tally.offered, 1)
    return [
        row(f"{name}: pictures per second", outcome.pictures_per_s, "1/s", target=target, aim=aim),
        row(f"{name}: frames per second", tally.frames_received / seconds, "1/s"),
        row(f"{name}: goodput, payload symbols", outcome.symbols * outcome.pictures_per_s, "1/s"),
        row(f"{name}: pictures offered", tally.offered, "pictures"),
        row(f"{name}: pictures arrived", tally.arrived, "pictures"),
        row(f"{name}: pictures lost", tally.lost, "pictures", target=0, better="lower"),
        row(f"{name}: pictures not accounted for", tally.unaccounted, "pictures", target=0, better="lower"),
        row(f"{name}: pictures received again", tally.repeated, "pictures"),
        row(f"{name}: pictures out of order", tally.out_of_order, "pictures", target=0, better="lower"),
        row(f"{name}: pictures of others", tally.strangers, "pictures"),
        row(f"{name}: frames lost", tally.frames_sent - tally.frames_received, "frames"),
        row(f"{name}: frames received", share, "share", bound=1.0, aim=1.0),
        row(f"{name}: time without a lost picture", without_loss_s, "s", aim=aims.aim(_AIM_RUN_S)),
        row(f"{name}: samples lost by streams", outcome.losses.samples, "samples"),
        row(f"{name}: underflows of streams", outcome.losses.underflows, "underflows"),
        row(f"{name}: quality, PSNR", quality, "dB"),
        row(f"{name}: quality, perceptual distance", fmean(distances) if distances else math.nan, "distance"),
    ]


def soak_rows(name: str, outcome: Outcome, faults: Faults, before: Residue, after: Residue) -> list[Row]:
    """What faults did, and what is left of them.

    Args:
        name: of the run.
        outcome: of the run.
        faults: of the radio during the run.
        before: memory and threads at its start.
        after: at its end.
    """
    tally = outcome.tally
    growth = after.memory_mib - before.memory_mib
    return [
        row(f"{name}: faults", faults.count, "faults"),
        row(f"{name}: faults not recovered from", faults.count - faults.recovered, "faults", target=0, better="lower"),
        row(f"{name}: radio opened again", faults.reopened, "times"),
        row(f"{name}: longest outage", max(faults.outages_s, default=0.0), "s"),
        row(f"{name}: pictures retried", tally.retried, "pictures"),
        row(f"{name}: pictures lost that were retried", tally.retried_lost, "pictures", target=0, better="lower"),
        row(f"{name}: pictures given up", faults.given_up, "pictures"),
        row(f"{name}: memory at the start", before.memory_mib, "MiB"),
        row(f"{name}: memory at the end", after.memory_mib, "MiB"),
        row(f"{name}: memory growth", growth, "MiB"),
        row(f"{name}: threads left", after.threads - before.threads, "threads", target=0, better="lower"),
    ]
