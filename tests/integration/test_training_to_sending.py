"""From a folder of pictures to a picture over the air, with the command line alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from sdr_gsc.weights.cards import load_card

EFFORT = ("--steps", 2, "--batch", 2, "--side-px", 32, "--threads", 1)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for index in range(2):
        coarse = generator.integers(0, 256, (10, 12, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((300, 256), Image.Resampling.BICUBIC).save(folder / f"{index}.png")
    return folder


@pytest.mark.slow
def test_trained_models_send_a_picture(sdr_gsc, pictures, tmp_path, monkeypatch):
    from experiments.training import codec as training
    from experiments.training import pictures as held_out

    # The held-out photographs in full size take most of the time here.
    small = held_out.held_out_photographs(64)
    monkeypatch.setattr(held_out, "held_out_photographs", lambda: small)
    start = training.start_from_klt
    monkeypatch.setattr(training, "start_from_klt", lambda model, found, seed: start(model, found, seed, blocks=2000))

    models = tmp_path / "models"
    for model in ("codec", "refine", "prior"):
        outcome = sdr_gsc("train", model, pictures, "--out", models, *EFFORT)
        assert outcome.status == 0
        assert outcome.out.strip() == str(models / f"{model}.safetensors")
        card, path = load_card(model, models)
        assert card.parameters > 1e6
        assert path.stat().st_size < 9 * 2**20
        assert f"train {model}" in card.trained_with
        assert "pictures" in card.trained_on
    assert load_card("codec", models)[0].metrics["psnr_db_cbr24_10db"] > 10
    assert load_card("refine", models)[0].settings["kappa"] == 0.5

    sent = sdr_gsc(
        "send", pictures / "0.png", "--cbr", 96, "--decoder", "mmse,refine:1", "--weights", models,
        "--radio", "loopback:cabled", "--json",
    )  # fmt: skip
    assert sent.status == 0
    assert sent.json["decoders"]["mmse"]["psnr_db"] > 15


def test_a_folder_without_pictures_and_another_effort_are_refused(sdr_gsc, pictures, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    models = tmp_path / "models"
    assert "no picture" in sdr_gsc("train", "prior", empty, "--out", models, *EFFORT).refusal
    (models / "checkpoints").mkdir(parents=True)
    torch.save({"seed": 1, "steps": 2}, models / "checkpoints/prior.pt")
    assert "was made with seed 1" in sdr_gsc("train", "prior", pictures, "--out", models, *EFFORT).refusal
