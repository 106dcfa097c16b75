"""Errors of the channel estimate beside the least that anybody who knows the channel's statistics can reach.

The channels are static: eight Rayleigh taps with the delays and powers of the `office` profile, and nothing else.
`FrameReport.channel` says nothing of its reference in time and phase, so one delay and one phase are fitted between
estimate and truth. The bound goes through the same fit: an LMMSE estimator that knows the true profile, the arrival,
the noise level, and the same known symbols (see `known_symbols`) is run on the same channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_gsc.channel.profile import profile
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.preamble import Preamble
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.seeding import TrialSeeds

from ..curves import Curve, Measured, OnStep, Series
from ..rows import Row, row
from .air import RATE_HZ, heard, rayleigh_taps, scene
from .bounds import channel_error
from .counting import trials
from .frames import known_symbols, soft_frame

__all__ = ["Channels", "aligned_error", "correlation", "genie_error", "measure", "office_powers"]

_ESN0_DB = (0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0)
_JUDGED_DB = (10.0, 20.0, 30.0)
_TRIALS = 2000
_PAYLOAD = 480
_PER_CAPTURE = 20
_MAX_CFO = 0.5
_LEAST_FOUND = 0.95


@dataclass(frozen=True, slots=True)
class Channels:
    """Estimates and truths.

    Attributes:
        estimated: complex [F, Na], of the frames that were found.
        true: complex [F, Na], response of the taps, first path at delay 0.
        found: share of the frames.
    """

    estimated: np.ndarray
    true: np.ndarray
    found: float

    def error(self, signed: np.ndarray, fft_size: int) -> float:
        """Mean square error after alignment over mean channel power 1; NaN where too few frames were found."""
        if self.found < _LEAST_FOUND:
            return float("nan")
        pairs = zip(self.estimated, self.true, strict=True)
        return float(np.mean([aligned_error(mine, truth, signed, fft_size) for mine, truth in pairs]))


def office_powers() -> np.ndarray:
    """Mean powers of the taps of `office`, float64 [L], one sample apart at the benchmark's rate."""
    paths = profile("office").power_delay_profile()
    delays = paths.delays_s * RATE_HZ
    if not np.allclose(delays, np.arange(delays.size)):
        raise ValueError(f"the taps of office lie at {delays} samples; needed one sample apart")
    return paths.scattered


def responses(taps: np.ndarray, grid: Numerology) -> np.ndarray:
    """Channel of the active subcarriers, complex128 [..., Na], for taps [..., L] one sample apart."""
    delays = np.arange(taps.shape[-1])
    return taps @ np.exp(-2j * np.pi * np.outer(delays, grid.signed(grid.active)) / grid.fft_size)


def correlation(powers: np.ndarray, grid: Numerology) -> np.ndarray:
    """R = E H Hᴴ of the active subcarriers, complex128 [Na, Na]."""
    dft = responses(np.eye(powers.size), grid)
    return (dft.T * powers) @ dft.conj()


def aligned_error(estimated: np.ndarray, true: np.ndarray, signed: np.ndarray, fft_size: int) -> float:
    """Least mean of |Ĥ_k - H_k exp(j(φ - 2πkτ/N))|² over one phase φ and one delay τ.

    Args:
        estimated: complex [Na].
        true: complex [Na].
        signed: signed subcarrier indices [Na].
        fft_size: N.
    """
    product = estimated * true.conj()
    turn = 2j * np.pi * signed / fft_size
    coarse = np.arange(-fft_size / 2, fft_size / 2, 0.25)
    delay = float(coarse[np.argmax(np.abs(np.exp(np.outer(coarse, turn)) @ product))])
    for step in (0.25, 0.02, 0.002):  # |sum| is a smooth hill of the width of the band's inverse, about one sample
        near = delay + np.linspace(-step, step, 21)
        delay = float(near[np.argmax(np.abs(np.exp(np.outer(near, turn)) @ product))])
    overlap = float(np.abs(np.exp(delay * turn) @ product))
    energy = float(np.sum(np.abs(estimated) ** 2) + np.sum(np.abs(true) ** 2))
    return max(energy - 2 * overlap, 0.0) / true.size


def genie_error(
    true: np.ndarray, powers: np.ndarray, precision: np.ndarray, grid: Numerology, generator: np.random.Generator
) -> float:
    """Aligned error of the LMMSE estimator that knows profile, place and noise, run on the same channels.

    Args:
        true: complex [F, Na].
        powers: of the taps.
        precision: float64 [Na], inverse noise variance of all that is known of each subcarrier.
        grid: numerology.
        generator: of the noise.
    """
    matrix = correlation(powers, grid)
    # E[H | z] = R (R + W⁻¹)⁻¹ z; both matrices are Hermitian.
    weights = np.linalg.solve(matrix + np.diag(1 / precision), matrix).conj().T
    noise = generator.standard_normal((2, *true.shape)) * np.sqrt(0.5 / precision)
    estimated = (true + noise[0] + 1j * noise[1]) @ weights.T
    signed = grid.signed(grid.active)
    pairs = zip(estimated, true, strict=True)
    return float(np.mean([aligned_error(mine, truth, signed, grid.fft_size) for mine, truth in pairs]))


