"""Untrained models: the algebra of trained ones."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sdr_gsc.diffusion.bridge import BridgeDenoiser
from sdr_gsc.diffusion.denoiser import PriorDenoiser
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.decoder import SemanticDecoder
from sdr_gsc.semantic.encoder import SemanticEncoder
from sdr_gsc.semantic.rate import MAX_CHANNELS, RATES
from sdr_gsc.weights.cards import Card, write_card


@pytest.fixture(scope="session")
def untrained_codec() -> Codec:
    """Random orthonormal analysis, decaying prior, networks at their start (zero)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder, decoder = SemanticEncoder(), SemanticDecoder()
        basis = torch.linalg.qr(torch.randn(768, 128)).Q.T.reshape(128, 3, 16, 16)
    encoder.transform.start_from(basis, torch.full((3,), 0.5))
    log_variance = torch.linspace(1, -6, 128)
    with torch.no_grad():
        decoder.log_variance.copy_(log_variance)
        encoder.log_gain.copy_(-0.25 * log_variance.expand(len(RATES), 128))
    card = Card("codec", "none", "ab" * 32, 0, "", "", "", "", "", {}, {})
    for module in (encoder, decoder):
        module.eval().requires_grad_(requires_grad=False)
    return Codec(encoder, decoder, card, torch.device("cpu"))


@pytest.fixture(scope="session")
def soft_picture() -> np.ndarray:
    """A picture whose sides are no multiples of 16, float32 [72, 90, 3]."""
    rows, columns = np.mgrid[0:72, 0:90] / 90
    waves = np.stack([np.sin(9 * rows), np.cos(7 * columns), np.sin(5 * rows * columns)], -1)
    return (0.5 + 0.4 * waves).astype(np.float32)


@pytest.fixture(scope="session")
def model_folder(untrained_codec: Codec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The untrained codec, bridge and prior as files with cards."""
    folder = tmp_path_factory.mktemp("models")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        bridge, prior = BridgeDenoiser(latent=MAX_CHANNELS + 1), PriorDenoiser()
    codec = {f"encoder.{name}": value for name, value in untrained_codec.encoder.state_dict().items()}
    codec |= {f"decoder.{name}": value for name, value in untrained_codec.decoder.state_dict().items()}
    digest = ""
    states = {
        "codec": codec,
        "refine": bridge.state_dict(),
        "consistency": bridge.state_dict(),
        "prior": prior.state_dict(),
    }
    for name, state in states.items():
        path = folder / f"{name}.safetensors"
        save_file({key: value.half().contiguous() for key, value in state.items()}, path)
        own = sha256(path.read_bytes()).hexdigest()
        digest = own if name == "codec" else digest
        belongs = digest if name in ("refine", "consistency") else ""
        settings = {"kappa": 0.5, "realism": 1.0, "noise": 0.5}
        write_card(Card(name, path.name, own, 0, "", "", "", belongs, "", settings, {}), folder)
    return folder
