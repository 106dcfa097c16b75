"""Small random models in the formats that others write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

SMALL_UNET: dict[str, Any] = dict(
    sample_size=16,
    in_channels=3,
    out_channels=3,
    block_out_channels=(8, 16),
    down_block_types=("DownBlock2D", "AttnDownBlock2D"),
    up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    layers_per_block=1,
    norm_num_groups=4,
    attention_head_dim=4,
)


def _seeded(make: Any, **config: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return make(**config).eval()


@pytest.fixture(scope="session")
def write_pixel_prior(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Write a pixel prior's folder; returns it, its U-Net and its scheduler."""
    diffusers = pytest.importorskip("diffusers")

    def write(scheduler: str = "DDPMScheduler", unet: dict[str, Any] | None = None, **schedule: Any) -> Any:
        folder: Path = tmp_path_factory.mktemp("pixels")
        network = _seeded(diffusers.UNet2DModel, **SMALL_UNET | (unet or {}))
        rule = getattr(diffusers, scheduler)(**schedule)
        diffusers.DDPMPipeline(unet=network, scheduler=rule).save_pretrained(folder)
        return folder, network, rule

    return write


@pytest.fixture(scope="session")
def write_latent_prior(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Write the parts of a latent prior; returns the folder and the modules."""
    diffusers = pytest.importorskip("diffusers")

    def write(text: bool = False, vae: dict[str, Any] | None = None, **unet: Any) -> Any:
        folder: Path = tmp_path_factory.mktemp("latents")
        vae_config: dict[str, Any] = dict(
            in_channels=3,
            out_channels=3,
            latent_channels=4,
            block_out_channels=(8, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            norm_num_groups=4,
            scaling_factor=0.5,
        )
        autoencoder = _seeded(diffusers.AutoencoderKL, **vae_config | (vae or {}))
        config = SMALL_UNET | dict(in_channels=4, out_channels=4) | unet
        if text:
            config |= dict(
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                cross_attention_dim=6,
            )
        network = _seeded(diffusers.UNet2DConditionModel if text else diffusers.UNet2DModel, **config)
        network.save_pretrained(folder / "unet")
        autoencoder.save_pretrained(folder / "vae")
        diffusers.DDIMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012).save_pretrained(
            folder / "scheduler"
        )
        return folder, network, autoencoder

    return write
