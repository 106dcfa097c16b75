from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sdr_gsc.errors import WeightsError
from sdr_gsc.metrics.foreign import load_foreign
from sdr_gsc.metrics.lpips import Lpips


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with AlexNet's names and shapes and random values."""
    generator = torch.Generator().manual_seed(0)
    shapes = {0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3), 8: (256, 384, 3, 3), 10: (256, 256, 3, 3)}
    state = {"classifier.1.weight": torch.zeros(1)}
    for index, shape in shapes.items():
        state[f"features.{index}.weight"] = torch.randn(shape, generator=generator) / (shape[1] * shape[2]) ** 0.5
        state[f"features.{index}.bias"] = torch.zeros(shape[0])
    path = tmp_path_factory.mktemp("alexnet") / "alexnet.pth"
    torch.save(state, path)
    return path


def test_it_is_a_distance(trunk: Path) -> None:
    metric = Lpips(trunk)
    generator = np.random.default_rng(0)
    first = generator.random((64, 80, 3)).astype(np.float32)
    near = np.clip(first + 0.02 * generator.standard_normal(first.shape), 0, 1).astype(np.float32)
    far = generator.random(first.shape).astype(np.float32)
    assert metric.distance(first, first) == 0
    assert metric.distance(first, near) == pytest.approx(metric.distance(near, first), rel=1e-5)
    assert 0 < metric.distance(first, near) < metric.distance(first, far)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="not a file"):
        Lpips(tmp_path / "missing.pth")
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="AlexNet"):
        Lpips(tmp_path / "other.pth")
    (tmp_path / "noise.pth").write_bytes(b"noise")
    with pytest.raises(WeightsError, match="plain PyTorch"):
        load_foreign(tmp_path / "noise.pth")
    torch.save({"code": print}, tmp_path / "code.pth")
    with pytest.raises(WeightsError, match="plain PyTorch"):
        load_foreign(tmp_path / "code.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="dictionary of tensors"):
        load_foreign(tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="needed abcd"):
        load_foreign(tmp_path / "list.pth", "abcd" * 16)
