"""True gain against the nominal one, by a ladder of levels, and where the transmitter compresses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import scipy.fft

from hardware.radio import Radio, Range
from sdr_gsc.capture import Capture

from ..compression import Compression, fit_compression
from ..errors import ClippedSignalError, ClockError, NoSignalError, UnsupportedError
from ..outcome import Curve, Outcome, Plan, Plot, Row, conditions_of, new_record, row
from ..record import Direction, Quantity
from ..tone import estimate_tone, make_tone
from .conduct import applied, checked, conduct, listen, sound

__all__ = ["VERSION", "measure"]

VERSION = 1
_VALID_FOR = timedelta(days=30)
_TARGET_DB = 0.1
#: Points of a curve, how far it reaches from the setting in use, and how far from the largest gain.
_STEP_DB, _REACH_DB, _HELD_OUT = 3.0, 30.0, 4
#: Soundings stay between these levels at the receive converter; the other side's gain makes that so.
_LOWEST_DBFS, _HIGHEST_DBFS, _AIM_DBFS = -45.0, -16.0, -25.0
_CLIPS_DBFS = -12.0
#: Small signals: the amplifier is not to show in a gain curve.
_DRIVE_DBFS = -20.0
_NEAR_TOP_DB = 15.0
#: Samples of a level: eight segments, for phase noise takes some of the power of one, now more and now less. More of
#: them where it is so weak that its relative variance would be too large: 0.02 dB.
_N_SAMPLES, _MOST_SAMPLES, _SURE_VARIANCE = 1 << 17, 1 << 19, (0.02 * math.log(10) / 10) ** 2
_LEVELS, _LEVEL_SAMPLES = 25, 2048
_WEAKEST_DBFS, _STRONGEST_DBFS = -25.0, -0.6


def measure(radio: Radio, plan: Plan) -> Outcome:
    """Curves of both directions relative to the gain in use, held-out settings as proof, and AM/AM at the largest gain.

    Raises:
        UnsupportedError: gains that cannot be set.
        CalibrationError: what was received says nothing; see `sound`.
    """
    limits = radio.capabilities
    if not limits.transmits or limits.tx_gain_db.maximum <= limits.tx_gain_db.minimum:
        raise UnsupportedError(f"{limits.model} has no transmit gain to set; leave this procedure out")
    with conduct(radio, plan):
        outcomes = []
        for number, half in enumerate((Direction.TRANSMIT, Direction.RECEIVE)):
            plan.progress(f"{half} gains", 0.45 * number)
            outcomes.append(_curve(radio, plan, half))
        plan.progress("compression", 0.9)
        top, plot, values, heard = _compression(radio, plan)
        radio.configure(plan.settings)
        records = [
            new_record(
                Quantity.GAIN,
                half,
                radio,
                plan,
                valid_for=_VALID_FOR,
                version=VERSION,
                values={**curve, **(values if half is Direction.TRANSMIT else {})},
                residuals={} if math.isnan(error) else {"held_out_db": error},
            )
            for half, (curve, error, _, _) in zip((Direction.TRANSMIT, Direction.RECEIVE), outcomes, strict=True)
        ]
        plan.progress("done", 1.0)
    rows = [one for _, _, one, _ in outcomes]
    return Outcome(tuple(records), (*rows, *top), (*(one for _, _, _, one in outcomes), plot), {"staircase": heard})


def _curve(radio: Radio, plan: Plan, half: Direction) -> tuple[dict[str, tuple[float, ...] | float], float, Row, Plot]:
    limits = radio.capabilities.tx_gain_db if half is Direction.TRANSMIT else radio.capabilities.rx_gain_db
    base = plan.settings.tx_gain_db if half is Direction.TRANSMIT else plan.settings.rx_gain_db
    low, high = max(limits.minimum, base - _REACH_DB), min(limits.maximum, base + _REACH_DB)
    n_steps = max(2, math.ceil((high - low) / _STEP_DB))
    grid = _settable(radio, plan, half, np.append(np.linspace(low, high, n_steps + 1), base))
    between = (grid[:-1] + grid[1:]) / 2
    chosen = between[np.linspace(0, between.size - 1, min(_HELD_OUT, between.size)).astype(int)]
    held_out = np.setdiff1d(_settable(radio, plan, half, chosen), grid)
    nominal, true, deviation_db = _ladder(radio, plan, half, np.union1d(grid, held_out).tolist())
    true = true - np.interp(base, nominal, true) + base
    on_grid = np.isin(nominal, grid)
    inside = ~on_grid & (nominal > nominal[on_grid].min()) & (nominal < nominal[on_grid].max())
    predicted = np.interp(nominal[inside], nominal[on_grid], true[on_grid])
    after = float(np.abs(predicted - true[inside]).max()) if inside.any() else math.nan
    verdict = row(
        f"{half} gain error",
        "dB",
        after,
        before=float(np.abs(true - nominal).max()),
        bound=deviation_db,
        target=_TARGET_DB,
    )
    curve: dict[str, tuple[float, ...] | float] = {
        "nominal_db": tuple(nominal.tolist()),
        "true_db": tuple(true.tolist()),
        "reference_db": float(base),
    }
    plot = Plot(
        f"True {half} gain beyond the nominal one",
        "nominal gain (dB)",
        "difference (dB)",
        (Curve("measured", nominal, true - nominal),),
    )
    return curve, after, verdict, plot


def _settable(radio: Radio, plan: Plan, half: Direction, wanted_db: np.ndarray) -> np.ndarray:
    """Gains that the radio has in place of those asked for, ascending: a curve is one over true settings."""
    base = (plan.settings.tx_gain_db, plan.settings.rx_gain_db)
    found = []
    for one in wanted_db.tolist():
        tx_db, rx_db = _pair(half, one, base[1] if half is Direction.TRANSMIT else base[0])
        actual = radio.configure(replace(plan.settings, tx_gain_db=tx_db, rx_gain_db=rx_db))
        found.append(actual.tx_gain_db if half is Direction.TRANSMIT else actual.rx_gain_db)
    return np.unique(found)


def _ladder(
    radio: Radio, plan: Plan, half: Direction, settings: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, float]:
    """Levels at each setting; wherever the other gain must change, one setting is measured with both of its values."""
    other_limits = radio.capabilities.rx_gain_db if half is Direction.TRANSMIT else radio.capabilities.tx_gain_db
    base = (plan.settings.tx_gain_db, plan.settings.rx_gain_db)
    start = _level(radio, plan, *base)
    own = base[0] if half is Direction.TRANSMIT else base[1]
    other = base[1] if half is Direction.TRANSMIT else base[0]
    found = {own: 0.0}
    relative_db, variance = start[0], start[1]
    for side in (sorted(one for one in settings if one < own)[::-1], sorted(one for one in settings if one > own)):
        at, at_other, level_db, origin = own, other, relative_db, 0.0
        for one in side:
            expected = level_db + one - at
            try:
                if not _LOWEST_DBFS <= expected <= _HIGHEST_DBFS:
                    wanted = _within(other_limits, at_other + _AIM_DBFS - expected)
                    if abs(wanted - at_other) > 0.5:
                        # The level at the last setting with the new gain links what follows to what came before.
                        safe = _within(other_limits, min(wanted, at_other + _HIGHEST_DBFS - level_db))
                        linked = _level(radio, plan, *_pair(half, at, safe))
                        level_db, at_other = linked[0], safe
                        variance = max(variance, linked[1])
                if not level_db + one - at <= _CLIPS_DBFS:
                    break  # the other gain cannot go low enough to keep the converter from clipping
                now = _level(radio, plan, *_pair(half, one, at_other))
            except (NoSignalError, ClockError, ClippedSignalError):
                break  # too little is left above the noise, or the noise fills the converter: the curve ends here
            origin += now[0] - level_db
            found[one] = origin
            variance = max(variance, now[1])
            at, level_db = one, now[0]
    nominal = np.array(sorted(found))
    return nominal, np.array([found[one] for one in nominal]), 10 / math.log(10) * math.sqrt(variance)


def _pair(half: Direction, own: float, other: float) -> tuple[float, float]:
    return (own, other) if half is Direction.TRANSMIT else (other, own)


def _within(limits: Range, value: float) -> float:
    return min(max(value, limits.minimum), limits.maximum)


def _level(radio: Radio, plan: Plan, tx_db: float, rx_db: float) -> tuple[float, float]:
    """Level of the comb at the receiver, dBFS, and the relative variance of its power."""
    radio.configure(replace(plan.settings, tx_gain_db=tx_db, rx_gain_db=rx_db))
    known = applied(radio, plan, without=(Quantity.RESPONSE,))
    near_top = tx_db > radio.capabilities.tx_gain_db.maximum - _NEAR_TOP_DB
    drive_dbfs = _DRIVE_DBFS if near_top else max(_DRIVE_DBFS, plan.drive_dbfs)
    n_samples = _N_SAMPLES
    for _ in range(2):
        found, _capture = sound(known, plan, drive_dbfs=drive_dbfs, n_samples=n_samples, least_snr=0.0)
        variance = 4 / (found.sample_snr * found.n_samples)
        if variance <= _SURE_VARIANCE:
            break
        n_samples = min(_MOST_SAMPLES, math.ceil(variance / _SURE_VARIANCE) * _N_SAMPLES)
    power = float(np.mean(np.abs(found.direct) ** 2)) - found.line_variance
    if power <= 0:
        raise NoSignalError("what was sent is lost in the noise; raise the gains")
    return 10 * math.log10(power) + _DRIVE_DBFS, variance


def _compression(radio: Radio, plan: Plan) -> tuple[tuple[Row, ...], Plot, dict[str, float], Capture]:
    """AM/AM: a staircase of tones at the largest transmit gain."""
    highest = radio.capabilities.tx_gain_db.maximum
    level_db, _ = _level(radio, plan, plan.settings.tx_gain_db, plan.settings.rx_gain_db)
    # Full scale must fit the receive converter, with 6 dB of room.
    full_db = level_db - _DRIVE_DBFS + highest - plan.settings.tx_gain_db
    rx_db = _within(radio.capabilities.rx_gain_db, plan.settings.rx_gain_db - full_db - 8.0)
    radio.configure(replace(plan.settings, tx_gain_db=highest, rx_gain_db=rx_db))
    known = applied(radio, plan, without=(Quantity.RESPONSE, Quantity.DC_OFFSET))
    rate_hz = plan.settings.sample_rate_hz
    given = 10 ** (np.linspace(_WEAKEST_DBFS, _STRONGEST_DBFS, _LEVELS) / 20)
    tone = make_tone(_LEVELS * _LEVEL_SAMPLES, rate_hz / 16, rate_hz, 1.0)
    # The strongest step first marks the beginning.
    steps = np.repeat(np.roll(given, 1), _LEVEL_SAMPLES)
    with known.repeat(Capture((steps * tone).astype(np.complex64), rate_hz)):
        scale = 10 ** (-known.backoff_db / 20)
        heard = checked(listen(known, 2 * tone.size))
    got, deviation = _steps(heard, given, rate_hz)
    fit = fit_compression(given * scale, got, deviation)
    reached = fit.one_db <= 10 ** (3 / 20)
    rows = (
        row("1 dB compression at the largest gain, drive", "dBFS", 20 * math.log10(fit.one_db)),
        row("compression, residual of the fit", "dB", fit.residual_db, target=_TARGET_DB),
    )
    values = {
        "compression_gain_db": conditions_of(radio, Direction.TRANSMIT).gain_db,
        "saturation": fit.saturation,
        "smoothness": fit.smoothness,
        "one_db_dbfs": 20 * math.log10(fit.one_db),
        "one_db_reached": float(reached),
    }
    return rows, _compression_plot(given * scale, got, fit), values, heard


def _compression_plot(given: np.ndarray, got: np.ndarray, fit: Compression) -> Plot:
    x = 20 * np.log10(given)
    measured = 20 * np.log10(got / given / fit.gain)
    return Plot(
        "Gain of the transmitter at its largest setting",
        "drive (dBFS)",
        "gain over that of small signals (dB)",
        (
            Curve("measured", x, measured, points=True),
            Curve("fit", x, 20 * np.log10(fit.output(given) / given / fit.gain)),
        ),
    )


def _steps(heard: Capture, given: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Amplitude of each step of the staircase, by its tone alone, and standard deviations."""
    period = given.size * _LEVEL_SAMPLES
    power = np.abs(heard.samples[: 2 * period]) ** 2
    folded = power.reshape(2, period).mean(axis=0)
    pattern = np.repeat(np.roll(given, 1) ** 2, _LEVEL_SAMPLES)
    spectrum = scipy.fft.fft(folded) * np.conj(scipy.fft.fft(pattern - pattern.mean()))
    start = int(np.argmax(scipy.fft.ifft(spectrum).real))
    amplitudes, deviations = np.empty(given.size), np.empty(given.size)
    strongest = heard.samples[start : start + _LEVEL_SAMPLES]
    frequency = estimate_tone(strongest[64:-64], rate_hz).frequency_hz
    inner = slice(256, _LEVEL_SAMPLES - 256)
    turn = np.exp(-2j * np.pi * frequency / rate_hz * np.arange(_LEVEL_SAMPLES))[inner]
    window = np.hanning(turn.size)
    window /= window.sum()
    for number in range(given.size):
        piece = heard.samples[start + number * _LEVEL_SAMPLES :][:_LEVEL_SAMPLES][inner]
        centred = (piece - piece.mean()) * turn
        tone = complex((centred * window).sum())
        noise = float(np.mean(np.abs(np.diff(centred)) ** 2)) / 2
        amplitudes[number] = abs(tone)
        deviations[number] = math.sqrt(noise / 2 * float(np.sum(window**2)))
    return np.roll(amplitudes, -1), np.roll(deviations, -1)
