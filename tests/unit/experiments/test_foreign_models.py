"""Priors and codecs of others from the command line and from TOML."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from experiments.configuration import SendSettings
from experiments.procedures.locating import located
from experiments.sweeps.settings import SeriesSettings, SweepSettings
from sdr_gsc.diffusion.plugins.guided_unet import GuidedShape, GuidedUNet

CODE = """
import torch
from torch.nn import functional


class Means(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.middle = torch.nn.Parameter(torch.zeros(()))

    def forward(self, pictures):
        return functional.avg_pool2d(pictures, 4) - self.middle


class Squares(torch.nn.Module):
    def forward(self, latents, variance):
        return (latents + 0.5).repeat_interleave(4, 2).repeat_interleave(4, 3)
"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prior") / "model.pt"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = GuidedUNet(GuidedShape(32, (32, 64), 1, (False, True), classes=3))
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("codec")
    weights = folder / "weights.safetensors"
    save_file({"encoder.middle": torch.tensor(0.5)}, weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    (folder / "codec.toml").write_text(
        f'encoder = "Means"\ndecoder = "Squares"\nfile = "{weights.name}"\nsha256 = "{digest}"\nstride_px = 4\n'
    )
    (folder / "classes.py").write_text(CODE)
    return folder, folder / "classes.py"


def test_a_prior_is_named_by_its_address(sdr_gsc, models, photo, checkpoint):
    link = ("send", photo, "--radio", "loopback:cabled", "--cbr", 12, "--weights", models, "--json")
    told = ("--decoder", "posterior:dps", "--steps", 3, "--prior", checkpoint)
    outcome = sdr_gsc(*link, *told, "--label", 2)
    assert outcome.status == 0
    assert set(outcome.json["decoders"]) == {"posterior:dps"}
    assert "0…2" in sdr_gsc(*link, *told).refusal
    assert "takes no text" in sdr_gsc(*link, *told, "--prompt", "a cat").refusal
    assert "give prior too" in sdr_gsc(*link, "--label", 2).refusal
    assert (
        "prior is used by posterior:diffpir (or another solver), blind; chosen is mmse"
        in sdr_gsc(*link, "--decoder", "mmse", "--prior", checkpoint).refusal
    )
    assert (
        "does not exist" in sdr_gsc(*link, "--decoder", "posterior:dps", "--prior", checkpoint.parent / "none").refusal
    )


@pytest.mark.parametrize("mapping", ["direct", "coded", "classical"])
def test_a_codec_of_others_crosses_the_air(sdr_gsc, photo, codec, tmp_path, mapping):
    folder, code = codec
    link = (
        "send", photo, "--radio", "loopback:cabled", "--mapping", mapping, "--cbr", 12, "--mcs", 5, "--decoder", "mmse",
    )  # fmt: skip
    outcome = sdr_gsc(*link, "--codec", folder, "--codec-code", code, "--out", tmp_path / "run", "--json")
    assert outcome.status == 0
    (decoder,) = outcome.json["decoders"].values()
    # A mean of 4x4 pixels of soft waves, at 30 dB.
    assert decoder["psnr_db"] > 22
    if mapping == "direct":
        # 64x96 pixels: 16x24 means of three colours, two of them a symbol.
        assert outcome.json["cbr_payload"] == pytest.approx(16 * 24 * 3 / 2 / (3 * 64 * 96))
        assert outcome.json["evm_snr_db"] > 20
    assert (tmp_path / "run" / "report.html").is_file()


def test_code_and_tasks_that_do_not_go_with_a_codec_are_refused(sdr_gsc, photo, codec, tmp_path):
    folder, code = codec
    link = ("send", photo, "--radio", "loopback:cabled", "--decoder", "mmse", "--json")
    assert "--codec-code" in sdr_gsc(*link, "--codec", folder).refusal
    assert "codec_code goes with codec" in sdr_gsc(*link, "--codec-code", code).refusal
    assert "codec.toml is missing" in sdr_gsc(*link, "--codec", tmp_path, "--codec-code", code).refusal


def test_their_paths_start_at_the_configuration(tmp_path):
    names = dict(prior="p", codec="c", codec_code="d/e.py")
    placed = {name: str(tmp_path / path) for name, path in names.items()}
    send = located(SendSettings(image="x.png", prompt="cat.safetensors", **names), tmp_path)
    assert {name: getattr(send, name) for name in names} == placed
    assert send.prompt == str(tmp_path / "cat.safetensors")
    sweep = SweepSettings(name="x", series=(SeriesSettings(name="a"),), prompt="a cat", **names)
    assert located(sweep, tmp_path).prompt == "a cat"
    assert {name: getattr(located(sweep, tmp_path), name) for name in names} == placed
