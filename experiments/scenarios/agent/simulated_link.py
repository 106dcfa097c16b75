"""Receptions for training, drawn by the thousand: what the link does to the values of an observation, no waveform.

Each value arrives with the noise variance that equalization leaves: sigma^2 on a flat channel, sigma^2 / g with
g ~ Exp(1) behind Rayleigh fading. Weights of repetitions add up, so that m of them have sigma^2 / m, or
sigma^2 / Gamma(m). Frames are lost at random, or regularly where agents take turns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_gsc.units import from_db

from .observation import NOMINAL_VARIANCE, Belief, ObservationCode, direction_of, posterior

__all__ = ["MAX_LATENCY", "SimulatedLink"]

#: Control steps; settings allow no more.
MAX_LATENCY = 5
_SYMBOLS = (1, 2, 3, 4, 6, 9, 12, 18, 24, 48, 96)
_ROWS = 12


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedLink:
    """Links of B episodes or moments; each has its own channel, and stays with it.

    Attributes:
        noise: float64 [B], sigma^2 per value.
        repeats: float64 [B, 12], how often each row is sent; 0 where it is not.
        fading: bool [B].
        loss: float64 [B], probability that a frame is lost.
        turns: bool [B], whether every second observation is sent only.
        odd: bool [B], which ones are left out then.
        latency_steps: int64 [B].
    """

    noise: np.ndarray
    repeats: np.ndarray
    fading: np.ndarray
    loss: np.ndarray
    turns: np.ndarray
    odd: np.ndarray
    latency_steps: np.ndarray

    @classmethod
    def drawn(cls, count: int, low_db: float, high_db: float, generator: np.random.Generator) -> SimulatedLink:
        """Links of all kinds: Es/N0 evenly from `low_db` to `high_db`, 1 to 96 symbols, 0 to 5 steps late."""
        noise = np.array([from_db(-level) for level in generator.uniform(low_db, high_db, count)])
        table = np.zeros((len(_SYMBOLS), _ROWS))
        for index, symbols in enumerate(_SYMBOLS):
            rows = np.arange(2 * symbols) % min(2 * symbols, _ROWS)
            table[index] = np.bincount(rows, minlength=_ROWS)
        repeats = table[generator.integers(0, len(_SYMBOLS), count)]
        fading = generator.random(count) < 0.6
        loss = np.where(generator.random(count) < 0.5, 0.0, generator.uniform(0, 0.8, count))
        turns = generator.random(count) < 0.2
        odd = generator.random(count) < 0.5
        # Half of the links are as fast as can be; the others teach what to do with old news.
        latency = np.where(generator.random(count) < 0.5, 0, generator.integers(1, MAX_LATENCY + 1, count))
        return cls(noise, repeats, fading, loss, turns, odd, latency)

    def beliefs(
        self, observations: np.ndarray, at: np.ndarray, code: ObservationCode, generator: np.random.Generator
    ) -> tuple[Belief, Belief]:
        """What arrives of observations.

        Args:
            observations: of cosine, sine and speed, float [B, H, 3].
            at: control step of each, int64 [B, H]; negative ones did not happen.
            code: for its rows and its levels.
            generator: of noise and losses.

        Returns:
            Beliefs [B, H] with the variances, and without them.
        """
        shape = (*at.shape, _ROWS)
        repeats = np.broadcast_to(self.repeats[:, None], shape)
        gathered = np.where(self.fading[:, None, None], generator.standard_gamma(repeats), repeats)
        lost = (generator.random(at.shape) < self.loss[:, None]) | (at < 0)
        lost |= self.turns[:, None] & ((at + self.odd[:, None]) % 2 == 0)
        gathered = np.where(lost[..., None], 0.0, gathered)
        with np.errstate(divide="ignore"):
            thermal = self.noise[:, None, None] / np.maximum(gathered, 0)
        rows = code.vector_code.rows(_ROWS)
        dither = code.step * (generator.random(shape) - 0.5)
        sent = code.quantized(direction_of(observations) @ rows.T + dither) - dither
        error = generator.standard_normal(shape)
        values = np.where(gathered > 0, sent + np.sqrt(np.where(gathered > 0, thermal, 0)) * error, 0)
        with np.errstate(divide="ignore"):
            flat = np.where(gathered > 0, NOMINAL_VARIANCE / np.maximum(repeats, 1e-9), np.inf)
        return posterior(rows, values, thermal + code.distortion), posterior(rows, values, flat + code.distortion)
