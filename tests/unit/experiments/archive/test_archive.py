from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.archive.comparing import compare_runs
from experiments.archive.comparison_page import difference_table, write_comparison
from experiments.archive.exporting import export_run, to_dataset, to_table
from experiments.archive.rows import axes_of, flat_rows
from experiments.campaign.run_directory import RunDirectory
from experiments.campaign.stopping import half_width
from experiments.reports.gallery import write_gallery
from experiments.sweeps.settings import SeriesSettings, SweepSettings
from sdr_gsc.errors import SettingsError


def line(level, repetition, psnr_db, **more):
    values = {"series": "a", "esn0_db": level, "picture": "coffee", "repetition": repetition}
    decoders = {
        "mmse": {"psnr_db": psnr_db, "timings_s": {"network": 0.1}},
        "refine": {"psnr_db": psnr_db + 1, "nfe": 4},
    }
    return {"trial": f"a/{level}/{repetition}", "received": True, "esn0_db": level + 0.1, "values": values,
            "decoders": decoders, **more}  # fmt: skip


@pytest.fixture
def runs(tmp_path):
    def make(name, gain):
        settings = SweepSettings(name="x", series=(SeriesSettings(name="a"),))
        run = RunDirectory.create(tmp_path / name, settings)
        generator = np.random.default_rng(1)
        for level in (0.0, 10.0):
            for repetition in range(4):
                run.append(line(level, repetition, 20 + level + generator.standard_normal() + gain(repetition)))
        return run

    return make


def test_a_row_for_each_decoder_of_each_trial():
    rows = flat_rows([line(0.0, 0, 20.0), {"trial": "b", "values": {"esn0_db": None}, "return": -3.0}])
    assert [row.get("decoder") for row in rows] == ["mmse", "refine", None]
    assert len({tuple(row) for row in rows}) == 1
    assert rows[1]["psnr_db"] == 21.0
    assert rows[2]["return"] == -3.0
    assert axes_of(rows) == ["values.series", "values.esn0_db", "values.picture", "values.repetition", "decoder"]


def test_the_dataset_holds_every_figure_at_its_place(runs):
    pytest.importorskip("xarray")
    trials = runs("one", lambda repetition: 0.0).trials()
    dataset = to_dataset(flat_rows(trials))
    for trial in trials:
        place = {"esn0_db": trial["values"]["esn0_db"], "repetition": trial["values"]["repetition"]}
        for name, figures in trial["decoders"].items():
            assert float(dataset["psnr_db"].sel(decoder=name, **place)) == figures["psnr_db"]
        assert float(dataset["result.esn0_db"].sel(decoder="mmse", **place)) == trial["esn0_db"]


@pytest.mark.parametrize("suffix", [".parquet", ".zarr", ".nc"])
def test_files_are_read_back_by_their_own_libraries(runs, tmp_path, suffix):
    xarray = pytest.importorskip("xarray")
    parquet = pytest.importorskip("pyarrow.parquet")
    run = runs("one", lambda repetition: 0.0)
    for _ in range(2):  # the second replaces the first
        target = export_run(run.path, tmp_path / f"trials{suffix}")
    rows = flat_rows(run.trials())
    if suffix == ".parquet":
        table = parquet.read_table(target)
        assert table.to_pylist() == to_table(rows).to_pylist()
        assert b"[[series]]" in table.schema.metadata[b"sdr_gsc_config"]
    else:
        with xarray.open_dataset(target, engine="zarr" if suffix == ".zarr" else "scipy") as found:
            assert np.nanmean(found["psnr_db"]) == pytest.approx(np.mean([row["psnr_db"] for row in rows]))
            assert "[[series]]" in found.attrs["sdr_gsc_config"]


def test_refusals_name_the_remedy(runs, tmp_path, monkeypatch):
    run = runs("one", lambda repetition: 0.0)
    with pytest.raises(SettingsError, match=r"\.parquet, \.zarr or \.nc"):
        export_run(run.path, tmp_path / "trials.csv")
    (tmp_path / "full.zarr").mkdir()
    (tmp_path / "full.zarr/a").touch()
    with pytest.raises(SettingsError, match="no zarr group"):
        export_run(run.path, tmp_path / "full.zarr")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SettingsError, match=r"pip install 'sdr-gsc\[export\]'"):
        export_run(run.path, tmp_path / "trials.parquet")


def test_changes_are_paired(runs, tmp_path):
    first = runs("first", lambda repetition: 0.0)
    second = runs("second", lambda repetition: 0.5 + 0.01 * repetition)
    found = compare_runs(first.path, second.path, ["psnr_db"])
    assert (found.common, found.equal, found.only_first) == (8, 0, 0)
    assert len(found.differences) == 4
    for each in found.differences:
        # Both drew the same noise, which is of the size of the change: pairing takes it out.
        assert each.change == pytest.approx(0.515)
        assert each.half_width == pytest.approx(half_width([0.5, 0.51, 0.52, 0.53]))
        assert each.is_clear
    assert len(difference_table(found, clear_only=True).rows) == 4
    page = write_comparison(found, tmp_path / "compare.html").read_text("utf-8")
    assert "0.515" in page
    assert "sdr-gsc compare" in page


def test_the_same_run_twice_differs_in_nothing(runs):
    run = runs("one", lambda repetition: 0.0)
    found = compare_runs(run.path, run.path)
    assert found.equal == found.common == 8
    assert difference_table(found).rows == ()
    assert found.settings == {}


def test_runs_without_a_common_trial_are_refused(runs, tmp_path):
    first = runs("first", lambda repetition: 0.0)
    other = RunDirectory.create(tmp_path / "other", first.settings())
    other.append({"trial": "elsewhere"})
    with pytest.raises(SettingsError, match="no trial in common"):
        compare_runs(first.path, other.path)
    with pytest.raises(SettingsError, match=r"figures called loudness in common; needed some of .*psnr_db"):
        compare_runs(first.path, first.path, ["loudness"])
    with pytest.raises(SettingsError, match=r"figures called psnr in common; did you mean psnr_db\?"):
        compare_runs(first.path, first.path, ["psnr_db", "psnr"])


def test_a_gallery_shows_figures_with_their_command(tmp_path):
    settings = SweepSettings(name="x", series=(SeriesSettings(name="a"),))
    run = RunDirectory.create(tmp_path / "run", settings, command=("sdr-gsc", "run", "my config.toml"))
    with pytest.raises(SettingsError, match="no finished trials"):
        write_gallery([run.path], tmp_path / "docs/gallery.md", tmp_path / "docs/images")
    for level in (0.0, 10.0):
        figures = {"psnr_db": 20 + level, "ms_ssim": None, "perceptual": None}
        run.append({"trial": f"a/{level}", "series": "a", "received": True, "requested_esn0_db": level, "repetition": 0,
                    "values": {"series": "a", "cbr": 24, "picture": "coffee"}, "picture": "coffee",
                    "decoders": {"mmse": figures}})  # fmt: skip
    (tmp_path / "docs").mkdir(exist_ok=True)
    page = write_gallery([run.path], tmp_path / "docs/gallery.md", tmp_path / "docs/images").read_text("utf-8")
    assert "sdr-gsc run 'my config.toml'" in page
    assert (tmp_path / "docs" / Path(page.partition("](")[2].partition(")")[0])).is_file()
