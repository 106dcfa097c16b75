"""The bridge with data steps against the posterior of a linear-Gaussian problem, and on real symbols."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sdr_gsc.diffusion.bridge import BridgeCondition, BridgeDenoiser, bridge_state
from sdr_gsc.diffusion.bridge_walk import sample_bridge
from sdr_gsc.diffusion.consistent_bridge import ConsistentBridge
from sdr_gsc.diffusion.decoders import check_used, open_decoder
from sdr_gsc.diffusion.likelihood import SymbolLikelihood, log_likelihood
from sdr_gsc.diffusion.nets.unet import UNetShape
from sdr_gsc.diffusion.ode import Heun
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.diffusion.schedule import BridgeSchedule
from sdr_gsc.errors import SettingsError
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.evidence import evidence_of
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.rate import rate_by_cbr
from sdr_gsc.semantic.values import Reception

_SIZE = 3 * 16 * 16
_ROWS = 12
_DRAWS = 400


@dataclass(frozen=True)
class _LinearLikelihood:
    """Of a few random combinations of pixels in [-1, 1]."""

    matrix: Tensor
    received: Tensor
    deviation: float

    def residual(self, pictures: Tensor) -> Tensor:
        return (self.received - pictures.flatten(1) @ self.matrix.T) / self.deviation


@dataclass(frozen=True)
class _Problem:
    """Pictures with independent Gaussian pixels of unequal deviation around an estimate, and what was received."""

    condition: BridgeCondition
    likelihood: _LinearLikelihood
    mean: Tensor
    covariance: Tensor


def _problem() -> _Problem:
    generator = torch.Generator().manual_seed(0)
    estimate = torch.rand((1, 3, 16, 16), generator=generator)
    deviation = 0.02 + 0.2 * torch.rand((1, 1, 16, 16), generator=generator)
    matrix = torch.randn((_ROWS, _SIZE), generator=generator) / 8
    received = torch.randn(_ROWS, generator=generator)
    centre = (estimate * 2 - 1).flatten().double()
    variance = (2 * deviation).square().expand(1, 3, -1, -1).flatten().double()
    wide, noise = matrix.double(), 0.3**2
    covariance = torch.linalg.inv(wide.T @ wide / noise + torch.diag(1 / variance))
    mean = covariance @ (wide.T @ received.double() / noise + centre / variance)
    condition = BridgeCondition(
        estimate.expand(_DRAWS, -1, -1, -1),
        deviation.expand(_DRAWS, -1, -1, -1),
        estimate.expand(_DRAWS, -1, -1, -1),
        torch.zeros(_DRAWS, 2, 1, 1),
    )
    return _Problem(condition, _LinearLikelihood(matrix, received, 0.3), mean, covariance)


def _bridge() -> BridgeDenoiser:
    """Untrained, so that it is E[x0 | x_t] of Gaussian errors; see test_bridge."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        shape = UNetShape(inputs=10, outputs=3, widths=(4, 4, 4, 4), blocks=1, conditions=2, latent=2)
        return BridgeDenoiser(latent=2, shape=shape).eval()


def test_an_estimate_is_the_mean_given_state_and_symbols() -> None:
    """E[x0 | x_t, y]: the state is a noisy view of the picture, of variance (tκτ)² after division by 1 - t."""
    problem, t, kappa = _problem(), 0.4, 0.7
    condition = problem.condition
    generator = torch.Generator().manual_seed(1)
    noise, error = (torch.randn(condition.estimate.shape, generator=generator) for _ in range(2))
    times, strengths = torch.full((_DRAWS,), t), torch.full((_DRAWS,), kappa)
    state = bridge_state(condition, condition.estimate + condition.deviation * error, noise, times, strengths)
    consistent = ConsistentBridge(_bridge(), problem.likelihood, trust=1.0, iterations=_ROWS + 1)
    with torch.no_grad():
        found = consistent(state, condition, times, strengths)
    seen = (condition.estimate + (state - condition.estimate) / (1 - t)) * 2 - 1
    spread = (2 * condition.deviation[:1]).expand(1, 3, -1, -1).flatten().double()
    precision = 1 / (t * kappa / (1 - t) * spread).square()
    joint = torch.linalg.inv(torch.linalg.inv(problem.covariance) + torch.diag(precision))
    pull = torch.linalg.solve(problem.covariance, problem.mean)
    expected = (pull + precision * seen.flatten(1).double()) @ joint
    assert torch.allclose((found * 2 - 1).flatten(1).double(), expected, atol=2e-4)


