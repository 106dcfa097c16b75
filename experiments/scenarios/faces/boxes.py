"""Boxes with edges in pixels, float [n, 4] as left, top, right, bottom; a pixel's own area is from i to i + 1."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["moved", "overlaps", "squared", "suppressed"]


def moved(boxes: Tensor, shift: Tensor) -> Tensor:
    """Boxes whose edges moved by `shift`, float [n, 4], in sides of the box."""
    sides = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    return boxes + shift * sides


def squared(boxes: Tensor) -> Tensor:
    """Squares with the same centres and the longer sides."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True) / 2
    return torch.cat([centre - half, centre + half], 1)


def overlaps(box: Tensor, boxes: Tensor, *, of_smaller: bool = False) -> Tensor:
    """Area that boxes share with one box, float [4], over the area of both, or of the smaller one: float [n]."""
    shared = (torch.minimum(box[2:], boxes[:, 2:]) - torch.maximum(box[:2], boxes[:, :2])).clamp(min=0).prod(1)
    own, others = (box[2:] - box[:2]).prod(), (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return shared / (torch.minimum(own, others) if of_smaller else own + others - shared).clamp(min=1e-9)


def suppressed(boxes: Tensor, probability: Tensor, most: float, *, of_smaller: bool = False) -> Tensor:
    """Indices of the boxes that are kept, the most probable first: none overlaps one before it by more than `most`."""
    # Stable, so that equal probabilities do not leave the choice to the sorting algorithm.
    left = probability.argsort(descending=True, stable=True)
    kept = []
    while left.numel():
        kept.append(left[0])
        rest = left[1:]
        left = rest[overlaps(boxes[left[0]], boxes[rest], of_smaller=of_smaller) <= most]
    return torch.stack(kept) if kept else left
