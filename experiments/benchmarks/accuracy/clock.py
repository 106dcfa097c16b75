"""Sampling clocks that disagree, over a thousand OFDM symbols."""

from __future__ import annotations

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.channel.profile import ChannelProfile
from sdr_gsc.channel.simulator import simulate
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.seeding import TrialSeeds

from ..curves import Curve, Measured, OnStep, Series
from ..rows import row
from .air import RATE_HZ
from .bounds import clock_deviation
from .counting import decibels, trials
from .frame_bounds import frame_bound
from .frames import known_symbols, soft_frame

__all__ = ["Drifted", "drifted", "measure"]

_SFO_PPM = (0.0, 50.0, -50.0)
_ESN0_DB = 25.0
_OFDM_SYMBOLS = 1000
_FRAMES = 100
#: Points of the curve over the frame, and the share of the frame at either end that head and tail are.
_POINTS = 25
_END = 0.1


class Drifted:
    """Errors of the frames of one clock offset.

    Attributes:
        error: float64 [OFDM symbols], mean of |y - s|² over frames and subcarriers; NaN where no frame was received.
        sfo_error_ppm: root mean square error of `FrameReport.sfo_ppm`.
        received: share of frames with a good header.
    """

    def __init__(self, errors: list[np.ndarray], sfo_errors_ppm: list[float], sent: int, n_ofdm: int) -> None:
        self.error = np.mean(errors, axis=0) if errors else np.full(n_ofdm, np.nan)
        self.sfo_error_ppm = float(np.sqrt(np.mean(np.square(sfo_errors_ppm)))) if errors else float("nan")
        self.received = len(errors) / sent

    @property
    def evm_db(self) -> float:
        """Of the whole frame."""
        return decibels(float(np.mean(self.error)))

    @property
    def tail_over_head_db(self) -> float:
        """EVM of the last tenth over that of the first tenth."""
        part = max(round(_END * self.error.size), 1)
        return decibels(float(np.mean(self.error[-part:]) / np.mean(self.error[:part])))


def drifted(sfo_ppm: float, n_ofdm: int, n_frames: int, seeds: TrialSeeds) -> Drifted:
    """Send frames of `n_ofdm` payload symbols through white noise to a receiver with another clock.

    What is sent and the noise depend on the seeds alone, so that clock offsets are compared under equal conditions.
    """
    grid = Numerology()
    n_symbols = n_ofdm * grid.data.size
    transmitter, receiver = Transmitter(grid, n_symbols), Receiver(grid, frame_symbols=n_symbols)
    loopback = ChannelProfile(
        name="clock", esn0_db=_ESN0_DB, sfo_ppm=sfo_ppm, random_phase=True, cfo_range_hz=5e3, delay_samples=300.0,
        tail_samples=300,
    )  # fmt: skip
    content, air = seeds.generator("content"), seeds.generator("air")
    errors, sfo_errors = [], []
    for _ in range(n_frames):
        frame = soft_frame(transmitter, n_symbols, content)
        capture = simulate(Capture(frame.samples, RATE_HZ), loopback, air)
        for found in receiver.receive(capture).frames:
            if found.header is not None and found.symbols.size == n_symbols:
                error = np.abs(found.symbols - frame.symbols).astype(np.float64) ** 2
                errors.append(error.reshape(n_ofdm, -1).mean(axis=1))
                sfo_errors.append(found.report.sfo_ppm - sfo_ppm)
                break
    return Drifted(errors, sfo_errors, n_frames, n_ofdm)


def measure(*, effort: float = 1.0, seed: int = 1, on_step: OnStep = lambda done, count: None) -> Measured:
    """EVM of frames of 1000 OFDM symbols at 25 dB Es/N0 and clock offsets of 0 and ±50 ppm.

    Args:
        effort: 1 sends 100 frames at each offset.
        seed: of everything drawn.
        on_step: told of finished offsets.
    """
    count = trials(_FRAMES, effort, 2)
    found: dict[float, Drifted] = {}
    for at, sfo_ppm in enumerate(_SFO_PPM):
        found[sfo_ppm] = drifted(sfo_ppm, _OFDM_SYMBOLS, count, TrialSeeds(seed, "clock"))
        on_step(at + 1, len(_SFO_PPM))
    moved = [sfo_ppm for sfo_ppm in _SFO_PPM if sfo_ppm]
    penalty = float(np.max([found[sfo_ppm].evm_db - found[0.0].evm_db for sfo_ppm in moved]))
    tail = float(np.max([found[sfo_ppm].tail_over_head_db for sfo_ppm in moved]))
    grid = Numerology()
    snr = 10 ** (_ESN0_DB / 10) * grid.occupied_fraction
    bound_ppm = frame_bound(grid, known_symbols(grid, _OFDM_SYMBOLS * grid.data.size), snr).sfo_ppm
    rows = (
        row(
            "SFO ±50 ppm over 1000 symbols: EVM penalty at 25 dB", penalty, "dB",
            bound=0.0, target=0.5, aim=0.1, better="lower",
        ),
        row(
            "SFO ±50 ppm over 1000 symbols: EVM of the last tenth over the first", tail, "dB",
            bound=0.0, target=0.5, aim=0.1, better="lower",
        ),
        row(
            "SFO estimate, RMSE over 1000 symbols", float(np.max([each.sfo_error_ppm for each in found.values()])),
            "ppm", bound=bound_ppm, better="lower",
        ),
        row("frames received at ±50 ppm", min(found[each].received for each in moved), "share", target=1.0),
    )  # fmt: skip
    tones = grid.signed(grid.pilots)
    of_pilots = clock_deviation(_OFDM_SYMBOLS, tones, 10 ** (_ESN0_DB / 10), grid.fft_size, grid.symbol_length)
    edges = np.linspace(0, _OFDM_SYMBOLS, _POINTS + 1).astype(int)
    middles = ((edges[1:] + edges[:-1]) / 2).tolist()
    curve = Curve(
        name="Clock offset",
        x_label="OFDM symbol of the frame",
        y_label="EVM (dB)",
        series=tuple(
            Series.of(
                f"{sfo_ppm:+g} ppm" if sfo_ppm else "0 ppm",
                middles,
                [decibels(float(np.mean(part))) for part in np.split(each.error, edges[1:-1])],
            )
            for sfo_ppm, each in found.items()
        ),
        bounds=(Series.of("noise alone", [0.0, float(_OFDM_SYMBOLS)], [-_ESN0_DB, -_ESN0_DB]),),
        text=(
            f"Frames of {_OFDM_SYMBOLS} payload symbols, white noise at {_ESN0_DB:g} dB Es/N0. 50 ppm shift the window "
            f"by four samples from head to tail. All known symbols allow an error of {bound_ppm:.2g} ppm of the clock "
            f"offset, the payload's pilots alone {1e6 * of_pilots:.2g} ppm."
        ),
    )
    return Measured(rows, (curve,))
