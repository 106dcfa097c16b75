"""A point for machines: the same picture over the same channel as a picture, as a task vector, as both, as a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...campaign.run_directory import RunDirectory
from ...campaign.study import Line, Trial
from ...procedures.transmission import CLASSICAL, Transmitted
from ...sweeps.settings import TrialSettings
from ..points.transmitting import PointReceiving, PointSending, run_point
from .classifying import CLASSIFIER, JUDGE, named, reference_of
from .settings import MachineSettings
from .views import VIEWS, view

__all__ = ["MachineTrials", "method_lines"]


def _is_view(name: str) -> bool:
    return name in VIEWS and not Path(name).exists()


class _Sending(PointSending):
    def picture(self, trial: Trial, of: TrialSettings) -> np.ndarray:
        name = str(trial.values["picture"])
        return view(name, of.side_px) if _is_view(name) else super().picture(trial, of)


class _Receiving(PointReceiving):
    def picture(self, trial: Trial, of: TrialSettings) -> np.ndarray:
        name = str(trial.values["picture"])
        return view(name, of.side_px) if _is_view(name) else super().picture(trial, of)

    def also(self, trial: Trial, transmitted: Transmitted, picture: np.ndarray) -> Line:
        """What the classifier names in each decoded picture; None where there is none."""
        return {
            "named": {
                decoder: None if found is None else named(found.picture)
                for decoder, found in transmitted.reconstructions.items()
            }
        }


class MachineTrials:
    """See `Study.open`.

    Args:
        settings: resolved.
        out: folder of the run.
    """

    def __init__(self, settings: MachineSettings, out: RunDirectory) -> None:
        self._settings = settings
        self._sending = _Sending(settings, out)
        self._receiving = _Receiving(settings, out)
        self._known: dict[str, tuple[int, list[int]]] = {}

    def __call__(self, trial: Trial) -> Line:
        """Run one point."""
        line = run_point(trial, self._settings, self._sending, self._receiving)
        reference, undistorted = self._of_sent(trial)
        return line | {
            "reference_class": reference,
            "reference_by": JUDGE,
            "classified_by": CLASSIFIER,
            "undistorted_class": undistorted[0],
            "undistorted_agrees": undistorted[0] == reference,
            "methods": method_lines(self._settings, line, reference),
        }

    def _of_sent(self, trial: Trial) -> tuple[int, list[int]]:
        """The reference, and what the receiver's classifier would name in the sent picture itself."""
        name = str(trial.values["picture"])
        if name not in self._known:
            sweep = self._receiving.settings
            picture = self._receiving.picture(trial, sweep.trial(sweep.series[0], {}))
            self._known[name] = reference_of(picture), named(picture)
        return self._known[name]


def method_lines(settings: MachineSettings, line: Line, reference: int) -> dict[str, Line]:
    """What every method answers, and whether that is the reference; no answer is a wrong one.

    With both picture and vector, the vector answers where it was heard, and the picture elsewhere.
    """
    sent = line["transmissions"]
    found: dict[str, Line] = {}
    for method in settings.methods:
        if method == "vector":
            found[method] = _answer(sent["vector"], sent["vector"]["task"]["top5"], reference, by_vector=True)
        elif method == "both":
            both = sent["both"]
            seen = both["named"]["mmse"]
            by_vector = both["task"]["top5"] is not None
            found[method] = _answer(both, both["task"]["top5"] if by_vector else seen, reference, by_vector=by_vector)
            found[method] |= {"picture_agrees": bool(seen) and seen[0] == reference}
            found[method] |= {"psnr_db": both["decoders"]["mmse"]["psnr_db"]}
        else:
            found[method] = _answer(sent["picture"], sent["picture"]["named"][method], reference)
            found[method] |= {"psnr_db": sent["picture"]["decoders"][method]["psnr_db"]}
    for series in settings.classical():
        transmission = sent[series.name]
        found[series.name] = _answer(transmission, transmission.get("named", {}).get(CLASSICAL), reference)
        found[series.name] |= {"psnr_db": transmission["decoders"][CLASSICAL]["psnr_db"]}
    return found


def _answer(transmission: Line, classes: list[int] | None, reference: int, *, by_vector: bool = False) -> Line:
    return {
        "class": classes[0] if classes else None,
        "agrees": bool(classes) and classes[0] == reference,  # type: ignore[index]
        "top5_agrees": bool(classes) and reference in classes,  # type: ignore[operator]
        "answered": bool(classes),
        "uses_task_vector": by_vector,
        "judged_by": JUDGE,
        "cbr_effective": transmission["cbr_effective"],
        "air_samples": transmission["air"]["air_samples"],
    }
