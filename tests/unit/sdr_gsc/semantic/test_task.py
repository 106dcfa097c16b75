from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sdr_gsc.errors import DescriptorError, SettingsError
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.descriptor import Descriptor
from sdr_gsc.semantic.evidence import evidence_of
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.objective import NO_PICTURE, Objective, split_budget
from sdr_gsc.semantic.rate import RATES, rate_by_cbr
from sdr_gsc.semantic.task import ClassHead, TaskModel, TaskSpace, named
from sdr_gsc.semantic.task_evidence import task_evidence_of, task_symbols_of
from sdr_gsc.semantic.task_eye import open_eye_task
from sdr_gsc.semantic.task_receiver import answer_task
from sdr_gsc.semantic.task_symbols import encode_again, encode_with_task
from sdr_gsc.semantic.values import Reception, SemanticSymbols


class Patches(nn.Module):
    """Means of 16 areas and three colours: 48 features that need no training."""

    def forward(self, pictures):
        return nn.functional.adaptive_avg_pool2d(pictures, 4).flatten(1)


@pytest.fixture(scope="module")
def patches() -> TaskModel:
    return TaskModel.of_module("patches", Patches())


def received(symbols: SemanticSymbols, generator: np.random.Generator, variance: float, lost: float = 0.0) -> Reception:
    points = constellation_points(symbols)
    noise = generator.standard_normal((2, points.size)) * np.sqrt(variance / 2)
    arrived = (points + noise[0] + 1j * noise[1]).astype(np.complex64)
    variances = np.full(points.size, variance, np.float32)
    gone = generator.random(points.size) < lost
    arrived[gone], variances[gone] = 0, np.inf
    return Reception(symbols.descriptor, arrived, variances, None, ())


def test_human_symbols_are_what_they_always_were(untrained_codec: Codec, soft_picture: np.ndarray):
    symbols = untrained_codec.encode(soft_picture, rate_by_cbr(48), 16)
    assert task_symbols_of(symbols.descriptor) == 0
    assert symbols.descriptor.n_bytes == 0
    again = encode_again(soft_picture, symbols.descriptor, untrained_codec, None)
    assert again is not None
    assert (again.indices == symbols.indices).all()
    assert again.descriptor.pack() == symbols.descriptor.pack()


@pytest.mark.parametrize("share", [0.5, 0.75, 1.0])
def test_both_come_back_from_one_run_of_symbols(
    untrained_codec: Codec, soft_picture: np.ndarray, patches: TaskModel, generator, share: float
):
    budget = split_budget(72, 90, rate_by_cbr(24), Objective.AGENT, share)
    symbols = encode_with_task(soft_picture, budget, 32, untrained_codec, patches, picture_id=9)
    descriptor = Descriptor.unpack(symbols.descriptor.pack())
    assert descriptor == symbols.descriptor
    assert descriptor.n_symbols == budget.total
    assert task_symbols_of(descriptor) == budget.task_symbols
    points = constellation_points(symbols)
    assert np.mean(np.abs(points) ** 2) == pytest.approx(1, abs=2e-3)
    exact = received(symbols, generator, 0.0)
    answer = answer_task(patches, task_evidence_of(exact))
    truth = patches.features_of(soft_picture)
    assert answer.probabilities is None
    # The length of the features is not sent, their direction is.
    cosine = answer.features @ truth / np.linalg.norm(answer.features) / np.linalg.norm(truth)
    assert cosine > 0.999
    if budget.rate is None:
        assert descriptor.rate_index == NO_PICTURE
        with pytest.raises(DescriptorError, match="without a picture"):
            evidence_of(exact)
    else:
        evidence = evidence_of(exact)
        alone = untrained_codec.encode(soft_picture, budget.rate, 32)
        plain = evidence_of(received(alone, generator, 0.0))
        # float16 rounds the two gains apart.
        assert torch.allclose(evidence.latents, plain.latents, rtol=2e-3)
        assert evidence.task is not None
        assert evidence.task.values.size == 2 * budget.task_symbols
        assert evidence.to(torch.device("cpu")).task is evidence.task
        assert plain.task is None
    again = encode_again(soft_picture, descriptor, untrained_codec, patches)
    assert again is not None
    assert (again.indices == symbols.indices).all()
    assert encode_again(soft_picture, descriptor, untrained_codec, None) is None


