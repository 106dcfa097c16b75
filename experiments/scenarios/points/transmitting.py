"""A point: the same picture over the same channel, once for each curve."""

from __future__ import annotations

from sdr_gsc.seeding import TrialSeeds

from ...campaign.run_directory import RunDirectory
from ...campaign.study import Line, Trial
from ...sweeps.settings import SweepSettings
from ...sweeps.transmitting import Receiving, Sending
from .planning import point_of, transmissions_of
from .settings import PointSettings

__all__ = ["PointReceiving", "PointSending", "run_point"]


def _seeds(settings: SweepSettings, transmission: Trial) -> TrialSeeds:
    return TrialSeeds(settings.seed, point_of(transmission))


class PointSending(Sending):
    """Sending, with the channel of the point whichever transmission it is."""

    def __init__(self, settings: PointSettings, out: RunDirectory) -> None:
        super().__init__(settings.sweep(), out)

    def seeds(self, trial: Trial) -> TrialSeeds:
        """Those of the point."""
        return _seeds(self.settings, trial)


class PointReceiving(Receiving):
    """Receiving, with the decoders' noise of the point whichever transmission it is."""

    def __init__(self, settings: PointSettings, out: RunDirectory) -> None:
        super().__init__(settings.sweep(), out)

    def seeds(self, trial: Trial) -> TrialSeeds:
        """Those of the point."""
        return _seeds(self.settings, trial)


def run_point(point: Trial, settings: PointSettings, sending: Sending, receiving: Receiving) -> Line:
    """Send the picture in every way, and put the lines of its transmissions under the name of their curves."""
    lines = {}
    for transmission in transmissions_of(settings, point):
        lines[str(transmission.values["series"])] = receiving(transmission, sending(transmission))
    main = next(iter(lines.values()))
    return {
        "trial": point.name,
        "received": main["received"],
        "picture": point.values["picture"],
        "repetition": point.values["repetition"],
        "requested_esn0_db": point.values["esn0_db"],
        "cbr_inverse": point.values["cbr"],
        "esn0_db": main["esn0_db"],
        "transmissions": lines,
    }
