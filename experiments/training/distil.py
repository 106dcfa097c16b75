"""Distillation of the bridge: one evaluation at t = 1 is to give a realistic picture.

The trained bridge goes on at t = 1, where asked for against a critic that knows the codec's estimate. All errors count
in units of the predicted deviation τ, so that one balance of realism and squared error holds at every rate and SNR:

    loss = w_s · mean((x̂ - x)²)/mean(b²τ²) + w_l · likeness + w_a · adversarial + w_f · matching + w_c · consistency.

A perfect draw from the posterior has twice the squared error of its mean (3 dB); w_s against the others says how much
of that is spent. The critic judges estimates at t = 1; the other steps keep the bridge a bridge, so that the realistic
estimate can be walked on from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sdr_gsc.diffusion.bridge import BridgeCondition, BridgeDenoiser, bridge_state, remaining_deviation
from sdr_gsc.diffusion.consistency import sample_consistency
from sdr_gsc.diffusion.schedule import BridgeSchedule
from sdr_gsc.errors import SettingsError
from sdr_gsc.semantic.quantizer import Quantizer
from sdr_gsc.semantic.rate import BLOCK_PX, RATES, Rate

from .air import Air
from .codec import CodecModel
from .conditions import condition_through, draw_condition
from .critic import Critic, Judgement, adversarial_loss, matching_loss, sensitivity
from .likeness import Likeness, load_teacher
from .loop import Draw, LoopSettings, Progress, Rival, build_seeded, fit
from .pictures import PictureSet

__all__ = ["DEFAULT_PARTS", "Balance", "balanced_realism", "choose_parts", "distilled_psnr_db", "train_distil"]

#: What learns: the two finest levels of the decoder, where detail is made. The rest of the network is that of `refine`,
#: so that the shipped file is small, and no gradient has to pass through it.
DEFAULT_PARTS = ("head", "decode.0", "decode.1", "fuse.0", "fuse.1")

#: Share of the steps at t = 1.
_ONE_STEP_SHARE = 0.8
#: Learning rate of the critic relative to the network's.
_CRITIC_RATE = 1.0
#: Every so many turns the critic pays for its sensitivity to photographs and made pictures (R1 and R2), so much.
_PENALTY_EVERY = 1
_PENALTY = 0.5


@dataclass(frozen=True, slots=True)
class Balance:
    """Weights of the losses, all >= 0, and the starting noise.

    Attributes:
        squared: squared error relative to the predicted one.
        likeness: distance between the features of picture and estimate, see `Likeness`.
        adversarial: the critic's verdict.
        matching: distance between the critic's features of picture and estimate.
        consistency: squared distance between the estimates at t and at an earlier time of the same line, in the same
            units; it costs one more evaluation.
        kappa: strength of the bridge, above 0, at most 1.
        noise: size of the noise at t = 1 relative to κτ. With all of it, the cheapest way to please the critic is to
            let white noise through; without it, detail has to come from what was received.
    """

    squared: float = 1.0
    likeness: float = 20.0
    adversarial: float = 0.0
    matching: float = 0.0
    consistency: float = 0.0
    kappa: float = 0.5
    noise: float = 0.0

    def __post_init__(self) -> None:
        weights = (self.squared, self.likeness, self.adversarial, self.matching, self.consistency)
        if min(weights) < 0 or max(weights) == 0 or not (0 < self.kappa <= 1 and 0 <= self.noise <= 1):
            raise SettingsError(
                f"weights are {weights}, kappa is {self.kappa} and noise {self.noise}; needed weights of at least 0, "
                "one of them above, kappa in 0…1 and above 0, noise in 0…1"
            )


@dataclass(slots=True)
class _Game:
    """One network's loss, and its critic's on the same draw."""

    model: BridgeDenoiser
    critic: Critic | None
    codec: CodecModel
    pictures: PictureSet
    settings: LoopSettings
    balance: Balance
    likeness: Likeness | None
    played: tuple[Tensor, Tensor, BridgeCondition] | None = None

    def loss(self, draw: Draw) -> Tensor:
        """What the network has to reduce."""
        balance, batch = self.balance, self.settings.batch
        crops = self.pictures.crops(batch, self.settings.side_px, draw.generator).to(self.settings.device)
        condition = draw_condition(self.codec, crops, draw)

        def uniform() -> Tensor:
            return torch.rand(batch, generator=draw.torch_generator, device=crops.device)

        at_once = draw.generator.random() < _ONE_STEP_SHARE
        t = torch.ones(batch, device=crops.device) if at_once else 0.02 + 0.98 * uniform()
        kappa = torch.full_like(t, balance.kappa)
        noise = torch.randn(crops.shape, generator=draw.torch_generator, device=crops.device)
        noise = noise * balance.noise if at_once else noise
        with torch.autocast(crops.device.type, dtype=torch.bfloat16):
            clean = self.model(bridge_state(condition, crops, noise, t, kappa), condition, t, kappa)
        power = remaining_deviation(condition, t, kappa).square().mean((1, 2, 3))
        loss = balance.squared * ((clean - crops).square().mean((1, 2, 3)) / power).mean()
        if balance.consistency:
            earlier = t * uniform()
            with torch.no_grad(), torch.autocast(crops.device.type, dtype=torch.bfloat16):
                aim = self.model(bridge_state(condition, crops, noise, earlier, kappa), condition, earlier, kappa)
            loss = loss + balance.consistency * ((clean - aim).square().mean((1, 2, 3)) / power).mean()
        if self.likeness is not None:
            loss = loss + balance.likeness * self.likeness.distance(clean, crops, draw.generator).mean()
        if at_once and self.critic is not None:
            self.critic.requires_grad_(requires_grad=False)
            made = _judge(self.critic, clean, condition)
            with torch.no_grad():
                real = _judge(self.critic, crops, condition)
            loss = loss + balance.adversarial * adversarial_loss(made, real)
            loss = loss + balance.matching * matching_loss(real, made)
        self.played = (crops, clean.detach(), condition) if at_once else None
        return loss

    def critic_loss(self, draw: Draw) -> Tensor | None:
        """What the critic has to reduce, on the pictures that the network has just made; None where it made none."""
        if self.played is None or self.critic is None:
            return None
        crops, clean, condition = self.played
        self.critic.requires_grad_(requires_grad=True)
        loss = adversarial_loss(_judge(self.critic, crops, condition), _judge(self.critic, clean, condition))
        if draw.step % _PENALTY_EVERY == 0:
            slopes = sensitivity(self.critic, crops, condition) + sensitivity(self.critic, clean, condition)
            loss = loss + 0.5 * _PENALTY * _PENALTY_EVERY * slopes
        return loss


def _judge(critic: Critic, pictures: Tensor, condition: BridgeCondition) -> Judgement:
    with torch.autocast(pictures.device.type, dtype=torch.bfloat16):
        judgement: Judgement = critic(pictures, condition)
    return judgement


def choose_parts(model: BridgeDenoiser, parts: Sequence[str]) -> list[nn.Parameter]:
    """Let only the named parts of the network learn, and return their parameters.

    Args:
        model: its parameters are frozen or freed in place.
        parts: modules of the U-Net, such as ``head`` or ``decode.0``, the decoder's finest level.

    Raises:
        SettingsError: a part that the network does not have, or none at all.
    """
    chosen: dict[str, nn.Parameter] = {}
    for part in parts:
        found = {name: value for name, value in model.unet.named_parameters() if name.startswith(f"{part}.")}
        if not found:
            known = {name.split(".")[0] for name, _ in model.unet.named_parameters()}
            raise SettingsError(
                f"the network has no part {part!r} to train; needed parts of {', '.join(sorted(known))}, "
                "with a level behind a dot where there are several: head, decode.0, fuse.1"
            )
        chosen |= found
    if not chosen:
        raise SettingsError("no part of the network is to learn; needed at least one, for example head")
    model.requires_grad_(requires_grad=False)
    for value in chosen.values():
        value.requires_grad = True
    return list(chosen.values())


def train_distil(
    codec: CodecModel,
    start: BridgeDenoiser,
    pictures: PictureSet,
    settings: LoopSettings,
    balance: Balance,
    checkpoint: Path,
    on_step: Callable[[Progress], None] = lambda progress: None,
    parts: Sequence[str] = DEFAULT_PARTS,
) -> BridgeDenoiser:
    """Go on from a trained bridge; returns it with averaged weights, in evaluation mode.

    Args:
        codec: frozen here.
        start: the trained bridge; left as it is.
        pictures: to train on.
        settings: how long and how fast.
        balance: weights of the losses.
        checkpoint: file to write and resume from; it holds the critic, too, where there is one.
        on_step: called after each step.
        parts: of the network that learn, see `choose_parts`; the rest stays as in `start`.

    Raises:
        SettingsError: see `fit` and `choose_parts`.
        WeightsError: the teacher of `Likeness` is not installed.
    """
    model = BridgeDenoiser(latent=start.unet.shape.latent)
    model.load_state_dict(start.state_dict())
    chosen = choose_parts(model.to(settings.device), parts)
    # A critic whose verdict counts for nothing is not built.
    asked = balance.adversarial or balance.matching
    critic = build_seeded(Critic, settings.seed).to(settings.device) if asked else None
    codec = codec.to(settings.device).eval().requires_grad_(requires_grad=False)
    likeness = Likeness(load_teacher(settings.device)) if balance.likeness else None
    game = _Game(model, critic, codec, pictures, settings, balance, likeness)
    groups: list[dict[str, object]] = [{"params": chosen, "lr": 1.0}]
    rival = None if critic is None else Rival(critic, game.critic_loss, learning_rate=_CRITIC_RATE)
    averaged = fit(model, game.loss, groups, settings, checkpoint, on_step, rival)
    model.load_state_dict(averaged)
    return model.eval()


@torch.no_grad()
def distilled_psnr_db(
    codec: CodecModel,
    bridge: BridgeDenoiser,
    pictures: Tensor,
    rate: Rate,
    esn0_db: float,
    balance: Balance,
    realisms: Sequence[float],
    seed: int = 0,
) -> list[float]:
    """Mean PSNR in dB of m + realism·(x̂ - m) over white noise, for each realism; 0 gives the codec's own.

    Args:
        codec: that the bridge belongs to.
        bridge: the distilled one.
        pictures: float [B, 3, H, W] in [0, 1].
        rate: of the codec.
        esn0_db: Es/N0.
        balance: with which it was trained.
        realisms: where to measure.
        seed: of all noise.
    """
    generator = torch.Generator(pictures.device).manual_seed(seed)
    symbols = (pictures.shape[2] // BLOCK_PX) * (pictures.shape[3] // BLOCK_PX) * rate.channels // 2
    noise = torch.full((pictures.shape[0], symbols), 10 ** (-esn0_db / 10), device=pictures.device)
    condition = condition_through(codec, pictures, rate, Air(Quantizer.of(16), noise), generator)
    drawn, _ = sample_consistency(bridge, condition, BridgeSchedule(1), balance.kappa, balance.noise, generator)
    found = []
    for realism in realisms:
        picture = condition.estimate + realism * (drawn - condition.estimate)
        error = (picture.clamp(0, 1) - pictures).square().mean((1, 2, 3))
        found.append(float((-10 * error.log10()).mean()))
    return found


def balanced_realism(
    codec: CodecModel,
    bridge: BridgeDenoiser,
    pictures: PictureSet,
    settings: LoopSettings,
    balance: Balance,
    loss_db: float,
) -> float:
    """The largest realism in 0.05…1 whose PSNR loss against the codec's own estimate stays within `loss_db`.

    Measured on crops of the training pictures, one step, as the mean over CBR 1/48 and 1/24 at 0, 5, 10 and 15 dB.
    """
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(settings.seed)))
    crops = pictures.crops(32, settings.side_px, generator).to(settings.device)
    realisms = [0.0, *(0.05 * step for step in range(1, 21))]
    curves = [
        distilled_psnr_db(codec, bridge, crops, rate, esn0_db, balance, realisms)
        for rate in RATES[3:5]
        for esn0_db in (0.0, 5.0, 10.0, 15.0)
    ]
    mean = np.mean(curves, 0)
    within = [realism for realism, psnr_db in zip(realisms, mean, strict=True) if mean[0] - psnr_db <= loss_db]
    return round(max([0.05, *within]), 2)
