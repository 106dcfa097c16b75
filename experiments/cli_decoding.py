"""Flags of decoders and their models; None stands for what was not given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

__all__ = ["Decoding"]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """What decoders are asked for; an option that none of the chosen ones uses is refused.

    Attributes:
        steps: Steps of refine, consistency, posterior or blind; the decoder's own by default.
        samples: Pictures to draw; 1 by default.
        realism: Where a bridge's picture lies between the codec's estimate (0) and the walk's end (1); else the card's.
        weighting: measured, or for comparison global or none.
        start: Where posterior:SOLVER starts: evidence, diffcom or noise.
        sampler: Of refine: ddim, heun or dpm-solver++.
        early_exit: Stop when the picture changes by less than this share of its predicted deviation.
        precision: Of the networks: float32 or bfloat16.
        compile: Compile the networks (CUDA only).
        prior: Prior of posterior:SOLVER or blind: folder that diffusers wrote, or guided-diffusion checkpoint.
        label: Class that such a prior is told.
        prompt: Text that such a prior is told, or a .safetensors file of its embeddings.
        guidance: Scale of classifier-free guidance, of refine or such a prior.
        codec: Folder of another codec, with codec.toml.
        codec_code: Python file with the classes of that codec; it is run.
    """

    steps: int | None = None
    samples: int | None = None
    realism: float | None = None
    weighting: str | None = None
    start: str | None = None
    sampler: str | None = None
    early_exit: float | None = None
    precision: str | None = None
    compile: Annotated[bool | None, Parameter(negative="")] = None
    prior: str | None = None
    label: int | None = None
    prompt: str | None = None
    guidance: float | None = None
    codec: str | None = None
    codec_code: str | None = None
