from __future__ import annotations

import pytest
import torch

from experiments.procedures.devices import require_device
from sdr_gsc.errors import SettingsError


def test_devices_are_asked_for_by_name():
    assert require_device("cpu") == "cpu"
    with pytest.raises(SettingsError, match="no device; needed cpu, cuda"):
        require_device("toaster")
    with pytest.raises(SettingsError, match=r"torch finds \d+ GPUs, and cuda:97 is asked for"):
        require_device("cuda:97")


@pytest.mark.skipif(torch.cuda.device_count() > 0, reason="there is a GPU")
def test_a_campaign_for_a_missing_gpu_ends_at_once_in_one_line(sdr_gsc, models, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('name = "x"\nside_px = 64\ndevice = "cuda"\n[[series]]\nname = "a"\ndecoders = ["mmse"]\n')
    outcome = sdr_gsc("run", config, "--weights", models, "--out", tmp_path / "run", "--workers", "0")
    assert outcome.status == 2
    assert "use the device cpu" in outcome.err
    assert not (tmp_path / "run/trials.jsonl").read_text()
