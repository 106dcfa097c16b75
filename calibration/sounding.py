"""A comb of tones that tells transmit image, transmit DC, receive image and receive DC apart in one capture.

The comb has period P and the tones k of a set K that shares no frequency with its mirror image -K. With the transmit
oscillator Δ above the receive one (frequencies in cycles per sample, θ the common phase), a capture is

    y[n] = e^{jθ(n)} Σ_k (D_k X_k e^{j2πkn/P} + E_k X_k* e^{-j2πkn/P}) + e^{jθ(n)} c_t          tones at ±k/P + Δ, and Δ
         + e^{-jθ(n)} Σ_k F_k* X_k* e^{-j2πkn/P} + c_r + noise,     θ(n) = 2πΔn + slow phase    tones at -k/P - Δ, and 0

D_k is the loop at k, E_k the transmit image, F_k* the receive image, c_t and c_r the constants. Unless 2ΔP is a whole
number all of these fall on different frequencies, and a window with low sidelobes is all it takes to tell them apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from scipy.signal.windows import blackmanharris

from .errors import CalibrationError, ClockError, InterferenceError, NoSignalError, TooCloseError

__all__ = ["OFFSET_PERIODS", "Comb", "Sounding", "measure_sounding"]

#: Best distance of the two oscillators in units of 1/P: as far from 0 as from 1/2.
OFFSET_PERIODS = 0.25
#: Samples of one segment, over which phase and clock are taken to be steady.
_SEGMENT = 1 << 14
#: Lines of the Blackman-Harris window, in cells of a segment; its sidelobes lie at -92 dB.
_LOBE = 5
_LARGEST_SHIFT = 24
#: Of some thousands, the seed with the lowest peaks: 5.2 dB over the mean power of the usual comb.
_PHASE_SEED = 4515
#: Between segments: turns of the frequency that only a jump makes, rad; steps in time, samples.
_JUMP_RAD, _JUMP_SAMPLES = 1.5, 0.5
#: Power of the weakest segment over that of the strongest: a comb beside the window's middle is weaker.
_LEAST_SEGMENT = 0.5
#: A line between those of the comb: over the median of the cells like it, and over the power of the comb.
_LINE_OVER_MEDIAN, _LINE_OVER_COMB = 60.0, 1e-4
#: Least power of the comb over the noise in its cells, linear.
_LEAST_SNR = 20.0


@dataclass(frozen=True, slots=True)
class Comb:
    """Tones at odd multiples of 1/P above, and even multiples below the carrier: no tone is another one's image.

    Attributes:
        period: P in samples, a power of two that divides a segment.
        half_band: largest |k|; 26/64 of the period covers the band that OFDM occupies.
    """

    period: int = 128
    half_band: int = 52

    def __post_init__(self) -> None:
        if _SEGMENT % self.period or not 4 <= self.half_band < self.period // 2:
            raise CalibrationError(
                f"a comb of period {self.period} and half band {self.half_band} cannot be; choose a power of two up to "
                f"{_SEGMENT}, and a half band of 4 up to half of it"
            )

    @property
    def bins(self) -> np.ndarray:
        """K, int64, ascending."""
        return np.concatenate([-np.arange(self.half_band // 2 * 2, 0, -2), np.arange(1, self.half_band + 1, 2)])

    @property
    def spectrum(self) -> np.ndarray:
        """X, complex128 [K], of unit mean power in all.

        The phases are random: those of a chirp have lower peaks, but a shift in frequency then looks like a delay.
        """
        generator = np.random.Generator(np.random.PCG64(_PHASE_SEED))
        return np.exp(2j * np.pi * generator.random(self.bins.size)) / math.sqrt(self.bins.size)

    def samples(self, mean_power: float, n_periods: int = 1) -> np.ndarray:
        """complex64 [n_periods · P]."""
        lines = np.zeros(self.period, np.complex128)
        lines[self.bins] = self.spectrum * math.sqrt(mean_power)
        one = scipy.fft.ifft(lines) * self.period
        return np.tile(one, n_periods).astype(np.complex64)


@dataclass(frozen=True, slots=True)
class Sounding:
    """What one capture of a comb says; arrays are complex128 [K] in the order of `Comb.bins`.

    Attributes:
        frequencies: k/P of the comb, cycles per sample.
        offset: Δ as it was, cycles per sample.
        stretch: by how much the transmitter's clock is faster, relative.
        delay: of the comb, samples, modulo P.
        direct: D_k without the delay.
        transmit_image: E_k, found at -k.
        receive_image: F_k, found at k of the conjugate capture.
        transmit_dc: c_t as it arrived, turned like D.
        receive_dc: c_r.
        noise_power: of a sample.
        n_samples: used.
        phase_rad: θ of each segment beyond 2πΔn, float64 [segments].
        mean_power: of the comb as it was sent.
    """

    frequencies: np.ndarray
    offset: float
    stretch: float
    delay: float
    direct: np.ndarray
    transmit_image: np.ndarray
    receive_image: np.ndarray
    transmit_dc: complex
    receive_dc: complex
    noise_power: float
    n_samples: int
    phase_rad: np.ndarray
    mean_power: float

    @property
    def signal_power(self) -> float:
        """Of the comb as it arrived, of a sample."""
        return self.mean_power * float(np.mean(np.abs(self.direct) ** 2))

    @property
    def sample_snr(self) -> float:
        """Linear."""
        return self.signal_power / self.noise_power if self.noise_power > 0 else math.inf

    @property
    def line_variance(self) -> float:
        """Variance of each D_k, E_k and F_k: B σ² K / (N p), B = 2 being the window's noise bandwidth in cells."""
        return 2.0 * self.noise_power * self.frequencies.size / (self.n_samples * self.mean_power)


