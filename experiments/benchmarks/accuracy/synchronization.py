"""Errors of carrier offset and arrival beside what the known samples allow.

Two bounds, each for what the receiver may use. The estimate of the preamble alone, read from captures that end behind
it, is held against the known waveform of its four copies behind an unknown channel of as many taps as the cyclic prefix
has samples. The estimate of whole frames, which the pilots refine, is held against all known symbols: copies, header
(known once decoded), training symbols and pilots, behind the same unknown channel, seen symbol by symbol.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_gsc.channel.delay_profiles import exponential_profile
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.preamble import Preamble
from sdr_gsc.phy.receiver import ReceivedFrame, Receiver
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.seeding import TrialSeeds

from ..curves import Curve, Measured, OnStep, Series
from ..rows import row
from .air import RATE_HZ, Scene, heard, rayleigh_taps, scene
from .bounds import known_waveform_deviation, repeated_waveform_deviation, timing_deviation
from .counting import trials
from .frame_bounds import frame_bound, preamble_cfo_bound
from .frames import known_symbols, soft_frame

__all__ = ["Errors", "errors_of", "measure"]

_SNR_DB = (0.0, 5.0, 10.0, 15.0, 20.0, 30.0)
_JUDGED_DB = 10.0
_MAX_CFO = 2.0
_TRIALS = 4000
_PAYLOAD = 480
_PER_CAPTURE = 20
#: Fewer frames than this share leave no error worth its name.
_LEAST_FOUND = 0.99


@dataclass(frozen=True, slots=True)
class Errors:
    """Root mean square errors.

    Attributes:
        cfo: subcarrier spacings; NaN where too few frames were found.
        timing: samples; the same.
        astray: share of the frames found whose arrival is wrong by more than half a sample.
        found: share of the frames.
    """

    cfo: float
    timing: float
    astray: float
    found: float


def errors_of(scenes: list[Scene], frames: list[tuple[ReceivedFrame | None, ...]], fft_size: int) -> Errors:
    """Errors of all frames found; an outlier counts like any other."""
    cfo, timing, sent = [], [], 0
    for there, found in zip(scenes, frames, strict=True):
        sent += len(found)
        for frame, start, offset in zip(found, there.starts, there.cfo_subcarriers, strict=True):
            if frame is not None:
                cfo.append(frame.report.cfo_hz * fft_size / RATE_HZ - offset)
                timing.append(frame.report.start_sample + frame.report.timing_samples - start)
    share = len(cfo) / sent
    if share < _LEAST_FOUND:
        return Errors(float("nan"), float("nan"), float("nan"), share)
    astray = float(np.mean(np.abs(timing) > 0.5))
    return Errors(float(np.sqrt(np.mean(np.square(cfo)))), float(np.sqrt(np.mean(np.square(timing)))), astray, share)


def measure(*, effort: float = 1.0, seed: int = 1, on_step: OnStep = lambda done, count: None) -> Measured:
    """Root mean square errors over sample SNR, carrier offsets uniform within two subcarrier spacings.

    Args:
        effort: 1 takes 4000 frames per point.
        seed: of everything drawn.
        on_step: told of finished points.
    """
    grid = Numerology()
    preamble = Preamble(grid)
    receiver = Receiver(grid)
    count = trials(_TRIALS, effort, _PER_CAPTURE)
    steps = 2 * len(_SNR_DB) + 1
    alone: dict[float, Errors] = {}
    whole: dict[float, Errors] = {}
    for at, snr_db in enumerate(_SNR_DB):
        snr = 10 ** (snr_db / 10)
        alone[snr_db] = _preambles(receiver, preamble, snr, count, TrialSeeds(seed, f"synchronization/{snr_db:g}"))
        on_step(2 * at + 1, steps)
        whole[snr_db] = _frames(receiver, grid, snr, count, TrialSeeds(seed, f"synchronization/{snr_db:g}"))
        on_step(2 * at + 2, steps)
    faded = _preambles(receiver, preamble, 10.0, count, TrialSeeds(seed, "synchronization/fading"), fading=True)
    on_step(steps, steps)
    known = known_symbols(grid, _PAYLOAD)
    bounds = {db: preamble_cfo_bound(preamble, 10 ** (db / 10)) for db in _SNR_DB}
    frame_bounds = {db: frame_bound(grid, known, 10 ** (db / 10)).cfo for db in _SNR_DB}
    timing = {
        db: timing_deviation(preamble.length - preamble.prefix_length, grid.occupied_fraction, 10 ** (db / 10))
        for db in _SNR_DB
    }
    rows = (
        row(
            "CFO RMSE over its CRB, preamble (known waveform, unknown channel), worst from 10 dB",
            _worst({db: alone[db].cfo / bounds[db] for db in _SNR_DB}), "ratio",
            bound=1.0, target=1.15, aim=1.05, better="lower",
        ),
        row(
            "CFO RMSE over its CRB, whole frame (all known symbols), worst from 10 dB",
            _worst({db: whole[db].cfo / frame_bounds[db] for db in _SNR_DB}), "ratio", bound=1.0, better="lower",
        ),
        row(
            "CFO RMSE of whole frames over the CRB of their preambles, worst from 10 dB",
            _worst({db: whole[db].cfo / bounds[db] for db in _SNR_DB}), "ratio", better="lower",
        ),
        row("timing RMSE at 10 dB", alone[10.0].timing, "samples", bound=timing[10.0], better="lower"),
        row(
            "arrival wrong by more than half a sample, worst from 10 dB",
            _worst({db: alone[db].astray for db in _SNR_DB}), "share", bound=0.0, better="lower",
        ),
        row("timing RMSE against the first path, Rayleigh, 10 dB", faded.timing, "samples", better="lower"),
    )  # fmt: skip
    n_samples = preamble.repetitions * grid.fft_size
    repeated = [
        grid.fft_size * repeated_waveform_deviation(n_samples, preamble.repetitions, 10 ** (db / 10)) for db in _SNR_DB
    ]
    flat = [grid.fft_size * known_waveform_deviation(n_samples, 10 ** (db / 10)) for db in _SNR_DB]
    cfo_curve = Curve(
        name="Carrier offset",
        x_label="sample SNR (dB)",
        y_label="CFO RMSE (subcarrier spacings)",
        series=(
            Series.of("preamble", _SNR_DB, [alone[db].cfo for db in _SNR_DB]),
            Series.of("whole frame", _SNR_DB, [whole[db].cfo for db in _SNR_DB]),
        ),
        bounds=(
            Series.of("CRB, preamble known, channel unknown", _SNR_DB, [bounds[db] for db in _SNR_DB]),
            Series.of("CRB, preamble known, one path", _SNR_DB, flat),
            Series.of("Morelli-Mengali, copies unknown", _SNR_DB, repeated),
            Series.of("CRB, all known symbols", _SNR_DB, [frame_bounds[db] for db in _SNR_DB]),
        ),
        log_y=True,
        text=(
            f"White noise, arrival and carrier offset (±{_MAX_CFO:g} subcarriers) unknown; preambles alone, and frames "
            f"of {_PAYLOAD} payload symbols. Morelli and Mengali's bound holds for receivers that do not use what the "
            "copies contain."
        ),
    )
    timing_curve = Curve(
        name="Arrival",
        x_label="sample SNR (dB)",
        y_label="timing RMSE (samples)",
        series=(Series.of("preamble", _SNR_DB, [alone[db].timing for db in _SNR_DB]),),
        bounds=(Series.of("CRB, known waveform", _SNR_DB, [timing[db] for db in _SNR_DB]),),
        log_y=True,
        text="Bursts arrive between samples. The bound is for a single path; the receiver allows for echoes.",
    )
    return Measured(rows, (cfo_curve, timing_curve))


def _worst(figures: dict[float, float]) -> float:
    """Largest figure from 10 dB on; NaN, where there is one."""
    return float(np.max([figure for snr_db, figure in figures.items() if snr_db >= _JUDGED_DB]))


def _preambles(
    receiver: Receiver, preamble: Preamble, snr: float, count: int, seeds: TrialSeeds, fading: bool = False
) -> Errors:
    """Captures that end behind the preamble: there is nothing else to estimate from."""
    generator = seeds.generator("preambles")
    powers = exponential_profile(8, 1.0, 2.0).scattered
    scenes, frames = [], []
    # A header that never came is what a receiver hears when the capture ends.
    waveform = np.concatenate([preamble.samples, np.zeros(64, np.complex64)])
    for _ in range(count):
        there = scene(
            [waveform],
            generator,
            noise_variance=preamble.numerology.occupied_fraction / snr,
            max_cfo=_MAX_CFO,
            between_samples=not fading,
            draw_taps=(lambda source: rayleigh_taps(source, powers)) if fading else None,
            cut_samples=preamble.length + 8,
        )
        scenes.append(there)
        frames.append(heard(there, receiver.receive(there.capture).frames).frames)
    return errors_of(scenes, frames, preamble.numerology.fft_size)


def _frames(receiver: Receiver, grid: Numerology, snr: float, count: int, seeds: TrialSeeds) -> Errors:
    generator = seeds.generator("frames")
    transmitter = Transmitter(grid)
    scenes, frames = [], []
    for _ in range(-(-count // _PER_CAPTURE)):
        sent = [soft_frame(transmitter, _PAYLOAD, generator) for _ in range(_PER_CAPTURE)]
        power = float(np.mean([each.power for each in sent]))
        there = scene(
            [each.samples for each in sent],
            generator,
            noise_variance=power / snr,
            max_cfo=_MAX_CFO,
            between_samples=True,
        )
        scenes.append(there)
        frames.append(heard(there, receiver.receive(there.capture).frames).frames)
    return errors_of(scenes, frames, grid.fft_size)
