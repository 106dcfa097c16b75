"""Matched search for a short known waveform, whatever its carrier offset and the channel's few taps.

At each lag the waveform is correlated at offsets so close that none loses more than 0.9 dB, and the energy |c|² is
summed over windows of 1, 2, 4, … neighbouring lags: one lag suits a single path, a window collects what a dispersive
channel scattered. Divided by the energy of all samples involved, each sum has a known law under white noise of any
level, and so a threshold for its share of the false-alarm rate. The statistic is the largest sum in units of its
threshold; no single window does well in both kinds of channel.

The law is that of white noise. A signal that fills the waveform's own band and no more, such as payload of the same
grid without noise, crosses some hundred times as often.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import SettingsError
from ._matched_bank import SEGMENTS
from ._matched_examination import examine
from ._matched_kernel import search
from ._matched_law import window_threshold
from ._matched_rows import loudest

__all__ = ["Detection", "MatchedSearch"]

_CHUNK_MULTIPLE = 64
#: Offsets about a centre, in subcarriers; at its ends a segment of an eighth of a symbol loses 0.9 dB.
_REACH = 2.0
#: Share of the lags of white noise that the first pass keeps, at least and in units of the false-alarm rate.
_KEPT = 3e-3
_KEPT_PER_ALARM = 300.0
_KEPT_WORTHWHILE = 0.1
#: Samples of seeded noise that set the levels of the first pass; they decide its cost, not the false-alarm rate.
_NOISE_SAMPLES = 1 << 17
#: Mean power of the correlation in the window that decided, over that of an FFT length of lags around it. A carrier,
#: whose power is the same at all lags, has 1; a waveform just strong enough to be found, 2 and more.
_PEAKED = 1.5
_EVERYTHING = np.float32(1e30)


@dataclass(frozen=True, slots=True)
class Detection:
    """A place where the waveform was found.

    Attributes:
        start: sample where the window of lags with the largest statistic begins; the strong paths' first samples lie
            within the window.
        cfo: carrier offset in subcarriers.
        statistic: at `start`, at least 1.
    """

    start: int
    cfo: float
    statistic: float


class MatchedSearch:
    """Detector of one known waveform.

    Args:
        waveform: complex64 [L], what was sent, of any scale; repeated chunks of `fft_size` samples save time.
        fft_size: N, samples per cycle of the subcarrier spacing; a multiple of 64.
        taps: longest window of lags, a power of two, 1…N/4: about the length of the channel in samples.
        max_cfo: largest carrier offset, subcarriers; 0 for a known one. Beyond 2 the search covers the next multiple
            of 2.
        false_alarm_rate: probability per sample, in white noise, that the statistic reaches 1; at most 0.01.
        screening: discard most lags by a cheaper test that tries no offsets; costs less than 0.1 dB on one path and
            0.3 dB on eight.

    Raises:
        SettingsError: a setting out of range, or a waveform that is too short, not finite, or silent.
    """

    def __init__(
        self,
        waveform: np.ndarray,
        fft_size: int,
        taps: int = 8,
        max_cfo: float = 2.0,
        false_alarm_rate: float = 1e-6,
        *,
        screening: bool = True,
    ) -> None:
        waveform = np.asarray(waveform)
        _check(waveform, fft_size, taps, max_cfo, false_alarm_rate)
        template = np.asarray(waveform, np.complex128)
        template = template / np.sqrt(np.vdot(template, template).real)
        self._template = template
        self._conjugate = template.conj().astype(np.complex64)
        self._fft_size = fft_size
        #: Samples that decide about one lag.
        self.span = template.size + taps - 1
        self.max_cfo = max_cfo
        centres, pairs = _offsets(max_cfo, fft_size / template.size)
        self._centres = centres
        self._distances = np.unique(np.concatenate([-pairs, pairs]))
        #: float64 [H], carrier offsets tried, subcarriers.
        self.offsets = (centres[:, None] + self._distances).ravel()
        #: int64 [I], lags per window.
        self.windows = 1 << np.arange(taps.bit_length())
        rate = false_alarm_rate / (self.windows.size * self.offsets.size)
        #: float64 [I], thresholds of the windows on their share of the energy of `span` samples.
        eigenvalues = [np.linalg.eigvalsh(_gram(template, int(width))) for width in self.windows]
        self.thresholds = np.array([window_threshold(rate, each, self.span) for each in eigenvalues])
        self._taps, self._chunks = _chunks(template, fft_size, centres)
        self._cosines, self._sines = _phasors(pairs, self._chunks.size)
        self._gains = np.zeros(max(self.windows.size, 4), np.float32)
        self._gains[: self.windows.size] = 1 / self.thresholds
        self._screen_gains = np.full(2, _EVERYTHING)
        kept = max(_KEPT, _KEPT_PER_ALARM * false_alarm_rate)
        if screening and kept <= _KEPT_WORTHWHILE:
            self._screen_gains = self._calibrated(kept)

    def statistic(self, samples: np.ndarray) -> np.ndarray:
        """Detection statistic at every lag.

        Args:
            samples: complex64 [n] of any level; what is not finite counts as zero, and so does what follows the end,
                and what lies 300 dB below the loudest sample.

        Returns:
            float32 [max(n - L + 1, 0)]: 1 and more is a detection; 0 where the first pass saw nothing.

        Raises:
            SettingsError: `samples` is not a row.
        """
        return self._run(samples, self._screen_gains, self._taps, want_screened=False)[0]

    def detections(self, samples: np.ndarray) -> tuple[Detection, ...]:
        """Places where the statistic peaks at 1 or more, in order, at least L samples apart.

        A strong carrier may hold the statistic above 1 for as long as it lasts; that is no peak, and not reported.

        Args:
            samples: as for `statistic`.
        """
        samples = np.ascontiguousarray(samples, np.complex64)
        statistic = self.statistic(samples)
        crossings = np.flatnonzero(statistic >= 1)
        reach = self._template.size
        found = []
        position = 0
        while (at := int(np.searchsorted(crossings, position))) < crossings.size:
            peak = int(crossings[at])
            while True:  # climb: a strong waveform shows a length before and behind itself, too
                best = peak + int(np.argmax(statistic[peak : peak + reach]))
                if best == peak:
                    break
                peak = best
            cfo, peakedness = self._examined(samples, peak)
            if peakedness >= _PEAKED:
                found.append(Detection(peak, cfo, float(statistic[peak])))
            position = peak + reach
        return tuple(found)

    def _run(
        self, samples: np.ndarray, screen_gains: np.ndarray, taps: np.ndarray, *, want_screened: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        if samples.ndim != 1:
            raise SettingsError(f"samples have shape {samples.shape}; they must be one row of complex samples")
        rails = np.ascontiguousarray(samples, np.complex64).view(np.float32)
        rails.setflags(write=False)  # one compiled specialization, whether or not the caller's array is read-only
        statistic = np.zeros(max(rails.size // 2 - self._template.size + 1, 0), np.float32)
        screened = np.zeros(statistic.size if want_screened else 0, np.float32)
        if statistic.size:
            search(
                rails,
                np.float32(2.0 ** -loudest(rails.view(np.int32))),
                taps,
                self._chunks,
                self._cosines,
                self._sines,
                self._gains,
                screen_gains,
                int(self.windows[-1]),
                self.span,
                self._fft_size,
                statistic,
                screened,
            )
        return statistic, screened

    def _calibrated(self, kept: float) -> np.ndarray:
        """Levels at which one lag and the longest window each keep half of that share of white noise."""
        noise = np.random.default_rng(_NOISE_SAMPLES).standard_normal(2 * _NOISE_SAMPLES, np.float32)
        gains = np.zeros(2, np.float32)
        different = min(self.windows.size, 2)
        for at in range(different):
            alone = np.zeros(2, np.float32)
            alone[at] = 1
            screened = self._run(noise.view(np.complex64), alone, self._taps[:1], want_screened=True)[1]
            gains[at] = 1 / np.quantile(screened, 1 - kept / different)
        return gains

    def _examined(self, samples: np.ndarray, start: int) -> tuple[float, float]:
        """Carrier offset and peakedness of the window that decided at a lag, see `examine`."""
        margin = self._fft_size // 2
        part = np.zeros(2 * margin + self._template.size + int(self.windows[-1]), np.complex64)
        first = max(start - margin, 0)
        heard = samples[first : start - margin + part.size]
        at = first - (start - margin)
        part[at : at + heard.size] = np.where(np.isfinite(heard), heard, 0)
        part /= max(float(np.abs(part.view(np.float32)).max()), float(np.finfo(np.float32).tiny))
        return examine(
            part,
            self._conjugate,
            self._fft_size,
            SEGMENTS,
            self._centres,
            self._distances,
            self.windows,
            self.thresholds,
        )


def _offsets(max_cfo: float, resolution: float) -> tuple[np.ndarray, np.ndarray]:
    """Centres [C] and distances [F] such that centre ± distance covers ±max_cfo at half the `resolution` or closer."""
    reach = min(max_cfo, _REACH)
    centres = 2 * _REACH * (np.arange(max(math.ceil(max_cfo / _REACH), 1)) + 0.5)
    centres -= centres.mean()
    if max_cfo == 0:
        return np.zeros(1), np.zeros(1)
    count = math.ceil(2 * reach / resolution)
    return centres, (np.arange(count) + 0.5) * reach / count


def _chunks(template: np.ndarray, size: int, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Taps float32 [C, U, 8, N/4] of the different chunks, and which of them each chunk is, int64 [R].

    Centres are whole even numbers of subcarriers, whose phase returns to zero with every chunk.
    """
    padded = np.zeros(-(-template.size // size) * size, np.complex128)
    padded[: template.size] = template
    chunks = padded.reshape(-1, size)
    different: list[np.ndarray] = []
    which = np.empty(chunks.shape[0], np.int64)
    for at, chunk in enumerate(chunks):
        same = [
            u for u, known in enumerate(different) if np.allclose(known, chunk, rtol=0, atol=1e-6 * abs(padded).max())
        ]
        if not same:
            different.append(chunk)
        which[at] = same[0] if same else len(different) - 1
    turned = np.array(different) * np.exp(2j * np.pi * centres[:, None, None] * np.arange(size) / size)
    return turned.astype(np.complex64).view(np.float32).reshape(centres.size, len(different), SEGMENTS, -1), which


def _phasors(pairs: np.ndarray, chunks: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine, float32 [F, J/2], of the phase from the middle of the waveform to that of each segment.

    J/2 is filled with zeros to a multiple of 8, which is what the kernel adds at a time.
    """
    half = SEGMENTS * chunks // 2
    angles = 2 * np.pi * np.outer(pairs, (np.arange(half) - (half - 0.5)) / SEGMENTS)
    filled = [np.pad(part, ((0, 0), (0, -half % 8))) for part in (np.cos(angles), np.sin(angles))]
    return filled[0].astype(np.float32), filled[1].astype(np.float32)


def _gram(template: np.ndarray, width: int) -> np.ndarray:
    """Inner products of the template with itself `width` times shifted, complex128 [W, W]."""
    shifted = np.array([np.vdot(template[: template.size - lag], template[lag:]) for lag in range(width)])
    lags = np.subtract.outer(np.arange(width), np.arange(width))
    return np.where(lags >= 0, shifted[np.abs(lags)], shifted[np.abs(lags)].conj())


def _check(waveform: np.ndarray, fft_size: int, taps: int, max_cfo: float, rate: float) -> None:
    if fft_size <= 0 or fft_size % _CHUNK_MULTIPLE:
        raise SettingsError(f"fft_size is {fft_size}; it must be a multiple of {_CHUNK_MULTIPLE}")
    if not 1 <= taps <= fft_size // 4 or taps & (taps - 1):
        raise SettingsError(
            f"taps is {taps}; it must be a power of two from 1 to {fft_size // 4} (a quarter of fft_size)"
        )
    if not 0 < rate <= 0.01:
        raise SettingsError(
            f"false_alarm_rate is {rate}; it must lie above 0 and at most at 0.01, e.g. 1e-6 per sample"
        )
    if not 0 <= max_cfo <= fft_size / 4:
        raise SettingsError(
            f"max_cfo is {max_cfo} subcarriers; it must lie in 0…{fft_size // 4} (a quarter of the band)"
        )
    if waveform.ndim != 1 or waveform.size < 16 or not np.isfinite(waveform).all() or not np.any(waveform):
        raise SettingsError(
            f"waveform has shape {waveform.shape}; it must be a row of at least 16 finite samples, not all of them zero"
        )
