"""Training of the codec: encoder and deterministic decoder together, over all rates and SNRs at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.decoder import Estimate, SemanticDecoder, grid_of
from sdr_gsc.semantic.encoder import SemanticEncoder
from sdr_gsc.semantic.quantizer import Quantizer
from sdr_gsc.semantic.rate import BLOCK_PX, MAX_CHANNELS, RATES, Rate

from .air import Air, draw_air, transmit
from .loop import Draw, LoopSettings, Progress, build_seeded, fit
from .pictures import PictureSet

__all__ = ["CodecModel", "evaluate_codec", "start_from_klt", "train_codec"]

#: How often each rate is trained; the middle ones are used most.
_RATE_SHARES = (0.10, 0.12, 0.16, 0.22, 0.22, 0.18)


class CodecModel(nn.Module):
    """Encoder and decoder as one trainable module."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = SemanticEncoder()
        self.decoder = SemanticDecoder()

    @classmethod
    def of(cls, codec: Codec) -> CodecModel:
        """The two halves of a loaded codec."""
        model = cls()
        model.encoder, model.decoder = codec.encoder, codec.decoder
        return model

    def through(
        self, pictures: Tensor, rate: Rate, air: Air, generator: torch.Generator, *, bfloat16: bool = False
    ) -> Estimate:
        """Send pictures, float [B, 3, H, W], through the air and decode them.

        With `bfloat16` the U-Net runs in that precision; the linear algebra before it always keeps float32.
        """
        received, variance = transmit(self.encoder(pictures, rate), air, generator)
        grid = grid_of(pictures.shape[2], pictures.shape[3])
        linear = self.decoder.linear(self.encoder, received, variance, rate, grid)
        with torch.autocast(pictures.device.type, dtype=torch.bfloat16, enabled=bfloat16):
            estimate: Estimate = self.decoder.correct(linear)
        return estimate


def start_from_klt(model: CodecModel, pictures: PictureSet, seed: int = 0, blocks: int = 60_000) -> None:
    """Start encoder and decoder from the Karhunen–Loève transform of 16x16 blocks of the training pictures."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    samples = pictures.crops(blocks, BLOCK_PX, generator)
    mean = samples.mean((0, 2, 3))
    flat = (samples - mean[:, None, None]).flatten(1)
    values, vectors = torch.linalg.eigh(flat.T @ flat / blocks)
    variance = values.flip(0)[:MAX_CHANNELS].clamp(min=1e-8)
    basis = vectors.flip(1)[:, :MAX_CHANNELS].T.reshape(MAX_CHANNELS, 3, BLOCK_PX, BLOCK_PX)
    model.encoder.transform.start_from(basis, mean)
    with torch.no_grad():
        model.decoder.log_variance.copy_(variance.log())
        for rate in RATES:
            # SoftCast: amplitude gain ∝ variance^(-1/4), normalized to unit mean power.
            gain = variance[: rate.channels] ** -0.25
            gain = gain / (gain.square() * variance[: rate.channels]).mean().sqrt()
            model.encoder.log_gain[rate.index, : rate.channels] = gain.log()
            some = pictures.crops(64, 8 * BLOCK_PX, generator)
            model.decoder.log_energy[rate.index] = model.encoder(some, rate).square().mean().log()


def _loss(
    model: CodecModel, pictures: PictureSet, settings: LoopSettings, draw: Draw, only_rate: Rate | None
) -> Tensor:
    rate = RATES[int(draw.generator.choice(len(RATES), p=_RATE_SHARES))] if only_rate is None else only_rate
    crops = pictures.crops(settings.batch, settings.side_px, draw.generator).to(settings.device)
    air = draw_air(settings.batch, (settings.side_px // BLOCK_PX) ** 2 * rate.channels // 2, draw.generator)
    air = Air(air.quantizer, air.noise.to(settings.device))
    estimate = model.through(crops, rate, air, draw.torch_generator, bfloat16=True)
    error = (estimate.picture - crops).square()
    # The logarithm makes every picture, rate and SNR count by its PSNR.
    distortion = (error.mean((1, 2, 3)) + 1e-5).log().mean()
    power = error.detach().mean(1, keepdim=True)
    likelihood = (estimate.deviation.log() + power / (2 * estimate.deviation.square())).mean()
    return distortion + 0.05 * likelihood.clamp(max=20.0)


def train_codec(
    pictures: PictureSet,
    settings: LoopSettings,
    checkpoint: Path,
    on_step: Callable[[Progress], None] = lambda progress: None,
    start: CodecModel | None = None,
    *,
    only_rate: Rate | None = None,
    only_correction: bool = False,
) -> CodecModel:
    """Train a codec; returns the model with averaged weights, in evaluation mode.

    Args:
        pictures: to train on.
        settings: how long and how fast.
        checkpoint: file to write and resume from.
        on_step: called after each step.
        start: weights to go on from; None takes the linear start.
        only_rate: train at this rate alone, for comparison with the model of all rates.
        only_correction: train the decoder's network alone: the encoder, and with it what crosses the air, stays.
    """
    model = build_seeded(CodecModel, settings.seed)
    if start is not None:
        model.load_state_dict(start.state_dict())
    elif not checkpoint.exists():
        start_from_klt(model, pictures, settings.seed)
    model.to(settings.device)
    encoder = list(model.encoder.parameters())
    tables = [model.decoder.log_variance, model.decoder.log_energy]
    groups: list[dict[str, object]] = [
        {"params": list(model.decoder.unet.parameters()), "lr": 1.0},
        {"params": [*encoder, *tables], "lr": 0.1, "weight_decay": 0.0},
    ]
    if only_correction:
        model.requires_grad_(requires_grad=False)
        model.decoder.unet.requires_grad_(requires_grad=True)
        groups = groups[:1]

    def loss(draw: Draw) -> Tensor:
        return _loss(model, pictures, settings, draw, only_rate)

    model.load_state_dict(fit(model, loss, groups, settings, checkpoint, on_step))
    return model.eval()


@torch.no_grad()
def evaluate_codec(
    model: CodecModel, pictures: Tensor, rate: Rate, esn0_db: float | None, levels: int | None = 32, seed: int = 0
) -> float:
    """Mean PSNR in dB over pictures, float [B, 3, H, W], through white noise at Es/N0."""
    latents = (pictures.shape[2] // BLOCK_PX) * (pictures.shape[3] // BLOCK_PX) * rate.channels // 2
    noise = 0.0 if esn0_db is None else 10 ** (-esn0_db / 10)
    air = Air(
        None if levels is None else Quantizer.of(levels),
        torch.full((pictures.shape[0], latents), noise, device=pictures.device),
    )
    generator = torch.Generator(pictures.device).manual_seed(seed)
    decoded = model.through(pictures, rate, air, generator).picture.clamp(0, 1)
    return float((-10 * (decoded - pictures).square().mean((1, 2, 3)).log10()).mean())
