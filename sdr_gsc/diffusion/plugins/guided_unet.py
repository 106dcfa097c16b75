"""The U-Net of Dhariwal and Nichol 2021 ("Diffusion models beat GANs on image synthesis"), section 3 and appendix.

Parameters carry the names that published checkpoints of it use, so that those load as they are. Residual blocks are
modulated by time and class (adaptive group normalization); attention runs at the coarser levels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import WeightsError

__all__ = ["GuidedShape", "GuidedUNet"]

_GROUPS = 32


@dataclass(frozen=True, slots=True)
class GuidedShape:
    """Size and switches of the network.

    Attributes:
        width: features of the time; their embedding has four times as many.
        widths: channels of each level, finest first; each level has half the side of the one before.
        blocks: residual blocks per level on the way down; one more on the way up.
        attended: for each level, whether attention follows its residual blocks.
        outputs: 3, or 6 with learned variances.
        classes: number of classes; None for a model without.
        heads: attention heads; None takes `head_width`.
        head_width: channels per attention head, where `heads` is None.
        scale_shift: time scales and shifts the normalized values (adaptive group normalization) instead of being added.
        residual_resampling: resolutions change inside residual blocks instead of by a convolution.
        grouped_attention: query, key and value are split before the heads are, not after.
    """

    width: int
    widths: tuple[int, ...]
    blocks: int
    attended: tuple[bool, ...]
    outputs: int = 6
    classes: int | None = None
    heads: int | None = None
    head_width: int = 64
    scale_shift: bool = True
    residual_resampling: bool = True
    grouped_attention: bool = False

    @property
    def stride(self) -> int:
        """Sides of pictures must be multiples of it."""
        return int(2 ** (len(self.widths) - 1))

    def heads_of(self, width: int) -> int:
        """Attention heads of a layer of `width` channels.

        Raises:
            WeightsError: they do not divide the channels.
        """
        heads = self.heads if self.heads is not None else max(width // self.head_width, 1)
        if heads < 1 or width % heads or (self.heads is None and heads * self.head_width != width):
            raise WeightsError(
                f"attention over {width} channels cannot have {self.heads} heads of {self.head_width} channels; set "
                "num_heads or num_head_channels as the model was trained"
            )
        return heads


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(_GROUPS, width)


def _time_features(times: Tensor, width: int) -> Tensor:
    """Cosines, then sines, of `width`/2 frequencies from 1 down to 1/10000 (excluded): float [B, width]."""
    half = width // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, device=times.device, dtype=torch.float32) / half)
    angles = times.float()[:, None] * frequencies
    features = torch.cat([angles.cos(), angles.sin()], 1)
    return functional.pad(features, (0, width % 2))


def _resized(planes: Tensor, change: int) -> Tensor:
    """Halve (-1), keep (0) or double (1) the sides."""
    if change < 0:
        return functional.avg_pool2d(planes, 2)
    return functional.interpolate(planes, scale_factor=2.0, mode="nearest") if change else planes


class _Residual(nn.Module):
    """x + f(x, embedding), with a change of channels, of resolution, or of neither."""

    def __init__(self, inputs: int, outputs: int, shape: GuidedShape, change: int = 0) -> None:
        super().__init__()
        self._change = change
        self._scale_shift = shape.scale_shift
        self.in_layers = nn.Sequential(_norm(inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1))
        self.emb_layers = nn.Sequential(
            nn.SiLU(), nn.Linear(4 * shape.width, 2 * outputs if shape.scale_shift else outputs)
        )
        # The third place is the dropout's, which does nothing at run time; checkpoints count it.
        self.out_layers = nn.Sequential(
            _norm(outputs), nn.SiLU(), nn.Identity(), nn.Conv2d(outputs, outputs, 3, padding=1)
        )
        self.skip_connection = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        norm, act, conv = self.in_layers
        h = conv(_resized(act(norm(x)), self._change))
        x = _resized(x, self._change)
        modulation = self.emb_layers(embedding)[:, :, None, None]
        if self._scale_shift:
            scale, shift = modulation.chunk(2, 1)
            h = self.out_layers[1:](self.out_layers[0](h) * (1 + scale) + shift)
        else:
            h = self.out_layers(h + modulation)
        out: Tensor = self.skip_connection(x) + h
        return out


class _Attention(nn.Module):
    """Self-attention over all positions, added to its input."""

    def __init__(self, width: int, shape: GuidedShape) -> None:
        super().__init__()
        self._heads = shape.heads_of(width)
        self._grouped = shape.grouped_attention
        self.norm = _norm(width)
        self.qkv = nn.Conv1d(width, 3 * width, 1)
        self.proj_out = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        flat = x.flatten(2)
        mixed = self.qkv(self.norm(flat))
        if self._grouped:
            query, key, value = mixed.unflatten(1, (3, self._heads, -1)).unbind(1)
        else:
            query, key, value = mixed.unflatten(1, (self._heads, 3, -1)).unbind(2)
        # [B, heads, width/head, positions] to positions first, as attention wants them.
        seen = functional.scaled_dot_product_attention(query.mT, key.mT, value.mT).mT.flatten(1, 2)
        return x + self.proj_out(seen).unflatten(2, x.shape[2:])


class _Resample(nn.Module):
    """Change of resolution by a convolution: ``op`` of stride 2 down, ``conv`` after doubling up."""

    def __init__(self, width: int, change: int) -> None:
        super().__init__()
        self._up = change > 0
        if self._up:
            self.conv = nn.Conv2d(width, width, 3, padding=1)
        else:
            self.op = nn.Conv2d(width, width, 3, stride=2, padding=1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        out: Tensor = self.conv(_resized(x, 1)) if self._up else self.op(x)
        return out


class _Stem(nn.Conv2d):
    """The first convolution, in the form of the other layers."""

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x)


class _Stage(nn.ModuleList):
    """Layers that run one after the other, each told the embedding."""

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        for layer in self:
            x = layer(x, embedding)
        return x


class GuidedUNet(nn.Module):
    """Predicts the noise (and perhaps its variance) in x_t: float [B, 3, H, W] to [B, outputs, H, W]."""

    def __init__(self, shape: GuidedShape) -> None:
        super().__init__()
        self.shape = shape
        hidden = 4 * shape.width
        self.time_embed = nn.Sequential(nn.Linear(shape.width, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        if shape.classes is not None:
            self.label_emb = nn.Embedding(shape.classes, hidden)
        down, kept = _way_down(shape)
        self.input_blocks = nn.ModuleList(down)
        bottom = shape.widths[-1]
        self.middle_block = _Stage(
            (_Residual(bottom, bottom, shape), _Attention(bottom, shape), _Residual(bottom, bottom, shape))
        )
        self.output_blocks = nn.ModuleList(_way_up(shape, kept))
        self.out = nn.Sequential(
            _norm(shape.widths[0]), nn.SiLU(), nn.Conv2d(shape.widths[0], shape.outputs, 3, padding=1)
        )

    def forward(self, x: Tensor, times: Tensor, labels: Tensor | None = None) -> Tensor:
        """Run the network.

        Args:
            x: float [B, 3, H, W]; H and W multiples of the stride.
            times: float [B], 0…T-1 (of T = 1000).
            labels: long [B]; exactly where the model has classes.
        """
        embedding = self.time_embed(_time_features(times, self.shape.width))
        if labels is not None:
            embedding = embedding + self.label_emb(labels)
        skips = []
        for stage in self.input_blocks:
            x = stage(x, embedding)
            skips.append(x)
        x = self.middle_block(x, embedding)
        for stage in self.output_blocks:
            x = stage(torch.cat([x, skips.pop()], 1), embedding)
        out: Tensor = self.out(x)
        return out


def _way_down(shape: GuidedShape) -> tuple[list[_Stage], list[int]]:
    """The stages from fine to coarse, and the channels that each of them leaves."""
    stages, kept = [_Stage([_Stem(3, shape.widths[0], 3, padding=1)])], [shape.widths[0]]
    now = shape.widths[0]
    for level, width in enumerate(shape.widths):
        for _ in range(shape.blocks):
            layers: list[nn.Module] = [_Residual(now, width, shape)]
            if shape.attended[level]:
                layers.append(_Attention(width, shape))
            stages.append(_Stage(layers))
            kept.append(width)
            now = width
        if level < len(shape.widths) - 1:
            halve = _Residual(now, now, shape, -1) if shape.residual_resampling else _Resample(now, -1)
            stages.append(_Stage([halve]))
            kept.append(now)
    return stages, kept


def _way_up(shape: GuidedShape, kept: list[int]) -> list[_Stage]:
    """The stages from coarse to fine; each takes what came up and what its counterpart left on the way down."""
    stages, kept = [], list(kept)
    now = shape.widths[-1]
    for level in reversed(range(len(shape.widths))):
        width = shape.widths[level]
        for block in range(shape.blocks + 1):
            layers: list[nn.Module] = [_Residual(now + kept.pop(), width, shape)]
            if shape.attended[level]:
                layers.append(_Attention(width, shape))
            if level and block == shape.blocks:
                double = _Residual(width, width, shape, 1) if shape.residual_resampling else _Resample(width, 1)
                layers.append(double)
            stages.append(_Stage(layers))
            now = width
    return stages