def test_when_everything_is_lost_every_class_is_as_likely(untrained_codec: Codec, soft_picture: np.ndarray, generator):
    head = ClassHead(generator.standard_normal((6, 48)), np.zeros(6))
    model = TaskModel.of_module("patches with classes", Patches(), head=head)
    budget = split_budget(72, 90, rate_by_cbr(48), Objective.AGENT)
    symbols = encode_with_task(soft_picture, budget, 16, untrained_codec, model)
    answer = answer_task(model, task_evidence_of(received(symbols, generator, 1.0, lost=1.0)))
    assert not answer.heard
    assert answer.top(5) == ()
    assert np.allclose(answer.probabilities, 1 / 6)
    assert np.allclose(answer.features, model.space.mean)
    heard = answer_task(model, task_evidence_of(received(symbols, generator, 0.01, lost=0.5)))
    features = model.features_of(soft_picture)
    assert heard.top(1) == (int(np.argmax(head.weight @ features)),)
    assert heard.probabilities.sum() == pytest.approx(1)
    assert heard.confidence == heard.probabilities.max()


def test_directions_of_a_head_carry_all_that_tells_classes_apart(generator):
    for classes, features in ((5, 40), (40, 5)):
        head = ClassHead(generator.standard_normal((classes, features)), np.zeros(classes))
        basis = head.directions()
        assert basis.shape == (features, min(classes - 1, features))
        assert np.allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-8)
        centred = head.weight - head.weight.mean(0)
        assert np.allclose(centred @ basis @ basis.T, centred, atol=1e-8)
        strength = np.linalg.norm(centred @ basis, axis=0)
        assert (np.diff(strength) <= 1e-9).all()


def test_fitted_spaces_have_the_statistics_of_their_pictures(generator):
    features = generator.standard_normal((4000, 6)) * np.array([3, 2, 1, 1, 0.5, 0.1]) + 5
    space = TaskSpace.fitted(features, np.eye(6))
    assert np.allclose(space.mean, 5, atol=0.2)
    assert np.allclose(space.variance, [9, 4, 1, 1, 0.25, 0.01], rtol=0.1, atol=0.001)
    code = space.code(6)
    assert code.signal.mean() == pytest.approx(1)
    # Amplitudes λ^(-1/4) leave powers √λ.
    assert np.allclose(code.signal / code.signal[2], np.sqrt(space.variance / space.variance[2]))


def test_modules_that_do_not_fit_are_refused(untrained_codec: Codec, soft_picture: np.ndarray, patches, generator):
    with pytest.raises(SettingsError, match="made for 7"):
        TaskModel.of_module("wrong space", Patches(), space=TaskSpace.plain(7))
    head = ClassHead(np.eye(9), np.zeros(9))
    with pytest.raises(SettingsError, match="head is made for 9"):
        TaskModel.of_module("wrong head", Patches(), space=TaskSpace.plain(48), head=head)
    with pytest.raises(SettingsError, match="needed features"):
        TaskModel.of_module("a map", nn.Identity())
    with pytest.raises(SettingsError, match="basis"):
        TaskSpace(np.zeros(3), np.eye(4), np.ones(4))
    with pytest.raises(SettingsError, match="above 0"):
        TaskSpace(np.zeros(2), np.eye(2), np.array([1.0, 0.0]))
    budget = split_budget(72, 90, rate_by_cbr(48), Objective.MACHINE)
    symbols = encode_with_task(soft_picture, budget, 16, untrained_codec, patches)
    reception = received(symbols, generator, 0.1)
    other = TaskModel.of_module("other name", Patches())
    with pytest.raises(DescriptorError, match="sender's model"):
        answer_task(other, task_evidence_of(reception))
    shrunk = replace(patches, features=lambda pictures: torch.zeros(1, 5))
    with pytest.raises(SettingsError, match="5 features"):
        shrunk.values(soft_picture, 10)


