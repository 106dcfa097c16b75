"""What the bridge is trained on: crops that the frozen codec has sent over a drawn air and estimated."""

from __future__ import annotations

import torch
from torch import Tensor

from sdr_gsc.diffusion.bridge import BridgeCondition
from sdr_gsc.semantic.rate import BLOCK_PX, RATES, Rate

from .air import Air, draw_air
from .codec import CodecModel
from .loop import Draw

__all__ = ["condition_through", "draw_condition"]

#: How often each rate is trained: mostly where a generative decoder has most to add.
_RATE_SHARES = (0.05, 0.08, 0.13, 0.30, 0.28, 0.16)
#: Share of the draws whose Es/N0 is in 0…15 dB; the others take all that a receiver may meet.
_USUAL_SHARE = 0.7
_USUAL_ESN0_DB = (0.0, 15.0)


@torch.no_grad()
def draw_condition(codec: CodecModel, crops: Tensor, draw: Draw) -> BridgeCondition:
    """Send crops, float [B, 3, H, W], at a drawn rate over a drawn air; the codec's estimate is the condition."""
    rate = RATES[int(draw.generator.choice(len(RATES), p=_RATE_SHARES))]
    symbols = (crops.shape[2] // BLOCK_PX) * (crops.shape[3] // BLOCK_PX) * rate.channels // 2
    usual = draw.generator.random() < _USUAL_SHARE
    air = draw_air(crops.shape[0], symbols, draw.generator, **({"esn0_db": _USUAL_ESN0_DB} if usual else {}))
    return condition_through(codec, crops, rate, Air(air.quantizer, air.noise.to(crops.device)), draw.torch_generator)


def condition_through(
    codec: CodecModel, pictures: Tensor, rate: Rate, air: Air, generator: torch.Generator
) -> BridgeCondition:
    """Send pictures, float [B, 3, H, W] in [0, 1], over this air."""
    estimate = codec.through(pictures, rate, air, generator, bfloat16=True)
    return BridgeCondition(estimate.picture, estimate.deviation, estimate.linear.picture, estimate.linear.latent)
