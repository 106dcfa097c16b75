"""Turns the gain until the receiver reports a wanted Es/N0, and says what it really is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from hardware.radio import Radio
from sdr_gsc.capture import Capture

from ..errors import ClippedSignalError, NoSignalError, UnreachableError, UnsupportedError
from ..link_quality import LinkProbe, Probed
from ..outcome import Curve, Outcome, Plan, Plot, new_record, row
from ..record import Direction, Quantity, Record
from .conduct import applied, checked, conduct

__all__ = ["VERSION", "Reached", "measure", "reach"]

VERSION = 1
_VALID_FOR = timedelta(days=1)
_TARGET_DB = 0.3
#: It is near enough when the mean is that close with that standard deviation, dB.
_CLOSE_DB, _SURE_DB = 0.1, 0.06
_MOST_STEPS, _FRAMES, _CHECK_FRAMES = 12, 6, 24
#: Largest step of the gain, and what the burst's own scale is used for rather than the gain.
_LARGEST_STEP_DB, _FINEST_DB = 20.0, 30.0
_SLOPES = (0.4, 1.3)
#: Nearer than that to a drive that overdrives the receiver, there is no room left.
_LEAST_ROOM_DB = 1.0


@dataclass(frozen=True, slots=True)
class Reached:
    """An Es/N0 that was asked for.

    Attributes:
        wanted_db: asked for.
        esn0_db: mean of what the receiver reports for frames sent after the search had ended.
        deviation_db: standard deviation of that mean.
        tx_gain_db: setting.
        scale_db: of the burst, at most 0.
        steps: of the search: (drive, Es/N0) in dB.
        heard: the last frame that was received there.
    """

    wanted_db: float
    esn0_db: float
    deviation_db: float
    tx_gain_db: float
    scale_db: float
    steps: tuple[tuple[float, float], ...]
    heard: Capture


def measure(radio: Radio, plan: Plan) -> Outcome:
    """`reach` for every wanted Es/N0; one record each. One that is out of reach is a row without a figure.

    Raises:
        UnreachableError: all are beyond what the radio can do, or the gain changes nothing.
        UnsupportedError: nothing sets Es/N0: no transmitter, or no gain and a channel of constant Es/N0.
        NoSignalError: frames are not received.
    """
    if not radio.capabilities.transmits:
        raise UnsupportedError(f"{radio.capabilities.model} does not transmit; Es/N0 needs a transmitter")
    records: list[Record] = []
    rows, curves, notes = [], [], []
    captures: dict[str, Capture] = {}
    with conduct(radio, plan):
        before = _probe(radio, plan, plan.settings.tx_gain_db, 0.0, _FRAMES).esn0_mean_db
        for number, wanted in enumerate(plan.wanted_esn0_db):
            plan.progress(f"driving to {wanted:g} dB", number / len(plan.wanted_esn0_db))
            metric = f"Es/N0 asked for {wanted:g} dB, error"
            try:
                found = reach(radio, plan, wanted)
            except UnreachableError as error:
                if not records and wanted == plan.wanted_esn0_db[-1]:
                    raise
                rows.append(row(metric, "dB", math.nan, before=abs(before - wanted), target=_TARGET_DB))
                notes.append(str(error))
                continue
            records.append(new_record(
                Quantity.SNR, Direction.LOOP, radio, plan, valid_for=_VALID_FOR, version=VERSION,
                values={
                    "wanted_esn0_db": wanted, "esn0_db": found.esn0_db, "tx_gain_db": found.tx_gain_db,
                    "scale_db": found.scale_db,
                },
                residuals={"error_db": found.esn0_db - wanted, "deviation_db": found.deviation_db},
            ))  # fmt: skip
            rows.append(row(
                metric, "dB", abs(found.esn0_db - wanted), before=abs(before - wanted),
                bound=found.deviation_db, target=_TARGET_DB,
            ))  # fmt: skip
            captures[f"esn0_{wanted:g}_db"] = found.heard
            steps = np.array(found.steps)
            order = np.argsort(steps[:, 0])
            curves.append(Curve(f"{wanted:g} dB", steps[order, 0], steps[order, 1], points=True))
        plan.progress("done", 1.0)
    plot = Plot("Search for an Es/N0", "transmit gain and scale (dB)", "Es/N0 (dB)", tuple(curves))
    return Outcome(tuple(records), tuple(rows), (plot,), captures, tuple(notes))


def reach(radio: Radio, plan: Plan, wanted_db: float) -> Reached:
    """Secant steps on noisy figures; the burst is scaled for what the gain's own steps leave over.

    Raises:
        UnreachableError: beyond the transmit gain or the receive converter, or the gain changes nothing.
        ClippedSignalError: the receive converter is overdriven by the gains in use.
        NoSignalError: frames are not received.
    """
    limits = radio.capabilities.tx_gain_db
    drive = plan.settings.tx_gain_db
    steps: list[tuple[float, float]] = []
    slope = 1.0
    for _ in range(_MOST_STEPS):
        gain_db, scale_db = _split(radio, plan, drive)
        try:
            found = _probe(radio, plan, gain_db, scale_db, _FRAMES)
        except NoSignalError:
            if drive >= limits.maximum - 1e-6:
                raise
            drive = min(limits.maximum, drive + _LARGEST_STEP_DB)
            continue
        except ClippedSignalError as error:
            if not steps:
                raise
            last, reached = steps[-1]
            if drive - last < _LEAST_ROOM_DB:
                raise UnreachableError(
                    f"{wanted_db:g} dB of Es/N0 was asked for and the receive converter is overdriven beyond "
                    f"{reached:.1f} dB; lower rx_gain_db, or ask for less"
                ) from error
            drive = (drive + last) / 2  # the step was too large
            continue
        here, deviation = found.esn0_mean_db, float(found.esn0_db.std(ddof=1)) / math.sqrt(found.esn0_db.size)
        if steps and abs(drive - steps[-1][0]) > 2.0:
            slope = (here - steps[-1][1]) / (drive - steps[-1][0])
            if abs(slope) < 0.1 and limits.maximum == limits.minimum:
                raise UnsupportedError(
                    f"Es/N0 stays at {here:.1f} dB however weak the burst is: the channel sets it; choose a channel "
                    "with a fixed noise floor"
                )
            if abs(slope) < 0.1:
                raise UnreachableError(
                    f"Es/N0 stays at {here:.1f} dB whatever the transmit gain is: distortion, or a channel that sets "
                    "it; calibrate iq_balance and dc_offset first, lower the drive, or use a channel with a fixed "
                    "noise floor"
                )
            slope = min(max(slope, _SLOPES[0]), _SLOPES[1])
        steps.append((drive, here))
        if abs(here - wanted_db) < _CLOSE_DB and deviation < _CLOSE_DB:
            break
        step = (wanted_db - here) / slope
        target = drive + min(max(step, -_LARGEST_STEP_DB), _LARGEST_STEP_DB)
        if target > limits.maximum:
            if drive >= limits.maximum - 1e-6:
                raise UnreachableError(
                    f"{wanted_db:g} dB of Es/N0 was asked for and {here:.1f} dB is what the largest transmit gain "
                    "gives; raise rx_gain_db, take attenuation out, or ask for less"
                )
            target = limits.maximum
        drive = target
    gain_db, scale_db = _split(radio, plan, drive)
    final = _probe(radio, plan, gain_db, scale_db, _CHECK_FRAMES)
    deviation = float(final.esn0_db.std(ddof=1)) / math.sqrt(final.esn0_db.size)
    return Reached(wanted_db, final.esn0_mean_db, deviation, gain_db, scale_db, tuple(steps), final.heard)


def _split(radio: Radio, plan: Plan, drive_db: float) -> tuple[float, float]:
    """A whole gain at or above the drive, as the radio sets it, and the scale that makes up for the rest."""
    limits = radio.capabilities.tx_gain_db
    wanted = min(max(math.ceil(drive_db), limits.minimum), limits.maximum)
    if limits.maximum == limits.minimum:
        wanted = limits.maximum
    actual = radio.configure(replace(plan.settings, tx_gain_db=float(wanted))).tx_gain_db
    if actual < drive_db - 1e-6 and actual < limits.maximum:
        actual = radio.configure(replace(plan.settings, tx_gain_db=min(actual + 1.0, limits.maximum))).tx_gain_db
    scale = min(drive_db - actual, 0.0)
    if scale < -_FINEST_DB:
        raise UnreachableError(
            f"the transmit gain ends at {actual:g} dB, {-scale:.0f} dB above what is needed; put attenuation into the "
            "cable"
        )
    return actual, scale


def _probe(radio: Radio, plan: Plan, gain_db: float, scale_db: float, frames: int) -> Probed:
    radio.configure(replace(plan.settings, tx_gain_db=gain_db))
    known = applied(radio, plan, clock=True)
    found = LinkProbe(seed=plan.seed).send(known, radio.settings.sample_rate_hz, frames, scale_db)
    checked(found.heard)
    return found
