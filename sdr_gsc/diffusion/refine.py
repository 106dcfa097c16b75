"""The `refine` decoder: the bridge from the codec's estimate to a picture."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import WeightsError
from ..semantic.codec import Codec
from ..semantic.values import Reception, Reconstruction
from ..weights.cards import Card
from .bridge import BridgeCondition, BridgeDenoiser
from .decoding import estimate_of, reconstruction_of, repeated
from .models import load_bridge
from .options import DecoderOptions
from .sampler import OnStep, quietly, sample_bridge
from .schedule import BridgeSchedule

__all__ = ["RefineDecoder", "open_refine"]

_DEFAULT_STEPS = 4


@dataclass(frozen=True, slots=True)
class RefineDecoder:
    """The bridge from the codec's estimate to a picture.

    Attributes:
        codec: whose estimates the bridge was trained on.
        bridge: the trained network.
        schedule: its length is the number of evaluations.
        kappa: starting noise relative to the predicted error, 0.1…1.
        realism: where the reconstruction lies on the line from conditional mean (0, least squared error) to draw (1).
            On that line lie the pictures of least error for a given distance from the distribution of pictures
            (Freirich, Michaeli and Meir 2021, "A theory of the distortion-perception tradeoff in Wasserstein space",
            theorem 3).
        samples: pictures drawn; the first one gives the reconstruction, all of them the standard deviation.
        name: as asked for.
    """

    codec: Codec
    bridge: BridgeDenoiser
    schedule: BridgeSchedule
    kappa: float
    realism: float
    samples: int
    name: str

    def decode(self, reception: Reception, *, generator: torch.Generator, on_step: OnStep = quietly) -> Reconstruction:
        """See Decoder."""
        began = time.perf_counter()
        evidence, estimate = estimate_of(self.codec, reception)
        estimated = time.perf_counter()
        condition = BridgeCondition(
            repeated(estimate.picture, self.samples),
            repeated(estimate.deviation, self.samples),
            repeated(estimate.linear.picture, self.samples),
            repeated(estimate.linear.latent, self.samples),
        )
        mean, drawn = sample_bridge(self.bridge, condition, self.schedule, self.kappa, generator, on_step)
        picture = mean[:1] + self.realism * (drawn[:1] - mean[:1])
        timings = {"estimate": estimated - began, "sample": time.perf_counter() - estimated}
        return reconstruction_of(
            self.name, evidence, picture, estimate.deviation, self.schedule.steps, timings, drawn=drawn
        )


def open_refine(
    name: str, steps: int | None, codec: Codec, folder: Path | None, options: DecoderOptions
) -> RefineDecoder:
    """Open `refine[:STEPS]`; `steps` are those of the name. Errors as in `open_decoder`."""
    bridge, card = load_bridge(codec, folder)
    count = options.steps if options.steps is not None else (_DEFAULT_STEPS if steps is None else steps)
    realism = _setting(card, "realism") if options.realism is None else options.realism
    return RefineDecoder(codec, bridge, BridgeSchedule(count), _setting(card, "kappa"), realism, options.samples, name)


def _setting(card: Card, name: str) -> float:
    """A setting in 0…1 that the card recommends."""
    value = card.settings.get(name)
    if value is None or not 0 <= value <= 1:
        raise WeightsError(f"card {card.name!r} has the setting {name} = {value}; needed a number in 0…1")
    return value
