"""What the receiver learns of a speaker from frames that it has seen: how fast latents change, and how faces look.

The encoder, and with it what crosses the air, stays as it is; only the network behind the air learns.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sdr_gsc.errors import SettingsError
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.decoder import SemanticDecoder, grid_of
from sdr_gsc.semantic.encoder import SemanticEncoder
from sdr_gsc.semantic.evidence import Evidence
from sdr_gsc.semantic.quantizer import Quantizer
from sdr_gsc.semantic.rate import rate_by_cbr
from sdr_gsc.semantic.transform import pad_to_blocks

from ...training.air import Air, transmit
from ...training.loop import Draw, LoopSettings, build_seeded, fit
from .fusion import Belief, fuse, linear_estimate
from .settings import AdaptationSettings, Schedule

__all__ = ["Lessons", "adapt", "learn_change"]


@torch.inference_mode()
def learn_change(codec: Codec, frames: np.ndarray) -> Tensor:
    """Mean squared change of every latent channel from frame to frame, float [128].

    Args:
        codec: whose latents.
        frames: float [T, H, W, 3] in [0, 1], in their order.

    Raises:
        SettingsError: fewer than two frames.
    """
    if len(frames) < 2:
        raise SettingsError(
            f"{len(frames)} frames say nothing of how frames change; needed 2 or more in the first half"
        )
    latents = torch.cat([codec.encoder.transform.analyze(_planes(frame[None], codec.device)) for frame in frames])
    # A clip that stands still would make the filter deaf to whatever moves later.
    return (latents[1:] - latents[:-1]).square().mean((0, 2, 3)).clamp(min=1e-6)


@dataclass(frozen=True, slots=True)
class Lessons:
    """What is learnt from.

    Attributes:
        frames: float [T, H, W, 3] in [0, 1]: none of them may be judged later.
        schedules: of the streams that are to be decoded.
        change: see `learn_change`.
        levels: of the quantizer.
    """

    frames: np.ndarray
    schedules: tuple[Schedule, ...]
    change: Tensor
    levels: int


def adapt(codec: Codec, lessons: Lessons, settings: AdaptationSettings, checkpoint: Path, seed: int) -> SemanticDecoder:
    """A decoder whose network has seen the speaker as the filter shows him; `codec` stays as it is.

    Each step simulates runs of frames from a key frame on, through quantizer and white noise, and corrects the last
    frame of each. The loss is that of the codec's own training: the logarithm of the squared error, and the likelihood
    of the predicted deviation.

    Args:
        codec: to start from.
        lessons: see there.
        settings: see there.
        checkpoint: file to write and resume from.
        seed: everything random follows from it.
    """
    model = build_seeded(SemanticDecoder, seed)
    model.load_state_dict(codec.decoder.state_dict())
    model.to(codec.device).requires_grad_(requires_grad=False)
    model.unet.requires_grad_(requires_grad=True)
    loop = LoopSettings(
        steps=settings.steps,
        batch=settings.batch,
        learning_rate=settings.learning_rate,
        seed=seed,
        average=0.98,
        checkpoint_every=50,
        device=str(codec.device),
        threads=torch.get_num_threads(),
    )

    def loss(draw: Draw) -> Tensor:
        return _loss(codec.encoder, model, lessons, settings, draw)

    groups: list[dict[str, object]] = [{"params": list(model.unet.parameters()), "lr": 1.0}]
    model.load_state_dict(fit(model, loss, groups, loop, checkpoint))
    return model.eval().requires_grad_(requires_grad=False)


def _loss(
    encoder: SemanticEncoder, decoder: SemanticDecoder, lessons: Lessons, settings: AdaptationSettings, draw: Draw
) -> Tensor:
    device = lessons.change.device
    schedule = lessons.schedules[int(draw.generator.integers(len(lessons.schedules)))]
    length = 1 + int(draw.generator.integers(min(schedule.period, len(lessons.frames))))
    starts = draw.generator.integers(len(lessons.frames) - length + 1, size=settings.batch)
    mirrored = draw.generator.random(settings.batch) < 0.5
    # Only a receiver that tunes in begins with a key frame; a later one finds older knowledge in the belief.
    older = int(draw.generator.integers(2)) * schedule.period
    level = draw.generator.uniform(settings.esn0_low_db, settings.esn0_high_db, settings.batch)
    belief: Belief | None = None
    with torch.no_grad():
        for index in range(-older, length):
            chosen = np.maximum(starts + index, 0)
            batch = np.stack([lessons.frames[frame] for frame in chosen])
            batch = np.where(mirrored[:, None, None, None], batch[:, :, ::-1], batch)
            planes = _planes(batch, device)
            rate = rate_by_cbr(schedule.cbr(index))
            height, width = planes.shape[2:]
            grid = grid_of(height, width)
            symbols = grid[0] * grid[1] * rate.channels // 2
            noise = np.repeat(10 ** (-level / 10)[:, None], symbols, 1).astype(np.float32)
            air = Air(Quantizer.of(lessons.levels), torch.from_numpy(noise).to(device))
            received, variance = transmit(encoder(planes, rate), air, draw.torch_generator)
            evidence = Evidence(received, variance, rate, height, width)
            belief = fuse(encoder, decoder, evidence, belief, lessons.change)
        if belief is None:  # `length` is at least one
            raise SettingsError("a run of frames was empty")
        linear = linear_estimate(encoder, decoder, belief, grid)
    estimate = decoder.correct(linear)
    error = (estimate.picture - planes).square()
    distortion = (error.mean((1, 2, 3)) + 1e-5).log().mean()
    power = error.detach().mean(1, keepdim=True)
    likelihood = (estimate.deviation.log() + power / (2 * estimate.deviation.square())).mean()
    return distortion + 0.05 * likelihood.clamp(max=20.0)


def _planes(frames: np.ndarray, device: torch.device) -> Tensor:
    """Frames, float [B, H, W, 3], as the encoder takes them."""
    planes = torch.from_numpy(np.ascontiguousarray(frames, np.float32)).permute(0, 3, 1, 2)
    return pad_to_blocks(planes.contiguous().to(device))
