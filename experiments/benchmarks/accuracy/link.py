"""Whole packets over white noise: who gets lost where, and at which signal-to-noise ratio one in a hundred is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdr_gsc.phy.blocks import block_bytes, block_symbols
from sdr_gsc.phy.coding.mcs import mcs
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.seeding import TrialSeeds

from ..curves import Curve, Measured, OnStep, Series
from ..rows import row
from .air import heard, scene
from .coding_bounds import block_error_rate
from .counting import crossing_db, trials

__all__ = ["Outcome", "measure", "packets"]

_PAYLOAD_BYTES = 256
_SCHEME = 0
_MAX_CFO = 0.3
_RATE = 1e-2
_SNR_DB = (-5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
#: Packets at each ratio end with so many lost ones.
_LOST, _PACKETS = 300, 6000
_PER_CAPTURE = 25
_CODE_BITS = 1944


@dataclass(frozen=True, slots=True)
class Outcome:
    """Packets of one signal-to-noise ratio.

    Attributes:
        sent: packets.
        unheard: not detected.
        headless: detected, header wrong.
        broken: header right, payload not what was sent.
        strays: frames found where none was sent.
    """

    sent: int = 0
    unheard: int = 0
    headless: int = 0
    broken: int = 0
    strays: int = 0

    @property
    def lost(self) -> int:
        """Packets that did not arrive whole."""
        return self.unheard + self.headless + self.broken

    def plus(self, other: Outcome) -> Outcome:
        """Both together."""
        return Outcome(
            self.sent + other.sent,
            self.unheard + other.unheard,
            self.headless + other.headless,
            self.broken + other.broken,
            self.strays + other.strays,
        )


def packets(
    receiver: Receiver, transmitter: Transmitter, snr_db: float, count: int, generator: np.random.Generator
) -> Outcome:
    """Send random packets, each at an unknown time with an unknown carrier offset, in one capture."""
    payloads = [generator.bytes(_PAYLOAD_BYTES) for _ in range(count)]
    bursts, powers = [], []
    for payload in payloads:
        sent = transmitter.transmit_bytes(payload, _SCHEME, b"accuracy", int(generator.integers(1 << 31)))
        if sent.n_frames != 1:
            raise ValueError(f"{_PAYLOAD_BYTES} bytes took {sent.n_frames} frames; needed one frame per packet")
        bursts.append(sent.samples[transmitter.gap_samples : transmitter.gap_samples + sent.n_air_samples])
        powers.append(sent.mean_power)
    noise = float(np.mean(powers)) * 10 ** (-snr_db / 10)
    there = scene(bursts, generator, noise_variance=noise, max_cfo=_MAX_CFO)
    result = heard(there, receiver.receive(there.capture).frames)
    unheard = headless = broken = 0
    for payload, frame in zip(payloads, result.frames, strict=True):
        if frame is None:
            unheard += 1
        elif frame.header is None:
            headless += 1
        else:
            blocks = frame.blocks or (None,)
            whole = None not in blocks and b"".join(block or b"" for block in blocks)[:_PAYLOAD_BYTES] == payload
            broken += not whole
    return Outcome(count, unheard, headless, broken, result.strays)


def measure(*, effort: float = 1.0, seed: int = 1, on_step: OnStep = lambda done, count: None) -> Measured:
    """Packet error rate of 256 bytes at the default scheme, QPSK 1/2, carrier offset within ±0.3 subcarriers.

    Args:
        effort: 1 sends packets until 300 are lost or 6000 are sent, at each ratio.
        seed: of everything drawn.
        on_step: told of finished points.
    """
    n_blocks = -(-_PAYLOAD_BYTES // block_bytes(_SCHEME))
    n_symbols = block_symbols(n_blocks, _SCHEME)
    transmitter, receiver = Transmitter(frame_symbols=n_symbols), Receiver(frame_symbols=n_symbols)
    enough, most = trials(_LOST, effort, 4), trials(_PACKETS, effort, _PER_CAPTURE)
    outcomes = []
    for at, snr_db in enumerate(_SNR_DB):
        generator = TrialSeeds(seed, f"link/{snr_db:g}").generator("packets")
        total = Outcome()
        while total.sent < most and total.lost < enough:
            total = total.plus(packets(receiver, transmitter, snr_db, _PER_CAPTURE, generator))
        outcomes.append(total)
        on_step(at + 1, len(_SNR_DB))
    sent = [each.sent for each in outcomes]
    reached_db = crossing_db(_SNR_DB, [each.lost for each in outcomes], sent, _RATE)
    occupied = Numerology().occupied_fraction
    bound_grid = np.arange(-2.0, 1.0, 0.02)
    bound = [_best_rate(snr_db, n_blocks, occupied) for snr_db in bound_grid.tolist()]
    bound_db = float(np.interp(-np.log(_RATE), -np.log(np.maximum(bound, 1e-300)), bound_grid))
    header_db = crossing_db(_SNR_DB, [each.unheard + each.headless for each in outcomes], sent, _RATE)
    rows = (
        row(
            "sample SNR for PER 1e-2, 256 B, default MCS, unknown arrival and CFO", reached_db, "dB",
            bound=bound_db, target=4.0, aim=2.5, better="lower",
        ),
        row("sample SNR for 1e-2 of headers lost", header_db, "dB", better="lower"),
    )  # fmt: skip
    curve = Curve(
        name="Packet errors",
        x_label="sample SNR (dB)",
        y_label="share of packets",
        series=(
            Series.of("lost", _SNR_DB, [each.lost / each.sent for each in outcomes]),
            Series.of("not detected", _SNR_DB, [each.unheard / each.sent for each in outcomes]),
            Series.of(
                "not detected or header wrong",
                _SNR_DB,
                [(each.unheard + each.headless) / each.sent for each in outcomes],
            ),
        ),
        bounds=(Series.of(f"{n_blocks} blocks at the normal approximation", bound_grid.tolist(), bound),),
        log_y=True,
        text=(
            f"{_PAYLOAD_BYTES} bytes in {n_blocks} blocks of the default scheme, white noise, arrival unknown, carrier "
            f"offset uniform within ±{_MAX_CFO:g} subcarriers. The bound knows channel, arrival and offset."
        ),
    )
    return Measured(rows, (curve,))


def _best_rate(snr_db: float, n_blocks: int, occupied_fraction: float) -> float:
    """Packet error rate of so many blocks of the best code, Es/N0 = sample SNR over the occupied fraction."""
    scheme = mcs(_SCHEME)
    k = round(_CODE_BITS * scheme.rate)
    ebn0_db = snr_db - 10 * np.log10(occupied_fraction) - 10 * np.log10(scheme.bits_per_symbol)
    return float(-np.expm1(n_blocks * np.log1p(-min(block_error_rate(ebn0_db, _CODE_BITS, k), 1 - 1e-16))))
