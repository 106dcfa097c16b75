"""A point: the same picture over the same channel, once for each curve."""

from __future__ import annotations

from sdr_gsc.errors import PictureError, SettingsError
from sdr_gsc.seeding import TrialSeeds

from ...campaign.run_directory import RunDirectory
from ...campaign.study import Line, Trial
from ...procedures.transmission import CLASSICAL
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
    """Send the picture in every way, and put the lines of its transmissions under the name of their curves.

    A baseline whose smallest picture file, or one block of whose code, does not fit the air samples is not sent: its
    line says why in ``does_not_fit``, and nothing is received.

    Raises:
        PictureError: the picture itself cannot be sent.
        SettingsError: see `prepare`.
    """
    main, *others = transmissions_of(settings, point)
    lines: dict[str, Line] = {str(main.values["series"]): receiving(main, sending(main))}
    first = lines[str(main.values["series"])]
    baselines = {series.name for series in settings.classical()}
    for transmission in others:
        name = str(transmission.values["series"])
        try:
            aired = sending(transmission)
        except (PictureError, SettingsError) as error:
            if name not in baselines:
                raise
            # The main one took the same picture over the same radio, so it is the bandwidth that is too small.
            lines[name] = _not_sent(first, str(error))
        else:
            lines[name] = receiving(transmission, aired)
    return {
        "trial": point.name,
        "received": first["received"],
        "picture": point.values["picture"],
        "repetition": point.values["repetition"],
        "requested_esn0_db": point.values["esn0_db"],
        "cbr_inverse": point.values["cbr"],
        "esn0_db": first["esn0_db"],
        "transmissions": lines,
    }


def _not_sent(main: Line, reason: str) -> Line:
    figures = {"psnr_db": None, "ms_ssim": None, "perceptual": None, "timings_s": None}
    return {
        "received": False,
        "does_not_fit": reason,
        "cbr_effective": main["cbr_effective"],
        "air": {"air_samples": 0},
        "esn0_db": None,
        "decoders": {CLASSICAL: figures},
    }
