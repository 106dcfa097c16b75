"""Networks trained at discrete times, as denoisers of x_σ = x0 + σ·n at any σ."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import SettingsError, WeightsError
from .levels import NoiseLevels

__all__ = ["DiscreteDenoiser", "Network", "Prediction"]

#: A time this close to a trained one is that one: σ comes in float32, and some models embed whole times only.
_SNAP = 2e-3


class Prediction(StrEnum):
    """What a network says about its input x_t = √ᾱ·x0 + √(1-ᾱ)·n."""

    EPSILON = "epsilon"
    V = "v_prediction"
    SAMPLE = "sample"


class Network(Protocol):
    """A network as its authors trained it."""

    def __call__(self, scaled: Tensor, times: Tensor) -> Tensor:
        """Prediction float [B, C or more, H, W] for x_t [B, C, H, W] of unit scale, at times float [B] in 0…T-1."""
        ...


class DiscreteDenoiser(nn.Module):
    """E[x0 | x_σ] from a network's prediction.

    With x_t = x_σ/√(1+σ²): ``epsilon`` gives x_σ - σ·ε, ``v_prediction`` gives x_σ/(1+σ²) - v·σ/√(1+σ²) (Salimans and
    Ho 2022, appendix D), ``sample`` is x0 itself. Between trained levels the time is interpolated in ln σ; beyond them
    it is that of the nearest. Nothing is clipped, so gradients pass.

    Args:
        network: see Network; if it is a module, its parameters become this module's.
        levels: those of its training.
        prediction: what it says.
        channels: of the pictures (or latents); what the network says beyond them (learned variances) is left aside.
        stride: sides are padded to multiples of it, by reflection where the picture is large enough.
        passes: forward passes that the network takes per prediction.
    """

    log_sigmas: Tensor

    def __init__(
        self,
        network: Network,
        levels: NoiseLevels,
        prediction: Prediction,
        *,
        channels: int = 3,
        stride: int = 1,
        passes: int = 1,
    ) -> None:
        super().__init__()
        self.network = network
        self.prediction = prediction
        self.channels = channels
        self.stride = stride
        self.passes = passes
        self.register_buffer("log_sigmas", torch.from_numpy(levels.sigmas).log(), persistent=False)

    def times(self, sigma: Tensor) -> Tensor:
        """Times float32 [B] in 0…T-1 of levels [B]."""
        table = self.log_sigmas
        wanted = sigma.to(table).log().clamp(table[0], table[-1])
        after = torch.searchsorted(table, wanted).clamp(1, table.numel() - 1)
        low, high = table[after - 1], table[after]
        exact = after - 1 + (wanted - low) / (high - low)
        whole = exact.round()
        return torch.where((exact - whole).abs() < _SNAP, whole, exact).float()

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """See Denoiser; float [B, channels, H, W] of any size.

        Raises:
            SettingsError: another number of channels.
            WeightsError: the network answers in another shape than its configuration says.
        """
        if noisy.shape[1] != self.channels:
            raise SettingsError(f"picture has {noisy.shape[1]} channels; this prior is one of {self.channels}")
        height, width = noisy.shape[2:]
        level = sigma.reshape(-1, 1, 1, 1).to(noisy)
        spread = (1 + level.square()).sqrt()
        padded = _padded(noisy / spread, self.stride)
        said = self.network(padded, self.times(sigma))
        if said.shape[0] != padded.shape[0] or said.shape[2:] != padded.shape[2:] or said.shape[1] < self.channels:
            raise WeightsError(
                f"the network answers {list(padded.shape)} with {list(said.shape)}; needed the same size and at least "
                f"{self.channels} channels: this model does not predict pictures"
            )
        said = said[:, : self.channels, :height, :width].to(noisy.dtype)
        if self.prediction is Prediction.EPSILON:
            return noisy - level * said
        if self.prediction is Prediction.V:
            return noisy / spread.square() - said * level / spread
        return said


def _padded(planes: Tensor, stride: int) -> Tensor:
    height, width = planes.shape[2:]
    below, right = -height % stride, -width % stride
    if not below and not right:
        return planes
    mode = "reflect" if below < height and right < width else "replicate"
    return functional.pad(planes, (0, right, 0, below), mode=mode)