def measure_sounding(samples: np.ndarray, comb: Comb, mean_power: float, expected_offset: float = 0.0) -> Sounding:
    """Least squares in each line of the comb, averaged over segments whose phase and time were taken out.

    Args:
        samples: complex64 [n] of at least one segment, while the comb is repeated without end.
        comb: as sent.
        mean_power: as sent.
        expected_offset: Δ as far as known, cycles per sample; it may be wrong by 24/P.

    Raises:
        NoSignalError: the comb is not there.
        ClockError: a clock jumped meanwhile, or oscillators so close that the images fall together.
        InterferenceError: a line stands between those of the comb.
        CalibrationError: too few samples.
    """
    period, bins = comb.period, comb.bins
    n_segments = samples.size // _SEGMENT
    if n_segments < 1:
        raise CalibrationError(f"{samples.size} samples are too few; capture at least {_SEGMENT}")
    pieces = samples[: n_segments * _SEGMENT].reshape(n_segments, _SEGMENT).astype(np.complex128)
    offset, step = _offset(pieces, comb, expected_offset)
    window = blackmanharris(_SEGMENT, sym=False)
    window /= window.sum()
    numbers = np.arange(_SEGMENT) - _SEGMENT / 2  # phases are those in the middle of a segment
    for _ in range(3):
        turn = np.exp(-2j * np.pi * offset * numbers)
        lines = _lines(pieces, window * turn, period)
        found = lines[:, bins] / (comb.spectrum * math.sqrt(mean_power))
        phase, lag = _align(found, bins / period)
        starts = np.arange(n_segments) * _SEGMENT
        drift = np.unwrap(phase - 2 * np.pi * ((offset * starts) % 1))
        change = float(np.polyfit(starts, drift, 1)[0]) / (2 * np.pi) if n_segments > 1 else 0.0
        offset += change
        if abs(change) * _SEGMENT < 1e-3:
            break
    stretch = -float(np.polyfit(starts, lag, 1)[0]) if n_segments > 1 else 0.0
    mirrored = _lines(pieces.conj(), window * turn, period)

    def averaged(group: np.ndarray, at: np.ndarray) -> np.ndarray:
        aligned = group[:, at] * np.exp(-1j * phase[:, None] + 2j * np.pi * lag[:, None] * at / period)
        return np.asarray(aligned.mean(axis=0))

    level = comb.spectrum * math.sqrt(mean_power)
    power = np.sum(np.abs(found) ** 2, axis=1)
    swing = _swing(pieces * turn, comb)
    try:
        noise = _noise_power(pieces, window, offset, period, step)
    except InterferenceError:
        # Where the clock jumped, the comb itself stands between its lines.
        _require_steady(drift, lag, power, swing)
        raise
    sounding = Sounding(
        frequencies=bins / period,
        offset=offset,
        stretch=stretch,
        delay=float(lag[0] % period),
        direct=averaged(lines, bins) / level,
        transmit_image=averaged(lines, -bins) / level.conj(),
        receive_image=averaged(mirrored, bins) / level,
        transmit_dc=complex(averaged(lines, np.zeros(1, np.int64))[0]),
        receive_dc=complex((pieces * window).sum(axis=1).mean()),
        noise_power=noise,
        n_samples=n_segments * _SEGMENT,
        phase_rad=drift,
        mean_power=mean_power,
    )
    if sounding.signal_power * sounding.n_samples < _LEAST_SNR * 2 * bins.size * noise:
        raise NoSignalError(_no_signal(sounding.signal_power, noise))
    _require_steady(drift, lag, power, swing)
    distance = abs(offset * period * 2 - round(offset * period * 2)) / 2 * _SEGMENT / period
    if distance < 2 * _LOBE:
        raise TooCloseError(
            f"the oscillators are {offset * period:.3f} comb spacings apart, where images and signal fall together; "
            "use a radio with a transmit offset, or two radios",
            offset,
        )
    return sounding


