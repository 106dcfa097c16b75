"""How often a method's answer is right, with what certainty, and what bandwidth that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from ...campaign.study import Line
from ...reports.page import Table
from ...reports.wording import decimal
from ..points.planning import baseline_label, where
from .settings import MachineSettings

__all__ = ["Share", "ceiling", "headline", "method_names", "methods_table", "pictures_table", "share_of", "wilson"]

#: Marks results that were read from a task vector.
MARK = "†"


@dataclass(frozen=True, slots=True)
class Share:
    """Right answers among all, and the 95 % interval of their probability."""

    right: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """Right over all."""
        return self.right / self.of


def wilson(right: int, of: int, confidence: float = 0.95) -> Share:
    """The interval of E. B. Wilson (J. Am. Stat. Assoc. 22, 1927) for `right` of `of` answers.

    >>> found = wilson(0, 10)
    >>> round(found.low, 4), round(found.high, 4)
    (0.0, 0.2775)

    Raises:
        ValueError: no answers, or more right ones than there are.
    """
    interval = binomtest(right, of).proportion_ci(confidence, method="wilson")
    return Share(right, of, float(interval.low), float(interval.high))


def method_names(settings: MachineSettings) -> tuple[str, ...]:
    """Methods as in the lines: those of the configuration, then the baselines."""
    return (*settings.methods, *(series.name for series in settings.classical()))


def label_of(settings: MachineSettings, method: str) -> str:
    """A method in a legend, marked where a task vector answers."""
    texts = {
        "mmse": "picture, mmse",
        "refine": "picture, refine",
        "vector": "task vector",
        "both": "vector and picture",
    }
    texts |= {series.name: baseline_label(series) for series in settings.classical()}
    return texts[method] + (f" {MARK}" if method in ("vector", "both") else "")


def share_of(lines: Sequence[Line], method: str, key: str = "agrees") -> Share:
    """Right answers of a method over some points."""
    return wilson(sum(bool(line["methods"][method][key]) for line in lines), len(lines))


def ceiling(lines: Sequence[Line]) -> Share:
    """How often the receiver's classifier would be right on the sent pictures themselves, each counted once."""
    by_picture = {str(line["picture"]): bool(line["undistorted_agrees"]) for line in lines}
    return wilson(sum(by_picture.values()), len(by_picture))


def bandwidth(lines: Sequence[Line], method: str) -> float:
    """Air samples over values of the picture, on average."""
    return float(np.mean([line["methods"][method]["cbr_effective"] for line in lines]))


def headline(settings: MachineSettings, trials: Sequence[Line]) -> Line:
    """Agreement by method, and the least effective bandwidth that reaches what is wanted; None: none does."""
    points = where(trials)
    levels = list(dict.fromkeys(esn0_db for _, esn0_db in points))
    found: list[Line] = []
    for esn0_db in levels:
        at = {cbr: lines for (cbr, level), lines in points.items() if level == esn0_db}
        for method in method_names(settings):
            reached = [
                bandwidth(lines, method) for lines in at.values() if share_of(lines, method).value >= settings.wanted
            ]
            found.append(
                {
                    "method": method,
                    "esn0_db": esn0_db,
                    "uses_task_vector": method in ("vector", "both"),
                    "agreement": {f"cbr{cbr}": share_of(lines, method).value for cbr, lines in at.items()},
                    "cbr_effective_wanted": min(reached) if reached else None,
                }
            )
    best = ceiling(trials) if trials else None
    return {
        "wanted": settings.wanted,
        "undistorted_agreement": None if best is None else best.value,
        "reference_by": trials[0]["reference_by"] if trials else None,
        "methods": found,
    }


def methods_table(settings: MachineSettings, trials: Sequence[Line]) -> Table:
    """Every method at every point."""
    rows = []
    for (cbr, esn0_db), lines in where(trials).items():
        for method in method_names(settings):
            share, top5 = share_of(lines, method), share_of(lines, method, "top5_agrees")
            answered = sum(bool(line["methods"][method]["answered"]) for line in lines)
            psnr = [line["methods"][method].get("psnr_db") for line in lines]
            known = [value for value in psnr if value is not None]
            rows.append(
                (
                    label_of(settings, method),
                    f"1/{cbr}",
                    f"{bandwidth(lines, method):.5f}",
                    "own" if esn0_db is None else f"{esn0_db:g}",
                    f"{share.right} of {share.of} ({share.value:.2f}; 95 %: {share.low:.2f} … {share.high:.2f})",
                    f"{top5.value:.2f}",
                    f"{answered} of {len(lines)}",
                    decimal(float(np.mean(known)) if known else None, 2),
                    str(lines[0]["methods"][method]["judged_by"]),
                )
            )
    head = (
        "method",
        "CBR",
        "effective CBR",
        "Es/N0 (dB)",
        "top-1 agreement",
        "top-5",
        "answered",
        "PSNR (dB)",
        "judge",
    )
    return Table(head, tuple(rows))


def wanted_table(settings: MachineSettings, trials: Sequence[Line]) -> Table:
    """What bandwidth each method needs, by Es/N0."""
    found = headline(settings, trials)["methods"]
    levels = list(dict.fromkeys(item["esn0_db"] for item in found))
    rows = []
    for method in method_names(settings):
        cells = [
            decimal(item["cbr_effective_wanted"], 5)
            for level in levels
            for item in found
            if item["method"] == method and item["esn0_db"] == level
        ]
        rows.append((label_of(settings, method), *cells))
    head = ("effective CBR needed", *("own" if level is None else f"{level:g} dB" for level in levels))
    return Table(head, tuple(rows))


def pictures_table(settings: MachineSettings, trials: Sequence[Line]) -> Table:
    """Right answers by picture, over all bandwidths and Es/N0: which pictures make the difference."""
    rows = []
    for picture in dict.fromkeys(str(line["picture"]) for line in trials):
        lines = [line for line in trials if str(line["picture"]) == picture]
        first = lines[0]
        shares = [f"{share_of(lines, method).value:.2f}" for method in method_names(settings)]
        settled = "yes" if first["undistorted_agrees"] else "no"
        rows.append((picture.rpartition("/")[2], str(first["reference_class"]), settled, *shares))
    head = ("picture", "class by the judge", "classifier agrees as sent")
    return Table((*head, *(label_of(settings, method) for method in method_names(settings))), tuple(rows))
