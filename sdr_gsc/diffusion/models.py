"""Loading of the shipped diffusion models: safetensors whose hash the card vouches for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from ..errors import WeightsError
from ..semantic.codec import Codec
from ..semantic.rate import MAX_CHANNELS
from ..weights.cards import Card, load_card
from .bridge import BridgeDenoiser
from .denoiser import PriorDenoiser

__all__ = ["load_bridge", "load_prior"]

#: What makes a bridge, by the name of its card.
_COMMANDS = {"refine": "refine", "consistency": "distil"}

Model = TypeVar("Model", bound=nn.Module)


def load_bridge(codec: Codec, folder: Path | None = None, name: str = "refine") -> tuple[BridgeDenoiser, Card]:
    """The bridge of `refine` or `consistency`, frozen, on the codec's device.

    A codec that was adapted at the receiver also takes the bridge of the codec it was adapted from: both read the same
    symbols, and the bridge learns of the estimate's quality from the deviation that comes with it.

    A `consistency` file whose card names a base holds only what differs from that `refine`, which lies beside it.

    Raises:
        WeightsError: see load_card; also a bridge that was trained on another codec, or whose base is another one.
    """
    card, path = load_card(name, folder)
    if card.codec_sha256 not in (codec.card.sha256, codec.card.codec_sha256):
        raise WeightsError(
            f"{path} was trained on codec {card.codec_sha256[:16]}…, loaded is codec {codec.card.sha256[:16]}…; "
            f"train it on this codec with: sdr-gsc train {_COMMANDS[name]}"
        )
    paths = [path]
    if card.base_sha256:
        base, base_path = load_card("refine", folder)
        if base.sha256 != card.base_sha256:
            raise WeightsError(
                f"{path} holds what differs from the refine with SHA-256 {card.base_sha256[:16]}…, beside it is "
                f"{base.sha256[:16]}…; put that refine there, or distil this one with: sdr-gsc train {_COMMANDS[name]}"
            )
        paths = [base_path, path]
    return _filled(lambda: BridgeDenoiser(latent=MAX_CHANNELS + 1), paths, codec.device), card


def load_prior(device: torch.device, folder: Path | None = None) -> tuple[PriorDenoiser, Card]:
    """The prior of `posterior`, frozen, on a device.

    Raises:
        WeightsError: see load_card.
    """
    card, path = load_card("prior", folder)
    return _filled(PriorDenoiser, [path], device), card


def _filled(build: Callable[[], Model], paths: Sequence[Path], device: torch.device) -> Model:
    """A model with the tensors of the files; later files replace what earlier ones hold."""
    # Without memory, so without initial values, which would be drawn from the process-wide generator.
    with torch.device("meta"):
        model = build()
    try:
        state = {name: value.float() for path in paths for name, value in load_file(path).items()}
        model.load_state_dict(state, assign=True)
    except (RuntimeError, SafetensorError) as error:
        raise WeightsError(f"{paths[-1]} holds another architecture than this version's: {error}") from error
    return model.to(device).eval().requires_grad_(requires_grad=False)