def test_contradictions_are_refused(untrained_codec: Codec, soft_picture: np.ndarray, patches: TaskModel, generator):
    budget = split_budget(72, 90, rate_by_cbr(48), Objective.AGENT)
    reception = received(encode_with_task(soft_picture, budget, 16, untrained_codec, patches), generator, 0.1)
    with pytest.raises(DescriptorError, match="no good header"):
        task_evidence_of(replace(reception, descriptor=None))
    with pytest.raises(DescriptorError, match="variances"):
        task_evidence_of(replace(reception, symbols=reception.symbols[:-1]))
    with pytest.raises(DescriptorError, match="rates"):
        task_symbols_of(replace(reception.descriptor, rate_index=len(RATES)))
    with pytest.raises(DescriptorError, match="need"):
        task_symbols_of(replace(reception.descriptor, n_symbols=3))
    assert named(bytes(32)) == b"\0\0\0\1"
    assert named(b"\1" + bytes(31)) == b"\1\0\0\0"


def test_equal_modules_have_equal_names_and_others_do_not():
    assert TaskModel.of_module("a", Patches()).identity == TaskModel.of_module("a", Patches()).identity
    linear = [nn.Sequential(Patches(), nn.Linear(48, 8)) for _ in range(2)]
    names = {TaskModel.of_module("a", module).identity for module in (*linear, Patches())}
    assert len(names) == 3


@pytest.fixture(scope="module")
def eye() -> TaskModel:
    return open_eye_task()


def test_the_class_survives_more_often_with_more_symbols_and_less_noise(eye: TaskModel):
    """Held-out photographs of scikit-image and two quarters of each; one noise realization for all of them."""
    import skimage.data
    from PIL import Image

    pictures = []
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        whole = Image.fromarray(getattr(skimage.data, name)())
        half = (whole.width // 2, whole.height // 2)
        boxes = [(0, 0, *whole.size), *((x, 0, x + half[0], half[1]) for x in (0, half[0]))]
        pictures += [np.asarray(whole.resize((128, 128), box=box), np.float32) / 255 for box in boxes]
    vectors = [eye.features_of(picture) for picture in pictures]
    truth = [int(np.argmax(eye.head.weight @ each + eye.head.bias)) for each in vectors]
    rates: dict[tuple[int, int], tuple[float, float]] = {}
    for n_values, esn0_db in ((64, 10), (256, 0), (256, 10), (512, -10), (512, 10)):
        found = []
        for vector, own in zip(vectors, truth, strict=True):
            space, noise = eye.space, np.random.default_rng(5)
            dimensions = space.dimensions(n_values)
            centred = (vector - space.mean) @ space.basis[:, :dimensions] * space.amplitudes(dimensions)
            variance = np.full(n_values, 10 ** (-esn0_db / 10), np.float32)
            sent = space.code(dimensions).spread(centred, n_values)
            values = sent + noise.standard_normal(n_values) * np.sqrt(variance)
            evidence = _evidence(values, variance, eye)
            answer = answer_task(eye, evidence)
            found.append((answer.top(1) == (own,), own in answer.top(5)))
        rates[n_values, esn0_db] = tuple(np.mean(found, axis=0))
    tolerance = 1.01 / len(pictures)
    for low, high in (((64, 10), (256, 10)), ((256, 0), (256, 10)), ((256, 10), (512, 10)), ((512, -10), (512, 10))):
        assert rates[high][0] >= rates[low][0] - tolerance
        assert rates[high][1] >= rates[low][1] - tolerance
    assert rates[512, 10][0] >= 0.7
    assert rates[512, 10][0] > rates[512, -10][0] + 0.2
    assert rates[512, 10][0] > rates[64, 10][0] + 0.2


def _evidence(values, variance, model):
    from sdr_gsc.semantic.task_evidence import TaskEvidence

    return TaskEvidence(values.astype(np.float32), variance, 0.0, model.identity)
