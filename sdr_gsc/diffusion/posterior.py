"""The `posterior` decoder: the unconditional prior, guided by the likelihood of the received symbols."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from ..semantic.codec import Codec
from ..semantic.values import Reception, Reconstruction
from .decoding import estimate_of, reconstruction_of, repeated
from .denoiser import Denoiser
from .guidance.dps import DpsGuidance
from .guidance.proximal import ProximalGuidance
from .likelihood import SymbolLikelihood
from .models import load_prior
from .options import DecoderOptions
from .sampler import Guidance, OnStep, quietly, sample_posterior
from .schedule import NoiseSchedule

__all__ = ["SOLVERS", "PosteriorDecoder", "open_posterior"]

#: Solvers by name; the first one is the default.
SOLVERS: dict[str, Guidance] = {"diffpir": ProximalGuidance(), "dps": DpsGuidance()}
_DEFAULT_STEPS = 20


@dataclass(frozen=True, slots=True)
class PosteriorDecoder:
    """The prior, guided by the likelihood of the received symbols.

    It starts from the codec's estimate with noise of the estimate's predicted error: levels above that would only
    forget what is known.

    Attributes:
        codec: its encoder is the likelihood's forward model.
        prior: unconditional denoiser.
        guidance: the solver.
        steps: evaluations of the prior.
        samples: see RefineDecoder.
        name: as asked for.
    """

    codec: Codec
    prior: Denoiser
    guidance: Guidance
    steps: int
    samples: int
    name: str

    def decode(self, reception: Reception, *, generator: torch.Generator, on_step: OnStep = quietly) -> Reconstruction:
        """See Decoder."""
        began = time.perf_counter()
        evidence, estimate = estimate_of(self.codec, reception)
        estimated = time.perf_counter()
        # Pictures are in [-1, 1] from here, so deviations double.
        error = 2 * float(estimate.deviation.square().mean().sqrt())
        schedule = NoiseSchedule(start=max(error, 0.02), end=0.01, steps=self.steps)
        likelihood = SymbolLikelihood(self.codec.encoder, evidence.to(self.codec.device))
        start = repeated(estimate.picture * 2 - 1, self.samples)
        drawn = sample_posterior(self.prior, likelihood, self.guidance, schedule, start, generator, on_step)
        timings = {"estimate": estimated - began, "sample": time.perf_counter() - estimated}
        drawn = drawn / 2 + 0.5
        return reconstruction_of(self.name, evidence, drawn, estimate.deviation, self.steps, timings, drawn=drawn)


def open_posterior(
    name: str, solver: str, codec: Codec, folder: Path | None, options: DecoderOptions
) -> PosteriorDecoder:
    """Open `posterior[:SOLVER]`; `solver` is that of the name. Errors as in `open_decoder`."""
    prior, _ = load_prior(codec.device, folder)
    steps = options.steps or _DEFAULT_STEPS
    return PosteriorDecoder(codec, prior, SOLVERS[solver], steps, options.samples, name)
