from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sdr_gsc.diffusion.bridge import BridgeCondition, BridgeDenoiser
from sdr_gsc.diffusion.nets.unet import UNetShape
from sdr_gsc.diffusion.runtime import Runtime, RuntimeUNet
from sdr_gsc.errors import SettingsError
from sdr_gsc.semantic.codec import Codec


@pytest.fixture(scope="module")
def bridge() -> BridgeDenoiser:
    shape = UNetShape(inputs=10, outputs=3, widths=(8, 12, 16, 16), blocks=1, conditions=2, latent=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = BridgeDenoiser(latent=2, shape=shape)
        torch.nn.init.normal_(model.unet.head.weight, std=0.1)
    return model.eval().requires_grad_(requires_grad=False)


def _correction(bridge: BridgeDenoiser) -> Tensor:
    """What the network adds, in units of the deviation."""
    generator = torch.Generator().manual_seed(1)
    estimate = torch.rand((1, 3, 32, 32), generator=generator)
    latent = torch.randn((1, 2, 2, 2), generator=generator)
    deviation = torch.full((1, 1, 32, 32), 0.05)
    condition = BridgeCondition(estimate, deviation, estimate + 0.02, latent)
    state = estimate + 0.05 * torch.randn(estimate.shape, generator=generator)
    with torch.no_grad():
        clean = bridge(state, condition, torch.ones(1), torch.full((1,), 0.5))
    return (clean - estimate) / deviation


def test_half_precision_stays_within_its_rounding(bridge: BridgeDenoiser) -> None:
    exact, rounded = _correction(bridge), _correction(Runtime("bfloat16").applied(bridge))
    assert rounded.dtype == torch.float32
    error = float((rounded - exact).square().mean().sqrt() / exact.square().mean().sqrt())
    # Eight bits of mantissa, some ten layers deep.
    assert 0 < error < 0.02


def test_the_model_that_was_given_stays_as_it_is(bridge: BridgeDenoiser, untrained_codec: Codec) -> None:
    before = _correction(bridge)
    runtime = Runtime("bfloat16")
    changed, codec = runtime.applied(bridge), runtime.applied_to_codec(untrained_codec)
    assert isinstance(changed.unet, RuntimeUNet)
    assert not isinstance(bridge.unet, RuntimeUNet)
    assert torch.equal(_correction(bridge), before)
    assert codec.encoder is untrained_codec.encoder
    assert codec.card is untrained_codec.card
    assert isinstance(codec.decoder.unet, RuntimeUNet)
    assert not isinstance(untrained_codec.decoder.unet, RuntimeUNet)
    assert Runtime().applied(bridge) is bridge
    assert Runtime().applied_to_codec(untrained_codec) is untrained_codec


def test_what_cannot_run_is_refused(bridge: BridgeDenoiser, untrained_codec: Codec) -> None:
    with pytest.raises(SettingsError, match="bfloat16"):
        Runtime("float8")
    with pytest.raises(SettingsError, match="CUDA devices"):
        Runtime(compile=True).applied(bridge)
    with pytest.raises(SettingsError, match="CUDA devices"):
        Runtime("bfloat16", compile=True).applied_to_codec(untrained_codec)


@pytest.mark.gpu
def test_graphs_on_a_gpu_keep_earlier_results(bridge: BridgeDenoiser) -> None:
    unet = Runtime(compile=True).applied(bridge.to("cuda")).unet
    generator = torch.Generator("cuda").manual_seed(0)
    planes = [torch.randn((1, 10, 32, 32), device="cuda", generator=generator) for _ in range(4)]
    conditions, latent = torch.zeros((1, 2), device="cuda"), torch.zeros((1, 2, 2, 2), device="cuda")
    with torch.no_grad():
        found = [unet(each, conditions, latent) for each in planes]
        plain = [bridge.unet(each, conditions, latent) for each in planes]
    for a, b in zip(found, plain, strict=True):
        assert torch.allclose(a, b, atol=1e-2)
