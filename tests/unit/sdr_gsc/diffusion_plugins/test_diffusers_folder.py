"""Folders written by diffusers load as what diffusers itself makes of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdr_gsc.diffusion.plugins.conditioning import Conditioning
from sdr_gsc.diffusion.plugins.opening import open_prior
from sdr_gsc.errors import SettingsError, WeightsError

_CPU = torch.device("cpu")


def _noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("scheduler", "schedule"),
    [
        ("DDPMScheduler", {}),
        ("DDPMScheduler", {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}),
        ("DDPMScheduler", {"beta_schedule": "sigmoid", "prediction_type": "sample"}),
        ("DDPMScheduler", {"trained_betas": [0.1, 0.2, 0.3, 0.4], "num_train_timesteps": 4}),
        ("DDIMScheduler", {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}),
        ("DDIMScheduler", {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}),
    ],
)
def test_the_denoiser_is_the_schedulers_own_estimate(
    write_pixel_prior: Any, scheduler: str, schedule: dict[str, Any]
) -> None:
    folder, unet, rule = write_pixel_prior(scheduler, clip_sample=False, **schedule)
    prior = open_prior(str(folder), _CPU)
    steps = len(rule.alphas_cumprod)
    rule.set_timesteps(steps)
    for time in (0, steps // 2, steps - 2):
        kept = rule.alphas_cumprod[time]
        mixed = _noise(2, 3, 16, 16)
        with torch.no_grad():
            said = unet(mixed, time).sample
            theirs = rule.step(said, time, mixed).pred_original_sample
            sigma = (1 / kept.double() - 1).sqrt().float()
            ours = prior(mixed / kept.sqrt(), sigma.expand(2))
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3 * float(1 + sigma)), time


def test_any_size_loads_and_the_prior_is_frozen(write_pixel_prior: Any) -> None:
    prior = open_prior(str(write_pixel_prior()[0]), _CPU)
    assert not any(parameter.requires_grad for parameter in prior.parameters())
    assert prior(_noise(1, 3, 17, 30), torch.ones(1)).shape == (1, 3, 17, 30)


def test_loading_leaves_the_global_generator_alone(write_pixel_prior: Any) -> None:
    folder = write_pixel_prior()[0]
    before = torch.random.get_rng_state()
    open_prior(str(folder), _CPU)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_learned_variances_load(write_pixel_prior: Any) -> None:
    folder, _, _ = write_pixel_prior(unet={"out_channels": 6}, variance_type="learned_range")
    assert open_prior(str(folder), _CPU)(_noise(1, 3, 16, 16), torch.ones(1)).shape == (1, 3, 16, 16)


def test_classes_change_the_estimate_as_diffusers_says(write_pixel_prior: Any) -> None:
    folder, unet, rule = write_pixel_prior(unet={"num_class_embeds": 5}, clip_sample=False)
    mixed, time = _noise(1, 3, 16, 16), 300
    kept = rule.alphas_cumprod[time]
    found = []
    for label in (0, 4):
        prior = open_prior(str(folder), _CPU, Conditioning(label=label))
        with torch.no_grad():
            said = unet(mixed, time, class_labels=torch.tensor([label])).sample
            found.append(prior(mixed / kept.sqrt(), (1 / kept - 1).sqrt()[None]))
        assert torch.allclose(found[-1], rule.step(said, time, mixed).pred_original_sample, atol=1e-3)
    assert not torch.allclose(*found, atol=1e-3)
    for wrong in (Conditioning(), Conditioning(label=5), Conditioning(label=1, prompt="a cat")):
        with pytest.raises(SettingsError):
            open_prior(str(folder), _CPU, wrong)


@pytest.mark.parametrize("wrong", [Conditioning(label=1), Conditioning(prompt="a cat"), Conditioning(guidance=3.0)])
def test_an_unconditional_prior_takes_no_condition(write_pixel_prior: Any, wrong: Conditioning) -> None:
    folder = write_pixel_prior()[0]
    with pytest.raises(SettingsError, match="leave"):
        open_prior(str(folder), _CPU, wrong)


def test_shards_bins_flat_folders_and_old_names_load_alike(write_pixel_prior: Any, tmp_path: Path) -> None:
    folder, unet, _ = write_pixel_prior()
    noisy, sigma = _noise(1, 3, 16, 16), torch.ones(1)
    wanted = open_prior(str(folder), _CPU)(noisy, sigma)
    flat = tmp_path / "flat"
    shutil.copytree(folder / "unet", flat)
    shutil.copy(folder / "scheduler" / "scheduler_config.json", flat)
    whole = flat / "diffusion_pytorch_model.safetensors"
    tensors = load_file(whole)
    assert torch.equal(open_prior(str(flat), _CPU)(noisy, sigma), wanted)

    whole.unlink()
    names = sorted(tensors)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for part, inside in parts.items():
        save_file({name: tensors[name] for name in inside}, flat / part)
    index = flat / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {name: part for part, inside in parts.items() for name in inside}}))
    assert torch.equal(open_prior(str(flat), _CPU)(noisy, sigma), wanted)

    index.unlink()
    old = {
        name.replace("to_q", "query")
        .replace("to_k", "key")
        .replace("to_v", "value")
        .replace("to_out.0", "proj_attn"): (value[:, :, None, None] if "to_q.weight" in name else value)
        for name, value in unet.state_dict().items()
    }
    assert old.keys() != unet.state_dict().keys()
    torch.save(old, flat / "diffusion_pytorch_model.bin")
    assert torch.equal(open_prior(str(flat), _CPU)(noisy, sigma), wanted)


class _Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("this must not run",)


def test_a_pickle_with_code_is_refused(
    write_pixel_prior: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(write_pixel_prior()[0], tmp_path / "code")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({"weight": _Code()}, folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(WeightsError, match="not a plain PyTorch state dictionary"):
        open_prior(str(folder), _CPU)
    assert capsys.readouterr().out == ""


def _edited(folder: Path, tmp_path: Path, file: str, **values: object) -> str:
    copy = shutil.copytree(folder, tmp_path / "edited")
    path = copy / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return str(copy)


@pytest.mark.parametrize(
    ("file", "values", "needed"),
    [
        ("unet/config.json", {"block_out_channels": [8, 32]}, "another shape"),
        ("unet/config.json", {"layers_per_block": 2}, "tensors are missing"),
        ("unet/config.json", {"num_class_embeds": 7}, "class_embedding.weight"),
        ("unet/config.json", {"in_channels": 4}, "another shape"),
        ("unet/config.json", {"down_block_types": ["DownBlock2D"]}, "describes no UNet2DModel"),
        ("unet/config.json", {"down_block_types": ["DownBlock2D", "Unheard"]}, "describes no UNet2DModel"),
        ("unet/config.json", {"_class_name": "UNet3DConditionModel"}, "needed UNet2DModel"),
        ("scheduler/scheduler_config.json", {"_class_name": "FlowMatchEulerDiscreteScheduler"}, "FlowMatch"),
        ("scheduler/scheduler_config.json", {"prediction_type": "flow_prediction"}, "flow-matching"),
        ("scheduler/scheduler_config.json", {"prediction_type": "vibes"}, "vibes"),
        ("scheduler/scheduler_config.json", {"beta_schedule": "exotic"}, "exotic"),
        ("scheduler/scheduler_config.json", {"beta_start": "x"}, "beta_start"),
    ],
)
def test_configurations_that_do_not_fit_are_named(
    write_pixel_prior: Any, tmp_path: Path, file: str, values: dict[str, object], needed: str
) -> None:
    with pytest.raises(WeightsError, match=needed):
        open_prior(_edited(write_pixel_prior()[0], tmp_path, file, **values), _CPU)


def test_a_model_of_other_channels_is_refused(write_pixel_prior: Any) -> None:
    folder, _, _ = write_pixel_prior(unet={"in_channels": 1, "out_channels": 1})
    with pytest.raises(WeightsError, match="1 channels in and 1 out"):
        open_prior(str(folder), _CPU)


@pytest.mark.parametrize(
    ("gone", "needed"),
    [
        ("unet/config.json", "save_pretrained"),
        ("unet/diffusion_pytorch_model.safetensors", "safe_serialization"),
        ("scheduler/scheduler_config.json", "scheduler"),
    ],
)
def test_missing_files_are_named(write_pixel_prior: Any, tmp_path: Path, gone: str, needed: str) -> None:
    folder = shutil.copytree(write_pixel_prior()[0], tmp_path / "less")
    (folder / gone).unlink()
    with pytest.raises(WeightsError, match=needed):
        open_prior(str(folder), _CPU)


def test_damaged_files_and_wrong_addresses_are_named(write_pixel_prior: Any, tmp_path: Path) -> None:
    folder = shutil.copytree(write_pixel_prior()[0], tmp_path / "damaged")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(WeightsError, match="not a safetensors file"):
        open_prior(str(folder), _CPU)
    (folder / "unet" / "config.json").write_text("{")
    with pytest.raises(WeightsError, match="not JSON"):
        open_prior(str(folder), _CPU)
    with pytest.raises(WeightsError, match="does not exist"):
        open_prior(str(tmp_path / "nowhere"), _CPU)
