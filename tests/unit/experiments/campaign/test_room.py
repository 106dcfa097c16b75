from __future__ import annotations

import errno

import pytest

from experiments.campaign.inline import InlineEngine
from experiments.campaign.run_directory import RunDirectory
from experiments.campaign.running import run_campaign
from experiments.procedures import keeping
from experiments.sweeps import transmitting
from experiments.sweeps.settings import SweepSettings
from experiments.sweeps.study import SweepStudy
from sdr_gsc.semantic.picture import load_picture


def settings(**more):
    return SweepSettings.model_validate({"name": "x", "side_px": 128, "series": [{"name": "a"}], **more})


def test_room_is_asked_for_as_much_as_is_taken_and_a_full_disk_leaves_no_half_files(
    models, photo, tmp_path, monkeypatch
):
    found = settings(
        keep=["captures", "pictures"], radio="loopback:office", weights=models,
        grid={"esn0_db": [15], "cbr": [12, 96], "pictures": ["coffee", str(photo)]},
        series=[{"name": "direct", "decoders": ["mmse", "refine:1"]}, {"name": "link"}],
    )  # fmt: skip
    study, out = SweepStudy(found), RunDirectory.create(tmp_path / "run", found)
    full = iter([True, False, True])  # a disk that is full for a moment, and again

    def keep_pictures(out, trial, sent, reconstructions, **options):
        if next(full, False):
            (out.folder("pictures") / f"{trial.replace('/', '_')}.mmse.png").write_bytes(b"half")
            raise OSError(errno.ENOSPC, "no space left")
        keeping.keep_pictures(out, trial, sent, reconstructions, **options)

    monkeypatch.setattr(transmitting, "keep_pictures", keep_pictures)
    run_campaign(out, found, study, lambda: InlineEngine(study, out))
    taken = sum(path.stat().st_size for name in ("captures", "pictures") for path in (out.path / name).iterdir())
    assert len(out.trials()) == len(study.plan()) == 8
    assert out.failures() == ()
    assert all(load_picture(path).size for path in (out.path / "pictures").glob("*.png"))
    assert 0.8 < study.bytes_per_trial() * 8 / taken < 2.5


def test_more_decoders_larger_pictures_and_wider_bands_take_more():
    def room(**more):
        return SweepStudy(settings(**more)).bytes_per_trial()

    assert room() == 0
    one = room(keep=["pictures"], series=[{"name": "a", "decoders": ["mmse"]}])
    assert room(keep=["pictures"], series=[{"name": "a", "decoders": ["mmse", "refine", "posterior"]}]) == 3 * one
    assert room(keep=["pictures"], grid={"side_px": [256]}, series=[{"name": "a", "decoders": ["mmse"]}]) == 4 * one
    rates = [room(keep=["captures"], grid={"cbr": [cbr]}) for cbr in (12, 96)]
    assert rates[0] > 2 * rates[1]
    assert room(keep=["captures"], grid={"cbr": [12, 96]}) == pytest.approx(sum(rates) / 2, rel=1e-3)
