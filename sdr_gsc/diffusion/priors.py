"""The prior that a decoder is asked for: the shipped one, or one of others by its address."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import SettingsError
from ..semantic.codec import Codec
from .denoiser import Denoiser
from .models import load_prior
from .options import DecoderOptions
from .plugins.conditioning import Conditioning
from .plugins.latents import LatentPrior
from .plugins.opening import open_prior
from .runtime import Runtime

__all__ = ["OpenedPrior", "prior_for"]


@dataclass(frozen=True, slots=True)
class OpenedPrior:
    """A prior, frozen, on the codec's device.

    Attributes:
        denoiser: of pictures, or of latents.
        passes: forward passes of its network per estimate: 2 under classifier-free guidance.
    """

    denoiser: Denoiser | LatentPrior
    passes: int = 1


def prior_for(codec: Codec, folder: Path | None, options: DecoderOptions) -> OpenedPrior:
    """Open the prior that `options` name.

    Args:
        codec: whose device it runs on.
        folder: of the shipped prior, see `open_decoder`.
        options: prior, what it is told, and how it runs.

    Raises:
        SettingsError: precision or compile for a prior of others, or what that prior cannot use.
        WeightsError: see `load_prior` and `open_prior`.
    """
    runtime = Runtime(options.precision, options.compile)
    if options.prior is None:
        return OpenedPrior(runtime.applied(load_prior(codec.device, folder)[0]))
    if not runtime.plain:
        raise SettingsError(
            f"precision is {options.precision} and compile {options.compile}, but prior {options.prior!r} runs as its "
            "authors built it; leave both out"
        )
    told = Conditioning(label=options.label, prompt=options.prompt, guidance=options.guidance)
    opened = open_prior(options.prior, codec.device, told)
    return OpenedPrior(opened, opened.passes)
