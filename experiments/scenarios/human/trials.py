"""A point of the trade-off: one reception through every setting of the knob, and the baseline over the same channel."""

from __future__ import annotations

from sdr_gsc.diffusion.decoding import Decoder

from ...campaign.run_directory import RunDirectory
from ...campaign.study import Line, Trial
from ...procedures.transmission import CLASSICAL
from ...sweeps.settings import TrialSettings
from ..points.transmitting import PointReceiving, PointSending, run_point
from .opening import open_knobs
from .settings import DIRECT, HumanSettings

__all__ = ["HumanTrials"]


class _Receiving(PointReceiving):
    def __init__(self, settings: HumanSettings, out: RunDirectory) -> None:
        super().__init__(settings, out)
        self._human = settings
        self._knobs: dict[str, Decoder] | None = None

    def decoders(self, of: TrialSettings) -> dict[str, Decoder]:
        """Every setting of the knob as a decoder of its own; the classical mapping has none."""
        if of.mapping == CLASSICAL:
            return {}
        if self._knobs is None:
            self._knobs = open_knobs(self._human, self.bench(of, of.device))
        return self._knobs


class HumanTrials:
    """See `Study.open`.

    Args:
        settings: resolved.
        out: folder of the run.
    """

    def __init__(self, settings: HumanSettings, out: RunDirectory) -> None:
        self._settings = settings
        self._sending = PointSending(settings, out)
        self._receiving = _Receiving(settings, out)

    def __call__(self, trial: Trial) -> Line:
        """Run one point; its ``decoders`` are the settings of the knob, and the baseline under its curve's name."""
        line = run_point(trial, self._settings, self._sending, self._receiving)
        decoders: dict[str, Line] = {}
        for name, transmission in line["transmissions"].items():
            figures = transmission.pop("decoders")
            decoders |= figures if name == DIRECT else {name: figures[CLASSICAL]}
        return line | {"decoders": decoders}
