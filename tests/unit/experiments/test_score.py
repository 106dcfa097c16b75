from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.cli import main
from sdr_gsc.semantic.picture import save_picture


def test_two_pictures_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str], photographs) -> None:
    sent, received = tmp_path / "sent.png", tmp_path / "received.png"
    save_picture(sent, photographs["chelsea"])
    save_picture(received, np.clip(photographs["chelsea"] + 0.1, 0, 1))
    assert main(["score", str(sent), str(received), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["psnr_db"] == pytest.approx(20, abs=0.3)
    assert found["lpips"] is None
    assert set(found) == {"psnr_db", "ssim", "ms_ssim", "perceptual", "top1_agrees", "lpips"}
    assert main(["score", str(sent), str(sent), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["psnr_db"] is None
    assert main(["score", str(sent), str(received)]) == 0
    assert "perceptual" in capsys.readouterr().out


def test_missing_weights_and_other_sizes_are_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], photographs
) -> None:
    sent, small = tmp_path / "sent.png", tmp_path / "small.png"
    save_picture(sent, photographs["coffee"])
    save_picture(small, photographs["coffee"][:64])
    assert main(["score", str(sent), str(sent), "--lpips", str(tmp_path / "none.pth")]) == 2
    assert main(["score", str(sent), str(small)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2
    assert "none.pth is not a file" in lines[0]
