"""Settings of decoders and their models, which a transmission and a sweep have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from sdr_gsc.diffusion.options import DecoderOptions

__all__ = ["DecodingSettings", "ModelSettings", "StrictSettings"]


class StrictSettings(BaseModel):
    """Frozen, without unknown names, and every number finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelSettings(StrictSettings):
    """Models of others in the place of ours.

    Attributes:
        prior: of `posterior` and `blind`: folder that diffusers wrote, or guided-diffusion checkpoint; None takes the
            shipped one.
        label: class that the prior is told, where it knows classes.
        prompt: text that the prior is told, or the file of its embeddings, where it knows texts.
        guidance: scale of classifier-free guidance, of `refine` and of priors that know texts; see DecoderOptions.
        codec: folder with ``codec.toml``; None takes our own codec.
        codec_code: Python file with the classes of `codec`; it is run.
    """

    prior: str | None = None
    label: Annotated[int, Field(ge=0)] | None = None
    prompt: str | None = None
    guidance: Annotated[float, Field(ge=0)] | None = None
    codec: str | None = None
    codec_code: str | None = None

    @model_validator(mode="after")
    def _models(self) -> ModelSettings:
        if self.prior is None and (self.label is not None or self.prompt is not None):
            raise ValueError("label and prompt are told to a prior; give prior too")
        if self.codec is None and self.codec_code is not None:
            raise ValueError("codec_code goes with codec, the folder of its weights")
        return self

    def relocated(self, folder: Path) -> dict[str, str]:
        """Paths of the models, resolved from `folder`, by the names of their settings."""
        paths = {"prior": self.prior, "codec": self.codec, "codec_code": self.codec_code}
        if self.prompt is not None and self.prompt.endswith(".safetensors"):
            paths["prompt"] = self.prompt
        return {name: str((folder / path).resolve()) for name, path in paths.items() if path is not None}


class DecodingSettings(ModelSettings):
    """What decoders are asked for beyond their names, see DecoderOptions.

    Attributes:
        steps: estimates of the network; None takes the name's own, or the decoder's default.
        samples: pictures to draw, for the per-pixel standard deviation.
        realism: where the picture lies between the codec's estimate (0) and the walk's end (1); None: the card's.
        weighting: how received symbols are weighted; anything but ``measured`` is an ablation.
        start: where `posterior` starts; None takes the solver's own.
        sampler: how `refine` walks its bridge; None takes ``ddim``.
        early_exit: stop when the estimate changes by less than this share of the predicted deviation.
        precision: of the networks.
        compile: compile the networks, on CUDA devices only.
    """

    steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    samples: Annotated[int, Field(ge=1, le=64)] = 1
    realism: Annotated[float, Field(ge=0, le=1)] | None = None
    weighting: Literal["measured", "global", "none"] = "measured"
    start: Literal["evidence", "diffcom", "noise"] | None = None
    sampler: Literal["ddim", "heun", "dpm-solver++", "euler"] | None = None
    early_exit: Annotated[float, Field(gt=0)] | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False

    def decoder_options(self, task_guidance: float = 0.0) -> DecoderOptions:
        """The same for `open_decoder`.

        Args:
            task_guidance: see DecoderOptions; only a transmission with a task vector has it.
        """
        from sdr_gsc.diffusion.options import DecoderOptions  # loads torch

        return DecoderOptions(
            steps=self.steps, samples=self.samples, realism=self.realism, weighting=self.weighting, start=self.start,
            prior=self.prior, label=self.label, prompt=self.prompt, guidance=self.guidance, sampler=self.sampler,
            early_exit=self.early_exit, precision=self.precision, compile=self.compile, task_guidance=task_guidance,
        )  # fmt: skip
