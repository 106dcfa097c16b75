"""The way of an observation: one short frame per control step, over any radio, and nothing where it is lost."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

from hardware.radio import Radio
from sdr_gsc.capture import Capture
from sdr_gsc.phy.framing import deinterleave
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmission, Transmitter

from ...procedures.tape import Tape

__all__ = ["Arrived", "Uplink", "Waveform"]

_TAG = struct.Struct(">4sBIH")
_MAGIC = b"OBS1"


@dataclass(frozen=True, slots=True)
class Waveform:
    """Transmitter and receiver, made once."""

    transmitter: Transmitter = field(default_factory=Transmitter)
    receiver: Receiver = field(default_factory=Receiver)


@dataclass(frozen=True, slots=True, eq=False)
class Arrived:
    """Symbols as received.

    Attributes:
        symbols: complex64 [n], unbiased, in units of mean symbol power 1; 0 where lost.
        variance: float32 [n], E|noise|^2 of each; inf where lost.
        esn0_db: measured by the receiver; None where the frame was lost.
        step: control step of the observation.
    """

    symbols: np.ndarray
    variance: np.ndarray
    esn0_db: float | None
    step: int

    @property
    def lost(self) -> bool:
        """Whether nothing arrived."""
        return not bool(np.isfinite(self.variance).any())


@dataclass(slots=True)
class Uplink:
    """A radio that carries observations, and what it took.

    Simulated radios draw a new realization of the channel for every frame.

    Attributes:
        waveform: both ends'.
        radio: open; None where the tape plays what was recorded.
        tape: of the trial; None keeps nothing.
        sent: frames.
        lost: of these.
        air_samples: of all frames, preambles and headers included.
    """

    waveform: Waveform
    radio: Radio | None
    tape: Tape | None = None
    sent: int = 0
    lost: int = 0
    air_samples: int = 0

    def carry(self, points: np.ndarray, *, agent: int, step: int) -> Arrived:
        """Send one observation.

        Args:
            points: complex64 [n] of mean power about 1.
            agent: 0…255, who sends.
            step: control step of the observation. The receiver knows for whom and for which step it listens.

        Raises:
            RadioError: the radio failed.
            RecordingError: see `Tape.exchange`.
        """
        tag = _TAG.pack(_MAGIC, agent, step, points.size)
        transmission = self.waveform.transmitter.transmit_symbols(points, tag, step)
        capture = self._exchange(transmission)
        self.sent += 1
        self.air_samples += transmission.n_air_samples
        frames = self.waveform.receiver.receive(capture).frames
        if self.tape is not None:
            self.tape.heard([frame.report for frame in frames])
        for frame in frames:
            header = frame.header
            # Somebody else's frame, or an old one, is no evidence.
            if header is None or header.mcs is not None or header.descriptor[: _TAG.size] != tag:
                continue
            symbols, variance = deinterleave({0: (frame.symbols, frame.noise_variance)}, points.size, 1, step)
            if np.isfinite(variance).any():
                return Arrived(symbols, variance, frame.report.esn0_db, step)
        self.lost += 1
        return Arrived(np.zeros(points.size, np.complex64), np.full(points.size, np.inf, np.float32), None, step)

    def _exchange(self, transmission: Transmission) -> Capture:
        if self.tape is None:
            return self._live(transmission)
        # Nothing is tried again within an episode: what comes late is another episode.
        return self.tape.exchange(transmission, lambda: (self._live(transmission), ()))[0]

    def _live(self, transmission: Transmission) -> Capture:
        if self.radio is None:
            raise ValueError("there is no radio, and no tape that plays; needed one of them")
        return self.radio.exchange(Capture(transmission.samples, self.radio.settings.sample_rate_hz))
