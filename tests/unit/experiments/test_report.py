from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as PillowImage

from experiments.reports.figures import collect, draw_curves
from experiments.reports.page import Facts, Image, Page, Section, Table, render
from experiments.reports.wording import decimal, decoder_label, fate, metric_lines
from experiments.sweeps.headers import header_totals, shortfalls
from experiments.sweeps.settings import ExpectSettings


def trial(series, level, decoder, psnr, *, received=True, headers=(4, 4, 0)):
    return {
        "trial": f"{series}/{level}",
        "series": series,
        "received": received,
        "requested_esn0_db": level,
        "air": {"cbr_inverse": 24},
        "decoders": {decoder: {"psnr_db": psnr, "ms_ssim": None, "perceptual": None}},
        "if_lost": None if received else {"psnr_db": 9.0, "ms_ssim": 0.0, "perceptual": 20.0},
        "headers": dict(zip(("sent", "right", "wrong"), headers, strict=True)),
    }


def test_texts_are_escaped_and_pictures_embedded(tmp_path):
    PillowImage.new("RGB", (2, 2)).save(tmp_path / "a.png")
    blocks = (
        Image("<b>", tmp_path / "a.png", ("note & more",)),
        Image("lost one", None),
        Table(("h<",), (("c>",),)),
        Facts("<script>alert(1)</script>"),
    )
    text = render(Page("A < B", (("k&", "v"),), (Section("S", blocks, folded=True),)))
    assert "<script>" not in text
    assert "&lt;b&gt;" in text
    assert "note &amp; more" in text
    assert text.count("data:image/png;base64,") == 1
    assert "not received" in text
    assert "<details>" in text


def test_a_lost_picture_counts_as_mid_grey():
    trials = [trial("classical", 0.0, "classical", None, received=False), trial("classical", 0.0, "classical", 25.0)]
    assert collect(trials, "psnr_db")["classical"][0.0].tolist() == [17.0]  # two pictures, one repetition
    repeated = [{**each, "repetition": index} for index, each in enumerate(trials)]
    assert collect(repeated, "psnr_db")["classical"][0.0].tolist() == [9.0, 25.0]
    received_without_figure = collect([trial("a", 0.0, "mmse", None)], "psnr_db")
    assert np.isnan(received_without_figure["a · mmse"][0.0]).all()


def test_curves_are_drawn_for_metrics_that_exist(tmp_path):
    trials = [trial("direct", level, "mmse", 20.0 + level) for level in (0.0, 10.0)]
    drawn = draw_curves(tmp_path, trials, "run")
    assert [item.path.name for item in drawn] == ["cbr24.psnr_db.png"]
    assert (tmp_path / "cbr24.psnr_db.svg").is_file()


def test_expectations_are_held_against_all_headers():
    trials = (trial("a", 0.0, "mmse", 20.0), trial("b", 0.0, "mmse", 20.0, headers=(4, 3, 1)))
    assert header_totals(trials) == (8, 7, 1)
    assert shortfalls(trials, None) == []
    assert shortfalls(trials, ExpectSettings(header_rate=0.8, wrong_headers=1)) == []
    missed = shortfalls(trials, ExpectSettings(header_rate=0.99, wrong_headers=0))
    assert len(missed) == 2
    assert "7 of 8" in missed[0]


@pytest.mark.parametrize(("value", "text"), [(1.234, "1.23"), (None, "–"), (2, "2.00")])
def test_numbers(value, text):
    assert decimal(value, 2) == text


def test_labels_and_lines():
    assert decoder_label("coded", "mmse") == "coded · mmse"
    lines = metric_lines(
        {"psnr_db": 20.0, "ms_ssim": None, "perceptual": 3.0, "timings_s": {"a": 1.0, "b": 2.0}, "nfe": 4}
    )
    assert lines[0] == "PSNR 20.00 dB, MS-SSIM –"
    assert lines[-1] == "3.00 s, 4 evaluations"
    assert metric_lines({"timings_s": None}) == ("nothing was received",)


def test_fates():
    from types import SimpleNamespace

    from sdr_gsc.phy.report import Stage

    assert fate(SimpleNamespace(failed_at=Stage.HEADER, payload_ok=None, blocks_ok=None)) == "failed: header"
    assert fate(SimpleNamespace(failed_at=None, payload_ok=None, blocks_ok=None)) == "received"
    assert fate(SimpleNamespace(failed_at=None, payload_ok=True, blocks_ok=3)) == "received, 3 blocks right"
