from __future__ import annotations

import pytest

from experiments.benchmarks import rows
from experiments.benchmarks.rows import interleaved_medians, row

KEYS = ["metric", "value", "unit", "anchor", "ratio", "bound", "target", "aim", "met"]


def check(result):
    assert list(result) == ["environment", "rows"]
    for item in result["rows"]:
        assert list(item) == KEYS
        assert isinstance(item["value"], float)
        assert item["unit"]
        if item["target"] is None:
            assert item["met"] is None
        if item["anchor"] is not None:
            assert item["ratio"] == pytest.approx(item["value"] / item["anchor"])
    return {item["metric"]: item for item in result["rows"]}


@pytest.mark.parametrize(
    ("value", "target", "better", "met"),
    [(5.0, 5.0, "higher", True), (4.9, 5.0, "higher", False), (3.0, 3.0, "lower", True), (3.1, 3.0, "lower", False)],
)
def test_the_verdict_refers_to_the_target(value, target, better, met):
    assert row("x", value, "s", target=target, aim=1.0, better=better).met is met


def test_without_target_and_anchor_there_is_no_verdict():
    plain = row("x", 1.0, "s")
    assert plain.met is None
    assert plain.ratio is None
    assert row("x", 3.0, "s", anchor=2.0).ratio == 1.5


def test_works_take_turns_and_the_median_counts():
    order = []
    ticks = iter([0, 1, 10, 12, 20, 25, 30, 31, 40, 41, 50, 53])
    works = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    medians = interleaved_medians(works, 3, clock=lambda: next(ticks))
    assert order == ["a", "b"] * 4
    assert medians == {"a": 1, "b": 2}


def test_the_waveform_is_measured(sdr_gsc, monkeypatch):
    from experiments.benchmarks import phy

    for name, value in {"_FRAMES": 2, "_BLOCKS": 8, "_NOISE_SAMPLES": 40_000}.items():
        monkeypatch.setattr(phy, name, value)
    outcome = sdr_gsc("bench", "phy", "--repetitions", 1, "--json")
    found = check(outcome.json)
    assert outcome.status == (1 if any(item["met"] is False for item in found.values()) else 0)
    assert found["receiver, 2 kB QPSK frames"]["target"] == 5.0
    assert found["receiver, 2 kB QPSK frames found"]["value"] == 1.0
    assert found["false alarms in noise, 1e-06 set"]["value"] <= 1e-4
    anchors = outcome.json["environment"]["anchors"]
    assert (found["QPSK soft demapping"]["anchor"] is not None) == ("demap" in anchors)


def test_decoders_are_measured(sdr_gsc, models):
    arguments = ("--side-px", 64, "--repetitions", 1, "--decoder", "mmse,refine:2", "--weights", models, "--json")
    found = check(sdr_gsc("bench", "decode", *arguments).json)
    assert found["refine:2, NFE"]["value"] == 2
    assert found["mmse, PSNR"]["value"] > 12
    seconds = found["mmse, seconds per picture"]
    assert seconds["target"] is None  # the targets hold for 256 pixels a side
    assert found["mmse, pictures per second"]["value"] == pytest.approx(1 / seconds["value"])


def test_the_link_is_measured(sdr_gsc, models):
    arguments = ("--side-px", 64, "--repetitions", 1, "--weights", models)
    found = check(sdr_gsc("bench", "link", *arguments, "--json").json)
    assert found["frames received"]["value"] == 1.0
    assert "time on the air" in found
    assert "latency: receive" in sdr_gsc("bench", "link", *arguments).out


def test_rows_as_json_keep_their_order():
    result = rows.table_json({"cpu": "x"}, [row("m", 1.0, "s")])
    check(result)
