"""Error vector magnitude without noise: what converters leave, and what the receiver adds to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.channel.profile import ChannelProfile
from sdr_gsc.channel.simulator import simulate
from sdr_gsc.phy.framing import interleave
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.units import from_db

from ..curves import Curve, Measured, OnStep, Series
from ..rows import row
from .air import RATE_HZ
from .bounds import converter_noise
from .counting import decibels, trials

__all__ = ["Magnitudes", "closed_form_db", "magnitudes", "measure"]

_BITS = (8, 9, 10, 11, 12, 13, 14, 15, 16)
_ROW_BITS = 12
_FRAMES = 50
_FRAME_SYMBOLS = 2048
_SCHEME = 0
#: Mean power at the receive converter, as in the named channel profiles.
_RECEIVE_LEVEL_DBFS = -12.0


@dataclass(frozen=True, slots=True)
class Magnitudes:
    """Error vector magnitudes, in dB of the mean power of the reference.

    Attributes:
        reported_db: `FrameReport.evm_db` of coded frames, against decided points.
        compared_db: uncoded frames, against the symbols sent.
    """

    reported_db: float
    compared_db: float


def closed_form_db(bits: int, transmit_backoff_db: float, grid: Numerology) -> float:
    """Noise of both converters over the signal, as it falls on the occupied subcarriers.

    Clipping and rounding errors count as white: the share Na/N of them meets the subcarriers that have the signal.
    """
    noise = converter_noise(from_db(-transmit_backoff_db), bits) + converter_noise(from_db(_RECEIVE_LEVEL_DBFS), bits)
    return decibels(noise * grid.occupied_fraction)


def magnitudes(bits: int | None, n_frames: int, generator: np.random.Generator) -> Magnitudes:
    """Frames through a loopback of two converters and nothing else.

    Args:
        bits: of both converters; None: exact ones.
        n_frames: of each kind.
        generator: of what is sent.
    """
    transmitter, receiver = Transmitter(frame_symbols=_FRAME_SYMBOLS), Receiver(frame_symbols=_FRAME_SYMBOLS)
    loopback = ChannelProfile(
        name="converters", dac_bits=bits, adc_bits=bits, receive_level_dbfs=_RECEIVE_LEVEL_DBFS, delay_samples=100.0
    )

    def received(samples: np.ndarray) -> Capture:
        return simulate(Capture(samples, RATE_HZ), loopback, generator)

    seed = int(generator.integers(1 << 31))
    payload = generator.bytes(transmitter.capacity_bytes(n_frames * _FRAME_SYMBOLS, _SCHEME))
    coded = transmitter.transmit_bytes(payload, _SCHEME, b"accuracy", seed)
    reports = [frame.report for frame in receiver.receive(received(coded.samples)).frames]
    reported = [from_db(report.evm_db) for report in reports if report.evm_db is not None]

    points = generator.integers(0, 4, n_frames * _FRAME_SYMBOLS)
    symbols = np.exp(1j * (np.pi / 4 + np.pi / 2 * points)).astype(np.complex64)
    uncoded = transmitter.transmit_symbols(symbols, b"accuracy", seed)
    parts = interleave(symbols, seed, n_frames)
    compared = [
        float(np.mean(np.abs(frame.symbols - parts[frame.header.sequence]) ** 2))
        for frame in receiver.receive(received(uncoded.samples)).frames
        if frame.header is not None
    ]
    if len(reported) < coded.n_frames or len(compared) < uncoded.n_frames:
        return Magnitudes(float("nan"), float("nan"))
    return Magnitudes(decibels(float(np.mean(reported))), decibels(float(np.mean(compared))))


def measure(*, effort: float = 1.0, seed: int = 1, on_step: OnStep = lambda done, count: None) -> Measured:
    """Noise-free EVM over the bits of both converters.

    Args:
        effort: 1 sends 50 frames of either kind at each number of bits.
        seed: of everything sent.
        on_step: told of finished points.
    """
    count = trials(_FRAMES, effort, 2)
    backoff_db = Transmitter().backoff_db
    found: dict[int, Magnitudes] = {}
    for at, bits in enumerate(_BITS):
        found[bits] = magnitudes(bits, count, TrialSeeds(seed, f"evm/{bits}").generator("frames"))
        on_step(at + 1, len(_BITS) + 1)
    exact = magnitudes(None, count, TrialSeeds(seed, "evm/exact").generator("frames"))
    on_step(len(_BITS) + 1, len(_BITS) + 1)
    grid = Numerology()
    closed = {bits: closed_form_db(bits, backoff_db, grid) for bits in _BITS}
    worst = max(found[_ROW_BITS].reported_db, found[_ROW_BITS].compared_db)
    rows = (
        row(
            "noise-free EVM, 12-bit converters, against the symbols sent", found[_ROW_BITS].compared_db, "dB",
            bound=closed[_ROW_BITS], target=-45.0, aim=-50.0, better="lower",
        ),
        row(
            "noise-free EVM, 12-bit converters, as reported", found[_ROW_BITS].reported_db, "dB",
            bound=closed[_ROW_BITS], target=-45.0, aim=-50.0, better="lower",
        ),
        row("EVM above clipping and rounding, 12 bits", worst - closed[_ROW_BITS], "dB", bound=0.0, better="lower"),
        row("noise-free EVM with exact converters", exact.compared_db, "dB", better="lower"),
    )  # fmt: skip
    curve = Curve(
        name="Noise-free EVM",
        x_label="bits of both converters",
        y_label="EVM (dB)",
        series=(
            Series.of("against the symbols sent", _BITS, [found[bits].compared_db for bits in _BITS]),
            Series.of("as reported", _BITS, [found[bits].reported_db for bits in _BITS]),
        ),
        bounds=(Series.of("clipping and rounding", _BITS, [closed[bits] for bits in _BITS]),),
        text=(
            f"Loopback through two converters and nothing else, the signal {backoff_db:g} dB below full scale at the "
            f"transmitter and {-_RECEIVE_LEVEL_DBFS:g} dB at the receiver. The closed form takes the signal as "
            "Gaussian and its errors as white; estimation adds to it, and few rare clips scatter around it."
        ),
    )
    return Measured(rows, (curve,))
