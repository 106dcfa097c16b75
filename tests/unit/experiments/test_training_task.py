from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from experiments.training.task import fit_task
from sdr_gsc.errors import SettingsError
from sdr_gsc.semantic.task_eye import open_eye_task


def test_statistics_are_fitted_and_open_as_a_model_of_their_own(tmp_path):
    folder, out = tmp_path / "pictures", tmp_path / "task"
    folder.mkdir()
    coarse = np.random.default_rng(0).integers(0, 256, (6, 9, 9, 3), dtype=np.uint8)
    for index, each in enumerate(coarse):
        Image.fromarray(each).resize((160, 140), Image.Resampling.BICUBIC).save(folder / f"{index}.png")
    figures = fit_task(folder, out)
    assert all(0 <= value <= 1 for value in figures.values())
    model, shipped = open_eye_task(folder=out), open_eye_task()
    assert model.space.mean.shape == (1280,)
    assert model.space.variance.shape == (999,)
    assert model.head.temperature > 0
    assert model.identity != shipped.identity
    assert np.array_equal(model.space.basis, shipped.space.basis)
    (folder / "0.png").unlink()
    with pytest.raises(SettingsError, match="holds 5 pictures"):
        fit_task(folder, out)
