"""The `blind` decoder: picture and residual channel together.

First the receiver's own estimates approach each other: the deterministic decoder reads the symbols with the channel
taken out as far as it is known, its picture is sent once more, and the taps of each frame (see residual_channel)
follow from the symbols it would have sent; what is not yet known of the channel counts as noise, half as much every
time. Then two chains of diffusion run side by side, as in BlindDPS (Chung et al. 2023) and Blind-DiffCom, started early
at what the approach leaves open. The taps have a Gaussian prior, so their denoiser is Tweedie's formula in closed form,
and their data step a small linear system; the data step of the picture is that of `posterior:diffpir` with the taps in
its likelihood. (Blind-DiffCom starts both chains from noise and takes a thousand gradient steps.)

Only what pictures look like tells a turned picture from another one, so the fewer latents a rate leaves out the slower
the approach: at CBR 1/12 much of the residual channel stays in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import SettingsError
from ..semantic.codec import Codec
from ..semantic.decoder import Estimate
from ..semantic.encoder import SemanticEncoder
from ..semantic.evidence import Evidence
from ..semantic.values import Reception, Reconstruction
from .clock import seconds_on
from .decoding import reconstruction_of, repeated
from .denoiser import Denoiser
from .early_start import evidence_level
from .guidance.gauss_newton import conditional_mean
from .guidance.steps import ancestral, denoised, expected_variance
from .likelihood import SymbolLikelihood
from .options import DecoderOptions
from .plugins.latents import LatentPrior
from .priors import prior_for
from .residual_channel import Carriers, TapPrior, tweedie_of_taps
from .sampler import OnStep, SamplerStep, quietly
from .schedule import NoiseSchedule

__all__ = ["BlindDecoder", "ChannelledLikelihood", "open_blind"]

_DEFAULT_STEPS = 20
_LAST_LEVEL = 0.01
#: ā of the taps' chain at its first and last step: from what the approach leaves open, a fifth of the taps' deviation,
#: to all but taps.
_TAP_KEEP = (0.96, 0.9999)
#: A gain below this says nothing of a symbol's phase; dividing by it would only make numbers large.
_LEAST_GAIN = 0.05


class ChannelledLikelihood(SymbolLikelihood):
    """The likelihood given a residual gain per symbol: latents 2j and 2j+1 are turned as I and Q of one point.

    Args:
        encoder: the sender's encoder.
        evidence: what was received.
        gains: complex64 [B or 1, n] per complex symbol.
    """

    def __init__(self, encoder: SemanticEncoder, evidence: Evidence, gains: Tensor) -> None:
        super().__init__(encoder, evidence)
        self._gains = gains

    def sent(self, pictures: Tensor) -> Tensor:
        """The latents as they arrive, float [B, h·w, c]."""
        latents = super().sent(pictures)
        pairs = latents.reshape(latents.shape[0], -1, 2)
        real, imaginary = self._gains.real, self._gains.imag
        turned = torch.stack(
            [pairs[..., 0] * real - pairs[..., 1] * imaginary, pairs[..., 0] * imaginary + pairs[..., 1] * real], -1
        )
        return turned.reshape(latents.shape)


@dataclass(frozen=True, slots=True)
class BlindDecoder:
    """Picture and residual channel together.

    Attributes:
        codec: see PosteriorDecoder.
        prior: unconditional denoiser of pictures.
        taps: prior of the residual channel.
        steps: estimates of the denoiser.
        approaches: runs of the deterministic decoder before the chains start.
        rounds: channel and picture in turn, per step.
        samples: see RefineDecoder.
        trust: η of ProximalGuidance.
        iterations: of conjugate gradients per data step.
        name: as asked for.
        passes: see PosteriorDecoder.
    """

    codec: Codec
    prior: Denoiser
    taps: TapPrior = field(default_factory=TapPrior)
    steps: int = _DEFAULT_STEPS
    approaches: int = 8
    rounds: int = 1
    samples: int = 1
    trust: float = 0.3
    iterations: int = 4
    name: str = "blind"
    passes: int = 1

    def decode(self, reception: Reception, *, generator: torch.Generator, on_step: OnStep = quietly) -> Reconstruction:
        """See Decoder; symbols of the coded mapping did not cross the air themselves and are refused."""
        return self.decode_jointly(reception, generator=generator, on_step=on_step)[0]

    def decode_jointly(
        self, reception: Reception, *, generator: torch.Generator, on_step: OnStep = quietly
    ) -> tuple[Reconstruction, np.ndarray]:
        """The reconstruction, and the taps of the residual channel behind it, complex64 [samples, frames, L]."""
        began = seconds_on(self.codec.device)
        if reception.descriptor is not None:
            self.codec.check(reception.descriptor)
        evidence = self.codec.evidence(reception).to(self.codec.device)
        carriers = Carriers.of(reception, self.taps.lags, evidence.latents.numel() // 2).to(self.codec.device)
        channel = _TapChain(self.taps, carriers, evidence)
        estimate, scaled = self._approach(evidence, carriers, channel)
        estimated = seconds_on(self.codec.device)
        schedule = NoiseSchedule(start=evidence_level(estimate), end=_LAST_LEVEL, steps=self.steps)
        start = repeated(estimate.picture * 2 - 1, self.samples)
        drawn, taps = self._sample(evidence, carriers, channel, schedule, start, scaled, generator, on_step)
        timings = {"estimate": estimated - began, "sample": seconds_on(self.codec.device) - estimated}
        drawn = drawn / 2 + 0.5
        reconstruction = reconstruction_of(
            self.name, evidence, estimate, drawn, self.steps * self.passes, timings, drawn=drawn
        )
        return reconstruction, np.asarray(taps.cpu().numpy())

    @torch.no_grad()
    def _approach(self, evidence: Evidence, carriers: Carriers, channel: _TapChain) -> tuple[Estimate, Tensor]:
        """Deterministic decoder and taps in turn; returns the estimate, and scaled taps complex64 [1, F, L]."""
        nothing = channel.nothing(1)
        scaled, unknown = nothing, float(self.taps.spread().square().sum()) * 2 * evidence.power
        estimate = self.codec.estimate(_corrected(evidence, carriers.gains(channel.taps(scaled)), unknown))
        for _ in range(self.approaches):
            unknown /= 2
            sent = self.codec.encoder(estimate.picture, evidence.rate)
            scaled = channel.data_step(nothing, 1.0, sent)
            estimate = self.codec.estimate(_corrected(evidence, carriers.gains(channel.taps(scaled)), unknown))
        return estimate, scaled

    def _sample(
        self,
        evidence: Evidence,
        carriers: Carriers,
        channel: _TapChain,
        schedule: NoiseSchedule,
        start: Tensor,
        scaled: Tensor,
        generator: torch.Generator,
        on_step: OnStep,
    ) -> tuple[Tensor, Tensor]:
        """Both chains; returns pictures in [-1, 1] and taps complex64 [B, F, L]."""
        levels = schedule.levels()
        state = start + float(levels[0]) * torch.randn(start.shape, generator=generator, device=start.device)
        keeps = np.append(_keeps(schedule.steps), 1.0)
        first, shape = float(keeps[0]), channel.nothing(start.shape[0]).shape
        found = scaled.expand(shape)
        noisy_taps = first**0.5 * found + (1 - first) ** 0.5 * _complex_noise(tuple(shape), generator, start.device)
        clean, taps = start, channel.taps(found)
        encoder = self.codec.encoder
        for index, (now, then) in enumerate(zip(levels[:-1], levels[1:], strict=True)):
            sigma, keep, next_keep = float(now), float(keeps[index]), float(keeps[index + 1])
            with torch.no_grad():
                expected = denoised(self.prior, state, sigma)
            # Taps scaled to unit variance have the score -u at every level, so Tweedie's mean is √ā u.
            expected_taps = tweedie_of_taps(noisy_taps, keep, -noisy_taps)
            variance = self.trust * expected_variance(sigma)
            clean = expected
            for _ in range(self.rounds):
                with torch.no_grad():
                    sent = SymbolLikelihood(encoder, evidence).sent(clean)
                found = channel.data_step(expected_taps, 1 - keep, sent)
                taps = channel.taps(found)
                likelihood = ChannelledLikelihood(encoder, evidence, carriers.gains(taps))
                clean = conditional_mean(likelihood, expected, variance, self.iterations)
            noisy_taps = _ancestral_taps(noisy_taps, found, keep, next_keep, generator)
            state = ancestral(state, clean, sigma, float(then), generator)
            on_step(SamplerStep(index + 1, schedule.steps, clean))
        return clean, taps


class _TapChain:
    """The taps of all frames, scaled to zero mean and unit variance: complex64 [B, F, L]."""

    def __init__(self, prior: TapPrior, carriers: Carriers, evidence: Evidence) -> None:
        device = evidence.latents.device
        self._mean, self._spread = prior.mean().to(device), prior.spread().to(device)
        self._carriers = carriers
        pairs = evidence.latents.reshape(-1, 2).contiguous()
        self._received = torch.view_as_complex(pairs)
        # Per complex symbol E|n|² is the sum of the two real variances, which are equal.
        variance = 2 * evidence.variance.reshape(-1, 2)[:, 0]
        self._weight = torch.where(torch.isfinite(variance), 1 / variance.clamp(min=1e-9), 0.0)
        self._power = 2 * evidence.power

    def nothing(self, batch: int) -> Tensor:
        """Scaled taps as they are expected before anything is known: zeros, complex64 [batch, F, L]."""
        return self._mean.new_zeros(batch, self._carriers.frames, self._mean.numel())

    def taps(self, scaled: Tensor) -> Tensor:
        """Taps, complex64 [B, F, L]."""
        return self._mean + self._spread * scaled

    def data_step(self, expected: Tensor, variance: float, sent: Tensor) -> Tensor:
        """Mean of scaled taps ~ CN(expected, variance·I) given the received symbols and estimates of those sent.

        With ŝ the estimate of a symbol and v the variance of what it lacks, E[s* y] = ŝ* y and E[|s|²] = |ŝ|² + v: an
        estimate is shorter than the truth, and without v the taps would grow for it, the picture fade, and so on. The
        sender makes the mean power of a picture's symbols 1 and the interleaver spreads them, so v is what a frame's
        estimates lack of that. Weights fall with the misfit of each frame where it is larger than the measured noise
        explains.

        Args:
            expected: complex64 [B, F, L].
            variance: of the scaled taps around that.
            sent: estimated latents, float [B, h·w, c].
        """
        frames = self._carriers.frames
        points = torch.view_as_complex(sent.reshape(expected.shape[0], -1, 2).contiguous())
        squares = points.abs().square()
        owner = self._carriers.frame.expand(squares.shape)
        count = _per_frame(torch.ones_like(squares), owner, frames).clamp(min=1)
        lacking = (self._power - _per_frame(squares, owner, frames) / count).clamp(min=0)
        squares = squares + lacking.gather(1, owner)
        columns = self._carriers.steering * self._spread
        usual = self._carriers.gains(self._mean.expand(1, frames, -1))
        misfit = self._received - points * (usual + (columns * expected[:, self._carriers.frame]).sum(-1))
        excess = _per_frame(self._weight * misfit.abs().square(), owner, frames)
        heard = _per_frame((self._weight > 0).float().expand(squares.shape), owner, frames)
        tempering = (heard / excess.clamp(min=1e-12)).clamp(max=1.0)
        weight = self._weight * tempering.gather(1, owner)
        outer = columns.conj()[:, :, None] * columns[:, None, :]
        normal = expected.new_zeros(*expected.shape, expected.shape[-1])
        normal.index_add_(1, self._carriers.frame, (weight * squares)[..., None, None] * outer)
        right = torch.zeros_like(expected)
        rest = weight * (points.conj() * self._received - squares * usual)
        right.index_add_(1, self._carriers.frame, rest[..., None] * columns.conj())
        # No variance is left at the end of the chain; the floor keeps the system finite.
        precision = 1 / max(variance, 1e-4)
        normal = normal + precision * torch.eye(normal.shape[-1], dtype=normal.dtype, device=normal.device)
        return torch.linalg.solve(normal, (right + precision * expected)[..., None])[..., 0]


def _per_frame(values: Tensor, owner: Tensor, frames: int) -> Tensor:
    """Sums of float [B, n] over the symbols of each frame, float [B, F]."""
    return values.new_zeros(values.shape[0], frames).scatter_add_(1, owner, values)


def _corrected(evidence: Evidence, gains: Tensor, unknown: float) -> Evidence:
    """Evidence with the channel divided out; `unknown` is the variance per complex symbol that it leaves."""
    pairs = torch.view_as_complex(evidence.latents.reshape(1, -1, 2).contiguous())
    power = gains.abs().square().clamp(min=_LEAST_GAIN**2)
    latents = torch.view_as_real(pairs * gains.conj() / power).reshape(evidence.latents.shape)
    spread = power.reshape(1, -1, 1).expand(-1, -1, 2).reshape(evidence.latents.shape)
    return replace(evidence, latents=latents, variance=(evidence.variance + unknown / 2) / spread)


def _keeps(steps: int) -> np.ndarray:
    """ā of the taps' chain, float64 [steps], evenly in log(ā/(1-ā))."""
    first, last = (np.log(keep / (1 - keep)) for keep in _TAP_KEEP)
    return np.asarray(1 / (1 + np.exp(-np.linspace(first, last, steps))))


