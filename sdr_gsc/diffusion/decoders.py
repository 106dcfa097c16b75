"""Decoders by name: a reception in, a reconstruction out.

Names are the same in the command line, in TOML and in JSON: ``mmse`` (deterministic), ``refine[:STEPS]`` (conditional
diffusion from the codec's estimate) and ``posterior[:SOLVER]`` (unconditional prior guided by the likelihood).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..errors import DescriptorError, SettingsError, WeightsError
from ..semantic.codec import Codec
from ..semantic.decoder import Estimate
from ..semantic.descriptor import Mapping
from ..semantic.evidence import Evidence, evidence_of
from ..semantic.values import Reception, Reconstruction
from ..weights.cards import Card
from .bridge import BridgeCondition, BridgeDenoiser
from .denoiser import Denoiser
from .guidance.dps import DpsGuidance
from .guidance.proximal import ProximalGuidance
from .likelihood import SymbolLikelihood
from .models import load_bridge, load_prior
from .sampler import Guidance, OnStep, quietly, sample_bridge, sample_posterior
from .schedule import BridgeSchedule, NoiseSchedule

__all__ = ["DECODER_NAMES", "Decoder", "MmseDecoder", "PosteriorDecoder", "RefineDecoder", "open_decoder"]

_SOLVERS: dict[str, Guidance] = {"diffpir": ProximalGuidance(), "dps": DpsGuidance()}
DECODER_NAMES = ("mmse", "refine[:STEPS]", f"posterior[:{'|'.join(_SOLVERS)}]")

_DEFAULT_REFINE_STEPS = 4
_DEFAULT_POSTERIOR_STEPS = 20


class Decoder(Protocol):
    """Anything that turns a reception into a picture."""

    @property
    def name(self) -> str:
        """Name under which it was opened."""
        ...

    def decode(self, reception: Reception, *, generator: torch.Generator, on_step: OnStep = quietly) -> Reconstruction:
        """Decode one picture.

        Args:
            reception: what the receiver knows.
            generator: source of everything random, on the codec's device.
            on_step: called after each step of a sampler.

        Raises:
            DescriptorError: nothing was received, or it was sent by another codec or without symbols.
        """
        ...


@dataclass(frozen=True, slots=True)
class MmseDecoder:
    """The codec's own deterministic decoder."""

    codec: Codec
    name: str = "mmse"

    def decode(self, reception: Reception, *, generator: torch.Generator, on_step: OnStep = quietly) -> Reconstruction:
        """See Decoder; nothing here is random."""
        began = time.perf_counter()
        evidence, estimate = _estimate(self.codec, reception)
        return _reconstruction(
            self.name, evidence, estimate.picture, estimate.deviation, 0, {"estimate": time.perf_counter() - began}
        )


@dataclass(frozen=True, slots=True)
class RefineDecoder:
    """The bridge from the codec's estimate to a picture.

    Attributes:
        codec: whose estimates the bridge was trained on.
        bridge: the trained network.
        schedule: its length is the number of evaluations.
        kappa: starting noise relative to the predicted error, 0.1…1.
        realism: where the reconstruction lies on the line from conditional mean (0, least squared error) to draw (1).
            On that line lie the pictures of least error for a given distance from the distribution of pictures
            (Freirich, Michaeli and Meir 2021, "A theory of the distortion-perception tradeoff in Wasserstein space",
            theorem 3).
        samples: pictures drawn; the first one gives the reconstruction, all of them the standard deviation.
        name: as asked for.
    """

    codec: Codec
    bridge: BridgeDenoiser
    schedule: BridgeSchedule
    kappa: float
    realism: float
    samples: int
    name: str

    def decode(self, reception: Reception, *, generator: torch.Generator, on_step: OnStep = quietly) -> Reconstruction:
        """See Decoder."""
        began = time.perf_counter()
        evidence, estimate = _estimate(self.codec, reception)
        estimated = time.perf_counter()
        condition = BridgeCondition(
            _repeat(estimate.picture, self.samples),
            _repeat(estimate.deviation, self.samples),
            _repeat(estimate.linear.picture, self.samples),
            _repeat(estimate.linear.latent, self.samples),
        )
        mean, drawn = sample_bridge(self.bridge, condition, self.schedule, self.kappa, generator, on_step)
        picture = mean[:1] + self.realism * (drawn[:1] - mean[:1])
        timings = {"estimate": estimated - began, "sample": time.perf_counter() - estimated}
        return _reconstruction(
            self.name, evidence, picture, estimate.deviation, self.schedule.steps, timings, drawn=drawn
        )


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
        evidence, estimate = _estimate(self.codec, reception)
        estimated = time.perf_counter()
        # Pictures are in [-1, 1] from here, so deviations double.
        error = 2 * float(estimate.deviation.square().mean().sqrt())
        schedule = NoiseSchedule(start=max(error, 0.02), end=0.01, steps=self.steps)
        likelihood = SymbolLikelihood(self.codec.encoder, evidence.to(self.codec.device))
        start = _repeat(estimate.picture * 2 - 1, self.samples)
        drawn = sample_posterior(self.prior, likelihood, self.guidance, schedule, start, generator, on_step)
        timings = {"estimate": estimated - began, "sample": time.perf_counter() - estimated}
        drawn = drawn / 2 + 0.5
        return _reconstruction(self.name, evidence, drawn, estimate.deviation, self.steps, timings, drawn=drawn)