def measure(*, effort: float = 1.0, seed: int = 1, on_step: OnStep = lambda done, count: None) -> Measured:
    """Mean square error of `FrameReport.channel` over Es/N0: of preambles alone, and of whole frames.

    Args:
        effort: 1 takes 2000 channels per point.
        seed: of everything drawn.
        on_step: told of finished points.
    """
    grid = Numerology()
    powers = office_powers()
    signed = grid.signed(grid.active)
    count = trials(_TRIALS, effort, _PER_CAPTURE)
    rows: list[Row] = []
    series, bounds = [], []
    done = 0
    for what, payload in (("preamble alone", None), ("whole frame", _PAYLOAD)):
        known = known_symbols(grid, payload).per_subcarrier
        errors, genies, closed = [], [], []
        for esn0_db in _ESN0_DB:
            seeds = TrialSeeds(seed, f"estimation/{what}/{esn0_db:g}")
            channels = _receive(payload, 10 ** (-esn0_db / 10), powers, count, seeds)
            precision = known * 10 ** (esn0_db / 10)
            errors.append(channels.error(signed, grid.fft_size))
            genies.append(genie_error(channels.true, powers, precision, grid, seeds.generator("genie")))
            closed.append(channel_error(correlation(powers, grid), precision))
            done += 1
            on_step(done, 2 * len(_ESN0_DB))
        loss_db = 10 * np.log10(np.array(errors) / np.array(genies))
        worst = float(np.max([loss for db, loss in zip(_ESN0_DB, loss_db, strict=True) if db in _JUDGED_DB]))
        rows.append(
            row(
                f"channel-estimate MSE above the LMMSE bound, {what}, worst of 10, 20, 30 dB", worst, "dB",
                bound=0.0, target=1.2, aim=0.5, better="lower",
            )
        )  # fmt: skip
        series.append(Series.of(what, _ESN0_DB, 10 * np.log10(errors)))
        bounds.append(Series.of(f"LMMSE through the same fit, {what}", _ESN0_DB, 10 * np.log10(genies)))
        bounds.append(Series.of(f"LMMSE closed form, {what}", _ESN0_DB, 10 * np.log10(closed)))
    curve = Curve(
        name="Channel estimate",
        x_label="Es/N0 (dB)",
        y_label="mean square error over mean channel power (dB)",
        series=tuple(series),
        bounds=tuple(bounds),
        text=(
            "Static Rayleigh channels with the profile of office, no other impairments. One delay and one phase are "
            "fitted, which takes two of the errors' degrees of freedom away from receiver and bound alike; the closed "
            f"form lets them stand. Whole frames have {_PAYLOAD} payload symbols; what is known of them is the "
            "preamble, the decoded header, the training symbols and the pilots."
        ),
    )
    return Measured(tuple(rows), (curve,))


def _receive(
    payload: int | None, noise_to_signal: float, powers: np.ndarray, count: int, seeds: TrialSeeds
) -> Channels:
    """Frames through channels of mean power 1, amplitudes as if every subcarrier were sent with unit power."""
    grid = Numerology()
    preamble, transmitter, receiver = Preamble(grid), Transmitter(grid), Receiver(grid)
    generator = seeds.generator("frames")
    estimated, true = [], []
    per_capture = 1 if payload is None else _PER_CAPTURE
    total = -(-count // per_capture) * per_capture
    for _ in range(total // per_capture):
        if payload is None:
            bursts, scale = [np.concatenate([preamble.samples, np.zeros(64, np.complex64)])], 1.0
        else:
            sent = [soft_frame(transmitter, payload, generator) for _ in range(per_capture)]
            # The amplitude that the transmitter gives its subcarriers, from the preamble as it was sent.
            first = sent[0].samples[: preamble.length]
            scale = float(np.sqrt(np.vdot(first, first).real / np.vdot(preamble.samples, preamble.samples).real))
            bursts = [each.samples for each in sent]
        there = scene(
            bursts,
            generator,
            noise_variance=noise_to_signal * scale**2,
            max_cfo=_MAX_CFO,
            draw_taps=lambda source: rayleigh_taps(source, powers),
            cut_samples=preamble.length + 8 if payload is None else None,
        )
        for frame, taps in zip(heard(there, receiver.receive(there.capture).frames).frames, there.taps, strict=True):
            if frame is not None:
                estimated.append(frame.report.channel / scale)
                true.append(responses(taps, grid))
    return Channels(np.array(estimated), np.array(true), len(estimated) / total)
