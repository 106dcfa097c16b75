"""Priors by address: a folder that `diffusers` wrote, or a checkpoint in the form of `guided-diffusion`."""

from __future__ import annotations

from pathlib import Path

import torch

from ...errors import WeightsError
from .conditioning import Conditioning
from .diffusers_folder import open_folder
from .discrete import DiscreteDenoiser
from .guided_checkpoint import open_checkpoint
from .latents import LatentPrior

__all__ = ["open_prior"]


def open_prior(
    address: str, device: torch.device, conditioning: Conditioning | None = None
) -> DiscreteDenoiser | LatentPrior:
    """Open a prior of others, frozen, on a device.

    Args:
        address: a folder with ``model_index.json`` or ``config.json``, or a ``.pt`` or ``.pth`` file.
        device: where it runs.
        conditioning: class or text, for models that take one.

    Returns:
        A denoiser of pictures, or one of an autoencoder's latents together with the autoencoder.

    Raises:
        WeightsError: nothing there, or nothing that is a prior; the message says what to do.
        SettingsError: a label or text that the model cannot use, or lacks.
    """
    path = Path(address)
    conditioning = conditioning or Conditioning()
    if path.is_dir():
        return open_folder(path, device, conditioning)
    if path.is_file() and path.suffix in (".pt", ".pth"):
        return open_checkpoint(path, device, conditioning)
    found = "is a file of another kind" if path.exists() else "does not exist"
    raise WeightsError(
        f"prior {address} {found}; needed a folder that diffusers' save_pretrained wrote, or a .pt checkpoint in the "
        "form of guided-diffusion"
    )
