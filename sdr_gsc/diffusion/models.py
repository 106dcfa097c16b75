"""Loading of the shipped diffusion models: safetensors whose hash the card vouches for."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file
from torch import nn

from ..errors import WeightsError
from ..semantic.codec import Codec
from ..semantic.rate import MAX_CHANNELS
from ..weights.cards import Card, load_card
from .bridge import BridgeDenoiser
from .denoiser import PriorDenoiser

__all__ = ["load_bridge", "load_prior"]

Model = TypeVar("Model", bound=nn.Module)


def load_bridge(codec: Codec, folder: Path | None = None) -> tuple[BridgeDenoiser, Card]:
    """The bridge of `refine`, frozen, on the codec's device.

    Raises:
        WeightsError: see load_card; also a bridge that was trained on another codec.
    """
    card, path = load_card("refine", folder)
    if card.codec_sha256 != codec.card.sha256:
        raise WeightsError(
            f"{path} was trained on codec {card.codec_sha256[:16]}…, loaded is codec {codec.card.sha256[:16]}…; "
            "train it on this codec with: sdr-gsc train refine"
        )
    return _filled(BridgeDenoiser(latent=MAX_CHANNELS + 1), path, codec.device), card


def load_prior(device: torch.device, folder: Path | None = None) -> tuple[PriorDenoiser, Card]:
    """The prior of `posterior`, frozen, on a device.

    Raises:
        WeightsError: see load_card.
    """
    card, path = load_card("prior", folder)
    return _filled(PriorDenoiser(), path, device), card


def _filled(model: Model, path: Path, device: torch.device) -> Model:
    try:
        model.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    except RuntimeError as error:
        raise WeightsError(f"{path} holds another architecture than this version's: {error}") from error
    return model.to(device).eval().requires_grad_(requires_grad=False)