def _no_signal(signal: float, noise: float) -> str:
    levels = f"{10 * math.log10(max(signal, 1e-30)):.0f} dBFS against {10 * math.log10(max(noise, 1e-30)):.0f} of noise"
    return f"what was sent was not received ({levels}); check cable, antenna, gains and frequency"


def _lines(pieces: np.ndarray, weights: np.ndarray, period: int) -> np.ndarray:
    """complex128 [segments, P]: windowed sums against e^{j2πkm/P}, m counted from the middle of the segment."""
    folded = (pieces * weights).reshape(pieces.shape[0], -1, period).sum(axis=1)
    return np.asarray(scipy.fft.fft(folded, axis=1))


def _offset(pieces: np.ndarray, comb: Comb, expected: float) -> tuple[float, float]:
    """Δ by the phase over one period, and by the whole comb where that is ambiguous."""
    period = comb.period
    # The receiver's constant does not turn, and can be stronger than a weak comb.
    pieces = pieces - pieces.mean()
    flat = pieces.reshape(-1)
    over = np.vdot(flat[:-period], flat[period:])
    fraction = math.atan2(over.imag, over.real) / (2 * np.pi)
    base = math.floor(expected * period - fraction + 0.5) + fraction
    first = pieces[0] * np.exp(-2j * np.pi * base / period * (np.arange(_SEGMENT) - _SEGMENT / 2))
    lines = scipy.fft.fft(first.reshape(-1, period).mean(axis=0))
    best, shift = -1.0, 0
    for each in sorted(range(-_LARGEST_SHIFT, _LARGEST_SHIFT + 1), key=abs):
        spread = np.zeros(8 * period, np.complex128)
        spread[comb.bins] = lines[(comb.bins + each) % period] * comb.spectrum.conj()
        height = float(np.abs(scipy.fft.ifft(spread)).max())
        if height > best * (1 + 1e-9):
            best, shift = height, each
    total = float(np.mean(np.abs(first) ** 2))
    return _finer(pieces, comb, (base + shift) / period), total


def _finer(pieces: np.ndarray, comb: Comb, offset: float) -> float:
    """Where the comb is strongest within three cells: noise moves the phase over one period by more than one."""
    window = blackmanharris(_SEGMENT, sym=False)
    numbers = np.arange(_SEGMENT) - _SEGMENT / 2
    some = pieces[: max(1, min(4, pieces.shape[0]))]
    candidates = offset + np.arange(-12, 13) / 4 / _SEGMENT
    heights = [
        float(
            np.sum(np.abs(_lines(some, window * np.exp(-2j * np.pi * each * numbers), comb.period)[:, comb.bins]) ** 2)
        )
        for each in candidates
    ]
    return float(candidates[int(np.argmax(heights))])


