"""Large pictures in tiles: memory stays that of one tile."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .unet import STRIDE, UNet

__all__ = ["apply_unet"]

#: Pictures up to this many pixels run in one piece.
_WHOLE_PX = 1024 * 1024
#: Side of a tile's core, and how much of its surroundings it sees: more than a network's convolutions reach with
#: noticeable weight, so that no seam shows.
_CORE_PX = 640
_MARGIN_PX = 128


def apply_unet(unet: UNet, planes: Tensor, conditions: Tensor | None = None, latent: Tensor | None = None) -> Tensor:
    """Run a U-Net on planes of any size; arguments and result as in `UNet.forward`.

    Where gradients are wanted the picture runs in one piece.
    """

    def run(part: Tensor, part_latent: Tensor | None) -> Tensor:
        out: Tensor = unet(part, conditions, part_latent)
        return out

    if torch.is_grad_enabled() or planes.shape[2] * planes.shape[3] <= _WHOLE_PX:
        return run(planes, latent)
    return _tiled(run, planes, latent, unet.shape.outputs)


def _tiled(
    run: Callable[[Tensor, Tensor | None], Tensor], planes: Tensor, latent: Tensor | None, outputs: int
) -> Tensor:
    batch, _, height, width = planes.shape
    whole = planes.new_empty(batch, outputs, height, width)
    for top in range(0, height, _CORE_PX):
        for left in range(0, width, _CORE_PX):
            first_row, first_column = max(0, top - _MARGIN_PX), max(0, left - _MARGIN_PX)
            rows = slice(first_row, min(height, top + _CORE_PX + _MARGIN_PX))
            columns = slice(first_column, min(width, left + _CORE_PX + _MARGIN_PX))
            part = None if latent is None else latent[:, :, _coarse(rows), _coarse(columns)]
            tile = run(planes[:, :, rows, columns], part)
            core = tile[:, :, top - first_row :, left - first_column :][:, :, :_CORE_PX, :_CORE_PX]
            whole[:, :, top : top + _CORE_PX, left : left + _CORE_PX] = core
    return whole


def _coarse(pixels: slice) -> slice:
    return slice(pixels.start // STRIDE, pixels.stop // STRIDE)
