"""Packet errors of the default scheme, with those of liquid-dsp's default frames beside them."""

from __future__ import annotations

from dataclasses import replace

from .accuracy import link
from .accuracy.counting import crossing_db, trials
from .anchors.cache import Absent
from .anchors.liquid import LIQUID_VERSION, open_liquid
from .curves import Measured, OnStep, Series

__all__ = ["measure"]

_SNR_DB = (8.0, 9.0, 10.0, 11.0, 12.0, 12.5, 13.0, 13.5, 14.0, 15.0)
_TRIALS = 2000
_RATE = 1e-2


def measure(
    *, effort: float = 1.0, seed: int = 1, on_step: OnStep = lambda done, count: None, anchors: bool = True
) -> Measured:
    """`accuracy.link.measure`; its first row and its curve get the anchor.

    Args:
        effort: 1 sends 2000 frames per ratio through liquid-dsp.
        seed: of everything drawn.
        on_step: told of finished points.
        anchors: whether liquid-dsp takes part.
    """
    found = link.measure(effort=effort, seed=seed, on_step=on_step)
    liquid = open_liquid() if anchors else Absent("not asked for")
    if isinstance(liquid, Absent):
        return found
    points = liquid.packets(_SNR_DB, trials=trials(_TRIALS, effort, 20), payload_bytes=256, seed=seed)
    lost = [point.trials - point.right for point in points]
    sent = [point.trials for point in points]
    reached_db = crossing_db(_SNR_DB, lost, sent, _RATE)
    first, *others = found.rows
    # NaN where the points are too few to cross the rate: then there is no anchor.
    rows = (replace(first, anchor=reached_db if reached_db == reached_db else None), *others)
    name = f"lost, liquid-dsp {LIQUID_VERSION}, QPSK uncoded"
    theirs = Series.of(name, _SNR_DB, [each / of for each, of in zip(lost, sent, strict=True)])
    curve, *more = found.curves
    text = (
        f"{curve.text} liquid-dsp sends its default frame of 256 bytes, QPSK with a checksum and no code; version "
        f"{LIQUID_VERSION} keeps losing some frames at any ratio, which is why its curve flattens."
    )
    curves = (replace(curve, bounds=(*curve.bounds, theirs), text=text), *more)
    return Measured(rows, curves, found.notes, found.anchors)
