"""Bursts in noise at places that a receiver does not know: a channel of few lines, independent of the simulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.channel.awgn import complex_noise
from sdr_gsc.channel.impairments import frequency_shift
from sdr_gsc.channel.resampling import resample
from sdr_gsc.phy.receiver import ReceivedFrame

__all__ = ["RATE_HZ", "Heard", "Scene", "heard", "rayleigh_taps", "scene"]

RATE_HZ = 4e6
_GAP_SAMPLES = 400
#: Room for the interpolator before and behind a burst.
_EARLY = 16


@dataclass(frozen=True, slots=True)
class Scene:
    """A capture and what is in it.

    Attributes:
        capture: bursts in noise.
        starts: sample at which the first path of each burst begins; between two samples if asked for.
        cfo_subcarriers: carrier offset of each burst.
        taps: channel of each burst, complex [L]; [1] without a channel.
        noise_variance: E|n|² per sample.
    """

    capture: Capture
    starts: tuple[float, ...]
    cfo_subcarriers: tuple[float, ...]
    taps: tuple[np.ndarray, ...]
    noise_variance: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What a receiver made of a scene.

    Attributes:
        frames: the frame found at each burst, None where none was.
        strays: frames found elsewhere.
    """

    frames: tuple[ReceivedFrame | None, ...]
    strays: int


def rayleigh_taps(generator: np.random.Generator, powers: np.ndarray) -> np.ndarray:
    """One channel: independent complex Gaussian taps, complex128 [L]."""
    parts = generator.standard_normal((2, powers.size))
    return (parts[0] + 1j * parts[1]) * np.sqrt(powers / 2)


def scene(
    bursts: Sequence[np.ndarray],
    generator: np.random.Generator,
    *,
    noise_variance: float,
    fft_size: int = 64,
    max_cfo: float = 0.0,
    cfo: Sequence[float] | None = None,
    draw_taps: Callable[[np.random.Generator], np.ndarray] | None = None,
    between_samples: bool = False,
    cut_samples: int | None = None,
) -> Scene:
    """Send bursts one after the other, at random distances, each with its own phase, carrier offset and channel.

    Args:
        bursts: complex64 arrays without gaps around them.
        generator: source of everything drawn.
        noise_variance: E|n|² per sample.
        fft_size: N of the subcarrier spacing.
        max_cfo: carrier offsets are uniform between plus and minus this, subcarrier spacings.
        cfo: offsets that are given instead, one per burst.
        draw_taps: draws a channel for each burst; None: a single path.
        between_samples: let bursts begin anywhere between two samples, by band-limited interpolation.
        cut_samples: the capture ends so many samples after the start of its last burst; None: behind it.
    """
    gaps = _GAP_SAMPLES + generator.integers(0, _GAP_SAMPLES, len(bursts))
    drawn = generator.uniform(-max_cfo, max_cfo, len(bursts)).tolist() if cfo is None else list(cfo)
    phases = generator.uniform(-np.pi, np.pi, len(bursts)).tolist()
    channels = [np.ones(1, complex) if draw_taps is None else draw_taps(generator) for _ in bursts]
    fractions = generator.uniform(0, 1, len(bursts)).tolist() if between_samples else [0.0] * len(bursts)
    starts, at = [], 0
    for gap, burst in zip(gaps.tolist(), bursts, strict=True):
        starts.append(at + gap)
        at += gap + burst.size
    samples = np.zeros(at + _GAP_SAMPLES, np.complex64)
    for start, burst, offset, phase, taps, late in zip(starts, bursts, drawn, phases, channels, fractions, strict=True):
        through = np.convolve(burst, taps.astype(np.complex64))
        moved = resample(through, -_EARLY - late, 1.0, through.size + 2 * _EARLY) if late else np.pad(through, _EARLY)
        samples[start - _EARLY : start - _EARLY + moved.size] += frequency_shift(
            moved, offset * RATE_HZ / fft_size, RATE_HZ, phase
        )
    end = samples.size if cut_samples is None else starts[-1] + cut_samples
    samples = samples[:end]
    if noise_variance > 0:
        samples = samples + complex_noise(samples.size, noise_variance, generator)
    places = tuple(start + late for start, late in zip(starts, fractions, strict=True))
    return Scene(Capture(samples, RATE_HZ), places, tuple(drawn), tuple(channels), noise_variance)


def heard(there: Scene, frames: Sequence[ReceivedFrame], tolerance_samples: int = 16) -> Heard:
    """Match frames to bursts: the first frame within the tolerance of a burst's start belongs to it."""
    found: list[ReceivedFrame | None] = [None] * len(there.starts)
    strays = 0
    starts = np.array(there.starts)
    for frame in frames:
        at = int(np.argmin(np.abs(starts - frame.report.start_sample)))
        if abs(starts[at] - frame.report.start_sample) <= tolerance_samples and found[at] is None:
            found[at] = frame
        else:
            strays += 1
    return Heard(tuple(found), strays)
