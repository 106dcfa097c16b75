"""The `consistency` decoder: the bridge, distilled so that one evaluation gives a realistic picture.

The consistency function maps the start of the bridge straight to the picture. Several steps alternate between it and
fresh noise (Song, Dhariwal, Chen and Sutskever 2023, arXiv:2303.01469, algorithm 1): the estimate goes back onto the
bridge at the next time and is estimated again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..semantic.codec import Codec
from ..semantic.values import Reception, Reconstruction
from .bridge import Bridge, BridgeCondition, BridgeDenoiser, bridge_state
from .bridge_walk import condition_of
from .clock import seconds_on
from .decoding import estimate_of, reconstruction_of
from .models import load_bridge
from .ode import EarlyExit
from .options import DecoderOptions
from .refine import recommended
from .runtime import Runtime
from .sampler import OnStep, SamplerStep, quietly
from .schedule import BridgeSchedule

__all__ = ["ConsistencyDecoder", "open_consistency", "sample_consistency"]


@torch.no_grad()
def sample_consistency(
    bridge: Bridge,
    condition: BridgeCondition,
    schedule: BridgeSchedule,
    kappa: float,
    noise: float,
    generator: torch.Generator,
    on_step: OnStep = quietly,
    early_exit: float | None = None,
) -> tuple[Tensor, int]:
    """Draw pictures, float [B, 3, H, W] in [0, 1] units, not clamped.

    Args:
        bridge: the distilled one.
        condition: what was received.
        schedule: times.
        kappa: strength of the bridge.
        noise: size of the starting noise relative to κτ; as in training. Later steps have the bridge's own.
        generator: of all noise.
        on_step: called after each step.
        early_exit: see EarlyExit; None takes all steps.

    Returns:
        The pictures and how often the bridge was evaluated.
    """
    shape, device = condition.estimate.shape, condition.estimate.device
    ones = torch.ones(shape[0], device=device)
    rested = None if early_exit is None else EarlyExit(early_exit, condition.deviation)
    clean, times = condition.estimate, schedule.times()[:-1].tolist()
    for index, t in enumerate(times):
        drawn = torch.randn(shape, generator=generator, device=device)
        state = bridge_state(condition, clean, drawn if index else noise * drawn, t * ones, kappa * ones)
        clean = bridge(state, condition, t * ones, kappa * ones)
        on_step(SamplerStep(index + 1, len(times), clean))
        if rested is not None and rested(index + 1, len(times), clean, t):
            return clean, index + 1
    return clean, len(times)


@dataclass(frozen=True, slots=True)
class ConsistencyDecoder:
    """One step, or a few, from the codec's estimate to a realistic picture.

    Attributes:
        codec: whose estimates the bridge was distilled on.
        bridge: the distilled network.
        schedule: its length is the number of evaluations.
        kappa: strength of the bridge.
        noise: size of the starting noise relative to κτ; with 0 and one step, all draws are equal and one is made.
        realism: where the picture lies on the line from the codec's estimate (0) to the distilled one (1).
        samples: pictures drawn; the first one gives the reconstruction.
        name: as asked for.
        early_exit: see `ode.EarlyExit`; None takes all steps.
        weighting: see `Evidence.weighted`.
    """

    codec: Codec
    bridge: BridgeDenoiser
    schedule: BridgeSchedule
    kappa: float
    noise: float
    realism: float
    samples: int
    name: str
    early_exit: float | None = None
    weighting: str = "measured"

    def decode(self, reception: Reception, *, generator: torch.Generator, on_step: OnStep = quietly) -> Reconstruction:
        """See Decoder."""
        began = seconds_on(self.codec.device)
        evidence, estimate = estimate_of(self.codec, reception, self.weighting)
        estimated = seconds_on(self.codec.device)
        random = self.noise > 0 or self.schedule.steps > 1
        drawn, nfe = sample_consistency(
            self.bridge,
            condition_of(estimate, self.samples if random else 1),
            self.schedule,
            self.kappa,
            self.noise,
            generator,
            on_step,
            self.early_exit,
        )
        picture = estimate.picture + self.realism * (drawn[:1] - estimate.picture)
        timings = {"estimate": estimated - began, "sample": seconds_on(self.codec.device) - estimated}
        return reconstruction_of(self.name, evidence, estimate, picture, nfe, timings, drawn=drawn)


def open_consistency(
    name: str, steps: int | None, codec: Codec, folder: Path | None, options: DecoderOptions
) -> ConsistencyDecoder:
    """Open `consistency[:STEPS]`; `steps` are those of the name. Errors as in `open_decoder`."""
    bridge, card = load_bridge(codec, folder, "consistency")
    count = options.steps if options.steps is not None else (1 if steps is None else steps)
    return ConsistencyDecoder(
        codec=codec,
        bridge=Runtime(options.precision, options.compile).applied(bridge),
        schedule=BridgeSchedule(count),
        kappa=recommended(card, "kappa"),
        noise=recommended(card, "noise"),
        realism=recommended(card, "realism") if options.realism is None else options.realism,
        samples=options.samples,
        name=name,
        early_exit=options.early_exit,
        weighting=options.weighting,
    )
