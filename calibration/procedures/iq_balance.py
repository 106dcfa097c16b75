"""Images of the transmit and of the receive mixer, kept apart by the distance of their oscillators."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np

from hardware.radio import Radio

from ..errors import UnsupportedError
from ..filters import taps_response
from ..images import choose_taps, receive_images, rejection_db, transmit_images
from ..outcome import Curve, Outcome, Plan, Plot, new_record, row
from ..record import Direction, Quantity
from ..sounding import Sounding
from .conduct import applied, conduct, sound

__all__ = ["VERSION", "measure"]

VERSION = 1
_VALID_FOR = timedelta(days=7)
_TARGET_DB = 55.0
_MOST_TAPS = 7


def measure(radio: Radio, plan: Plan) -> Outcome:
    """ρ of both mixers as filters such that x - ρ * x̅ leaves the transmitter, and the receiver, without an image.

    Raises:
        CalibrationError: what was received says nothing; see `sound`.
    """
    if not radio.capabilities.transmits:
        raise UnsupportedError(f"{radio.capabilities.model} does not transmit; only its own bursts tell its images")
    without = (Quantity.IQ_BALANCE, Quantity.RESPONSE)
    with conduct(radio, plan):
        plan.progress("sounding", 0.0)
        before, heard = sound(applied(radio, plan, without=without), plan)
        radio.configure(plan.settings)
        variance = _variance(before)
        seen = _images(before)
        records = []
        for half, (values, frequencies) in seen.items():
            taps = choose_taps(frequencies, values, variance, _MOST_TAPS)
            left = values - taps_response(taps, frequencies)
            records.append(
                new_record(
                    Quantity.IQ_BALANCE,
                    half,
                    radio,
                    plan,
                    valid_for=_VALID_FOR,
                    version=VERSION,
                    values={"taps_re": tuple(taps.real.tolist()), "taps_im": tuple(taps.imag.tolist())},
                    residuals={
                        "rms": float(np.sqrt(np.mean(np.abs(left) ** 2))),
                        "deviation": math.sqrt(variance / values.size),
                    },
                )
            )
        plan.progress("sounding again", 0.5)
        after, _ = sound(applied(radio, plan, records, without=without), plan)
        plan.progress("done", 1.0)
    rows, curves = [], []
    remaining = _images(after)
    for half in seen:
        values, frequencies = seen[half]
        rest, places = remaining[half]
        bound = -10 * math.log10(variance * len(records[0].curve("taps_re")) / values.size)
        rows.append(
            row(
                f"{half} image rejection",
                "dB",
                rejection_db(rest, _variance(after)),
                before=rejection_db(values, variance),
                bound=bound,
                target=_TARGET_DB,
                better="higher",
            )
        )
        for name, x, y in (("before", frequencies, values), ("after", places, rest)):
            order = np.argsort(x)
            curves.append(
                Curve(f"{half} {name}", x[order], 20 * np.log10(np.maximum(np.abs(y[order]), 1e-8)), points=True)
            )
    plot = Plot("Images of the mixers", "frequency (cycles per sample)", "image over signal (dB)", tuple(curves))
    return Outcome(tuple(records), tuple(rows), (plot,), {"comb": heard})


def _variance(sounding: Sounding) -> float:
    return sounding.line_variance / float(np.mean(np.abs(sounding.direct) ** 2))


def _images(sounding: Sounding) -> dict[Direction, tuple[np.ndarray, np.ndarray]]:
    return {Direction.TRANSMIT: transmit_images(sounding), Direction.RECEIVE: receive_images(sounding)}
