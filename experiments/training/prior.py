"""Training of the unconditional prior: denoising photographs at all noise levels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from sdr_gsc.diffusion.denoiser import DATA_DEVIATION, PriorDenoiser

from .loop import Draw, LoopSettings, Progress, build_seeded, fit
from .pictures import PictureSet

__all__ = ["evaluate_prior", "train_prior"]

#: ln σ ~ N(mean, deviation²). Lower than in EDM (-1.2): guided decoding starts near the picture, not from pure noise.
_LOG_SIGMA = (-1.6, 1.2)


def _loss(model: PriorDenoiser, pictures: PictureSet, settings: LoopSettings, draw: Draw) -> Tensor:
    crops = pictures.crops(settings.batch, settings.side_px, draw.generator).to(settings.device) * 2 - 1
    shape = (settings.batch,)
    normal = torch.randn(shape, generator=draw.torch_generator, device=crops.device)
    sigma = (normal * _LOG_SIGMA[1] + _LOG_SIGMA[0]).exp()
    noise = torch.randn(crops.shape, generator=draw.torch_generator, device=crops.device)
    level = sigma.reshape(-1, 1, 1, 1)
    with torch.autocast(crops.device.type, dtype=torch.bfloat16):
        clean = model(crops + noise * level, sigma)
    # EDM's weight makes the network's own target of unit variance at every σ.
    weight = (level.square() + DATA_DEVIATION**2) / (level * DATA_DEVIATION).square()
    return (weight * (clean - crops).square()).mean()


def train_prior(
    pictures: PictureSet,
    settings: LoopSettings,
    checkpoint: Path,
    on_step: Callable[[Progress], None] = lambda progress: None,
) -> PriorDenoiser:
    """Train the prior; returns it with averaged weights, in evaluation mode."""
    model = build_seeded(PriorDenoiser, settings.seed)
    model.to(settings.device)
    groups: list[dict[str, object]] = [{"params": list(model.parameters()), "lr": 1.0}]
    averaged = fit(model, lambda draw: _loss(model, pictures, settings, draw), groups, settings, checkpoint, on_step)
    model.load_state_dict(averaged)
    return model.eval()


@torch.no_grad()
def evaluate_prior(model: PriorDenoiser, pictures: Tensor, sigma: float, seed: int = 0) -> float:
    """PSNR in dB of denoised pictures, float [B, 3, H, W] in [0, 1], at a noise level of the [-1, 1] range."""
    generator = torch.Generator(pictures.device).manual_seed(seed)
    noise = torch.randn(pictures.shape, generator=generator, device=pictures.device)
    clean = model(pictures * 2 - 1 + sigma * noise, torch.full((pictures.shape[0],), sigma, device=pictures.device))
    error = (clean.clamp(-1, 1) / 2 + 0.5 - pictures).square()
    return float((-10 * error.mean((1, 2, 3)).log10()).mean())
