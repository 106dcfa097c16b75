from __future__ import annotations

import torch

from sdr_gsc.diffusion.nets.tiling import apply_unet
from sdr_gsc.diffusion.nets.unet import UNet, UNetShape


def _unet() -> UNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet = UNet(UNetShape(inputs=2, outputs=1, widths=(8, 8, 8, 8), blocks=1, latent=3)).eval()
        for parameter in unet.parameters():
            torch.nn.init.normal_(parameter, std=0.15)
    return unet


def test_tiles_fit_together_without_a_seam() -> None:
    unet = _unet()
    generator = torch.Generator().manual_seed(1)
    planes = torch.randn(1, 2, 1040, 1312, generator=generator)
    latent = torch.randn(1, 3, 65, 82, generator=generator)
    with torch.no_grad():
        whole, tiled = unet(planes, None, latent), apply_unet(unet, planes, None, latent)
    assert torch.allclose(whole, tiled, atol=1e-4 * float(whole.abs().max()))


def test_small_pictures_run_in_one_piece() -> None:
    unet = _unet()
    generator = torch.Generator().manual_seed(2)
    planes = torch.randn(2, 2, 64, 48, generator=generator)
    latent = torch.randn(2, 3, 4, 3, generator=generator)
    with torch.no_grad():
        assert torch.equal(unet(planes, None, latent), apply_unet(unet, planes, None, latent))
