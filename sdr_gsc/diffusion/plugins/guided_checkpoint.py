"""Checkpoints in the form of `guided-diffusion` (Dhariwal and Nichol 2021; also those of DPS) as priors.

The tensors say almost everything about their architecture; what they cannot say (attention heads and the noise
schedule) has the published models' values unless a TOML file of the same name beside the checkpoint says otherwise.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from ...errors import WeightsError
from ...metrics.foreign import load_foreign
from .conditioning import Conditioning, LabelledNetwork, checked_label
from .discrete import DiscreteDenoiser, Prediction
from .files import fill
from .guided_unet import GuidedShape, GuidedUNet
from .levels import NoiseLevels, betas

__all__ = ["GuidedSettings", "deduced_shape", "open_checkpoint"]

#: SHA-256 of published files, by name: a file that goes by the name must be the one.
_PUBLISHED = {"256x256_diffusion_uncond.pt": "a37c32fffd316cd494cf3f35b339936debdc1576dad13fe57c42399a5dbc78b1"}
#: The linear schedule's first and last β for T = 1000; for other T they scale, so that the total noise stays.
_FIRST_BETA, _LAST_BETA, _USUAL_STEPS = 1e-4, 0.02, 1000


@dataclass(frozen=True, slots=True)
class GuidedSettings:
    """What the tensors do not say, under the names that training of such models uses.

    Attributes:
        num_heads: attention heads; -1 lets `num_head_channels` decide.
        num_head_channels: channels per attention head.
        use_new_attention_order: see GuidedShape.grouped_attention.
        diffusion_steps: T.
        rescale_timesteps: time was given to the network in thousandths of T.
        noise_schedule: ``linear`` or ``cosine``.
        predict_xstart: the network predicts the picture instead of the noise.
        sha256: hash of the checkpoint, checked where given.
    """

    num_heads: int = -1
    num_head_channels: int = 64
    use_new_attention_order: bool = False
    diffusion_steps: int = _USUAL_STEPS
    rescale_timesteps: bool = False
    noise_schedule: str = "linear"
    predict_xstart: bool = False
    sha256: str = ""

    @classmethod
    def beside(cls, checkpoint: Path) -> GuidedSettings:
        """Those of ``NAME.toml`` beside ``NAME.pt``; the published models' where there is none.

        Raises:
            WeightsError: damaged, unknown names, or values of another type.
        """
        path = checkpoint.with_suffix(".toml")
        if not path.is_file():
            return cls()
        try:
            found = tomllib.loads(path.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise WeightsError(f"{path} is not TOML ({error}); correct it") from error
        kinds = {field.name: type(field.default) for field in fields(cls)}
        for name, value in found.items():
            if name not in kinds:
                raise WeightsError(f"{path} sets {name}; needed some of {', '.join(kinds)}")
            if type(value) is not kinds[name]:
                raise WeightsError(f"{path} sets {name} to {value!r}; needed a value of type {kinds[name].__name__}")
        return cls(**found)

    def levels(self) -> NoiseLevels:
        """The noise levels of training.

        Raises:
            WeightsError: unknown schedule.
        """
        names = {"linear": "linear", "cosine": "squaredcos_cap_v2"}
        if self.noise_schedule not in names:
            raise WeightsError(f"noise_schedule is {self.noise_schedule!r}; needed linear or cosine")
        scale = _USUAL_STEPS / max(self.diffusion_steps, 1)
        first, last = _FIRST_BETA * scale, _LAST_BETA * scale
        return NoiseLevels.of_betas(betas(names[self.noise_schedule], self.diffusion_steps, first, last))


def deduced_shape(tensors: Mapping[str, Tensor], settings: GuidedSettings) -> GuidedShape:
    """The architecture behind tensors of such a checkpoint.

    Raises:
        WeightsError: these are not the tensors of such a network.
    """
    try:
        width = tensors["time_embed.0.weight"].shape[1]
        outputs = tensors["out.2.weight"].shape[0]
        first = tensors["input_blocks.1.0.emb_layers.1.weight"].shape[0]
        first_out = tensors["input_blocks.1.0.out_layers.3.weight"].shape[0]
    except KeyError as error:
        raise WeightsError(
            f"the checkpoint has no tensor {error}; needed the state dictionary of a guided-diffusion U-Net"
        ) from error
    # A level ends, on the way up, with a layer that doubles the sides: a convolution, or a second residual block.
    stages = 1 + max((int(found[1]) for found in map(_OUTPUT_STAGE.match, tensors) if found), default=-1)
    by_convolution = [
        any(f"output_blocks.{at}.{place}.conv.weight" in tensors for place in (1, 2)) for at in range(stages)
    ]
    by_residual = [
        any(f"output_blocks.{at}.{place}.in_layers.0.weight" in tensors for place in (1, 2)) for at in range(stages)
    ]
    ends = [conv or residual for conv, residual in zip(by_convolution, by_residual, strict=True)]
    levels = 1 + sum(ends)
    per_level, rest = divmod(stages, levels)
    if rest or per_level < 2:
        raise WeightsError(
            f"the checkpoint has {stages} output blocks for {levels} levels; needed the same number for every level "
            "and resolutions changed by layers with weights"
        )
    blocks = per_level - 1
    # On the way down a level is its residual blocks and the layer that halves the sides; the stem comes before.
    firsts = [1 + level * (blocks + 1) for level in range(levels)]
    try:
        widths = tuple(tensors[f"input_blocks.{at}.0.out_layers.3.weight"].shape[0] for at in firsts)
    except KeyError as error:
        raise WeightsError(f"the checkpoint has no tensor {error}; it is incomplete: fetch it again") from error
    return GuidedShape(
        width=width,
        widths=widths,
        blocks=blocks,
        attended=tuple(f"input_blocks.{at}.1.qkv.weight" in tensors for at in firsts),
        outputs=outputs,
        classes=tensors["label_emb.weight"].shape[0] if "label_emb.weight" in tensors else None,
        heads=None if settings.num_heads < 0 else settings.num_heads,
        head_width=settings.num_head_channels,
        scale_shift=first == 2 * first_out,
        residual_resampling=any(by_residual),
        grouped_attention=settings.use_new_attention_order,
    )


_OUTPUT_STAGE = re.compile(r"output_blocks\.(\d+)\.")


def open_checkpoint(path: Path, device: torch.device, conditioning: Conditioning) -> DiscreteDenoiser:
    """Open a ``.pt`` file of a pixel-space model.

    Raises:
        WeightsError: missing, not the published file of that name, more than tensors, or of another architecture.
        SettingsError: a label or text that the model cannot use, or lacks.
    """
    settings = GuidedSettings.beside(path)
    tensors = load_foreign(path, settings.sha256 or _PUBLISHED.get(path.name))
    tensors = {name: value.float() for name, value in tensors.items()}
    shape = deduced_shape(tensors, settings)
    if shape.outputs not in (3, 6):
        raise WeightsError(f"{path} predicts {shape.outputs} channels; needed 3, or 6 with learned variances")
    try:
        # Without memory or initial values: the checkpoint's own tensors become the parameters.
        with torch.device("meta"):
            unet = GuidedUNet(shape)
    except ValueError as error:
        raise WeightsError(f"{path} has a width that is no multiple of the normalization's groups: {error}") from error
    fill(unet, tensors, path, assign=True)

    unit = _USUAL_STEPS / settings.diffusion_steps if settings.rescale_timesteps else 1.0

    def call(scaled: Tensor, times: Tensor, labels: Tensor | None) -> Tensor:
        said: Tensor = unet(scaled, times * unit, labels)
        return said

    network = LabelledNetwork(call, unet, checked_label(conditioning, shape.classes))
    prediction = Prediction.SAMPLE if settings.predict_xstart else Prediction.EPSILON
    denoiser = DiscreteDenoiser(network, settings.levels(), prediction, stride=shape.stride)
    return denoiser.to(device).eval().requires_grad_(requires_grad=False)