def _complex_noise(shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    """Complex64 of E|n|² = 1."""
    parts = torch.randn((*shape, 2), generator=generator, device=device)
    return torch.view_as_complex(parts * 0.5**0.5)


def _ancestral_taps(noisy: Tensor, clean: Tensor, keep: float, next_keep: float, generator: torch.Generator) -> Tensor:
    """Draw u at the next ā given u at this one and the clean taps; see `ancestral`, on u/√ā."""
    sigma, next_sigma = ((1 - level) ** 0.5 / level**0.5 for level in (keep, next_keep))
    down = next_sigma**2 / sigma**2
    fresh = _complex_noise(tuple(noisy.shape), generator, noisy.device)
    exploded = noisy / keep**0.5
    return next_keep**0.5 * (clean + down * (exploded - clean) + next_sigma * (1 - down) ** 0.5 * fresh)


def open_blind(name: str, codec: Codec, folder: Path | None, options: DecoderOptions) -> BlindDecoder:
    """Open `blind`. Errors as in `open_decoder`."""
    prior = prior_for(codec, folder, options)
    if isinstance(prior.denoiser, LatentPrior):
        raise SettingsError(f"blind works on pictures and {options.prior!r} is a prior of latents; take posterior")
    return BlindDecoder(
        codec,
        prior.denoiser,
        steps=options.steps or _DEFAULT_STEPS,
        samples=options.samples,
        name=name,
        passes=prior.passes,
    )
