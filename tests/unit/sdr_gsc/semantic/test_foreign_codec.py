"""Anybody's encoder and decoder go through our quantizer, descriptor, link and likelihood."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from sdr_gsc.errors import DescriptorError, PictureError, WeightsError
from sdr_gsc.semantic.foreign_codec import FOREIGN_CODEC_ID, ForeignCodec
from sdr_gsc.semantic.foreign_folder import load_foreign_codec
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.quantizer import Quantizer
from sdr_gsc.semantic.rate import RATES
from sdr_gsc.semantic.values import Reception


class MeanEncoder(nn.Module):
    """Means of squares of `side` pixels, around mid-grey: a linear code with a closed-form decoder."""

    def __init__(self, side: int = 8) -> None:
        super().__init__()
        self.side = side
        self.gain = nn.Parameter(torch.tensor(2.0))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.gain * (functional.avg_pool2d(pictures, self.side) - 0.5)


class MeanDecoder(nn.Module):
    """Shrinks each mean by its own variance, and repeats it over its square."""

    def __init__(self, side: int = 8) -> None:
        super().__init__()
        self.side = side
        self.gain = nn.Parameter(torch.tensor(2.0))

    def forward(self, latents: Tensor, variance: Tensor) -> Tensor:
        shrunk = latents * 0.25 / (0.25 + variance) / self.gain
        return shrunk.repeat_interleave(self.side, 2).repeat_interleave(self.side, 3) + 0.5


def _codec(**settings: Any) -> ForeignCodec:
    return ForeignCodec.of_modules(MeanEncoder(), MeanDecoder(), stride_px=8, **settings)


def _received(codec: ForeignCodec, picture: np.ndarray, noise_variance: float = 0.01, levels: int = 32) -> Reception:
    symbols = codec.encode(picture, RATES[0], levels)
    points, generator = constellation_points(symbols), np.random.default_rng(0)
    noise = generator.standard_normal((2, points.size)) * (noise_variance / 2) ** 0.5
    received = (points + noise[0] + 1j * noise[1]).astype(np.complex64)
    return Reception(symbols.descriptor, received, np.full(points.size, noise_variance, np.float32), None, ())


def test_symbols_have_unit_power_and_a_descriptor_that_knows_the_codec(soft_picture: np.ndarray) -> None:
    codec = _codec()
    symbols = codec.encode(soft_picture, RATES[3], 16, picture_id=7)
    # 72x90 pixels are padded to 80x96: 10x12 squares of three colours, two of them a symbol.
    assert symbols.indices.shape == (180, 2)
    assert np.mean(np.abs(constellation_points(symbols)) ** 2) == pytest.approx(1, rel=2e-3)
    descriptor = symbols.descriptor
    assert (descriptor.codec_id, descriptor.n_symbols, descriptor.picture_id) == (FOREIGN_CODEC_ID, 180, 7)
    assert (descriptor.height, descriptor.width, descriptor.rate_index) == (72, 90, 0)
    assert descriptor.weights_prefix.hex() == codec.card.sha256[:8]


def test_latents_come_back_with_their_variance(soft_picture: np.ndarray) -> None:
    codec = _codec()
    reception = _received(codec, soft_picture, 0.02)
    evidence = codec.evidence(reception)
    with torch.no_grad():
        sent = codec.encoder(codec.padded(torch.from_numpy(soft_picture.transpose(2, 0, 1))[None]), evidence.rate)
    assert evidence.latents.shape == sent.shape == (1, 1, 360)
    descriptor = reception.descriptor
    assert descriptor is not None
    wanted = descriptor.scale**2 * (0.01 / descriptor.gain**2 + Quantizer.of(32).distortion)
    assert evidence.variance.flatten().tolist() == pytest.approx([wanted] * 360, rel=1e-3)
    # Latents are not Gaussian, so the quantizer errs by another amount than its own figure.
    assert float((evidence.latents - sent).square().mean()) == pytest.approx(wanted, rel=0.3)


def test_the_decoder_sees_each_latent_with_its_own_variance(soft_picture: np.ndarray) -> None:
    codec = _codec()
    reception = _received(codec, soft_picture)
    symbols, variance = reception.symbols.copy(), reception.noise_variance.copy()
    symbols[90:], variance[90:] = 0, np.inf
    estimate = codec.estimate(codec.evidence(replace(reception, symbols=symbols, noise_variance=variance)))
    assert estimate.picture.shape == (1, 3, 80, 96)
    # Latents run colour by colour: the first half holds red and the upper rows of green.
    assert torch.allclose(estimate.picture[:, 2], torch.tensor(0.5), atol=1e-4)
    error = (estimate.picture[0, 0, :72, :90].numpy() - soft_picture[..., 0]).std()
    assert error < 0.1 < soft_picture[..., 2].std()
    assert estimate.deviation.shape == (1, 1, 80, 96)


def test_the_predicted_deviation_follows_the_noise_and_what_is_lost(soft_picture: np.ndarray) -> None:
    codec = _codec(deviation=0.02)

    def deviation(reception: Reception) -> float:
        return float(codec.estimate(codec.evidence(reception)).deviation.square().mean().sqrt())

    quiet, loud = _received(codec, soft_picture, 1e-4), _received(codec, soft_picture, 0.5)
    silent = replace(quiet, symbols=np.zeros_like(quiet.symbols), noise_variance=np.full(180, np.inf, np.float32))
    # Picture units: √(v/4) per latent of variance v, v = scale²(σ²/2/gain² + D).
    for reception in (quiet, loud):
        variance = codec.evidence(reception).variance[0, 0, 0]
        shrink = 0.25 / (0.25 + variance)
        assert deviation(reception) == pytest.approx(float((variance / 4 * shrink**2 + 0.02**2).sqrt()), rel=0.15)
    assert deviation(silent) == pytest.approx(0.25)
    assert torch.allclose(codec.estimate(codec.evidence(silent)).picture, torch.tensor(0.5))


def test_a_decoder_that_knows_its_deviation_is_believed(soft_picture: np.ndarray) -> None:
    class Knowing(MeanDecoder):
        def forward(self, latents: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
            picture = super().forward(latents, variance)
            return picture, torch.full_like(picture[:, :1], 0.123)

    codec = ForeignCodec.of_modules(MeanEncoder(), Knowing())
    estimate = codec.estimate(codec.evidence(_received(codec, soft_picture)))
    assert torch.equal(estimate.deviation, torch.full((1, 1, 80, 96), 0.123))


def test_an_odd_number_of_latents_is_filled_up() -> None:
    class Means(nn.Module):
        def forward(self, pictures: Tensor) -> Tensor:
            return pictures.mean((2, 3)) - 0.5

    class Flat(nn.Module):
        def forward(self, latents: Tensor, variance: Tensor) -> Tensor:
            return (latents + 0.5)[:, :, None, None].expand(-1, -1, 32, 48)

    codec = ForeignCodec.of_modules(Means(), Flat(), size_px=(32, 48))
    colour = np.broadcast_to(np.float32([0.2, 0.9, 0.6]), (32, 48, 3)).copy()
    reception = _received(codec, colour, 1e-6)
    assert reception.symbols.size == 2
    picture = codec.estimate(codec.evidence(reception)).picture
    assert picture[0, :, 5, 5].tolist() == pytest.approx([0.2, 0.9, 0.6], abs=0.05)
    with pytest.raises(PictureError, match="knows 48x32 alone"):
        codec.encode(np.zeros((48, 32, 3), np.float32), RATES[0], 16)


def test_what_another_codec_sent_is_refused(soft_picture: np.ndarray, untrained_codec: Any) -> None:
    codec, other = _codec(), ForeignCodec.of_modules(MeanEncoder(16), MeanDecoder(16))
    other.encoder.network.gain.data.fill_(3.0)
    other = ForeignCodec.of_modules(other.encoder.network, MeanDecoder(16))
    reception = _received(codec, soft_picture)
    assert reception.descriptor is not None
    for wrong in (other, untrained_codec):
        with pytest.raises(DescriptorError, match="load the sender's weights"):
            wrong.check(reception.descriptor)
    wrong_size = replace(reception, descriptor=replace(reception.descriptor, height=200))
    with pytest.raises(DescriptorError, match="the descriptor says 180"):
        codec.evidence(wrong_size)


class _Detached(MeanEncoder):
    def forward(self, pictures: Tensor) -> Tensor:
        return super().forward(pictures).detach()


class _Words(nn.Module):
    def forward(self, pictures: Tensor, variance: Tensor | None = None) -> Any:
        return "latents"


class _Broken(nn.Module):
    def forward(self, pictures: Tensor, variance: Tensor | None = None) -> Tensor:
        raise ValueError("out of order")


class _NotFinite(MeanDecoder):
    def forward(self, latents: Tensor, variance: Tensor) -> Tensor:
        return super().forward(latents, variance) / 0


@pytest.mark.parametrize(
    ("encoder", "decoder", "needed"),
    [
        (_Detached(), MeanDecoder(), "by a gradient"),
        (_Words(), MeanDecoder(), "answers .* with str"),
        (_Broken(), MeanDecoder(), "fails on a picture of"),
        (MeanEncoder(), _Words(), "answers with str for a picture"),
        (MeanEncoder(), _Broken(), "fails on latents"),
        (MeanEncoder(), MeanDecoder(4), r"needed \[1, 3, 64, 64\]"),
        (MeanEncoder(), _NotFinite(), "values that are not"),
    ],
)
def test_modules_that_are_no_codec_are_named(encoder: nn.Module, decoder: nn.Module, needed: str) -> None:
    with pytest.raises(WeightsError, match=needed):
        ForeignCodec.of_modules(encoder, decoder)


_CODE = """
import torch
from dataclasses import dataclass
from torch.nn import functional