def _align(found: np.ndarray, frequencies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Phase and lag of each segment; all segments share one shape, whose own lag is the weighted phase slope."""
    size = 4096
    period = round(1 / np.diff(np.sort(np.abs(frequencies))).min())
    spread = np.zeros(size, np.complex128)
    spread[np.rint(frequencies * period).astype(int)] = found[0]
    lag = np.full(found.shape[0], float(np.argmax(np.abs(scipy.fft.ifft(spread)))) * period / size)
    phase = np.zeros(found.shape[0])
    shape = np.ones(frequencies.size, np.complex128)
    weights = np.abs(found) ** 2
    for _ in range(4):
        for segment, row in enumerate(found):
            if segment:
                lag[segment] = lag[segment] if lag[segment] != lag[0] else lag[segment - 1]
            for _ in range(3):
                turned = row * shape.conj() * np.exp(2j * np.pi * frequencies * lag[segment])
                phase[segment] = np.angle(turned.sum())
                error = np.angle(turned * np.exp(-1j * phase[segment]))
                centred = frequencies - np.average(frequencies, weights=weights[segment])
                slope = np.average(error * centred, weights=weights[segment])
                slope /= np.average(centred**2, weights=weights[segment])
                lag[segment] -= slope / (2 * np.pi)
        aligned = found * np.exp(-1j * phase[:, None] + 2j * np.pi * frequencies * lag[:, None])
        shape = aligned.mean(axis=0)
        shape = shape / np.sqrt(np.mean(np.abs(shape) ** 2))
        # The shape is not to carry what phase and lag are for.
        angle = np.angle(shape)
        weight = np.abs(shape) ** 2
        middle = np.average(frequencies, weights=weight)
        if np.abs(angle).max() < 2.0:
            slope = np.average(angle * (frequencies - middle), weights=weight)
            slope /= np.average((frequencies - middle) ** 2, weights=weight)
            shape = shape * np.exp(-1j * (slope * frequencies))
            lag -= slope / (2 * np.pi)
            shape = shape * np.exp(-1j * np.angle(shape.sum()))
    return phase, lag


def _swing(turned: np.ndarray, comb: Comb) -> float:
    """Largest turn of the comb from one half of a segment to the other, rad: its offset was taken out."""
    halves = turned.reshape(turned.shape[0], 2, -1, comb.period).mean(axis=2)
    lines = scipy.fft.fft(halves, axis=2)[:, :, comb.bins]
    return float(np.abs(np.angle(np.sum(lines[:, 1] * lines[:, 0].conj(), axis=1))).max())


def _require_steady(drift: np.ndarray, lag: np.ndarray, power: np.ndarray, swing: float) -> None:
    if power.min() < _LEAST_SEGMENT * power.max():
        raise ClockError(
            f"a part of the signal is {10 * math.log10(power.max() / max(power.min(), 1e-30)):.0f} dB weaker than the "
            "rest: the frequency jumped during the measurement, or the signal was interrupted; wait until the clock "
            "has settled, keep still what moves, and measure again"
        )
    if drift.size > 2:
        bend = float(np.abs(np.diff(drift, 2)).max())
        if max(bend, swing) > _JUMP_RAD:
            raise ClockError(
                f"the frequency jumped during the measurement (by {max(bend, swing):.1f} rad per segment); wait until "
                "the clock has settled, check the reference, and measure again"
            )
        slips = np.diff(lag)
        slip = float(np.abs(slips - np.median(slips)).max())
        if slip > _JUMP_SAMPLES:
            raise ClockError(
                f"the signal moved by {slip:.2f} samples during the measurement: samples were lost, or a clock jumped; "
                "lower the sample rate and measure again"
            )


def _noise_power(pieces: np.ndarray, window: np.ndarray, offset: float, period: int, total: float) -> float:
    """Mean of the cells that belong to no line of the comb, refusing lines among them."""
    size = pieces.shape[1]
    spectra = np.abs(scipy.fft.fft(pieces * window, axis=1)) ** 2
    cells = spectra.mean(axis=0) / np.sum(window**2)  # power of a sample, were all cells alike
    spacing = size // period
    shift = offset * period % 1 * spacing
    distance = np.arange(spacing)
    free = np.ones(spacing, bool)
    for line in (0.0, shift, -shift):
        away = np.abs((distance - line + spacing / 2) % spacing - spacing / 2)
        free &= away > _LOBE
    grid = cells.reshape(period, spacing)[:, free]
    # Cells equally far from the lines of the comb are alike, phase noise included; an interferer is in one of them.
    usual = np.median(grid, axis=0)
    highest = np.unravel_index(int(np.argmax(grid / usual)), grid.shape)
    power = float(grid[highest])
    line = power * float(np.sum(window**2))
    # Averages of M exponentials scatter less; their median is ln 2 of the mean for M = 1.
    if power > _LINE_OVER_MEDIAN * usual[highest[1]] and line > _LINE_OVER_COMB * total:
        cell = int(highest[0]) * spacing + int(np.flatnonzero(free)[highest[1]])
        where = (cell + size / 2) % size / size - 0.5
        raise InterferenceError(
            f"a signal {10 * math.log10(line / total):.0f} dB beside the own one stands {where:+.4f} of the sample "
            "rate from the carrier; find out who transmits there, or choose another frequency"
        )
    # The median leaves out what leaks from an interferer too weak to matter.
    scale = 1 / math.log(2) if pieces.shape[0] == 1 else 1 / (1 - 1 / (9 * pieces.shape[0])) ** 3
    return float(np.median(grid)) * scale
