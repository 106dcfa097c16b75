"""The decoders `refine` and `posterior:cddb`: the bridge from the codec's estimate to a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import WeightsError
from ..semantic.codec import Codec
from ..semantic.values import Reception, Reconstruction
from ..weights.cards import Card
from .bridge import Bridge, GuidedBridge
from .bridge_walk import condition_of, sample_bridge
from .clock import seconds_on
from .consistent_bridge import ConsistentBridge
from .decoding import estimate_of, reconstruction_of
from .likelihood import SymbolLikelihood
from .models import load_bridge
from .ode import Ddim, OdeSampler, sampler_by_name
from .options import DecoderOptions
from .runtime import Runtime
from .sampler import OnStep, quietly
from .schedule import BridgeSchedule

__all__ = ["RefineDecoder", "open_refine", "recommended"]

_DEFAULT_STEPS = 4


@dataclass(frozen=True, slots=True)
class RefineDecoder:
    """The bridge from the codec's estimate to a picture.

    Attributes:
        codec: whose estimates the bridge was trained on.
        bridge: the trained network and its guidance.
        schedule: its length is the number of steps.
        kappa: strength of the bridge: its noise relative to the predicted error, 0.1…1.
        noise: size of the reconstruction's starting noise relative to κτ, 0…1; without any, it does not depend on the
            seed.
        realism: where the reconstruction lies on the line from the codec's estimate (0) to the end of the walk (1). On
            the line from a conditional mean to a draw lie the pictures of least error for a given distance from the
            distribution of pictures (Freirich, Michaeli and Meir 2021, "A theory of the distortion-perception tradeoff
            in Wasserstein space", theorem 3).
        samples: 1, or pictures drawn beside the reconstruction with all of the bridge's noise.
        name: as asked for.
        sampler: how the bridge is walked.
        early_exit: see `ode.EarlyExit`; None walks to the end.
        weighting: see `Evidence.weighted`.
        trust: of the data steps, see `ConsistentBridge`; None takes none.
    """

    codec: Codec
    bridge: GuidedBridge
    schedule: BridgeSchedule
    kappa: float
    noise: float
    realism: float
    samples: int
    name: str
    sampler: OdeSampler = Ddim()
    early_exit: float | None = None
    weighting: str = "measured"
    trust: float | None = None

    def decode(self, reception: Reception, *, generator: torch.Generator, on_step: OnStep = quietly) -> Reconstruction:
        """See Decoder."""
        began = seconds_on(self.codec.device)
        evidence, estimate = estimate_of(self.codec, reception, self.weighting)
        estimated = seconds_on(self.codec.device)
        bridge: Bridge = self.bridge
        if self.trust is not None:
            likelihood = SymbolLikelihood(self.codec.encoder, evidence.to(self.codec.device))
            bridge = ConsistentBridge(bridge, likelihood, self.trust)
        drawn = self.samples if self.samples > 1 else 0
        walked = sample_bridge(
            bridge,
            condition_of(estimate, 1 + drawn),
            self.schedule,
            self.kappa,
            generator,
            on_step,
            self.sampler,
            self.early_exit,
            [self.noise, *(1.0 for _ in range(drawn))],
        )
        picture = estimate.picture + self.realism * (walked.drawn[:1] - estimate.picture)
        samples = walked.drawn[1:] if drawn else None
        timings = {"estimate": estimated - began, "sample": seconds_on(self.codec.device) - estimated}
        nfe = walked.estimates * self.bridge.evaluations
        return reconstruction_of(self.name, evidence, estimate, picture, nfe, timings, drawn=samples)


def open_refine(
    name: str,
    steps: int | None,
    codec: Codec,
    folder: Path | None,
    options: DecoderOptions,
    trust: float | None = None,
) -> RefineDecoder:
    """Open `refine[:STEPS]`, or with `trust` `posterior:cddb`; `steps` are the name's. Errors as in `open_decoder`."""
    bridge, card = load_bridge(codec, folder)
    count = options.steps if options.steps is not None else (_DEFAULT_STEPS if steps is None else steps)
    return RefineDecoder(
        codec=codec,
        bridge=GuidedBridge(
            Runtime(options.precision, options.compile).applied(bridge),
            1.0 if options.guidance is None else options.guidance,
        ),
        schedule=BridgeSchedule(count),
        kappa=recommended(card, "kappa"),
        noise=recommended(card, "noise", 1.0),  # cards without it are older than walks without noise
        realism=recommended(card, "realism") if options.realism is None else options.realism,
        samples=options.samples,
        name=name,
        sampler=Ddim() if options.sampler is None else sampler_by_name(options.sampler),
        early_exit=options.early_exit,
        weighting=options.weighting,
        trust=trust,
    )


def recommended(card: Card, name: str, default: float | None = None) -> float:
    """A setting in 0…1 that the card recommends; `default` where it says nothing.

    Raises:
        WeightsError: the card has no such setting and there is no default, or a number out of range.
    """
    value = card.settings.get(name, default)
    if value is None or not 0 <= value <= 1:
        raise WeightsError(f"card {card.name!r} has the setting {name} = {value}; needed a number in 0…1")
    return value
