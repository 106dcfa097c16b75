"""Models that need no training, small pictures, and the command line in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.cli import main
from experiments.training.codec import CodecModel, start_from_klt
from experiments.training.pictures import PictureSet
from experiments.training.shipping import Provenance, ship
from sdr_gsc.diffusion.bridge import BridgeDenoiser
from sdr_gsc.diffusion.denoiser import PriorDenoiser
from sdr_gsc.semantic.rate import MAX_CHANNELS


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder with a codec that is linear (its network is at its start), a bridge and a prior that do nothing yet."""
    folder = tmp_path_factory.mktemp("models")
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (3, 12, 12, 3), dtype=np.uint8)
    pictures = tuple(
        np.asarray(Image.fromarray(each).resize((256, 256), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
        for each in coarse
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        codec, bridge, prior = CodecModel(), BridgeDenoiser(latent=MAX_CHANNELS + 1), PriorDenoiser()
    start_from_klt(codec, PictureSet(pictures, np.full(3, 1 / 3)), blocks=3000)
    card = ship("codec", codec, folder, Provenance("noise", "nothing"))
    settings = {"kappa": 0.5, "realism": 0.5}
    ship("refine", bridge, folder, Provenance("noise", "nothing", codec_sha256=card.sha256, settings=settings))
    ship("prior", prior, folder, Provenance("noise", "nothing"))
    return str(folder)


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of 96x64 pixels as a PNG file."""
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    rows, columns = np.mgrid[0:64, 0:96] / 96
    waves = np.stack([np.sin(9 * rows), np.cos(7 * columns), np.sin(5 * rows * columns)], -1)
    Image.fromarray(np.uint8(255 * (0.5 + 0.4 * waves))).save(path)
    return path


@dataclass(frozen=True)
class Outcome:
    """What a command answered."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        """stdout, which holds one JSON object and nothing else."""
        return json.loads(self.out)

    @property
    def refusal(self) -> str:
        """The one line on stderr of a request that was refused."""
        assert self.status == 2
        assert self.out == ""
        assert len(self.err.splitlines()) == 1
        assert "Traceback" not in self.err
        return self.err


@pytest.fixture
def sdr_gsc(capsys: pytest.CaptureFixture[str]):
    """Run the command line; arguments are made texts."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Outcome(status, said.out, said.err)

    return run
