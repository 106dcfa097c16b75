"""Training of the refining bridge, on what the frozen codec delivers over every rate and channel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from sdr_gsc.diffusion.bridge import BridgeCondition, BridgeDenoiser, bridge_state
from sdr_gsc.semantic.rate import BLOCK_PX, MAX_CHANNELS, RATES

from .air import Air, draw_air
from .codec import RATE_SHARES, CodecModel
from .loop import Draw, LoopSettings, Progress, build_seeded, fit
from .pictures import PictureSet

__all__ = ["train_refine"]

#: Share of the pictures whose latent and linear planes are withheld, for classifier-free guidance.
_DROPPED_SHARE = 0.1


@torch.no_grad()
def _condition(codec: CodecModel, crops: Tensor, draw: Draw) -> BridgeCondition:
    rate = RATES[int(draw.generator.choice(len(RATES), p=RATE_SHARES))]
    symbols = (crops.shape[2] // BLOCK_PX) * (crops.shape[3] // BLOCK_PX) * rate.channels // 2
    air = draw_air(crops.shape[0], symbols, draw.generator)
    air = Air(air.quantizer, air.noise.to(crops.device))
    estimate = codec.through(crops, rate, air, draw.torch_generator, bfloat16=True)
    return BridgeCondition(estimate.picture, estimate.deviation, estimate.linear.picture, estimate.linear.latent)


def _loss(model: BridgeDenoiser, codec: CodecModel, pictures: PictureSet, settings: LoopSettings, draw: Draw) -> Tensor:
    crops = pictures.crops(settings.batch, settings.side_px, draw.generator).to(settings.device)
    condition = _condition(codec, crops, draw)

    def uniform() -> Tensor:
        return torch.rand(settings.batch, generator=draw.torch_generator, device=crops.device)

    # A quarter of the draws sit at t = 1, where the one-step decoder and the first step of every other one live.
    t = torch.where(uniform() < 0.25, torch.ones_like(crops[:, 0, 0, 0]), uniform().clamp(min=0.02))
    kappa = 0.2 + 0.8 * uniform()
    noise = torch.randn(crops.shape, generator=draw.torch_generator, device=crops.device)
    state = bridge_state(condition, crops, noise, t, kappa)
    # What guidance at run time takes away, some pictures have to have been trained without.
    condition = condition.without_evidence(uniform() < _DROPPED_SHARE)
    with torch.autocast(crops.device.type, dtype=torch.bfloat16):
        clean = model(state, condition, t, kappa)
    t, kappa = t.reshape(-1, 1, 1, 1), kappa.reshape(-1, 1, 1, 1)
    remaining = t * kappa / ((1 - t).square() + (t * kappa).square()).sqrt()
    # Errors count relative to what the bridge has left at t and to the picture's own uncertainty, so that every rate,
    # SNR and time weighs the same; inside a picture plain squared error decides.
    power = (remaining.square() * condition.deviation.square()).mean((1, 2, 3))
    return ((clean - crops).square().mean((1, 2, 3)) / power).mean()


def _start_from_codec(model: BridgeDenoiser, codec: CodecModel) -> None:
    """Copy the codec's network where shapes agree: what it saw in damaged pictures serves the bridge as well.

    The last layer stays at zero, so that the bridge still starts at the estimate.
    """
    own = model.unet.state_dict()
    for name, value in codec.decoder.unet.state_dict().items():
        if name in own and own[name].shape == value.shape and not name.startswith("head."):
            own[name] = value
    model.unet.load_state_dict(own)


def train_refine(
    codec: CodecModel,
    pictures: PictureSet,
    settings: LoopSettings,
    checkpoint: Path,
    on_step: Callable[[Progress], None] = lambda progress: None,
    start: BridgeDenoiser | None = None,
) -> BridgeDenoiser:
    """Train the bridge on a frozen codec; returns it with averaged weights, in evaluation mode.

    Args:
        codec: frozen here.
        pictures: to train on.
        settings: how long and how fast.
        checkpoint: file to write and resume from.
        on_step: called after each step.
        start: weights to go on from; None starts from the codec's network.
    """
    model = build_seeded(lambda: BridgeDenoiser(latent=MAX_CHANNELS + 1), settings.seed)
    if start is None:
        _start_from_codec(model, codec)
    else:
        model.load_state_dict(start.state_dict())
    model.to(settings.device)
    codec = codec.to(settings.device).eval().requires_grad_(requires_grad=False)
    groups: list[dict[str, object]] = [{"params": list(model.parameters()), "lr": 1.0}]
    averaged = fit(
        model, lambda draw: _loss(model, codec, pictures, settings, draw), groups, settings, checkpoint, on_step
    )
    model.load_state_dict(averaged)
    return model.eval()
