"""Latent diffusion: a prior over the latents of an autoencoder (Rombach et al. 2022).

The prior's state is u = s·z with z the latent in the units that its network was trained in (about unit variance) and s
the deviation that guidance expects of pictures, so that every solver works on latents as it does on pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..denoiser import DATA_DEVIATION
from ..likelihood import ConfirmingLikelihood, Likelihood
from .discrete import DiscreteDenoiser

__all__ = ["ConfirmingLatentLikelihood", "LatentLikelihood", "LatentPrior", "Problem", "in_latents"]

#: Samplers need a first level above their last one.
_LEAST_LEVEL = 0.02


class LatentPrior(nn.Module):
    """A denoiser of states u, and the autoencoder between states and pictures.

    Args:
        denoiser: of latents in the network's units.
        autoencoder: an AutoencoderKL.
        config: its configuration.
    """

    def __init__(self, denoiser: DiscreteDenoiser, autoencoder: nn.Module, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.autoencoder = autoencoder
        self._scale = float(config.get("scaling_factor") or 1.0)
        self._shift = float(config.get("shift_factor") or 0.0)
        for module in autoencoder.modules():
            if isinstance(module, nn.GroupNorm):
                module.register_forward_pre_hook(_in_order)
        #: Pixels to a latent's side; every block but the last halves it.
        self.factor: int = 2 ** (len(config["down_block_types"]) - 1)

    @property
    def passes(self) -> int:
        """Forward passes of the denoiser's network per estimate; those of the autoencoder do not count."""
        return self.denoiser.passes

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """See Denoiser, for states float [B, C, h, w]."""
        clean: Tensor = self.denoiser(noisy / DATA_DEVIATION, sigma / DATA_DEVIATION)
        return clean * DATA_DEVIATION

    def encode(self, pictures: Tensor) -> Tensor:
        """States float [B, C, ⌈H/f⌉, ⌈W/f⌉] of pictures [B, 3, H, W] in [-1, 1]: means of the encoder's posterior."""
        height, width = pictures.shape[2:]
        padded = functional.pad(pictures, (0, -width % self.factor, 0, -height % self.factor), mode="replicate")
        mean: Tensor = self.autoencoder.encode(padded).latent_dist.mean  # type: ignore[operator]
        return (mean - self._shift) * self._scale * DATA_DEVIATION

    def decode(self, states: Tensor, height: int, width: int) -> Tensor:
        """Pictures float [B, 3, height, width] in [-1, 1], not clamped."""
        latents = states / (self._scale * DATA_DEVIATION) + self._shift
        # Solvers push directions forward through the decoder, which fused attention kernels have no rule for.
        with sdpa_kernel(SDPBackend.MATH):
            pictures: Tensor = self.autoencoder.decode(latents, return_dict=False)[0]  # type: ignore[operator]
        return pictures[:, :, :height, :width]

    @torch.no_grad()
    def pictures(self, states: Tensor, size: Sequence[int]) -> Tensor:
        """`decode`, one state after the other: an autoencoder at full resolution needs more memory than its prior."""
        return torch.cat([self.decode(state[None], *size) for state in states])

    @torch.no_grad()
    def error_of(self, pictures: Tensor, deviation: float, generator: torch.Generator) -> float:
        """Root mean square by which the state of a picture moves when the picture does.

        Args:
            pictures: float [1, 3, H, W] in [-1, 1].
            deviation: standard deviation of their error.
            generator: of the trial error.
        """
        error = deviation * torch.randn(pictures.shape, generator=generator, device=pictures.device)
        return float((self.encode(pictures + error) - self.encode(pictures)).square().mean().sqrt())


def _in_order(module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Directions that were pushed forward through attention lie in memory as group normalization cannot view them."""
    return tuple(value.clone(memory_format=torch.contiguous_format) for value in given)


class LatentLikelihood:
    """The likelihood of a state: that of the picture it decodes to.

    Args:
        likelihood: of pictures in [-1, 1].
        prior: whose autoencoder decodes.
        size: height and width of the pictures that `likelihood` takes.
    """

    def __init__(self, likelihood: Likelihood, prior: LatentPrior, size: Sequence[int]) -> None:
        self._inner = likelihood
        self._prior = prior
        self._size = size

    def decoded(self, states: Tensor) -> Tensor:
        """The pictures behind states."""
        return self._prior.decode(states, *self._size)

    def residual(self, pictures: Tensor) -> Tensor:
        """See Likelihood; `pictures` are states."""
        return self._inner.residual(self.decoded(pictures))


class ConfirmingLatentLikelihood(LatentLikelihood):
    """The same of a likelihood that is also read behind the deterministic decoder."""

    def __init__(self, likelihood: ConfirmingLikelihood, prior: LatentPrior, size: Sequence[int]) -> None:
        super().__init__(likelihood, prior, size)
        self._confirming = likelihood

    def confirmation(self, pictures: Tensor) -> Tensor:
        """See ConfirmingLikelihood; `pictures` are states."""
        return self._confirming.confirmation(self.decoded(pictures))


@dataclass(frozen=True, slots=True)
class Problem:
    """What a sampler of posteriors is given beside the prior.

    Attributes:
        likelihood: the evidence.
        start: estimate to start from, float [B, C, h, w].
        level: standard deviation of its error, and of the first noise.
    """

    likelihood: Likelihood
    start: Tensor
    level: float


def in_latents(problem: Problem, prior: LatentPrior, generator: torch.Generator) -> Problem:
    """The same problem for the states of a latent prior; all pictures of `problem` start from the same one.

    The first level is what the estimate's error amounts to behind the encoder, measured with a trial error. Where that
    error drowns pictures (DATA_DEVIATION), it drowns states, which have the same deviation, and is kept.
    """
    picture, size = problem.start[:1], problem.start.shape[2:]
    with torch.no_grad():
        start = prior.encode(picture).expand(problem.start.shape[0], -1, -1, -1)
    level = problem.level
    if level < DATA_DEVIATION:
        level = max(prior.error_of(picture, level, generator), _LEAST_LEVEL)
    if isinstance(problem.likelihood, ConfirmingLikelihood):
        return Problem(ConfirmingLatentLikelihood(problem.likelihood, prior, size), start, level)
    return Problem(LatentLikelihood(problem.likelihood, prior, size), start, level)
