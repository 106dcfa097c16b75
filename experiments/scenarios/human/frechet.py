"""Whether decoded pictures are made of the same stuff as photographs: feature Fréchet distance over those kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sdr_gsc.metrics.frechet import PATCH_PX, GaussianFit, frechet_distance, patch_features
from sdr_gsc.semantic.picture import load_picture

from ...campaign.run_directory import RunDirectory
from ...campaign.study import Line
from ...procedures.keeping import kept_picture
from ...procedures.transmission import CLASSICAL
from ...reports.page import Table
from ...reports.wording import decimal
from ..points.planning import baseline_label
from .knobs import knobs
from .settings import DIRECT, HumanSettings

__all__ = ["frechet_table", "kept_by_setting", "sent_picture"]


def sent_picture(out: RunDirectory, line: Line) -> np.ndarray | None:
    """The picture of a point as it was sent, float32 [H, W, 3]; None where the run kept none."""
    stem = Path(str(line["picture"])).stem
    found = next(iter(sorted((out.path / "pictures").glob(f"sent.{stem}.*.png"))), None)
    return None if found is None else load_picture(found)


def kept_by_setting(out: RunDirectory, settings: HumanSettings, line: Line) -> dict[str, np.ndarray | None]:
    """The pictures of a point by setting of the knob and baseline; None where nothing arrived."""
    point = line["trial"]
    found = {knob.label: kept_picture(out, f"{DIRECT}/{point}", knob.label) for knob in knobs(settings)}
    return found | {
        series.name: kept_picture(out, f"{series.name}/{point}", CLASSICAL) for series in settings.classical()
    }


def frechet_table(out: RunDirectory, settings: HumanSettings, lines: Sequence[Line], at: str) -> Table | None:
    """Distances between the sent pictures and those of every setting; None without pictures.

    Args:
        out: folder of the run.
        settings: of the run.
        lines: points of one bandwidth and Es/N0, one of each picture.
        at: names bandwidth and Es/N0.
    """
    sent = [sent_picture(out, line) for line in lines]
    whole = [picture for picture in sent if picture is not None and min(picture.shape[:2]) >= PATCH_PX]
    if len(whole) < len(lines) or not lines:
        return None
    features = np.concatenate([patch_features(picture) for picture in whole])
    if len(features) < 2:
        return None
    reference = GaussianFit.of(features)
    kept = [kept_by_setting(out, settings, line) for line in lines]
    said = {series.name: baseline_label(series) for series in settings.classical()}
    rows = []
    for name in kept[0]:
        pictures = [each[name] for each in kept]
        arrived = [picture for picture in pictures if picture is not None]
        distance = None
        if len(arrived) == len(pictures):
            # Fewer pictures would be another sample, whose distances cannot be compared.
            decoded = np.concatenate([patch_features(picture) for picture in arrived])
            distance = frechet_distance(reference, GaussianFit.of(decoded))
        rows.append((said.get(name, name), decimal(distance, 3), f"{len(arrived)} of {len(pictures)}"))
    return Table((at, "feature Fréchet distance ↓", "arrived"), tuple(rows))
