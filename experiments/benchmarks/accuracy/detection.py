"""How often a 128-sample preamble is found, at a false-alarm rate that is counted and not believed.

A trial is noise, then two copies of the 64-point training symbol without a prefix, then a signal of the same power and
no structure, all behind the preamble's channel. It counts as found if the statistic reaches 1 within a cyclic prefix of
the place where the first path begins. One detector serves white noise and fading.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sdr_gsc.channel.awgn import complex_noise
from sdr_gsc.channel.delay_profiles import exponential_profile
from sdr_gsc.phy.matched_search import MatchedSearch
from sdr_gsc.phy.preamble import Preamble
from sdr_gsc.seeding import TrialSeeds

from ..curves import Curve, Measured, OnStep, Series
from ..rows import Row, row
from .bounds import detection_probability, detection_probability_in_fading
from .counting import poisson_interval, poisson_limit, trials

__all__ = ["Alarms", "Channel", "Statistic", "detected", "false_alarms", "measure", "training_pair"]

_RATE = 1e-6
_FFT_SIZE, _TAPS = 64, 8
_BEFORE, _LENGTH, _BEHIND = 160, 128, 96
_TOLERANCE = 16
_TRIALS = 10_000
_BATCH = 500
_NOISE_SAMPLES = 100_000_000
_NOISE_BATCH = 1_000_000
_WHITE_SNR_DB = (-9.0, -7.5, -6.0, -4.5, -3.0, -1.5, 0.0)
_FADING_SNR_DB = (-6.0, -3.0, 0.0, 3.0, 6.0, 9.0)
_MAX_CFO = (0.5, 2.0)


class Statistic(Protocol):
    """A detector, as far as this module needs one."""

    def statistic(self, samples: np.ndarray) -> np.ndarray:
        """float32 [n - L + 1], at least 1 where something is detected."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Mean powers of Rayleigh taps, one sample apart; None is a single path of power 1.

    Attributes:
        powers: float64 [L], sum 1, or None.
    """

    powers: np.ndarray | None = None

    def taps(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """complex128 [count, L], one channel per trial."""
        if self.powers is None:
            return np.ones((count, 1), np.complex128)
        parts = generator.standard_normal((2, count, self.powers.size))
        drawn: np.ndarray = (parts[0] + 1j * parts[1]) * np.sqrt(self.powers / 2)
        return drawn

    def bound(self, snr_db: float) -> float:
        """Largest probability of detection, for a receiver that knows noise level, offset and the taps' ratios."""
        energy = _LENGTH * 10 ** (snr_db / 10)
        if self.powers is None:
            return float(detection_probability(energy, _RATE))
        return detection_probability_in_fading(energy, self.powers, _RATE)


@dataclass(frozen=True, slots=True)
class Alarms:
    """Alarms in noise.

    Attributes:
        samples: statistics looked at.
        crossings: how many of them reached 1.
        events: groups of crossings less than the waveform's length apart; these are independent of each other.
    """

    samples: int
    crossings: int
    events: int


def training_pair() -> np.ndarray:
    """Two copies of the 64-point training symbol, mean power 1, complex64 [128]."""
    preamble = Preamble()
    pair = preamble.samples[preamble.prefix_length : preamble.prefix_length + _LENGTH]
    return (pair / np.sqrt(np.mean(np.abs(pair) ** 2))).astype(np.complex64)


def detected(
    search: Statistic, channel: Channel, snr_db: float, max_cfo: float, count: int, generator: np.random.Generator
) -> int:
    """How many of `count` preambles are found.

    Args:
        search: detector of `training_pair`.
        channel: drawn anew for each trial.
        snr_db: mean sample SNR; the noise has power 1.
        max_cfo: carrier offsets are uniform between plus and minus this, subcarrier spacings.
        count: trials.
        generator: of everything drawn.
    """
    pair = training_pair()
    length = _BEFORE + _LENGTH + _BEHIND
    found = 0
    for first in range(0, count, _BATCH):
        size = min(_BATCH, count - first)
        sent = np.concatenate(
            [np.broadcast_to(pair, (size, _LENGTH)), complex_noise(size * _BEHIND, 1.0, generator).reshape(size, -1)],
            axis=1,
        )
        taps = channel.taps(size, generator) * 10 ** (snr_db / 20)
        received = np.zeros(sent.shape, np.complex128)
        for delay in range(taps.shape[1]):
            received[:, delay:] += taps[:, delay, None] * sent[:, : sent.shape[1] - delay]
        offset = generator.uniform(-max_cfo, max_cfo, (size, 1))
        phase = generator.uniform(-np.pi, np.pi, (size, 1))
        received *= np.exp(1j * (2 * np.pi / _FFT_SIZE * offset * np.arange(sent.shape[1]) + phase))
        stream = complex_noise(size * length, 1.0, generator).reshape(size, length)
        stream[:, _BEFORE:] += received.astype(np.complex64)
        statistic = search.statistic(np.ascontiguousarray(stream.reshape(-1)))
        places = length * np.arange(size)[:, None] + _BEFORE + np.arange(-_TOLERANCE, _TOLERANCE + 1)
        found += int(np.count_nonzero((statistic[places] >= 1).any(axis=1)))
    return found


def false_alarms(search: Statistic, samples: int, generator: np.random.Generator) -> Alarms:
    """Alarms in white noise."""
    looked = crossings = events = 0
    while looked < samples:
        statistic = search.statistic(complex_noise(_NOISE_BATCH, 1.0, generator))
        at = np.flatnonzero(statistic >= 1)
        looked += statistic.size
        crossings += at.size
        events += int(at.size > 0) + int(np.count_nonzero(np.diff(at) >= _LENGTH))
    return Alarms(looked, crossings, events)


