"""Flatness of the loop over the band, and the short filter that restores it."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np

from hardware.radio import Radio

from ..errors import UnsupportedError
from ..filters import equalizer_taps, taps_response
from ..outcome import Curve, Outcome, Plan, Plot, new_record, row
from ..record import Direction, Quantity
from .conduct import applied, conduct, flatness_db, sound

__all__ = ["VERSION", "measure"]

VERSION = 1
_VALID_FOR = timedelta(days=7)
_TARGET_DB = 0.1


def measure(radio: Radio, plan: Plan) -> Outcome:
    """Taps g with |G D| even within 0.1 dB over the occupied band; `CalibratedRadio` runs them before or after the air.

    One radio alone cannot tell the transmitter's response from the receiver's: the record is the loop's.

    Raises:
        CalibrationError: what was received says nothing, or the response has a hole.
    """
    if not radio.capabilities.transmits:
        raise UnsupportedError(f"{radio.capabilities.model} does not transmit; only its own bursts tell its response")
    with conduct(radio, plan):
        plan.progress("sounding", 0.0)
        before, heard = sound(applied(radio, plan, without=(Quantity.RESPONSE,)), plan)
        radio.configure(plan.settings)
        places = before.frequencies + before.offset
        level = math.sqrt(float(np.mean(np.abs(before.direct) ** 2)))
        taps = equalizer_taps(places, before.direct / level)
        left = taps_response(taps, places) * before.direct / level
        deviation_db = 20 / math.log(10) * math.sqrt(before.line_variance / 2) / level
        record = new_record(
            Quantity.RESPONSE, Direction.LOOP, radio, plan, valid_for=_VALID_FOR, version=VERSION,
            values={"taps_re": tuple(taps.real.tolist()), "taps_im": tuple(taps.imag.tolist())},
            residuals={"flatness_db": flatness_db(left), "deviation_db": deviation_db},
        )  # fmt: skip
        plan.progress("sounding again", 0.5)
        after, _ = sound(applied(radio, plan, (record,), without=(Quantity.RESPONSE,)), plan)
        plan.progress("done", 1.0)
    rows = (
        row("response, deviation from flat", "dB", flatness_db(after.direct), before=flatness_db(before.direct),
            bound=deviation_db, target=_TARGET_DB),
    )  # fmt: skip
    curves = tuple(
        Curve(name, np.sort(one.frequencies), _db(one.direct)[np.argsort(one.frequencies)])
        for name, one in (("before", before), ("after", after))
    )
    plot = Plot("Response of the loop", "frequency (cycles per sample)", "level (dB)", curves)
    return Outcome((record,), rows, (plot,), {"comb": heard})


def _db(response: np.ndarray) -> np.ndarray:
    level = 20 * np.log10(np.abs(response))
    return np.asarray(level - level.mean())
