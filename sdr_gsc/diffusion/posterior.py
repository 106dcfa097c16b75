"""The `posterior:SOLVER` decoders: the unconditional prior, guided by the likelihood of the received symbols."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..errors import SettingsError
from ..semantic.codec import Codec
from ..semantic.evidence import Evidence
from ..semantic.values import Reception, Reconstruction
from .clock import seconds_on
from .decoding import estimate_of, reconstruction_of, repeated
from .denoiser import Denoiser
from .early_start import start_level
from .guidance.daps import DapsGuidance
from .guidance.diffcom import DiffComGuidance, PublishedDiffCom
from .guidance.dps import DpsGuidance
from .guidance.mmps import MmpsGuidance
from .guidance.pigdm import PigdmGuidance
from .guidance.proximal import ProximalGuidance
from .likelihood import ConfirmedLikelihood, SymbolLikelihood
from .options import DecoderOptions
from .plugins.latents import LatentPrior, Problem, in_latents
from .priors import prior_for
from .sampler import Guidance, OnStep, quietly, sample_posterior
from .schedule import NoiseSchedule
from .task_likelihood import TaskGuidance, guided_by_task, is_guided, open_task_guidance

__all__ = ["SOLVERS", "PosteriorDecoder", "Solver", "open_posterior"]


@dataclass(frozen=True, slots=True)
class Solver:
    """A solver by name.

    Attributes:
        guidance: its steps.
        confirming: whether it asks what the deterministic decoder makes of an estimate.
        weighting: the only one it works with; None for any.
        start: where it starts unless told otherwise, see START_RULES.
    """

    guidance: Guidance
    confirming: bool = False
    weighting: str | None = None
    start: str = "evidence"


#: Solvers by name.
SOLVERS: dict[str, Solver] = {
    "diffpir": Solver(ProximalGuidance()),
    "dps": Solver(DpsGuidance()),
    "diffcom": Solver(DiffComGuidance()),
    "hifi-diffcom": Solver(DiffComGuidance(measurement=0.5, confirming=0.5), confirming=True),
    "pigdm": Solver(PigdmGuidance()),
    "mmps": Solver(MmpsGuidance()),
    "daps": Solver(DapsGuidance()),
    "diffcom-paper": Solver(PublishedDiffCom(), weighting="none", start="diffcom"),
    "hifi-diffcom-paper": Solver(
        PublishedDiffCom(measurement=0.25, confirming=0.25), confirming=True, weighting="none", start="diffcom"
    ),
}
_DEFAULT_STEPS = 20
#: Last level before the clean picture: about an 8-bit step of pictures in [-1, 1].
_LAST_LEVEL = 0.01


@dataclass(frozen=True, slots=True)
class PosteriorDecoder:
    """The prior, guided by the likelihood of the received symbols.

    By default it starts from the codec's estimate with noise of the estimate's predicted error: levels above that would
    only forget what is known. Every sample is a draw of its own: all noise, that of the start too, is its own.

    Attributes:
        codec: its encoder is the likelihood's forward model.
        prior: denoiser of pictures, or of latents.
        solver: how prior and likelihood come together.
        steps: estimates of the prior, at most.
        samples: see RefineDecoder.
        name: as asked for.
        weighting: see `Evidence.weighted`.
        start: see START_RULES.
        task: how a task vector guides the picture; None leaves it out.
        passes: forward passes of the prior's network per estimate, see OpenedPrior.
    """

    codec: Codec
    prior: Denoiser | LatentPrior
    solver: Solver
    steps: int
    samples: int
    name: str
    weighting: str = "measured"
    start: str = "evidence"
    task: TaskGuidance | None = None
    passes: int = 1

    def decode(self, reception: Reception, *, generator: torch.Generator, on_step: OnStep = quietly) -> Reconstruction:
        """See Decoder."""
        began = seconds_on(self.codec.device)
        evidence, estimate = estimate_of(self.codec, reception, self.weighting)
        estimated = seconds_on(self.codec.device)
        guidance = self.solver.guidance
        # Pictures are in [-1, 1] from here.
        problem = Problem(
            likelihood=guided_by_task(self._likelihood(evidence.to(self.codec.device)), evidence, self.task),
            start=repeated(estimate.picture * 2 - 1, self.samples),
            level=start_level(self.start, estimate, reception),
        )
        size = problem.start.shape[2:]
        if isinstance(self.prior, LatentPrior):
            problem = in_latents(problem, self.prior, generator)
        schedule = NoiseSchedule(problem.level, end=_LAST_LEVEL, steps=max(self.steps // guidance.evaluations, 1))
        drawn = sample_posterior(self.prior, problem.likelihood, guidance, schedule, problem.start, generator, on_step)
        if isinstance(self.prior, LatentPrior):
            drawn = self.prior.pictures(drawn, size)
        timings = {"estimate": estimated - began, "sample": seconds_on(self.codec.device) - estimated}
        drawn = drawn / 2 + 0.5
        evaluations = schedule.steps * guidance.evaluations * self.passes
        found = reconstruction_of(self.name, evidence, estimate, drawn, evaluations, timings, drawn=drawn)
        return replace(found, uses_task_vector=is_guided(evidence, self.task))

    def _likelihood(self, evidence: Evidence) -> SymbolLikelihood:
        # The evidence is weighted already; a solver of its own weighting has the decoder's estimate from measured ones.
        weighting = self.solver.weighting or "measured"
        if self.solver.confirming:
            return ConfirmedLikelihood(self.codec.encoder, self.codec.decoder, evidence, weighting)
        return SymbolLikelihood(self.codec.encoder, evidence, weighting)


def open_posterior(
    name: str, solver: str, codec: Codec, folder: Path | None, options: DecoderOptions
) -> PosteriorDecoder:
    """Open `posterior:SOLVER`; `solver` is that of the name. Errors as in `open_decoder`."""
    chosen = SOLVERS[solver]
    prior = prior_for(codec, folder, options)
    if isinstance(prior.denoiser, LatentPrior) and isinstance(chosen.guidance, PublishedDiffCom):
        raise SettingsError(
            f"{name} clips its estimates to the range of pictures and {options.prior!r} is a prior of latents; needed "
            "a prior of pictures, or another solver"
        )
    return PosteriorDecoder(
        codec=codec,
        prior=prior.denoiser,
        solver=chosen,
        steps=options.steps or _DEFAULT_STEPS,
        samples=options.samples,
        name=name,
        weighting=options.weighting,
        start=options.start or chosen.start,
        task=open_task_guidance(options.task_guidance, codec.device),
        passes=prior.passes,
    )
