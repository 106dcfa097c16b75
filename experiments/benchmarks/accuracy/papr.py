"""Peaks of what is transmitted, and what lowering them costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.phy.papr import ClipAndFilter
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.seeding import TrialSeeds

from ..curves import Curve, Measured, OnStep, Series
from ..rows import row
from .air import RATE_HZ
from .counting import decibels, trials
from .frames import soft_frame

__all__ = ["Peaks", "exceeded_db", "measure", "peaks"]

_FRAMES = 300
_FRAME_SYMBOLS = 2048
_PEAKS_DB = (5.0, 6.0, 7.0, 8.0, 9.0, 10.0)
_LEVELS_DB = np.arange(4.0, 12.0 + 1e-9, 0.5)
_RARE = 1e-4
#: Far from full scale: what is measured are the peaks, not what a converter does to them.
_BACKOFF_DB = 20.0


@dataclass(frozen=True, slots=True)
class Peaks:
    """Of several frames.

    Attributes:
        ratios: float64 [n], power of each sample over the mean power, ascending.
        evm_db: noise-free error of received symbols against those given to the transmitter; NaN where a frame is lost.
    """

    ratios: np.ndarray
    evm_db: float

    def ccdf(self, levels_db: np.ndarray) -> np.ndarray:
        """Share of samples above each level."""
        return 1 - np.searchsorted(self.ratios, 10 ** (levels_db / 10), side="right") / self.ratios.size


def exceeded_db(ratios: np.ndarray, share: float) -> float:
    """Level over the mean power that a share of the samples exceeds, dB."""
    return decibels(float(np.quantile(ratios, 1 - share)))


def peaks(reduction: ClipAndFilter | None, n_frames: int, generator: np.random.Generator) -> Peaks:
    """Transmit frames of Gaussian symbols and receive them undisturbed."""
    transmitter = Transmitter(frame_symbols=_FRAME_SYMBOLS, backoff_db=_BACKOFF_DB, papr_reduction=reduction)
    receiver = Receiver(frame_symbols=_FRAME_SYMBOLS)
    powers, errors = [], []
    for _ in range(n_frames):
        frame = soft_frame(transmitter, _FRAME_SYMBOLS, generator)
        powers.append(np.abs(frame.samples).astype(np.float64) ** 2)
        found = receiver.receive(Capture(np.pad(frame.samples, transmitter.gap_samples), RATE_HZ)).frames
        heard = [each.symbols for each in found if each.symbols.size == frame.symbols.size]
        errors.append(float(np.mean(np.abs(heard[0] - frame.symbols) ** 2)) if heard else float("nan"))
    power = np.sort(np.concatenate(powers))
    return Peaks(power / power.mean(), decibels(float(np.mean(errors))))


def measure(*, effort: float = 1.0, seed: int = 1, on_step: OnStep = lambda done, count: None) -> Measured:
    """Distribution of the samples' power with and without peak reduction, and its EVM.

    Args:
        effort: 1 sends 300 frames of 2048 symbols per setting, some 1.5 million samples.
        seed: of what is sent.
        on_step: told of finished settings.
    """
    count = trials(_FRAMES, effort, 2)
    content = TrialSeeds(seed, "papr")
    plain = peaks(None, count, content.generator("content"))
    on_step(1, len(_PEAKS_DB) + 1)
    reduced: dict[float, Peaks] = {}
    for at, peak_db in enumerate(_PEAKS_DB):
        reduced[peak_db] = peaks(ClipAndFilter(peak_db=peak_db), count, content.generator("content"))
        on_step(at + 2, len(_PEAKS_DB) + 1)
    default = reduced[ClipAndFilter().peak_db]
    gaussian_db = decibels(-np.log(_RARE))
    rows = (
        row("level exceeded by 1e-4 of the samples", exceeded_db(plain.ratios, _RARE), "dB", bound=gaussian_db),
        row(
            "level exceeded by 1e-4 of the samples, peaks reduced (default)", exceeded_db(default.ratios, _RARE), "dB",
            better="lower",
        ),
        row("EVM of peak reduction (default)", default.evm_db, "dB", better="lower"),
        row("EVM of the same frames without it", plain.evm_db, "dB", better="lower"),
    )  # fmt: skip
    distribution = Curve(
        name="Peak-to-average power",
        x_label="level over the mean power (dB)",
        y_label="share of samples above it",
        series=(
            Series.of("without reduction", _LEVELS_DB.tolist(), plain.ccdf(_LEVELS_DB)),
            *(
                Series.of(f"reduced to {peak_db:g} dB", _LEVELS_DB.tolist(), each.ccdf(_LEVELS_DB))
                for peak_db, each in reduced.items()
                if peak_db in (6.0, 8.0)
            ),
        ),
        bounds=(Series.of("Gaussian signal", _LEVELS_DB.tolist(), np.exp(-(10 ** (_LEVELS_DB / 10)))),),
        log_y=True,
        text="Whole frames, preamble included; the power of Gaussian samples exceeds l times its mean with e^-l.",
    )
    cost = Curve(
        name="Price of lower peaks",
        x_label="level exceeded by 1e-4 of the samples (dB)",
        y_label="noise-free EVM (dB)",
        series=(
            Series.of(
                "clipping and filtering",
                [exceeded_db(each.ratios, _RARE) for each in reduced.values()],
                [each.evm_db for each in reduced.values()],
            ),
        ),
        text=f"Wanted peaks of {_PEAKS_DB[0]:g} to {_PEAKS_DB[-1]:g} dB, received without noise.",
    )
    return Measured(rows, (distribution, cost))
