"""The transmitter's clock against the receiver's: a tone, for a second, sampled in short pieces."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import scipy.fft

from hardware.radio import Radio
from sdr_gsc.capture import Capture

from ..applying import CalibratedRadio
from ..clock import LineFit, fit_clock, fit_line, require_no_jump, track_phase, white_variance, wiener_variance
from ..errors import CalibrationError, NoSignalError, UnsupportedError
from ..outcome import Curve, Outcome, Plan, Plot, new_record, row
from ..record import Direction, Plane, Quantity, Record
from ..tone import Tone, estimate_tone, make_tone
from .conduct import applied, checked, conduct

__all__ = ["VERSION", "measure"]

VERSION = 1
_VALID_FOR = timedelta(hours=12)
_TARGET_PPM = 0.02
_TARGET_RATIO = 1.2
#: Samples of a piece, of a block of phase, and how many pieces are looked at.
_PIECE, _BLOCK, _PIECES = 8192, 256, 96
#: Taps of the filter around the tone; constant and image lie on its zeros.
_FILTER = 64
#: How far apart the pieces are altogether.
_SPAN_S = 1.0
#: Distance of the oscillators in sample rates: the image of the image, too, falls on a zero of the filter then.
_TX_OFFSET = 1 / 32
#: The tone is looked for where clocks this far off would put it, but never nearer to 0 Hz than a share of its distance.
_MOST_PPM, _NEAREST_ZERO = 100.0, 0.9
_TRIES = 5
#: The tone stands beside the carrier, away from constants and images.
_TONE = 1 / 16


@dataclass(frozen=True, slots=True)
class _Track:
    """Frequency of a tone over time, Hz beyond where it should be."""

    line: LineFit
    deviation_hz: float
    times_s: np.ndarray
    offsets_hz: np.ndarray
    tone: Tone
    first: Capture


def measure(radio: Radio, plan: Plan) -> Outcome:
    """Offset, positive where the transmitter's clock is faster, and drift, by a line through the frequencies of pieces.

    Raises:
        NoSignalError: no tone.
        ClockError: the clock jumped meanwhile.
        UnsupportedError: nothing sends a tone.
    """
    if plan.reference_hz is None and not radio.capabilities.transmits:
        raise UnsupportedError(
            f"{radio.capabilities.model} does not transmit; give the radio frequency of an external tone"
        )
    with conduct(radio, plan):
        plan.progress("listening to the tone", 0.0)
        carrier_hz = plan.reference_hz or radio.settings.tx_frequency_hz
        if carrier_hz == 0:
            raise UnsupportedError("the radio is at baseband, where clocks have no ppm; set center_frequency_hz")
        if plan.reference_hz is None and radio.capabilities.has_tx_offset:
            radio.configure(replace(plan.settings, tx_offset_hz=_TX_OFFSET * plan.settings.sample_rate_hz))
            carrier_hz = radio.settings.tx_frequency_hz
        track = _track(applied(radio, plan, without=tuple(Quantity)), plan)
        to_ppm = 1e6 / carrier_hz
        record = _record(radio, plan, track, to_ppm)
        plan.progress("listening to the tone corrected", 0.5)
        again = _track(CalibratedRadio(radio, [record]), plan) if plan.reference_hz is None else None
        plan.progress("done", 1.0)
    ratio = track.line.scatter / track.deviation_hz
    found_ppm, bound_ppm = abs(track.line.value) * to_ppm, track.line.value_deviation * to_ppm
    rows = (
        # A receiver's own error against a reference is known then, and nothing is undone: there is no "after" to judge.
        row("frequency offset from the reference", "ppm", found_ppm, bound=bound_ppm)
        if again is None
        else row(
            "frequency offset",
            "ppm",
            abs(again.line.value) * to_ppm,
            before=found_ppm,
            bound=bound_ppm,
            target=_TARGET_PPM,
        ),
        row("frequency scatter over its bound", "1", ratio, bound=1.0, target=_TARGET_RATIO),
        row("frequency drift", "ppm/s", track.line.slope * to_ppm, bound=track.line.slope_deviation * to_ppm),
    )
    line = track.line.value + track.line.slope * (track.times_s - track.times_s[-1])
    plot = Plot(
        "Clock of the transmitter against that of the receiver",
        "time (s)",
        "offset (ppm)",
        (
            Curve("pieces", track.times_s, track.offsets_hz * to_ppm, points=True),
            Curve("fit", track.times_s, line * to_ppm),
        ),
    )
    notes = (
        ()
        if rows[0].met is not False
        else ("the offset is another one in the next transmission: no record can undo it",)
    )
    return Outcome((record,), rows, (plot,), {"tone": track.first}, notes)


def _record(radio: Radio, plan: Plan, track: _Track, to_ppm: float) -> Record:
    line = track.line
    sign = -1.0 if plan.reference_hz is not None else 1.0  # a reference that seems high shows a receiver that is low
    direction = Direction.LOOP if plan.reference_hz is None else Direction.RECEIVE
    return new_record(
        Quantity.FREQUENCY,
        direction,
        radio,
        plan,
        valid_for=_VALID_FOR,
        version=VERSION,
        plane=Plane.CONNECTOR,
        values={"offset_ppm": sign * line.value * to_ppm, "drift_ppm_s": sign * line.slope * to_ppm},
        residuals={
            "offset_deviation_ppm": line.value_deviation * to_ppm,
            "drift_deviation_ppm_s": line.slope_deviation * to_ppm,
            "scatter_over_bound": line.scatter / track.deviation_hz,
        },
    )


def _track(radio: CalibratedRadio, plan: Plan) -> _Track:
    settings = radio.settings
    rate_hz = settings.sample_rate_hz
    if plan.reference_hz is None:
        cycles = round(_TONE * 4096)  # whole turns in the burst: no seam where it repeats
        expected_hz = cycles / 4096 * rate_hz
        amplitude = 10 ** (plan.drive_dbfs / 20)
        sending = radio.repeat(Capture(make_tone(4096, expected_hz, rate_hz, amplitude), rate_hz))
        expected_hz += settings.tx_offset_hz
    else:
        expected_hz = plan.reference_hz - settings.center_frequency_hz
        sending = nullcontext()  # somebody else sends
        if abs(expected_hz) > 0.45 * rate_hz:
            raise CalibrationError(
                f"the reference at {plan.reference_hz / 1e6:g} MHz lies outside the band; set center_frequency_hz near "
                "it"
            )
    every = max(1, int(_SPAN_S * rate_hz / _PIECE / _PIECES))
    pieces, times = [], []
    with sending:
        first, tone = _found(radio, expected_hz)
        with radio.receive_stream(_PIECE) as stream:
            for number, block in enumerate(stream):
                if number and number % every == 0:
                    pieces.append(block.samples.copy())
                    times.append(block.first_sample / rate_hz)
                if len(pieces) == _PIECES:
                    break
    return _analyse(pieces, np.array(times), tone, expected_hz, rate_hz, settings.center_frequency_hz, first)


def _found(radio: CalibratedRadio, expected_hz: float) -> tuple[Capture, Tone]:
    """A capture with the tone in it; a repeated burst may take a moment to be on the air.

    What stands at 0 Hz is the receiver's own constant, however strong: taken for the tone it would pass for a clock
    that is off by the tone's whole distance from the carrier.
    """
    settings = radio.settings
    span_hz = min(1e-6 * _MOST_PPM * max(settings.center_frequency_hz, 1.0), _NEAREST_ZERO * abs(expected_hz))
    for _ in range(_TRIES):
        heard = checked(radio.capture(8 * _PIECE))
        try:
            return heard, estimate_tone(heard.samples[_PIECE:], settings.sample_rate_hz, expected_hz, span_hz)
        except CalibrationError as error:
            missing = error
    raise NoSignalError(f"within {span_hz / 1e3:.0f} kHz of {expected_hz / 1e3:+.0f} kHz: {missing}") from missing


def _analyse(
    pieces: list[np.ndarray],
    times: np.ndarray,
    tone: Tone,
    expected_hz: float,
    rate_hz: float,
    carrier_hz: float,
    first: Capture,
) -> _Track:
    near = [estimate_tone(piece, rate_hz, tone.frequency_hz, rate_hz / 64) for piece in pieces]
    phases = [
        track_phase(_beside_nothing(piece, each.frequency_hz / rate_hz), each.frequency_hz / rate_hz, _BLOCK)
        for piece, each in zip(pieces, near, strict=True)
    ]
    noises = [_noise_power(piece, each.frequency_hz / rate_hz) for piece, each in zip(pieces, near, strict=True)]
    noise = float(np.median(noises))
    amplitude = float(np.median([each.amplitude for each in near]))
    white = white_variance(amplitude**2 / max(noise, 1e-20), _BLOCK)
    wiener = wiener_variance(phases, white)
    fits = [fit_clock(phase, _BLOCK / rate_hz, white, wiener) for phase in phases]
    offsets = (
        np.array([each.frequency_hz + fit.frequency_hz for each, fit in zip(near, fits, strict=True)]) - expected_hz
    )
    deviation = fits[0].deviation_hz
    line = fit_line(times, offsets, deviation)
    require_no_jump(line, deviation, 1e-8 * carrier_hz)
    return _Track(line, deviation, times, offsets, tone, first)


def _beside_nothing(piece: np.ndarray, cycles: float) -> np.ndarray:
    """The tone without constant and image, by a filter that is even around the tone and has its zeros there.

    Noise is filtered, too, but not where the tone is, and only that matters to its frequency.
    """
    window = np.hanning(_FILTER + 1)[:-1] / (_FILTER / 2)
    return np.convolve(piece, window * np.exp(2j * np.pi * cycles * np.arange(_FILTER)), mode="valid")


def _noise_power(piece: np.ndarray, cycles: float) -> float:
    """Of a sample, from cells far above the tone: beyond its skirts, and on the side without constant and image."""
    spectrum = np.abs(scipy.fft.fft(piece * np.hanning(piece.size))) ** 2 / (0.375 * piece.size)
    cell = round(cycles * piece.size)
    return float(np.median(spectrum[np.arange(cell + 512, cell + 2048) % piece.size])) / math.log(2)
