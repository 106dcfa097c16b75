"""The default task model: the pooled features of EfficientNet-Lite0, from which it reads 1000 classes."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save
from torch import Tensor

from ..errors import WeightsError
from ..metrics.agreement import viewed
from ..metrics.efficientnet import EfficientNetLite
from ..metrics.features import EYE_NAME, EYE_SHA256, load_eye
from ..weights.cards import Card, load_card, shipped_folder
from .task import ClassHead, TaskModel, TaskSpace, named

__all__ = ["eye_head", "eye_model", "eye_statistics", "open_eye_task"]

_CARD = "task"


def eye_head(eye: EfficientNetLite, temperature: float = 1.0) -> ClassHead:
    """The network's own classes."""
    weight, bias = eye.classify.weight.detach(), eye.classify.bias.detach()
    return ClassHead(weight.double().cpu().numpy(), bias.double().cpu().numpy(), temperature)


def eye_statistics(space: TaskSpace) -> bytes:
    """What must travel with the weights of the network so that both ends have the same space: a small file."""
    return save({"mean": space.mean.astype(np.float16), "variance": space.variance.astype(np.float16)})


def eye_model(eye: EfficientNetLite, space: TaskSpace, temperature: float, identity: bytes, device: str) -> TaskModel:
    """The network as a task model."""

    def features(pictures: Tensor) -> Tensor:
        return eye.pooled(viewed(pictures))

    return TaskModel(EYE_NAME, features, space, eye_head(eye, temperature), identity, torch.device(device))


@cache
def open_eye_task(device: str = "cpu", folder: Path | None = None) -> TaskModel:
    """EfficientNet-Lite0 with the shipped statistics of its features.

    Args:
        device: torch device.
        folder: holds ``cards.toml`` with the card ``task``; default: the shipped one.

    Raises:
        WeightsError: the network's file or the statistics are missing, damaged, or do not belong together.
    """
    eye = load_eye(device)
    card, path = load_card(_CARD, folder or shipped_folder() / "task")
    stored = load_file(path)
    head = eye_head(eye)
    basis = head.directions()
    if set(stored) != {"mean", "variance"} or (stored["mean"].size, stored["variance"].size) != basis.shape:
        raise WeightsError(f"{path} does not hold the mean and variances of {basis.shape[1]} directions; reinstall")
    space = TaskSpace(stored["mean"].astype(np.float64), basis, stored["variance"].astype(np.float64))
    return eye_model(eye, space, float(card.settings["temperature"]), _identity(card), device)


def _identity(card: Card) -> bytes:
    return named(sha256((EYE_SHA256 + card.sha256).encode()).digest())