def open_decoder(
    name: str,
    codec: Codec,
    folder: Path | None = None,
    *,
    steps: int | None = None,
    samples: int = 1,
    realism: float | None = None,
) -> Decoder:
    """Open a decoder by name.

    Args:
        name: see DECODER_NAMES.
        codec: the codec of the pictures.
        folder: holds ``cards.toml`` and the models; default: the shipped ones.
        steps: evaluations of the network; default: the name's own, or 4 (refine) and 20 (posterior).
        samples: pictures to draw, for the per-pixel standard deviation.
        realism: of `refine`, 0…1, see RefineDecoder; default: the model card's.

    Raises:
        SettingsError: unknown name, or a number out of range.
        WeightsError: the model's file is missing, damaged, or belongs to another codec.
    """
    if samples < 1:
        raise SettingsError(f"samples is {samples}; needed at least 1")
    if realism is not None and not 0 <= realism <= 1:
        raise SettingsError(f"realism is {realism}; needed a number in 0…1")
    family, _, choice = name.partition(":")
    if family == "mmse" and not choice:
        return MmseDecoder(codec)
    if family == "refine" and (not choice or choice.isdecimal()):
        bridge, card = load_bridge(codec, folder)
        count = steps if steps is not None else int(choice or _DEFAULT_REFINE_STEPS)
        wanted = _setting(card, "realism") if realism is None else realism
        return RefineDecoder(codec, bridge, BridgeSchedule(count), _setting(card, "kappa"), wanted, samples, name)
    if family == "posterior" and (not choice or choice in _SOLVERS):
        count = steps if steps is not None else _DEFAULT_POSTERIOR_STEPS
        if count < 1:
            raise SettingsError(f"posterior takes at least 1 step, not {count}")
        prior, _ = load_prior(codec.device, folder)
        return PosteriorDecoder(codec, prior, _SOLVERS[choice or "diffpir"], count, samples, name)
    raise SettingsError(f"decoder {name!r} is unknown; needed one of {', '.join(DECODER_NAMES)}")


def _setting(card: Card, name: str) -> float:
    """A setting in 0…1 that the card recommends."""
    value = card.settings.get(name)
    if value is None or not 0 <= value <= 1:
        raise WeightsError(f"card {card.name!r} has the setting {name} = {value}; needed a number in 0…1")
    return value


def _estimate(codec: Codec, reception: Reception) -> tuple[Evidence, Estimate]:
    if reception.descriptor is not None:
        if reception.descriptor.mapping is Mapping.CLASSICAL:
            raise DescriptorError("a classical transmission carries a picture file and no symbols: decode its payload")
        codec.check(reception.descriptor)
    evidence = evidence_of(reception)
    return evidence, codec.estimate(evidence)


def _repeat(values: Tensor, samples: int) -> Tensor:
    return values.expand(samples, -1, -1, -1)


def _reconstruction(
    name: str,
    evidence: Evidence,
    picture: Tensor,
    predicted: Tensor,
    nfe: int,
    timings: dict[str, float],
    drawn: Tensor | None = None,
) -> Reconstruction:
    """Crop the padding away and leave torch; one draw says nothing of the deviation, so the predicted one stands in."""

    def cropped(planes: Tensor) -> np.ndarray:
        inside = planes[:, :, : evidence.height, : evidence.width].clamp(0, 1)
        return np.asarray(inside.permute(0, 2, 3, 1).float().cpu().numpy())

    samples = cropped(drawn) if drawn is not None and drawn.shape[0] > 1 else None
    if samples is None:
        deviation = cropped(predicted)[0, :, :, 0]
    else:
        deviation = np.sqrt(np.mean(np.var(samples, axis=0, ddof=1), axis=-1)).astype(np.float32)
    return Reconstruction(
        picture=cropped(picture)[0],
        decoder=name,
        samples=samples,
        standard_deviation=deviation,
        nfe=nfe,
        timings_s=timings,
    )
