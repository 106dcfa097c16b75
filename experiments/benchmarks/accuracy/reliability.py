"""Does each symbol's noise variance mean what it says?

Frames of known complex Gaussian symbols go through a channel; y are the received symbols, s those sent, v the predicted
variances. Counted are symbols with finite v in frames with a good header. **Predicted over true**, in dB, of one
channel at one Es/N0 is

    -10 log10( mean of |y - s|² / v ) ,

0 where every prediction is right, positive where the receiver thinks itself noisier than it is. Every symbol weighs
equally; a ratio of sums would be decided by the few symbols in the deepest fades. Errors that cancel in that mean show
in the bins: symbols are sorted into bins of 2 dB of v, and in each holding at least 2 % of the symbols
10 log10(Σv / Σ|y - s|²) is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.channel.profile import PROFILE_NAMES, ChannelProfile, profile
from sdr_gsc.channel.simulator import simulate
from sdr_gsc.phy.receiver import ReceivedFrame, Receiver
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.seeding import TrialSeeds

from ..curves import Curve, Measured, OnStep, Series
from ..rows import row
from .air import RATE_HZ
from .counting import decibels, trials
from .frames import soft_frame

__all__ = ["BINS_DB", "Reliability", "channels", "measure", "predict"]

_ESN0_DB = (0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0)
_FRAMES = 250
_FRAME_SYMBOLS = 2048
#: Edges of the bins of predicted variance, dB.
BINS_DB = np.arange(-60.0, 40.0 + 1e-9, 2.0)
_LEAST_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Reliability:
    """Sums over symbols; those of several frames, channels or ratios add.

    Attributes:
        count: int64 [bins], symbols of each bin of predicted variance.
        predicted: float64 [bins], Σv.
        measured: float64 [bins], Σ|y - s|².
        normalized: Σ|y - s|²/v over all symbols.
        sent: frames.
        used: frames with a good header.
    """

    count: np.ndarray
    predicted: np.ndarray
    measured: np.ndarray
    normalized: float
    sent: int
    used: int

    @classmethod
    def nothing(cls, sent: int = 0) -> Reliability:
        """No symbols yet."""
        zeros = np.zeros(BINS_DB.size - 1)
        return cls(zeros.astype(np.int64), zeros, zeros, 0.0, sent, 0)

    @classmethod
    def of(cls, received: np.ndarray, variance: np.ndarray, sent: np.ndarray) -> Reliability:
        """One frame: y, v and s, each [n]."""
        finite = np.isfinite(variance)
        v = variance[finite].astype(np.float64)
        error = np.abs(received[finite] - sent[finite]).astype(np.float64) ** 2
        at = np.clip(np.digitize(10 * np.log10(v), BINS_DB) - 1, 0, BINS_DB.size - 2)
        bins = BINS_DB.size - 1
        return cls(
            np.bincount(at, minlength=bins),
            np.bincount(at, weights=v, minlength=bins),
            np.bincount(at, weights=error, minlength=bins),
            float(np.sum(error / v)),
            1,
            1,
        )

    def plus(self, other: Reliability) -> Reliability:
        """Both together."""
        return Reliability(
            self.count + other.count,
            self.predicted + other.predicted,
            self.measured + other.measured,
            self.normalized + other.normalized,
            self.sent + other.sent,
            self.used + other.used,
        )

    @property
    def bias_db(self) -> float:
        """Predicted over true; NaN without symbols."""
        symbols = int(self.count.sum())
        return -decibels(self.normalized / symbols) if symbols else float("nan")

    @property
    def full_bins(self) -> np.ndarray:
        """Which bins hold at least 2 % of the symbols, bool [bins]."""
        enough: np.ndarray = self.count >= max(_LEAST_SHARE * self.count.sum(), 1)
        return enough

    @property
    def worst_bin_db(self) -> float:
        """Predicted over true of the bin in which it is farthest from 0; NaN without symbols."""
        full = self.full_bins
        if not full.any():
            return float("nan")
        found = 10 * np.log10(self.predicted[full] / self.measured[full])
        return float(found[np.argmax(np.abs(found))])


def channels() -> dict[str, ChannelProfile]:
    """Every named profile, and three harder cases: a fast channel, a bad oscillator, a clipping receive converter."""
    named = {name: profile(name) for name in PROFILE_NAMES}
    return named | {
        "mobile, 200 Hz Doppler": replace(profile("mobile"), doppler_hz=200.0),
        "cabled, 300 Hz linewidth": replace(profile("cabled"), linewidth_hz=300.0),
        "office, clipping receiver": replace(profile("office"), receive_level_dbfs=-4.0),
    }


def predict(channel: ChannelProfile, count: int, seeds: TrialSeeds) -> Reliability:
    """Send `count` frames, each through a channel of its own."""
    transmitter, receiver = Transmitter(frame_symbols=_FRAME_SYMBOLS), Receiver(frame_symbols=_FRAME_SYMBOLS)
    content, air = seeds.generator("content"), seeds.generator("air")
    total = Reliability.nothing()
    for _ in range(count):
        frame = soft_frame(transmitter, _FRAME_SYMBOLS, content)
        padded = np.pad(frame.samples, transmitter.gap_samples)
        found = _of_this(receiver.receive(simulate(Capture(padded, RATE_HZ), channel, air)).frames)
        this = Reliability.nothing(1) if found is None else Reliability.of(*found, frame.symbols)
        total = total.plus(this)
    return total


def _of_this(frames: tuple[ReceivedFrame, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    for frame in frames:
        if frame.header is not None and frame.symbols.size == _FRAME_SYMBOLS:
            return frame.symbols, frame.noise_variance
    return None


def measure(*, effort: float = 1.0, seed: int = 1, on_step: OnStep = lambda done, count: None) -> Measured:
    """Predicted over true noise variance of uncoded symbols, for all channels and 0 … 30 dB Es/N0.

    Args:
        effort: 1 sends 250 frames of 2048 symbols per channel and Es/N0.
        seed: of everything drawn.
        on_step: told of finished points.
    """
    count = trials(_FRAMES, effort, 2)
    found: dict[str, dict[float, Reliability]] = {}
    cases = channels()
    done = 0
    for name, channel in cases.items():
        found[name] = {}
        for esn0_db in _ESN0_DB:
            seeds = TrialSeeds(seed, f"reliability/{name}/{esn0_db:g}")
            found[name][esn0_db] = predict(replace(channel, esn0_db=esn0_db), count, seeds)
            done += 1
            on_step(done, len(cases) * len(_ESN0_DB))
    worst = {name: max(abs(each.bias_db) for each in by_esn0.values()) for name, by_esn0 in found.items()}
    bins = {name: max(abs(each.worst_bin_db) for each in by_esn0.values()) for name, by_esn0 in found.items()}
    rows = [
        row(
            "noise variance predicted over true, worst profile and Es/N0", _largest(worst, PROFILE_NAMES), "dB",
            bound=0.0, target=1.0, aim=0.3, better="lower",
        ),
        row(
            "the same, worst bin of predicted variance", _largest(bins, PROFILE_NAMES), "dB", bound=0.0, better="lower"
        ),
        *(row(f"noise variance, worst Es/N0: {name}", worst[name], "dB", bound=0.0, better="lower") for name in cases),
    ]  # fmt: skip
    bias = Curve(
        name="Noise variance, predicted over true",
        x_label="Es/N0 (dB)",
        y_label="predicted over true (dB)",
        series=tuple(
            Series.of(name, _ESN0_DB, [each.bias_db for each in by_esn0.values()]) for name, by_esn0 in found.items()
        ),
        bounds=(Series.of("right", [_ESN0_DB[0], _ESN0_DB[-1]], [0.0, 0.0]),),
        text=(
            "-10 log10 of the mean of |y - s|²/v over all symbols received, v the predicted variance. Below zero the "
            "receiver trusts its symbols too much."
        ),
    )
    return Measured(tuple(rows), (bias, _diagram(found)))


def _largest(values: dict[str, float], names: tuple[str, ...]) -> float:
    return float(np.max([values[name] for name in names]))  # NaN, where there is one


def _diagram(found: dict[str, dict[float, Reliability]]) -> Curve:
    series = []
    for name, by_esn0 in found.items():
        total = Reliability.nothing()
        for each in by_esn0.values():
            total = total.plus(each)
        full = total.count >= max(0.002 * total.count.sum(), 1)
        predicted = 10 * np.log10(total.predicted[full] / total.count[full])
        measured = 10 * np.log10(np.maximum(total.measured[full], 1e-30) / total.count[full])
        series.append(Series.of(name, predicted, measured))
    return Curve(
        name="Reliability of the noise variance",
        x_label="predicted noise variance (dB)",
        y_label="measured |y - s|² (dB)",
        series=tuple(series),
        bounds=(Series.of("right", [-40.0, 20.0], [-40.0, 20.0]),),
        text="All Es/N0 together, symbols in bins of 2 dB of predicted variance. Above the diagonal: too much trust.",
    )