def measure(*, effort: float = 1.0, seed: int = 1, on_step: OnStep = lambda done, count: None) -> Measured:
    """Probability of detection over sample SNR, in white noise and in Rayleigh fading, and alarms in noise.

    Args:
        effort: 1 makes 10000 trials per point and looks at 1e8 samples of noise per detector.
        seed: of everything drawn.
        on_step: told of finished points.
    """
    fading = Channel(exponential_profile(_TAPS, 1.0, 2.0).scattered)
    steep = np.exp(-np.arange(_TAPS) / 2)
    channels = {
        "white noise": (Channel(), _WHITE_SNR_DB),
        "Rayleigh, rms 2 samples": (fading, _FADING_SNR_DB),
        "Rayleigh, rms 1.6 samples": (Channel(steep / steep.sum()), _FADING_SNR_DB),
    }
    count, n_noise = trials(_TRIALS, effort, 20), trials(_NOISE_SAMPLES, effort, _NOISE_BATCH)
    steps = len(_MAX_CFO) * (1 + sum(len(ratios) for _, ratios in channels.values()))
    found: dict[tuple[float, str, float], float] = {}
    alarms: dict[float, Alarms] = {}
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        on_step(done, steps)

    for max_cfo in _MAX_CFO:
        search = MatchedSearch(training_pair(), _FFT_SIZE, _TAPS, max_cfo, _RATE)
        for name, (channel, ratios_db) in channels.items():
            for snr_db in ratios_db:
                generator = TrialSeeds(seed, f"detection/{max_cfo:g}/{name}/{snr_db:g}").generator("trials")
                found[max_cfo, name, snr_db] = detected(search, channel, snr_db, max_cfo, count, generator) / count
                step()
        generator = TrialSeeds(seed, f"detection/{max_cfo:g}").generator("noise")
        alarms[max_cfo] = false_alarms(search, n_noise, generator)
        step()
    rows = [each for max_cfo in _MAX_CFO for each in _rows(max_cfo, found, fading, alarms[max_cfo])]
    curves = [_curve(name, channel, ratios, found, max_cfo=_MAX_CFO) for name, (channel, ratios) in channels.items()]
    return Measured(tuple(rows), tuple(curves), tuple(_note(max_cfo, each) for max_cfo, each in alarms.items()))


def _rows(max_cfo: float, found: dict[tuple[float, str, float], float], fading: Channel, alarms: Alarms) -> list[Row]:
    # The targets are for carrier offsets within half a subcarrier.
    judged: Callable[[float], float | None] = (lambda value: value) if max_cfo == _MAX_CFO[0] else (lambda _: None)
    where = f"128 samples, CFO ±{max_cfo:g}"
    rayleigh = "Rayleigh, rms 2 samples"
    return [
        row(
            f"P_D at P_FA 1e-6 per sample, {where}, -3 dB, white noise", found[max_cfo, "white noise", -3.0], "share",
            bound=Channel().bound(-3.0), target=judged(0.99),
        ),
        row(
            f"P_D at P_FA 1e-6 per sample, {where}, -6 dB, white noise", found[max_cfo, "white noise", -6.0], "share",
            bound=Channel().bound(-6.0), aim=judged(0.9),
        ),
        row(
            f"P_D at P_FA 1e-6 per sample, {where}, +3 dB, Rayleigh", found[max_cfo, rayleigh, 3.0], "share",
            bound=fading.bound(3.0), target=judged(0.98), aim=judged(0.99),
        ),
        row(
            f"false alarms counted, {where}", alarms.crossings / alarms.samples, "per sample",
            bound=_RATE, target=_most(alarms) / alarms.samples, better="lower",
        ),
    ]  # fmt: skip


def _most(alarms: Alarms) -> float:
    """Crossings that the rate allows: they come in groups, and only groups are Poisson events."""
    size = max(alarms.crossings / max(alarms.events, 1), 1.0)
    return size * poisson_limit(_RATE * alarms.samples / size)


def _note(max_cfo: float, alarms: Alarms) -> tuple[str, str]:
    low, high = poisson_interval(alarms.events)
    size = max(alarms.crossings / max(alarms.events, 1), 1.0) / alarms.samples
    return (
        f"false alarms, CFO ±{max_cfo:g}",
        f"{alarms.crossings} of {alarms.samples:.3g} statistics reached the threshold, in {alarms.events} groups; "
        f"95 % interval of the rate {low * size:.2g} to {high * size:.2g} per sample",
    )


def _curve(
    name: str,
    channel: Channel,
    ratios_db: tuple[float, ...],
    found: dict[tuple[float, str, float], float],
    max_cfo: tuple[float, ...],
) -> Curve:
    fine = np.linspace(ratios_db[0], ratios_db[-1], 31).tolist()
    return Curve(
        name=f"Detection, {name}",
        x_label="sample SNR (dB)",
        y_label="probability of detection",
        series=tuple(
            Series.of(f"CFO within ±{each:g}", ratios_db, [found[each, name, snr_db] for snr_db in ratios_db])
            for each in max_cfo
        ),
        bounds=(Series.of("noise level, CFO and channel known", fine, [channel.bound(each) for each in fine]),),
        text=f"Preamble of 128 samples, {_RATE:g} false alarms per sample.",
    )
