"""One acquired frame: from its place in the capture to equalized header and payload."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft

from ._header import decode_header, encode_header, header_cells
from ._kernels import gather_symbols
from ._losses import Losses
from ._tracking import Drift, PilotFit, PilotTracker
from .equalization import NoiseLevel, equalize, noise_level
from .estimation import ChannelEstimate, ChannelEstimator, Observations
from .framing import FrameHeader, FrameLayout
from .preamble import Preamble
from .synchronization import Acquisition
from .transmitter import pilot_values

__all__ = ["Demodulator", "Evidence", "Spectra"]

#: Clock offset beyond which a fit followed something else than the transmitter's clock.
_MAX_CLOCK_OFFSET = 1e-3
#: Symbols demodulated before the window is moved again: 50 ppm is a quarter sample over as many at N = 64.
_CHUNK = 64


@dataclass(frozen=True, slots=True)
class Spectra:
    """FFTs of the symbols behind the preamble.

    Attributes:
        values: complex64 [S, N].
        times: float64 [S], samples between the middle of the training symbols and each symbol's window.
        shift: int64 [S], samples by which each window followed the delay.
        usable: bool [S], False where the capture has a gap or has ended.
    """

    values: np.ndarray
    times: np.ndarray
    shift: np.ndarray
    usable: np.ndarray

    def part(self, which: slice | np.ndarray) -> Spectra:
        """Some of the symbols."""
        return Spectra(self.values[which], self.times[which], self.shift[which], self.usable[which])


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a frame so far.

    Attributes:
        channel: estimate, one row or one per symbol of `spectra`.
        noise: noise level.
        fit: phase and delay of the symbols of `spectra`.
        spectra: symbols demodulated so far.
        header: decoded header, None if it is wrong.
        truncated: the capture ended before the frame did.
    """

    channel: ChannelEstimate
    noise: NoiseLevel
    fit: PilotFit
    spectra: Spectra
    header: FrameHeader | None
    truncated: bool


