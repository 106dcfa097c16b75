from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.diffusion.likelihood import ConfirmedLikelihood, ConfirmingLikelihood, SymbolLikelihood
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.diffusion.task_likelihood import TaskGuidance, TaskLikelihood, guided_by_task, is_guided, joined
from sdr_gsc.errors import DescriptorError, SettingsError
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.evidence import evidence_of
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.objective import Objective, split_budget
from sdr_gsc.semantic.picture import as_tensor
from sdr_gsc.semantic.rate import rate_by_cbr
from sdr_gsc.semantic.task import TaskModel
from sdr_gsc.semantic.task_evidence import TaskEvidence
from sdr_gsc.semantic.task_symbols import encode_with_task
from sdr_gsc.semantic.transform import pad_to_blocks
from sdr_gsc.semantic.values import Reception


class Patches(nn.Module):
    def forward(self, pictures):
        return nn.functional.adaptive_avg_pool2d(pictures, 6).flatten(1)


@pytest.fixture(scope="module")
def patches() -> TaskModel:
    return TaskModel.of_module("patches", Patches())


@pytest.fixture(scope="module")
def reception(untrained_codec, soft_picture, patches) -> Reception:
    budget = split_budget(56, 58, rate_by_cbr(24), Objective.AGENT)
    symbols = encode_with_task(soft_picture, budget, 32, untrained_codec, patches)
    points, generator = constellation_points(symbols), np.random.default_rng(1)
    variance = generator.uniform(0.05, 1, points.size)
    variance[::7] = np.inf
    noise = generator.standard_normal((2, points.size)) * np.sqrt(np.where(np.isfinite(variance), variance, 0) / 2)
    arrived = np.where(np.isfinite(variance), points + noise[0] + 1j * noise[1], 0)
    return Reception(symbols.descriptor, arrived.astype(np.complex64), variance.astype(np.float32), None, ())


def test_the_residual_is_standard_normal_at_the_truth_and_larger_elsewhere(reception, soft_picture, patches):
    evidence = evidence_of(reception)
    likelihood = TaskLikelihood(patches, evidence.task, (56, 58))
    truth = pad_to_blocks(as_tensor(soft_picture)) * 2 - 1
    residual = likelihood.residual(truth)
    assert residual.shape[0] == 1
    heard = residual[residual != 0]
    assert float(heard.square().mean()) == pytest.approx(1, abs=5 * (2 / heard.numel()) ** 0.5)
    assert float(likelihood.residual(-truth)[residual != 0].square().mean()) > 4


def test_lost_symbols_carry_no_weight_and_twice_the_weight_counts_twice(reception, soft_picture, patches):
    silent = replace(reception, noise_variance=np.full_like(reception.noise_variance, np.inf))
    truth = pad_to_blocks(as_tensor(soft_picture)) * 2 - 1
    nothing = evidence_of(silent)
    assert (TaskLikelihood(patches, nothing.task, (56, 58)).residual(truth) == 0).all()
    assert not is_guided(nothing, TaskGuidance(patches))
    evidence = evidence_of(reception).task
    once, twice = (TaskLikelihood(patches, evidence, (56, 58), weight).residual(truth) for weight in (1.0, 2.0))
    assert torch.allclose(twice, once * 2**0.5)


def test_joined_evidence_adds_its_log_likelihoods_and_passes_derivatives_both_ways(
    untrained_codec: Codec, reception, soft_picture, patches
):
    evidence = evidence_of(reception)
    picture = SymbolLikelihood(untrained_codec.encoder, evidence)
    task = TaskLikelihood(patches, evidence.task, (56, 58))
    both = joined(picture, task)
    at = pad_to_blocks(as_tensor(soft_picture)) * 1.6 - 0.8
    parts = [float(each.residual(at).square().sum()) for each in (picture, task)]
    assert float(both.residual(at).square().sum()) == pytest.approx(sum(parts), rel=1e-4)
    direction = torch.sin(torch.arange(at.numel()).float()).reshape(at.shape)
    residual, pull = torch.func.vjp(both.residual, at)
    pushed = torch.func.jvp(both.residual, (at,), (direction,))[1]
    (pulled,) = pull(residual)
    assert float((pulled * direction).sum()) == pytest.approx(float((residual * pushed).sum()), rel=1e-3)
    assert not isinstance(both, ConfirmingLikelihood)
    confirming = ConfirmedLikelihood(untrained_codec.encoder, untrained_codec.decoder, evidence)
    with_it = joined(confirming, task)
    assert isinstance(with_it, ConfirmingLikelihood)
    assert torch.equal(with_it.confirmation(at), confirming.confirmation(at))


def test_without_the_option_nothing_changes(untrained_codec: Codec, reception, patches):
    evidence = evidence_of(reception)
    picture = SymbolLikelihood(untrained_codec.encoder, evidence)
    assert guided_by_task(picture, evidence, None) is picture
    assert guided_by_task(picture, replace(evidence, task=None), TaskGuidance(patches)) is picture
    assert guided_by_task(picture, evidence, TaskGuidance(patches)) is not picture
    assert DecoderOptions().task_guidance == 0


def test_a_guided_picture_is_marked_and_closer_to_the_features(model_folder, reception, soft_picture, patches):
    codec = Codec.load(model_folder)
    reception = replace(reception, descriptor=replace(reception.descriptor, weights_prefix=codec.card.prefix))
    plain = open_decoder("posterior:diffpir", codec, model_folder, DecoderOptions(steps=3))
    found = {}
    for name, decoder in {"plain": plain, "guided": replace(plain, task=TaskGuidance(patches, 5.0))}.items():
        found[name] = decoder.decode(reception, generator=torch.Generator().manual_seed(0))
    assert not found["plain"].uses_task_vector
    assert found["guided"].uses_task_vector
    likelihood = TaskLikelihood(patches, evidence_of(reception).task, (56, 58))
    misfit = {name: float(likelihood.residual(as_tensor(each.picture) * 2 - 1).square().sum())
              for name, each in found.items()}  # fmt: skip
    assert misfit["guided"] < misfit["plain"]


def test_what_does_not_belong_is_refused(reception, patches):
    evidence = evidence_of(reception).task
    other = TaskEvidence(evidence.values, evidence.variance, evidence.distortion, b"none")
    with pytest.raises(DescriptorError, match="sender's model"):
        TaskLikelihood(patches, other, (56, 58))
    with pytest.raises(SettingsError, match="above 0"):
        TaskLikelihood(patches, evidence, (56, 58), 0.0)
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(SettingsError, match="task_guidance"):
            DecoderOptions(task_guidance=weight)
