"""Latency of the loop to a small part of a sample, its jitter, and how old the first samples are."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np

from hardware.radio import Radio
from sdr_gsc.capture import Capture

from ..applying import CalibratedRadio
from ..clock import fit_line
from ..errors import UnsupportedError
from ..outcome import Curve, Outcome, Plan, Plot, new_record, row
from ..record import Direction, Quantity
from ..timing import delay_bound_samples, find_arrival, sounding_pair
from .conduct import applied, checked, conduct

__all__ = ["VERSION", "measure"]

VERSION = 1
_VALID_FOR = timedelta(days=7)
_TARGET_SAMPLES = 0.05
_HALF, _GAP = 2048, 512
_BAND = 0.4
_STALE_LOOK = 1 << 17


def measure(radio: Radio, plan: Plan) -> Outcome:
    """Where a burst stands in what was received, beyond where the radio says that it sent it.

    Raises:
        NoSignalError: the burst is not there.
        UnsupportedError: the radio does not transmit.
    """
    if not radio.capabilities.transmits:
        raise UnsupportedError(f"{radio.capabilities.model} does not transmit; a loop needs both directions")
    with conduct(radio, plan):
        known = applied(radio, plan, clock=True)
        rate_hz = radio.settings.sample_rate_hz
        sent = sounding_pair(_HALF, 10 ** (plan.drive_dbfs / 10), plan.seed)
        silence = np.zeros(_GAP, np.complex64)
        burst = Capture(np.concatenate([silence, sent, silence]), rate_hz)
        delays, snrs = [], []
        count = max(plan.repetitions, 3) * 2
        for number in range(count):
            plan.progress("measuring delays", 0.9 * number / count)
            heard = checked(known.exchange(burst))
            arrival = find_arrival(heard.samples, sent)
            began = heard.settings.get("burst_start_sample", 0)
            delays.append(arrival.delay_samples - _GAP - (float(began) if isinstance(began, int | float) else 0.0))
            snrs.append(arrival.sample_snr)
        plan.progress("looking for old samples", 0.9)
        stale = _stale_samples(known, plan)
        every = np.array(delays)
        middle = float(np.median(every))
        fractions = every - np.rint(every - middle)
        # Two clocks that differ let the latency grow from one exchange to the next: that is no scatter.
        growth = fit_line(np.arange(count, dtype=float), fractions, 0.0)
        bound = delay_bound_samples(float(np.mean(snrs)), sent.size, 2 * _BAND / math.sqrt(12))
        fraction_scatter = growth.scatter
        record = new_record(
            Quantity.DELAY, Direction.LOOP, radio, plan, valid_for=_VALID_FOR, version=VERSION,
            values={
                "latency_samples": float(fractions.mean()), "jitter_samples": float(every.std(ddof=1)),
                "stale_samples": float(stale), "latency_s": float(fractions.mean()) / rate_hz,
            },
            residuals={"scatter_samples": fraction_scatter, "bound_samples": bound},
        )  # fmt: skip
        plan.progress("done", 1.0)
    rows = (
        row("latency", "samples", float(fractions.mean()), bound=bound / math.sqrt(every.size)),
        row("latency, scatter beyond whole samples", "samples", fraction_scatter, bound=bound, target=_TARGET_SAMPLES),
        row("latency, jitter", "samples", float(every.std(ddof=1))),
        row("samples older than the call", "samples", float(stale), target=0.0),
    )
    plot = Plot(
        "Latency of the loop",
        "exchange",
        "latency (samples)",
        (Curve("measured", np.arange(count), every, points=True),),
    )
    notes = () if rows[1].met else ("the latency is another one in every exchange: no record says where a burst comes",)
    return Outcome((record,), rows, (plot,), {"burst": heard}, notes)


def _stale_samples(radio: CalibratedRadio, plan: Plan) -> int:
    """Samples at the beginning of a capture that still have what was sent before the transmitter was muted."""
    rate_hz = radio.settings.sample_rate_hz
    sent = sounding_pair(_HALF, 10 ** (plan.drive_dbfs / 10), plan.seed)
    with radio.repeat(Capture(sent, rate_hz)):
        loud = float(np.mean(np.abs(radio.capture(1 << 14).samples[1024:]) ** 2))
    heard = radio.capture(_STALE_LOOK)
    quiet = float(np.mean(np.abs(heard.samples[-(1 << 14) :]) ** 2))
    power = np.convolve(np.abs(heard.samples) ** 2, np.ones(64) / 64, mode="valid")
    above = np.flatnonzero(
        power > math.sqrt(max(loud * quiet, 1e-30)) if loud > 4 * quiet else np.zeros(power.size, bool)
    )
    # The echo of a burst that ends exactly at the call is no old buffer.
    return int(above[-1]) if above.size and above[-1] > 256 else 0
