"""The project's own transmitter and receiver as measuring instruments: EVM, with and without noise, and Es/N0."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.phy.framing import interleave
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter

from .errors import NoSignalError

if TYPE_CHECKING:
    # It brings the picture codec and with it torch, which no calibration needs.
    from sdr_gsc.link import Air

__all__ = ["LinkProbe", "Probed", "noise_free_evm_db"]

_SEED = 5


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of sending the same frame several times.

    Attributes:
        errors: complex128 [frames, n], received minus sent symbols, of unit mean power.
        esn0_db: float64 [frames], as the receiver reports it.
        heard: the last capture.
    """

    errors: np.ndarray
    esn0_db: np.ndarray
    heard: Capture

    @property
    def evm_db(self) -> float:
        """Mean power of all errors, dB: 10 log10 E|e|²."""
        return 10 * math.log10(max(float(np.mean(np.abs(self.errors) ** 2)), 1e-12))

    @property
    def esn0_mean_db(self) -> float:
        """Of the linear Es/N0, dB."""
        return 10 * math.log10(float(np.mean(10 ** (self.esn0_db / 10))))


@dataclass(frozen=True, slots=True)
class LinkProbe:
    """A frame of random QPSK symbols.

    Attributes:
        n_symbols: payload symbols.
        backoff_db: of the transmitter.
        seed: of the symbols.
    """

    n_symbols: int = 2048
    backoff_db: float = 12.0
    seed: int = 0

    def symbols(self) -> np.ndarray:
        """complex64 [n_symbols] of unit power."""
        generator = np.random.Generator(np.random.PCG64(self.seed))
        rails = 1 - 2.0 * generator.integers(0, 2, (self.n_symbols, 2))
        return ((rails[:, 0] + 1j * rails[:, 1]) / math.sqrt(2)).astype(np.complex64)

    def send(self, radio: Air, sample_rate_hz: float, frames: int, scale_db: float = 0.0) -> Probed:
        """The frame, several times, each in an exchange of its own.

        Args:
            radio: anything with `exchange`.
            sample_rate_hz: of the radio.
            frames: how often.
            scale_db: of the whole burst, at most 0.

        Raises:
            NoSignalError: fewer than half of the frames were received.
        """
        symbols = self.symbols()
        transmitter = Transmitter(backoff_db=self.backoff_db, frame_symbols=self.n_symbols)
        sent = transmitter.transmit_symbols(symbols, b"", _SEED)
        burst = Capture((sent.samples * np.float32(10 ** (scale_db / 20))).astype(np.complex64), sample_rate_hz)
        expected = interleave(symbols, _SEED, 1)[0]
        receiver = Receiver(frame_symbols=self.n_symbols)
        errors, ratios = [], []
        for _ in range(frames):
            heard = radio.exchange(burst)
            for frame in receiver.receive(heard).frames:
                if frame.header is not None and frame.symbols.size == expected.size and frame.report.failed_at is None:
                    errors.append(frame.symbols - expected)
                    ratios.append(frame.report.esn0_db)
                    break
        if 2 * len(errors) < frames:
            raise NoSignalError(
                f"{len(errors)} of {frames} frames were received; check cable, antenna, gains and frequency, or ask "
                "for more Es/N0"
            )
        return Probed(np.array(errors, np.complex128), np.array(ratios), heard)


def noise_free_evm_db(errors: np.ndarray) -> float:
    """EVM that would be left without noise: what is the same in the errors of all frames.

    Noise of different frames is independent, so |Σ e|² - Σ |e|² over n(n-1) has the mean |E e|² whatever the noise: an
    unbiased estimate, from which -80 dB is the least that is reported.

    Args:
        errors: complex [frames, n], at least 2 frames.
    """
    n = errors.shape[0]
    together = np.abs(errors.sum(axis=0)) ** 2 - np.sum(np.abs(errors) ** 2, axis=0)
    return 10 * math.log10(max(float(together.mean()) / (n * (n - 1)), 1e-8))