def test_the_walk_draws_from_the_posterior() -> None:
    problem = _problem()
    consistent = ConsistentBridge(_bridge(), problem.likelihood, trust=1.0, iterations=_ROWS + 1)
    generator = torch.Generator().manual_seed(2)
    walked = sample_bridge(consistent, problem.condition, BridgeSchedule(24), 1.0, generator, sampler=Heun())
    drawn = (walked.drawn * 2 - 1).flatten(1).double()
    # Along what was received, where the posterior differs from the prior.
    axes = problem.likelihood.matrix.double()
    spread = (axes @ problem.covariance @ axes.T).diagonal().sqrt()
    offset = (drawn - problem.mean) @ axes.T / spread
    assert (offset.mean(0).abs() < 5 / _DRAWS**0.5).all()
    assert offset.var(0).mean() == pytest.approx(1.0, abs=0.1)
    # And of all pixels together, which the symbols hardly touch.
    ratio = (drawn - problem.mean).var(0) / problem.covariance.diagonal()
    assert ratio.mean() == pytest.approx(1.0, abs=0.05)


def test_less_trust_moves_less_and_silence_moves_nothing() -> None:
    problem = _problem()
    condition, ones = problem.condition, torch.ones(_DRAWS)
    start = condition.estimate
    with torch.no_grad():
        moved = [
            float((ConsistentBridge(_bridge(), problem.likelihood, trust)(start, condition, ones, ones) - start).norm())
            for trust in (0.1, 0.5, 1.0)
        ]
        deaf = _LinearLikelihood(0 * problem.likelihood.matrix, 0 * problem.likelihood.received, 1.0)
        unmoved = ConsistentBridge(_bridge(), deaf)(start, condition, ones, ones)
    assert 0 < moved[0] < moved[1] < moved[2]
    assert torch.allclose(unmoved, start, atol=1e-6)


@pytest.fixture(scope="module")
def codec(model_folder: Path) -> Codec:
    return Codec.load(model_folder)


def test_it_agrees_with_the_symbols_better_than_refine(
    codec: Codec, model_folder: Path, soft_picture: np.ndarray
) -> None:
    symbols = codec.encode(soft_picture, rate_by_cbr(12), 16)
    size = symbols.descriptor.n_symbols
    draws = np.random.default_rng(0).standard_normal((2, size)) * 0.05
    points = (constellation_points(symbols) + draws[0] + 1j * draws[1]).astype(np.complex64)
    lost = np.random.default_rng(1).random(size) < 0.2
    reception = Reception(
        symbols.descriptor, np.where(lost, 0, points).astype(np.complex64),
        np.where(lost, np.inf, 0.005).astype(np.float32), None, (),
    )  # fmt: skip
    likelihood = SymbolLikelihood(codec.encoder, evidence_of(reception))

    def fit(name: str) -> float:
        options = DecoderOptions(steps=3, realism=1.0)
        made = open_decoder(name, codec, model_folder, options).decode(
            reception, generator=torch.Generator().manual_seed(0)
        )
        assert (made.decoder, made.nfe) == (name, 3)
        height, width = made.picture.shape[:2]
        pad = ((0, -height % 16), (0, -width % 16), (0, 0))
        whole = torch.from_numpy(np.pad(made.picture, pad, mode="edge")).permute(2, 0, 1)[None]
        return float(log_likelihood(likelihood, whole * 2 - 1))

    assert fit("posterior:cddb") > fit("refine")


@pytest.mark.parametrize("options", [{"prior": "folder"}, {"start": "noise"}, {"task_guidance": 1.0}])
def test_what_an_unconditional_prior_would_need_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="chosen is posterior:cddb"):
        check_used(("posterior:cddb",), DecoderOptions(**options))  # type: ignore[arg-type]


def test_what_the_bridge_uses_is_taken() -> None:
    options = DecoderOptions(realism=0.5, guidance=2.0, sampler="heun", early_exit=0.1, steps=3, samples=2)
    check_used(("posterior:cddb",), options)


@pytest.mark.parametrize(
    ("options", "nfe"), [({"samples": 2}, 3), ({"guidance": 2.0}, 6), ({"sampler": "heun"}, 5), ({"realism": 0.5}, 3)]
)
def test_evaluations_are_counted(codec: Codec, model_folder: Path, options: dict[str, object], nfe: int) -> None:
    symbols = codec.encode(np.full((32, 32, 3), 0.4, np.float32), rate_by_cbr(24), 16)
    points = constellation_points(symbols).astype(np.complex64)
    reception = Reception(symbols.descriptor, points, np.full(points.size, 0.1, np.float32), None, ())
    chosen = DecoderOptions(steps=3, **options)  # type: ignore[arg-type]
    found = open_decoder("posterior:cddb", codec, model_folder, chosen).decode(
        reception, generator=torch.Generator().manual_seed(0)
    )
    assert found.nfe == nfe
    assert (0 if found.samples is None else len(found.samples)) == (2 if "samples" in options else 0)
