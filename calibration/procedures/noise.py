"""The receiver's noise floor at several gains and, with a source of two known states, its noise figure."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import scipy.fft

from hardware.radio import Radio
from sdr_gsc.capture import Capture

from ..errors import InterferenceError
from ..noise_figure import noise_figure_db, noise_figure_deviation_db
from ..outcome import Curve, NoiseSource, Outcome, Plan, Plot, new_record, row
from ..record import Direction, Plane, Quantity
from .conduct import applied, conduct, listen

__all__ = ["VERSION", "measure"]

VERSION = 1
_VALID_FOR = timedelta(days=7)
_GAINS = 5
_REACH_DB = 20.0
_CELLS = 1024
#: A line over the median of the averaged spectrum that noise does not make.
_LINE_OVER_MEDIAN = 8.0
_LEAST_POWER = 1e-16


def measure(radio: Radio, plan: Plan) -> Outcome:
    """Mean power of what is received while nothing is sent, without the receiver's constant.

    Raises:
        InterferenceError: somebody transmits in the band.
        CalibrationError: the noise source does nothing.
    """
    limits = radio.capabilities.rx_gain_db
    base = plan.settings.rx_gain_db
    low, high = max(limits.minimum, base - _REACH_DB), min(limits.maximum, base + _REACH_DB)
    gains = np.unique(np.append(np.linspace(low, high, _GAINS), base)) if high > low else np.array([base])
    with conduct(radio, plan):
        radio.mute()
        floors = []
        for number, gain_db in enumerate(gains):
            plan.progress(f"listening at {gain_db:g} dB", number / gains.size)
            radio.configure(replace(plan.settings, rx_gain_db=float(gain_db)))
            heard = listen(applied(radio, plan, without=(Quantity.RESPONSE,)), plan.n_samples)
            floors.append(10 * math.log10(_power(heard)))
            if gain_db == base:
                kept = heard
        radio.configure(plan.settings)
        floor = float(floors[int(np.flatnonzero(gains == base)[0])])
        deviation_db = 10 / math.log(10) / math.sqrt(plan.n_samples)
        values: dict[str, float | tuple[float, ...]] = {
            "gain_db": tuple(gains.tolist()), "floor_dbfs": tuple(floors), "floor_at_gain_dbfs": floor,
        }  # fmt: skip
        rows = [row("noise floor", "dBFS", floor)]
        plane = Plane.DIGITAL
        if plan.noise_source is not None:
            figure, spread = _figure(radio, plan, plan.noise_source)
            values["noise_figure_db"] = figure
            rows.append(row("noise figure", "dB", figure, bound=spread))
            plane = Plane.CONNECTOR
        record = new_record(
            Quantity.NOISE, Direction.RECEIVE, radio, plan, valid_for=_VALID_FOR, version=VERSION, plane=plane,
            values=values, residuals={"deviation_db": deviation_db},
        )  # fmt: skip
        plan.progress("done", 1.0)
    plot = Plot("Noise floor", "receive gain (dB)", "noise (dBFS)", (Curve("measured", gains, np.array(floors)),))
    notes = () if plan.noise_source else ("no noise source: the noise figure was not measured",)
    return Outcome((record,), tuple(rows), (plot,), {"noise": kept}, notes)


def _figure(radio: Radio, plan: Plan, source: NoiseSource) -> tuple[float, float]:
    powers = {}
    known = applied(radio, plan, without=(Quantity.RESPONSE,))
    try:
        for hot in (True, False):
            source.switch(hot)
            powers[hot] = _power(listen(known, plan.n_samples))
    finally:
        source.switch(False)
    arguments = (powers[True], powers[False])
    figure = noise_figure_db(*arguments, source.enr_db, source.cold_k)
    return figure, noise_figure_deviation_db(*arguments, plan.n_samples, source.enr_db, source.cold_k)


def _power(heard: Capture) -> float:
    """Mean |y - mean y|², refusing a spectrum with lines."""
    samples = heard.samples.astype(np.complex128)
    samples -= samples.mean()
    pieces = samples[: samples.size // _CELLS * _CELLS].reshape(-1, _CELLS) * np.hanning(_CELLS)
    spectrum = np.mean(np.abs(scipy.fft.fft(pieces, axis=1)) ** 2, axis=0)
    spectrum[[0, 1, 2, -1, -2]] = np.median(spectrum)  # beside the constant
    power = float(np.mean(np.abs(samples) ** 2))
    highest = int(np.argmax(spectrum))
    if spectrum[highest] > _LINE_OVER_MEDIAN * float(np.median(spectrum)) and power > _LEAST_POWER:
        at_hz = scipy.fft.fftfreq(_CELLS)[highest] * heard.sample_rate_hz
        above = 10 * math.log10(spectrum[highest] / float(np.median(spectrum)))
        raise InterferenceError(
            f"with the transmitter muted, a signal {above:.0f} dB over the noise stands {at_hz / 1e3:+.1f} kHz from "
            "the carrier; terminate the receiver, find out who transmits there, or choose another frequency"
        )
    return max(power, _LEAST_POWER)