class Demodulator:
    """Demodulates frames of one numerology.

    Args:
        preamble: training symbols and grid.
        estimator: channel estimator for them.
    """

    def __init__(self, preamble: Preamble, estimator: ChannelEstimator) -> None:
        grid = preamble.numerology
        self._preamble = preamble
        self._grid = grid
        self._estimator = estimator
        self._signed = grid.signed(grid.active)
        self._data_at = grid.positions(grid.data)
        self._pilots_at = grid.positions(grid.pilots)
        self._tracker = PilotTracker(grid.signed(grid.pilots), grid.fft_size, grid.symbol_length)
        self.header_symbols = header_cells(grid.data.size) // grid.data.size

    def frame_length(self, header: FrameHeader) -> int:
        """Samples from the first training copy to the end of the frame."""
        symbols = self.header_symbols + FrameLayout.of(header.n_symbols, self._grid).length
        return self._preamble.repetitions * self._grid.fft_size + symbols * self._grid.symbol_length

    def header(self, samples: np.ndarray, losses: Losses, found: Acquisition) -> Evidence:
        """Demodulate and decode the header.

        Args:
            samples: complex64 [n], finite.
            losses: samples without evidence.
            found: from the synchronizer.
        """
        training = found.training.mean(axis=0)
        copies = found.training.shape[0]
        scatter = float(np.sum(np.abs(found.training - training) ** 2)) / ((copies - 1) * training.size)
        scatter = max(scatter, 1e-12 * float(np.mean(np.abs(training) ** 2)))
        channel = self._estimator.static(self._estimator.coordinates(training), scatter / copies)
        drift = self._first_drift(channel, scatter)
        spectra = self._demodulate(samples, losses, found, 0, self.header_symbols, drift)
        noise = NoiseLevel(scatter, 0.0)
        truncated = not self._inside(samples, found, self.header_symbols)
        no_training = np.zeros(self.header_symbols, bool)

        def attempt(walk: bool) -> Evidence:
            fit = self._fit(spectra, channel, scatter, drift, no_training, walk)
            evidence = Evidence(channel, noise, fit, spectra, None, truncated)
            cells, variance = self._data(evidence, slice(0, self.header_symbols))
            fields = decode_header(cells.reshape(-1), variance.reshape(-1))
            return evidence if fields is None else replace(evidence, header=FrameHeader.unpack(fields))

        evidence = attempt(walk=True)
        # A walking phase follows a noisy oscillator; at low SNR it follows the noise, and a line is the better guess.
        return evidence if evidence.header is not None else attempt(walk=False)

    def payload(
        self, samples: np.ndarray, losses: Losses, found: Acquisition, start: Evidence, header: FrameHeader
    ) -> tuple[Evidence, np.ndarray, np.ndarray]:
        """Demodulate the payload of a frame with a good header.

        Returns:
            Refined evidence, symbols complex64 [n_symbols] and noise variance float32 [n_symbols].
        """
        layout = FrameLayout.of(header.n_symbols, self._grid)
        total = self.header_symbols + layout.length
        is_training = np.concatenate([np.zeros(self.header_symbols, bool), layout.is_training])
        known = is_training.copy()
        known[: self.header_symbols] = True
        first_drift = self._first_drift(start.channel, start.noise.thermal)
        spectra, fit = start.spectra, start.fit
        while spectra.times.size < total:
            first = spectra.times.size
            count = min(_CHUNK, total - first)
            spectra = _joined(spectra, self._demodulate(samples, losses, found, first, count, fit.drift))
            drift = replace(first_drift, delay_offset=fit.drift.delay_offset, delay_rate=fit.drift.delay_rate)
            fit = self._fit(spectra, start.channel, start.noise.thermal, drift, is_training)
        reference = self._reference(header, known)
        observed = self._known_tones(spectra, fit, known, reference)
        usable = spectra.usable[known]
        channel = self._estimator.track(
            self._observations(found, observed, spectra.times[known], usable, start.noise.thermal), spectra.times
        )
        fit = self._fit(spectra, channel, start.noise.thermal, fit.drift, is_training)
        seen = self._known_tones(spectra, fit, known, reference)
        noise = self._noise(channel, seen, known, usable, start.noise, found.training.shape[0])
        truncated = not self._inside(samples, found, total)
        evidence = Evidence(channel, noise, fit, spectra, header, truncated)
        symbols, variance = self._data(evidence, np.flatnonzero(~known))
        return evidence, symbols.reshape(-1)[: header.n_symbols], variance.reshape(-1)[: header.n_symbols]

    def _inside(self, samples: np.ndarray, found: Acquisition, n_symbols: int) -> bool:
        training = self._preamble.repetitions * self._grid.fft_size
        return found.training_start + training + n_symbols * self._grid.symbol_length <= samples.size

    def _demodulate(
        self,
        samples: np.ndarray,
        losses: Losses,
        found: Acquisition,
        first: int,
        count: int,
        drift: Drift,
    ) -> Spectra:
        grid = self._grid
        copies = self._preamble.repetitions * grid.fft_size
        nominal = copies + grid.cp_length + grid.symbol_length * np.arange(first, first + count)
        times = nominal - (copies - grid.fft_size) / 2
        # An interferer on the pilots fits any delay, and the window must stay inside the capture.
        reach = grid.cp_length + _MAX_CLOCK_OFFSET * times
        shift = np.rint(np.clip(drift.delay_offset + drift.delay_rate * times, -reach, reach)).astype(np.int64)
        starts = found.training_start + nominal + shift
        usable = (starts + grid.fft_size <= samples.size) & (losses.within(starts, grid.fft_size) == 0)
        windows = np.empty((count, grid.fft_size), np.complex64)
        turn = 2 * np.pi * found.cfo / grid.fft_size
        readable = np.where(usable, starts, found.training_start)
        gather_symbols(samples.view(np.float32), readable, turn, found.training_start, windows.view(np.float32))
        windows[~usable] = 0
        values = scipy.fft.fft(windows, axis=1, norm="ortho", overwrite_x=True)
        return Spectra(values, times, shift, usable)

    def _fit(
        self,
        spectra: Spectra,
        channel: ChannelEstimate,
        noise_variance: float,
        start: Drift,
        is_training: np.ndarray,
        walk: bool = True,
    ) -> PilotFit:
        count = spectra.times.size
        known = pilot_values(self._grid, count).astype(np.complex64)
        known[is_training[:count]] = self._preamble.tones[self._pilots_at].conj()
        pilots = spectra.values[:, self._grid.pilots] * known
        response = channel.response[:, self._pilots_at]
        return self._tracker.fit(
            pilots, response, noise_variance, spectra.times, spectra.shift, spectra.usable, start, walk
        )

    def _first_drift(self, channel: ChannelEstimate, noise_variance: float) -> Drift:
        """Drift before any pilot was seen: the training symbols' carrier offset errs as Morelli and Mengali's bound."""
        copies, n = self._preamble.repetitions, self._preamble.repetitions * self._grid.fft_size
        energy = copies * float(np.sum(np.abs(channel.response) ** 2)) / noise_variance
        cycles = np.sqrt(3 / (2 * np.pi**2 * max(energy, 1.0) * (1 - 1 / copies**2))) / n
        deviation = float(2 * np.pi * cycles * self._grid.symbol_length)
        return Drift(search=6 * deviation, slope_deviation=deviation)

    def _data(self, evidence: Evidence, which: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        grid, spectra = self._grid, evidence.spectra.part(which)
        symbols, variance = equalize(
            spectra.values,
            grid.data,
            grid.signed(grid.data),
            self._data_at,
            _rows(evidence.channel, which),
            _part(evidence.fit, which),
            spectra.shift,
            evidence.noise,
        )
        symbols[~spectra.usable] = 0
        variance[~spectra.usable] = np.inf
        return symbols, variance

    def _reference(self, header: FrameHeader, known: np.ndarray) -> np.ndarray:
        """Transmitted tones of the known symbols: header, re-encoded, and training; complex64 [K, Na]."""
        reference = np.tile(self._preamble.tones, (int(np.count_nonzero(known)), 1))
        cells = encode_header(header.pack(), self.header_symbols * self._grid.data.size)
        reference[: self.header_symbols, self._data_at] = cells.reshape(self.header_symbols, -1)
        reference[: self.header_symbols, self._pilots_at] = pilot_values(self._grid, self.header_symbols)
        return reference

    def _known_tones(self, spectra: Spectra, fit: PilotFit, known: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """Least-squares channel seen by each known symbol, phase and delay drift removed; complex64 [K, Na]."""
        delay = (fit.delay - spectra.shift)[known, None]
        turn = np.exp(1j * (delay * (2 * np.pi / self._grid.fft_size * self._signed) - fit.phase[known, None]))
        return spectra.values[known][:, self._grid.active] * reference.conj() * turn.astype(np.complex64)

    def _observations(
        self,
        found: Acquisition,
        observed: np.ndarray,
        times: np.ndarray,
        usable: np.ndarray,
        noise_variance: float,
    ) -> Observations:
        """Training copies, the header in two halves, and each later training symbol."""
        half = max(self.header_symbols // 2, 1)
        groups = [np.arange(0, half), np.arange(half, self.header_symbols)]
        groups += [np.array([index]) for index in range(self.header_symbols, times.size)]
        groups = [group for group in (group[usable[group]] for group in groups) if group.size]
        tones = [found.training.mean(axis=0)] + [observed[group].mean(axis=0) for group in groups]
        return Observations(
            times=np.array([0.0] + [float(times[group].mean()) for group in groups]),
            symbols=np.array([found.training.shape[0]] + [group.size for group in groups], np.float64),
            coordinates=self._estimator.coordinates(np.array(tones)),
            noise_variance=noise_variance,
        )

    def _noise(
        self,
        channel: ChannelEstimate,
        observed: np.ndarray,
        known: np.ndarray,
        usable: np.ndarray,
        start: NoiseLevel,
        copies: int,
    ) -> NoiseLevel:
        if not usable.any():
            return start
        rows = _rows(channel, np.flatnonzero(known))
        error = np.abs(observed - rows.response) ** 2 + rows.error_variance
        samples = (copies - 1) * self._signed.size
        residual = max(float(np.mean(error[usable])), 1e-12 * float(np.mean(np.abs(rows.response) ** 2)))
        return noise_level(start.thermal, samples, residual, float(np.mean(np.abs(rows.response) ** 2)))


def _joined(first: Spectra, second: Spectra) -> Spectra:
    return Spectra(
        np.concatenate([first.values, second.values]),
        np.concatenate([first.times, second.times]),
        np.concatenate([first.shift, second.shift]),
        np.concatenate([first.usable, second.usable]),
    )


def _rows(channel: ChannelEstimate, which: slice | np.ndarray) -> ChannelEstimate:
    if channel.response.shape[0] == 1:
        return channel
    return ChannelEstimate(channel.response[which], channel.error_variance[which], channel.doppler_cycles)


def _part(fit: PilotFit, which: slice | np.ndarray) -> PilotFit:
    return replace(fit, phase=fit.phase[which], delay=fit.delay[which], delay_variance=fit.delay_variance[which])
