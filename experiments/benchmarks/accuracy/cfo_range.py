"""How large a carrier offset may be until headers are lost."""

from __future__ import annotations

import numpy as np

from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.seeding import TrialSeeds

from ..curves import Curve, Measured, OnStep, Series
from ..rows import row
from .air import heard, scene
from .counting import trials
from .frames import soft_frame

__all__ = ["measure", "range_of"]

_SNR_DB = 10.0
_STEP = 0.5
_LARGEST = 9.0
#: The widest search that a 64-point receiver offers.
_SEARCHED = 8.0
_TRIALS = 300
_PAYLOAD = 48
_PER_CAPTURE = 20
_GOOD = 0.99


def range_of(offsets: list[float], good: list[float]) -> float:
    """Largest offset up to which every one of the ascending `offsets` has at least 99 % good headers; NaN: none."""
    reached = float("nan")
    for offset, share in zip(offsets, good, strict=True):
        if share < _GOOD:
            break
        reached = offset
    return reached


def measure(*, effort: float = 1.0, seed: int = 1, on_step: OnStep = lambda done, count: None) -> Measured:
    """Share of good headers over the carrier offset, both signs together, at 10 dB sample SNR.

    Args:
        effort: 1 sends 300 frames per offset.
        seed: of everything drawn.
        on_step: told of finished points.
    """
    offsets = np.arange(0, _LARGEST + 1e-9, _STEP).tolist()
    receivers = {"searching ±8 subcarriers": Receiver(max_cfo_subcarriers=_SEARCHED), "default search": Receiver()}
    count = trials(_TRIALS, effort, _PER_CAPTURE)
    good: dict[str, list[float]] = {name: [] for name in receivers}
    for done, offset in enumerate(offsets):
        for name, receiver in receivers.items():
            good[name].append(_good_headers(receiver, offset, count, TrialSeeds(seed, f"cfo_range/{offset:g}")))
        on_step(done + 1, len(offsets))
    rows = (
        row(
            "CFO range, 99 % of headers right at 10 dB", range_of(offsets, good["searching ±8 subcarriers"]),
            "subcarriers", target=2.0, aim=8.0,
        ),
        row("CFO range of the default receiver", range_of(offsets, good["default search"]), "subcarriers", target=2.0),
    )  # fmt: skip
    curve = Curve(
        name="Carrier offset range",
        x_label="carrier offset (subcarrier spacings)",
        y_label="share of headers right",
        series=tuple(Series.of(name, offsets, shares) for name, shares in good.items()),
        text=f"Sample SNR {_SNR_DB:g} dB, white noise, unknown arrival; half the offsets positive, half negative.",
    )
    return Measured(rows, (curve,))


def _good_headers(receiver: Receiver, offset: float, count: int, seeds: TrialSeeds) -> float:
    generator = seeds.generator("frames")
    transmitter = Transmitter(Numerology())
    good = sent = 0
    for _ in range(-(-count // _PER_CAPTURE)):
        frames = [soft_frame(transmitter, _PAYLOAD, generator) for _ in range(_PER_CAPTURE)]
        there = scene(
            [each.samples for each in frames],
            generator,
            noise_variance=float(np.mean([each.power for each in frames])) * 10 ** (-_SNR_DB / 10),
            cfo=[offset if at % 2 else -offset for at in range(_PER_CAPTURE)],
        )
        found = heard(there, receiver.receive(there.capture).frames).frames
        good += sum(frame is not None and frame.header is not None for frame in found)
        sent += _PER_CAPTURE
    return good / sent