@dataclass
class Shape:
    side: int


class Encoder(torch.nn.Module):
    def __init__(self, side):
        super().__init__()
        self.shape = Shape(side)
        self.gain = torch.nn.Parameter(torch.ones(()))

    def forward(self, pictures):
        return self.gain * functional.avg_pool2d(pictures, self.shape.side)


class Decoder(torch.nn.Module):
    def forward(self, latents, variance):
        return latents.repeat_interleave(4, 2).repeat_interleave(4, 3)


def not_a_class():
    pass
"""


def _folder(tmp_path: Path, **changes: object) -> tuple[Path, Path]:
    folder = tmp_path / "codec"
    folder.mkdir()
    save_file({"encoder.gain": torch.tensor(2.0)}, folder / "weights.safetensors")
    described: dict[str, object] = {
        "encoder": "Encoder",
        "decoder": "Decoder",
        "file": "weights.safetensors",
        "sha256": hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest(),
        "stride_px": 4,
    }
    lines = [f"{name} = {value!r}" for name, value in (described | changes).items() if value is not None]
    (folder / "codec.toml").write_text("\n".join(lines) + "\n[encoder_options]\nside = 4\n")
    code = tmp_path / "model.py"
    code.write_text(_CODE)
    return folder, code


def test_a_folder_and_a_python_file_make_a_codec(tmp_path: Path, soft_picture: np.ndarray) -> None:
    folder, code = _folder(tmp_path)
    codec = load_foreign_codec(folder, code)
    assert codec.card.sha256 == hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    assert codec.encoder.latent_shape(80, 96) == (3, 20, 24)
    assert codec.encoder(torch.ones(1, 3, 80, 96), codec.encoder.rate(80, 96)).unique().tolist() == [2.0]
    assert codec.estimate(codec.evidence(_received(codec, soft_picture))).picture.shape == (1, 3, 80, 96)


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({"encoder": "Coder"}, "no class Coder"),
        ({"decoder": "not_a_class"}, "no class not_a_class"),
        ({"sha256": "ab" * 32}, "codec.toml says"),
        ({"file": "../codec/weights.safetensors"}, "in the same folder"),
        ({"file": "none.safetensors"}, "is missing"),
        ({"encoder": "Decoder"}, "cannot be made"),
        ({"colour": 1}, "needed"),
        ({"decoder": None}, "needed"),
        ({"stride_px": "four"}, "type int"),
        ({"size_px": [3]}, "height and width"),
        ({"deviation": 2.0}, r"in \(0, 1\)"),
        ({"stride_px": 0}, "at least 1"),
    ],
)
def test_folders_that_do_not_fit_are_named(tmp_path: Path, changes: dict[str, object], needed: str) -> None:
    folder, code = _folder(tmp_path, **changes)
    with pytest.raises(WeightsError, match=needed):
        load_foreign_codec(folder, code)


def test_code_runs_only_where_the_user_names_it(tmp_path: Path) -> None:
    folder, code = _folder(tmp_path)
    (folder / "model.py").write_text("raise SystemError('this must not run')")
    with pytest.raises(WeightsError, match="--codec-code"):
        load_foreign_codec(folder, None)
    load_foreign_codec(folder, code)
    with pytest.raises(WeightsError, match="SystemError"):
        load_foreign_codec(folder, folder / "model.py")
    with pytest.raises(WeightsError, match="is not a file"):
        load_foreign_codec(folder, tmp_path / "none.py")
    code.write_text(_CODE.replace("self.gain", "self.strength"))
    with pytest.raises(WeightsError, match="does not fit the class Encoder"):
        load_foreign_codec(folder, code)
