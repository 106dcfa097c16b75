"""Training of the refining bridge, on what the frozen codec delivers over every rate and channel.

    loss = mean((x̂ - x)²)/mean(b²τ²) + w·likeness,

with b and τ of `bridge`. Errors count relative to what the bridge has left at t and to the picture's own uncertainty,
so that every rate, SNR and time weighs the same; inside a picture plain squared error decides. A perfect draw from the
posterior has twice the squared error of its mean (3 dB), so w says how much of that is spent on looking right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sdr_gsc.diffusion.bridge import BridgeDenoiser, bridge_state, remaining_deviation
from sdr_gsc.errors import SettingsError
from sdr_gsc.semantic.rate import MAX_CHANNELS

from .codec import CodecModel
from .conditions import draw_condition
from .likeness import Likeness, load_teacher
from .loop import Draw, LoopSettings, Progress, build_seeded, draw_of, fit
from .pictures import PictureSet

__all__ = ["RefineAim", "check_awake", "start_from_codec", "train_refine"]

#: Share of the pictures whose latent and linear planes are withheld, for classifier-free guidance.
_DROPPED_SHARE = 0.1
#: Share of the steps at t = 1, where the one-step decoder and the first step of every other one live, and of those
#: further down a walk that the network has begun itself; the others see the bridge as it is defined.
_FIRST_STEP_SHARE, _OWN_WALK_SHARE = 0.6, 0.3
#: Share of the pictures of the first steps whose start carries no noise: there the usual walk begins.
_NOISELESS_SHARE = 0.5
#: Size of the stem's starting weights for planes that the codec's network does not have, relative to torch's own.
_NEW_PLANES = 0.1

#: Root mean square of what the last layer reads: a network at work 0.2 to 1, one that had given up 0.014.
_SILENT = 0.02


@dataclass(frozen=True, slots=True)
class RefineAim:
    """What the bridge is trained for.

    Attributes:
        likeness: w, weight of the distance between features, >= 0; with 0 squared error alone decides.
    """

    likeness: float = 20.0

    def __post_init__(self) -> None:
        if not self.likeness >= 0:
            raise SettingsError(f"the weight of likeness is {self.likeness}; needed a number of at least 0")


def _loss(
    model: BridgeDenoiser,
    codec: CodecModel,
    pictures: PictureSet,
    settings: LoopSettings,
    aim: RefineAim,
    likeness: Likeness | None,
    draw: Draw,
) -> Tensor:
    crops = pictures.crops(settings.batch, settings.side_px, draw.generator).to(settings.device)
    condition = draw_condition(codec, crops, draw)

    def uniform() -> Tensor:
        return torch.rand(settings.batch, generator=draw.torch_generator, device=crops.device)

    kappa = 0.2 + 0.8 * uniform()
    # What guidance at run time takes away, some pictures have to have been trained without.
    given = condition.without_evidence(uniform() < _DROPPED_SHARE)
    noise = torch.randn(crops.shape, generator=draw.torch_generator, device=crops.device)
    ahead, t = crops, 0.02 + 0.98 * uniform()
    power = remaining_deviation(condition, t, kappa).square().mean((1, 2, 3))
    kind = draw.generator.random()
    if kind < _FIRST_STEP_SHARE + _OWN_WALK_SHARE:
        # Nothing of the picture is in these states that was not in the estimate.
        power = condition.deviation.square().mean((1, 2, 3))
        first = torch.ones_like(t)
        if kind < _FIRST_STEP_SHARE:
            t, noise = first, noise * (uniform() >= _NOISELESS_SHARE).reshape(-1, 1, 1, 1)
        else:
            with torch.no_grad(), torch.autocast(crops.device.type, dtype=torch.bfloat16):
                ahead, noise = model(given.estimate, given, first, kappa), torch.zeros_like(noise)
    state = bridge_state(condition, ahead, noise, t, kappa)
    with torch.autocast(crops.device.type, dtype=torch.bfloat16):
        clean = model(state, given, t, kappa)
    loss = ((clean - crops).square().mean((1, 2, 3)) / power).mean()
    if likeness is not None:
        loss = loss + aim.likeness * likeness.distance(clean, crops, draw.generator).mean()
    return loss


def start_from_codec(model: BridgeDenoiser, codec: CodecModel) -> None:
    """Begin with what the codec's network saw in damaged pictures; the last layer stays at zero, so F = 0.

    The stem reads the codec's planes, picture and deviation, where the bridge has them (see `BridgeDenoiser`): layers
    behind it then meet the activations that they were trained with. A bridge that had begun behind a random stem came
    to F = 0, which squared error nearly asks for, by silencing its last block for good: no loss wakes a block that is
    zero everywhere.
    """
    own, theirs = model.unet.state_dict(), codec.decoder.unet.state_dict()
    for name, value in theirs.items():
        if name in own and own[name].shape == value.shape and not name.startswith("head."):
            own[name] = value
    # Four columns a plane, for each 2x2 block: the state's offset (3 planes), estimate (3), deviation, linear (3).
    stem = own["stem.weight"] * _NEW_PLANES
    stem[:, 12:28] = theirs["stem.weight"]
    own["stem.weight"] = stem
    model.unet.load_state_dict(own)


def check_awake(model: BridgeDenoiser, codec: CodecModel, pictures: PictureSet, settings: LoopSettings) -> None:
    """Refuse a network whose last layer has nothing left to read: every picture would get the same correction.

    Raises:
        SettingsError: it has fallen silent.
    """
    draw = draw_of(settings, settings.steps)
    crops = pictures.crops(settings.batch, settings.side_px, draw.generator).to(settings.device)
    condition = draw_condition(codec, crops, draw)
    read: list[Tensor] = []
    hook = model.unet.head.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0]))
    ones = torch.ones(settings.batch, device=crops.device)
    with torch.no_grad():
        model(condition.estimate, condition, ones, ones)
    hook.remove()
    size = float(read[0].float().square().mean().sqrt())
    if size < _SILENT:
        raise SettingsError(
            f"the network has fallen silent: its last layer reads values of {size:.3f}, needed at least {_SILENT}; "
            "train again in another --out folder with a lower learning rate, from the codec or a bridge that was awake"
        )


def train_refine(
    codec: CodecModel,
    pictures: PictureSet,
    settings: LoopSettings,
    checkpoint: Path,
    on_step: Callable[[Progress], None] = lambda progress: None,
    start: BridgeDenoiser | None = None,
    aim: RefineAim = RefineAim(),  # noqa: B008
) -> BridgeDenoiser:
    """Train the bridge on a frozen codec; returns it with averaged weights, in evaluation mode.

    Args:
        codec: frozen here.
        pictures: to train on.
        settings: how long and how fast.
        checkpoint: file to write and resume from.
        on_step: called after each step.
        start: weights to go on from; None starts from the codec's network.
        aim: see there.

    Raises:
        WeightsError: the teacher of `Likeness` is not installed.
        SettingsError: see `fit`; also a network that has fallen silent.
    """
    model = build_seeded(lambda: BridgeDenoiser(latent=MAX_CHANNELS + 1), settings.seed)
    if start is None:
        start_from_codec(model, codec)
    else:
        model.load_state_dict(start.state_dict())
    model.to(settings.device)
    codec = codec.to(settings.device).eval().requires_grad_(requires_grad=False)
    likeness = Likeness(load_teacher(settings.device)) if aim.likeness else None
    groups: list[dict[str, object]] = [{"params": list(model.parameters()), "lr": 1.0}]
    averaged = fit(
        model,
        lambda draw: _loss(model, codec, pictures, settings, aim, likeness, draw),
        groups,
        settings,
        checkpoint,
        on_step,
    )
    model.load_state_dict(averaged)
    check_awake(model.eval(), codec, pictures, settings)
    return model
