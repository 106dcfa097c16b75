"""The drive level of least error: below it noise, above it clipping and compression."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np

from hardware.radio import Radio

from ..applying import CalibratedRadio
from ..compression import clipping_distortion
from ..errors import UnsupportedError
from ..link_quality import LinkProbe, Probed, noise_free_evm_db
from ..outcome import Curve, Outcome, Plan, Plot, new_record, row
from ..record import Direction, Quantity
from .conduct import applied, checked, conduct

__all__ = ["VERSION", "measure"]

VERSION = 1
_VALID_FOR = timedelta(days=30)
_BACKOFFS_DB = (4.0, 5.5, 7.0, 8.5, 10.0, 11.5, 13.0, 15.0, 18.0)
#: Levels whose EVM is that close to the least are as good; the strongest of them is taken.
_AS_GOOD_DB = 0.25
_TARGET_DB = -43.0
_RECEIVE_ROOM_DB = 8.0
#: Frames for the EVM without noise; its noise is that much lower, in power.
_FRAMES_PER_REPETITION = 8


def measure(radio: Radio, plan: Plan) -> Outcome:
    """EVM against back-off with the project's own OFDM link, and its EVM without noise before and after calibration.

    Raises:
        NoSignalError: frames are not received.
        ClippedSignalError: the receive converter was overdriven.
        UnsupportedError: the radio does not transmit.
    """
    if not radio.capabilities.transmits:
        raise UnsupportedError(f"{radio.capabilities.model} does not transmit; a drive level needs a transmitter")
    with conduct(radio, plan):
        # The transmitter's clipping is looked for: the receiver is given room for its strongest drive.
        lowered = max(radio.capabilities.rx_gain_db.minimum, plan.settings.rx_gain_db - _RECEIVE_ROOM_DB)
        radio.configure(replace(plan.settings, rx_gain_db=lowered))
        known = applied(radio, plan, clock=True)
        found = []
        for number, backoff_db in enumerate(_BACKOFFS_DB):
            plan.progress(f"back-off {backoff_db:g} dB", 0.7 * number / len(_BACKOFFS_DB))
            found.append(_send(known, plan, backoff_db, plan.repetitions))
        levels = np.array([one.evm_db for one in found])
        best = int(np.flatnonzero(levels <= levels.min() + _AS_GOOD_DB)[0])
        noise = _noise(found[-1])
        clipped = np.array([clipping_distortion(one) for one in _BACKOFFS_DB])
        bound_db = 10 * math.log10(noise[best])
        plan.progress("EVM without noise", 0.7)
        frames = _FRAMES_PER_REPETITION * plan.repetitions
        usual = LinkProbe().backoff_db
        raw = noise_free_evm_db(_send(CalibratedRadio(radio, []), plan, usual, frames).errors)
        after = noise_free_evm_db(_send(known, plan, usual, frames).errors)
        record = new_record(
            Quantity.CLIP, Direction.TRANSMIT, radio, plan, valid_for=_VALID_FOR, version=VERSION,
            values={
                "best_backoff_db": _BACKOFFS_DB[best], "backoff_db": _BACKOFFS_DB, "evm_db": tuple(levels.tolist()),
                "noise_free_evm_db": after,
            },
            residuals={"evm_over_bound_db": float(levels[best] - bound_db)},
        )  # fmt: skip
        plan.progress("done", 1.0)
    rows = (
        row("EVM at the best drive level", "dB", float(levels[best]), bound=bound_db),
        row("best back-off", "dB", _BACKOFFS_DB[best]),
        row("EVM of the link without noise", "dB", after, before=raw, target=_TARGET_DB),
    )
    backoffs = np.array(_BACKOFFS_DB)
    plot = Plot(
        "Error against drive level", "back-off (dB)", "EVM (dB)",
        (
            Curve("measured", backoffs, levels),
            Curve("noise alone", backoffs, 10 * np.log10(noise)),
            # Some of what clipping makes falls beside the band and harms nobody.
            Curve("noise and all distortion by clipping", backoffs, 10 * np.log10(noise + clipped)),
        ),
    )  # fmt: skip
    return Outcome((record,), rows, (plot,), {"frame": found[best].heard})


def _send(radio: CalibratedRadio, plan: Plan, backoff_db: float, frames: int) -> Probed:
    probe = LinkProbe(backoff_db=backoff_db, seed=plan.seed)
    found = probe.send(radio, radio.settings.sample_rate_hz, frames)
    checked(found.heard)
    return found


def _noise(weakest: Probed) -> np.ndarray:
    """Error by noise alone, a power, at each drive level: that of the weakest one, where nothing clips, scaled."""
    frames = weakest.errors.shape[0]
    power = float(np.mean(np.abs(weakest.errors - weakest.errors.mean(axis=0)) ** 2)) * frames / max(frames - 1, 1)
    return max(power, 1e-12) * 10 ** ((np.array(_BACKOFFS_DB) - _BACKOFFS_DB[-1]) / 10)
