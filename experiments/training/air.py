"""The air as training sees it: per-symbol variances drawn over everything a receiver may report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sdr_gsc.semantic.quantizer import Quantizer

__all__ = ["Air", "draw_air", "transmit"]


@dataclass(frozen=True, slots=True)
class Air:
    """One draw of the air.

    Attributes:
        quantizer: the sender's quantizer; None sends unquantized symbols.
        noise: float [B, n], noise variance per complex symbol; inf where erased.
    """

    quantizer: Quantizer | None
    noise: Tensor


def draw_air(
    batch: int, symbols: int, generator: np.random.Generator, esn0_db: tuple[float, float] = (-4.0, 22.0)
) -> Air:
    """Draw a channel: Es/N0 in dB evenly from a range, mostly white noise, some Rayleigh fades, some erasures."""
    quantizer = Quantizer.of(int(generator.choice((8, 16, 32), p=(0.2, 0.5, 0.3))))
    esn0 = 10 ** (generator.uniform(*esn0_db, (batch, 1)) / 10)
    kind = generator.random()
    gain = np.ones((batch, symbols))
    if kind > 0.7:
        # After interleaving, neighbours in a block have been through unrelated fades.
        fades = generator.exponential(1.0, (batch, 48)) + 0.03
        gain = np.take_along_axis(fades / fades.mean(1, keepdims=True), generator.integers(48, size=gain.shape), 1)
    noise = 1 / (esn0 * gain)
    if kind > 0.85:
        noise[generator.random(noise.shape) < generator.uniform(0, 0.7)] = np.inf
    return Air(quantizer, torch.from_numpy(noise.astype(np.float32)))


def transmit(latents: Tensor, air: Air, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Send latents through quantizer and air.

    Args:
        latents: float [B, blocks, c] from the encoder.
        air: the draw; its noise has blocks·c/2 symbols.
        generator: of the noise.

    Returns:
        Received latents with the scale undone (0 where erased) and the variance per real latent (inf where erased),
        both [B, blocks, c]. Gradients pass the quantizer as if it were the identity.
    """
    scale = latents.square().mean((1, 2), keepdim=True).sqrt() + 1e-6
    unit = latents / scale
    distortion = 0.0
    if air.quantizer is not None:
        step, half = air.quantizer.step, air.quantizer.levels // 2
        level = (torch.floor(unit / step).clamp(-half, half - 1) + 0.5) * step
        unit = unit + (level - unit).detach()
        distortion = air.quantizer.distortion
    power = unit.square().mean((1, 2), keepdim=True) * 2  # mean power of a complex symbol before normalization
    noise = (air.noise / 2).repeat_interleave(2, 1).reshape(unit.shape)
    erased = torch.isinf(noise)
    # Erased symbols take part in no arithmetic: an infinity times a zero gradient would be NaN.
    per_real = torch.where(erased, 1.0, noise) * power
    drawn = torch.randn(unit.shape, generator=generator, device=unit.device) * per_real.sqrt()
    received = torch.where(erased, 0.0, unit + drawn) * scale
    variance = (per_real + distortion) * scale.square()
    return received, torch.where(erased, torch.inf, variance)
