"""Captures full of frames with known payloads, as liquid-dsp's benchmark program makes them for itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.channel.awgn import complex_noise
from sdr_gsc.phy.blocks import block_bytes, block_symbols
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.receiver import ReceivedFrame, Receiver
from sdr_gsc.phy.transmitter import Transmitter

__all__ = ["LDPC_HALF", "RATE_HZ", "UNCODED", "Traffic", "traffic"]

RATE_HZ = 4e6
#: Indices into MCS_TABLE.
LDPC_HALF, UNCODED = 0, 11
_CFO_SUBCARRIERS = 0.2


@dataclass(frozen=True, slots=True)
class Traffic:
    """Frames in noise, one payload in each, a tenth of a frame between them.

    Attributes:
        capture: the samples.
        payloads: what each frame carries; the descriptor of frame i is i.
        frame_samples: length of one frame.
        receiver: one that believes frames as long as these.
    """

    capture: Capture
    payloads: tuple[bytes, ...]
    frame_samples: int
    receiver: Receiver

    def receive(self) -> tuple[ReceivedFrame, ...]:
        """The work: search, acquire, decode header and payload, check the sums."""
        return self.receiver.receive(self.capture).frames

    def right(self, frames: tuple[ReceivedFrame, ...]) -> float:
        """Share of payloads that came out as they were sent; frames that nobody sent count against it."""
        numbers = set()
        for frame in frames:
            if frame.header is None or frame.blocks is None or None in frame.blocks:
                continue
            number = int.from_bytes(frame.header.descriptor[:4], "big")
            payload = b"".join(block or b"" for block in frame.blocks)
            if number < len(self.payloads) and payload[: len(self.payloads[number])] == self.payloads[number]:
                numbers.add(number)
        return len(numbers) / max(len(self.payloads), len(frames))


def traffic(
    payload_bytes: int,
    frames: int,
    generator: np.random.Generator,
    *,
    scheme: int = UNCODED,
    snr_db: float = 30.0,
    fft_size: int = 64,
) -> Traffic:
    """Frames of one size, all at a carrier offset of 0.2 subcarriers, each with a phase and a payload of its own.

    Args:
        payload_bytes: of each frame.
        frames: in the capture.
        generator: of payloads, phases and noise.
        scheme: MCS index.
        snr_db: mean sample power of the frames over noise power.
        fft_size: FFT size; the prefix is a quarter of it.
    """
    grid = Numerology.of(fft_size)
    symbols = block_symbols(-(-payload_bytes // block_bytes(scheme)), scheme)
    transmitter = Transmitter(grid, frame_symbols=symbols, gap_samples=0)
    payloads = tuple(generator.bytes(payload_bytes) for _ in range(frames))
    bursts, power = [], 0.0
    for number, payload in enumerate(payloads):
        sent = transmitter.transmit_bytes(payload, scheme, number.to_bytes(4, "big"), number)
        if sent.n_frames != 1:
            raise ValueError(f"{payload_bytes} bytes took {sent.n_frames} frames; needed one frame per payload")
        bursts.append(sent.samples)
        power += sent.mean_power / frames
    length = bursts[0].size
    gap = length // 10
    samples = complex_noise((length + gap) * frames, power * 10 ** (-snr_db / 10), generator)
    turn = np.exp(2j * np.pi * _CFO_SUBCARRIERS / fft_size * np.arange(length)).astype(np.complex64)
    for number, burst in enumerate(bursts):
        start = number * (length + gap) + gap // 2
        phase = np.complex64(np.exp(2j * np.pi * generator.uniform()))
        samples[start : start + length] += burst * turn * phase
    return Traffic(Capture(samples, RATE_HZ), payloads, length, Receiver(grid, frame_symbols=symbols))
