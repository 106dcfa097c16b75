"""Constants: the transmitter's leakage and the receiver's own, kept apart by the distance of their oscillators."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np

from hardware.radio import Radio

from ..errors import UnsupportedError
from ..images import transmit_constant
from ..outcome import Curve, Outcome, Plan, Plot, new_record, row
from ..record import Direction, Quantity, Record
from ..sounding import Sounding
from .conduct import applied, conduct, sound

__all__ = ["VERSION", "measure"]

VERSION = 1
_VALID_FOR = timedelta(days=7)
_TARGET_DBFS = -60.0


def measure(radio: Radio, plan: Plan) -> Outcome:
    """D of the transmitter such that x - d leaves no carrier, and c of the receiver such that y - c has no constant.

    Raises:
        CalibrationError: what was received says nothing; see `sound`.
    """
    if not radio.capabilities.transmits:
        raise UnsupportedError(f"{radio.capabilities.model} does not transmit; only its own bursts tell its constants")
    with conduct(radio, plan):
        plan.progress("sounding", 0.0)
        known = applied(radio, plan, without=(Quantity.DC_OFFSET, Quantity.RESPONSE, Quantity.IQ_BALANCE))
        before, heard = sound(known, plan)
        radio.configure(plan.settings)
        found = {Direction.TRANSMIT: transmit_constant(before), Direction.RECEIVE: before.receive_dc}
        records = tuple(_record(radio, plan, half, value, before) for half, value in found.items())
        plan.progress("sounding again", 0.5)
        corrected = applied(radio, plan, records, without=(Quantity.DC_OFFSET, Quantity.RESPONSE, Quantity.IQ_BALANCE))
        after, _ = sound(corrected, plan)
        plan.progress("done", 1.0)
    left = {Direction.TRANSMIT: transmit_constant(after), Direction.RECEIVE: after.receive_dc}
    rows = tuple(
        row(f"{half} DC", "dBFS", _dbfs(left[half]), before=_dbfs(found[half]),
            bound=10 * math.log10(_variance(before, half)), target=_TARGET_DBFS)
        for half in found
    )  # fmt: skip
    spots = tuple(
        Curve(f"{half} {when}", np.array([value.real]), np.array([value.imag]), points=True)
        for when, values in (("before", found), ("after", left))
        for half, value in values.items()
    )
    plot = Plot("Constants of transmitter and receiver", "in phase (full scale)", "quadrature (full scale)", spots)
    return Outcome(records, rows, (plot,), {"comb": heard})


def _variance(sounding: Sounding, half: Direction) -> float:
    """Least mean squared error of the constant: 2 σ²/N for the receiver's, over |D|² for the transmitter's.

    The factor of 2 is the window's noise bandwidth.
    """
    own = 2 * sounding.noise_power / sounding.n_samples
    if half is Direction.TRANSMIT:
        own /= float(np.mean(np.abs(sounding.direct) ** 2))
    return max(own, 1e-20)


def _dbfs(value: complex) -> float:
    return 20 * math.log10(max(abs(value), 1e-10))


def _record(radio: Radio, plan: Plan, half: Direction, value: complex, sounding: Sounding) -> Record:
    return new_record(
        Quantity.DC_OFFSET, half, radio, plan, valid_for=_VALID_FOR, version=VERSION,
        values={"dc_re": value.real, "dc_im": value.imag},
        residuals={"deviation": math.sqrt(_variance(sounding, half))},
    )  # fmt: skip
