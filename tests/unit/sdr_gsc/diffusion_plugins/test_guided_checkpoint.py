"""Checkpoints of Dhariwal and Nichol's U-Net: architecture from the tensors, numbers from their definition."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sdr_gsc.diffusion.plugins.conditioning import Conditioning
from sdr_gsc.diffusion.plugins.guided_checkpoint import GuidedSettings, deduced_shape
from sdr_gsc.diffusion.plugins.guided_unet import GuidedShape, GuidedUNet
from sdr_gsc.diffusion.plugins.opening import open_prior
from sdr_gsc.errors import SettingsError, WeightsError

_CPU = torch.device("cpu")
_SMALL = GuidedShape(32, (32, 64), 1, (False, True), head_width=32)
_IMAGENET = GuidedShape(256, (256, 256, 512, 512, 1024, 1024), 2, (False, False, False, True, True, True))
_FACES = GuidedShape(128, (128, 128, 256, 256, 512, 512), 1, (False, False, False, False, True, False))


def _random(shape: GuidedShape) -> GuidedUNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return GuidedUNet(shape).eval()


def _empty(shape: GuidedShape) -> GuidedUNet:
    with torch.device("meta"):
        return GuidedUNet(shape)


def _noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "shape",
    [
        _SMALL,
        _IMAGENET,
        _FACES,
        replace(_SMALL, residual_resampling=False, scale_shift=False, outputs=3),
        replace(_SMALL, blocks=3, widths=(32, 32, 64), attended=(True, False, True), classes=10),
        # The published 512x512 model begins at half the width.
        GuidedShape(64, (32, 64, 64), 2, (False, True, True), head_width=32),
    ],
)
def test_the_tensors_tell_the_architecture(shape: GuidedShape) -> None:
    settings = GuidedSettings(num_head_channels=shape.head_width)
    assert deduced_shape(_empty(shape).state_dict(), settings) == shape


def test_published_models_have_their_published_number_of_parameters() -> None:
    # 256x256_diffusion_uncond.pt holds 552,814,086 values, all of them parameters.
    assert sum(value.numel() for value in _empty(_IMAGENET).state_dict().values()) == 552_814_086


def test_parameters_have_the_names_of_published_checkpoints() -> None:
    names = set(_empty(replace(_IMAGENET, classes=1000)).state_dict())
    assert {
        "time_embed.0.weight",
        "time_embed.2.bias",
        "label_emb.weight",
        "input_blocks.0.0.weight",
        "input_blocks.1.0.in_layers.0.weight",
        "input_blocks.1.0.in_layers.2.weight",
        "input_blocks.1.0.emb_layers.1.weight",
        "input_blocks.1.0.out_layers.0.weight",
        "input_blocks.1.0.out_layers.3.bias",
        "input_blocks.3.0.in_layers.2.weight",
        "input_blocks.7.0.skip_connection.weight",
        "input_blocks.10.1.norm.weight",
        "input_blocks.10.1.qkv.weight",
        "input_blocks.10.1.proj_out.bias",
        "middle_block.0.in_layers.0.weight",
        "middle_block.1.qkv.weight",
        "middle_block.2.out_layers.3.weight",
        "output_blocks.0.0.skip_connection.weight",
        "output_blocks.2.2.in_layers.0.weight",
        "output_blocks.17.0.out_layers.3.weight",
        "out.0.weight",
        "out.2.bias",
    } <= names
    assert "input_blocks.18.0.in_layers.0.weight" not in names
    assert "output_blocks.18.0.in_layers.0.weight" not in names


def _save(folder: Path, shape: GuidedShape, name: str = "model.pt", half: bool = False) -> tuple[str, GuidedUNet]:
    network = _random(shape)
    state = network.state_dict()
    torch.save({key: value.half() if half else value for key, value in state.items()}, folder / name)
    return str(folder / name), network


@pytest.mark.parametrize("half", [False, True])
def test_a_checkpoint_denoises_by_its_own_noise_estimate(tmp_path: Path, half: bool) -> None:
    address, network = _save(tmp_path, replace(_SMALL, head_width=64), half=half)
    prior = open_prior(address, _CPU)
    kept = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)[250].float()
    mixed = _noise(2, 3, 16, 16)
    with torch.no_grad():
        said = network(mixed, torch.tensor([250.0, 250.0]))[:, :3]
        found = prior(mixed / kept.sqrt(), (1 / kept - 1).sqrt().expand(2))
    wanted = (mixed - (1 - kept).sqrt() * said) / kept.sqrt()
    assert torch.allclose(found, wanted, atol=5e-3 if half else 1e-4)
    assert prior(_noise(1, 3, 17, 23), torch.ones(1)).shape == (1, 3, 17, 23)


def test_time_is_told_in_cosines_before_sines() -> None:
    # Without weights but those of the embedding, the modulation shows it: all frequencies are 1 at time 0.
    network = _random(_SMALL)
    features: list[Tensor] = []
    network.time_embed[0].register_forward_hook(lambda module, given, out: features.append(given[0]))
    network(_noise(1, 3, 8, 8), torch.tensor([0.0]))
    network(_noise(1, 3, 8, 8), torch.tensor([7.0]))
    assert features[0].tolist() == [[1.0] * 16 + [0.0] * 16]
    slow = 7 * 10000 ** (-15 / 16)
    assert features[1][0, [0, 15, 16, 31]].tolist() == pytest.approx(
        torch.tensor([7.0, slow]).cos().tolist() + torch.tensor([7.0, slow]).sin().tolist(), abs=1e-6
    )


def test_attention_orders_differ_in_what_they_split_first(tmp_path: Path) -> None:
    # With as many heads as the order's own split, permuting the rows of qkv turns one order into the other.
    shape = replace(_SMALL, heads=2)
    network, other = _random(shape), _random(replace(shape, grouped_attention=True))
    state = network.state_dict()
    rows = torch.arange(3 * 64).unflatten(0, (2, 3, 32)).transpose(0, 1).flatten()
    other.load_state_dict({k: v[rows] if ".qkv." in k else v for k, v in state.items()})
    given = _noise(1, 3, 8, 8), torch.tensor([3.0])
    assert torch.allclose(network(*given), other(*given), atol=1e-5)
    other.load_state_dict(state)
    assert not torch.allclose(network(*given), other(*given), atol=1e-3)


def test_classes_are_told(tmp_path: Path) -> None:
    address, network = _save(tmp_path, replace(_SMALL, classes=3, head_width=64))
    noisy = _noise(1, 3, 16, 16)
    first, last = (open_prior(address, _CPU, Conditioning(label=label))(noisy, torch.ones(1)) for label in (0, 2))
    assert not torch.allclose(first, last, atol=1e-4)
    with pytest.raises(SettingsError, match="0…2"):
        open_prior(address, _CPU)


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("num_heads = 3", "cannot have 3 heads"),
        ("num_head_channels = 24", "num_head_channels"),
        ("noise_schedule = 'wavy'", "wavy"),
        ("depth = 3", "depth"),
        ("num_heads = 'two'", "type int"),
        ("num_heads = ", "not TOML"),
        ("sha256 = 'abcd'", "fetch the known file again"),
    ],
)
def test_settings_that_do_not_fit_are_named(tmp_path: Path, text: str, needed: str) -> None:
    address, _ = _save(tmp_path, _SMALL)
    (tmp_path / "model.toml").write_text(text)
    with pytest.raises(WeightsError, match=needed):
        open_prior(address, _CPU)


def test_settings_beside_the_checkpoint_are_used(tmp_path: Path) -> None:
    address, network = _save(tmp_path, replace(_SMALL, heads=4))
    digest = hashlib.sha256(Path(address).read_bytes()).hexdigest()
    (tmp_path / "model.toml").write_text(
        f"num_heads = 4\nnoise_schedule = 'cosine'\ndiffusion_steps = 500\npredict_xstart = true\nsha256 = '{digest}'\n"
    )
    prior = open_prior(address, _CPU)
    sigma = prior.log_sigmas.exp()[120].float()
    mixed = _noise(1, 3, 8, 8)
    with torch.no_grad():
        said = network(mixed, torch.tensor([120.0]))[:, :3]
        found = prior(mixed * (1 + sigma**2).sqrt(), sigma[None])
    assert prior.log_sigmas.numel() == 500
    assert torch.allclose(found, said, atol=1e-4)


def test_a_file_of_a_published_name_must_be_the_published_file(tmp_path: Path) -> None:
    address, _ = _save(tmp_path, _SMALL, "256x256_diffusion_uncond.pt")
    with pytest.raises(WeightsError, match="sha256"):
        open_prior(address, _CPU)


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        (lambda state: {}, "time_embed"),
        (lambda state: {"weight": torch.zeros(3)}, "time_embed"),
        (lambda state: {k: v for k, v in state.items() if k != "middle_block.1.norm.bias"}, "middle_block.1.norm.bias"),
        (lambda state: {k: v for k, v in state.items() if "output_blocks.3" not in k}, "output blocks"),
        (lambda state: state | {"middle_block.1.qkv.weight": torch.zeros(3, 3, 1)}, "another shape"),
        (lambda state: state | {"out.2.weight": torch.zeros(5, 32, 3, 3), "out.2.bias": torch.zeros(5)}, "5 channels"),
        (lambda state: {"state_dict": state}, "dictionary of tensors"),
    ],
)
def test_tensors_that_do_not_fit_are_named(tmp_path: Path, change: Any, needed: str) -> None:
    path = tmp_path / "model.pt"
    torch.save(change(_random(replace(_SMALL, head_width=64)).state_dict()), path)
    with pytest.raises(WeightsError, match=needed):
        open_prior(str(path), _CPU)
