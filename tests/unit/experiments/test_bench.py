from __future__ import annotations

import math
import pkgutil
import re
from importlib import import_module

import pytest

from experiments.benchmarks import accuracy, rows
from experiments.benchmarks.phy import PARTS, bench_phy
from experiments.benchmarks.rows import row
from experiments.benchmarks.timing import interleaved, interleaved_medians, rounds, timed
from sdr_gsc.errors import SettingsError

KEYS = ["metric", "value", "unit", "anchor", "ratio", "bound", "target", "aim", "met"]

#: Every line of the table of targets, as the beginning of a metric that is judged.
TARGETS = (
    "receive, 2 kB frames, QPSK uncoded, over liquid-dsp",
    "receive, 64 B frames, QPSK uncoded, over liquid-dsp",
    "receive, 2 kB frames, LDPC 1/2, 10 dB",
    "transmit, 2 kB frames, QPSK uncoded, over liquid-dsp",
    "idle search of noise, whole receiver",
    "idle search of noise, 128-sample matched search",
    "LDPC decoding, n=1944, R=1/2, 2 dB, 10 iterations",
    "LDPC 1944 R=1/2, 10 iterations: distance to the normal approximation",
    "LDPC 1944 R=1/2, 50 iterations: distance to the normal approximation",
    "P_D at P_FA 1e-6 per sample, 128 samples, CFO ±0.5, -3 dB, white noise",
    "P_D at P_FA 1e-6 per sample, 128 samples, CFO ±0.5, +3 dB, Rayleigh",
    "CFO RMSE over its CRB",
    "CFO range",
    "channel-estimate MSE above the LMMSE bound",
    "sample SNR for PER 1e-2, 256 B, default MCS",
    "noise-free EVM, 12-bit converters",
    "SFO ±50 ppm over 1000 symbols: EVM penalty",
    "noise variance predicted over true",
    "channel simulator, 8-tap TDL, CFO, SFO, white noise",
)


def check(result):
    assert list(result) == ["environment", "rows"]
    for item in result["rows"]:
        assert list(item) == KEYS
        assert item["value"] is None or isinstance(item["value"], float)
        assert item["unit"]
        if item["target"] is None:
            assert item["met"] is None
        if item["anchor"] is not None and item["unit"] != "dB":
            assert item["ratio"] == pytest.approx(item["value"] / item["anchor"])
    metrics = [item["metric"] for item in result["rows"]]
    assert len(set(metrics)) == len(metrics)
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


def test_decibels_have_no_ratio():
    assert row("x", 3.0, "dB", anchor=12.0).ratio is None


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_no_figure_is_no_success(better):
    assert row("x", math.nan, "dB", target=1.0, better=better).met is False
    assert row("x", None, "ratio", target=1.0, better=better).met is None
    assert row("x", 9.0, "ratio", target=1.0, valid=False).met is False


def test_json_has_no_word_for_what_is_not_finite():
    result = rows.table_json({}, [row("a", math.nan, "dB", target=1.0), row("b", 1.0, "s", bound=math.inf)])
    assert result["rows"][0]["value"] is None
    assert result["rows"][1]["bound"] is None
    assert result["rows"][1]["value"] == 1.0


def test_works_take_turns_and_the_median_counts():
    order = []
    ticks = iter([0, 9, 10, 19, 0, 1, 10, 12, 20, 25, 30, 31, 40, 41, 50, 53])
    works = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    medians = interleaved_medians(works, 3, clock=lambda: next(ticks))
    assert order == ["a", "b"] * 4
    assert medians == {"a": 1, "b": 2}


def test_the_first_round_does_not_count_and_measures_may_have_several_figures():
    rounds_done = []
    calls = iter([100.0, 1.0, 2.0, 6.0])

    def measure():
        seconds = next(calls)
        return {"one": seconds, "ten": 10 * seconds}

    assert interleaved([measure], 3, lambda *steps: rounds_done.append(steps)) == {"one": 2.0, "ten": 20.0}
    assert rounds_done == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_work_is_timed_under_its_name():
    ticks = iter([3.0, 5.0])
    assert timed("work", lambda: None, lambda: next(ticks))() == {"work": 2.0}


def test_effort_leaves_at_least_one_round():
    assert [rounds(effort, 10) for effort in (0.001, 0.25, 1.0)] == [1, 2, 10]


@pytest.mark.slow
def test_the_waveform_is_measured(sdr_gsc, tmp_path):
    page = tmp_path / "performance.md"
    outcome = sdr_gsc("bench", "phy", "--effort", 0.001, "--no-anchors", "--json", "--page", page)
    found = check(outcome.json)
    assert outcome.status == (1 if any(item["met"] is False for item in found.values()) else 0)
    for target in TARGETS:
        judged = [item for name, item in found.items() if name.startswith(target) and item["target"] is not None]
        assert judged, target
    # No other program took part: what is relative to one has no value, and nobody pretends that a target is met.
    for name, item in found.items():
        assert item["anchor"] is None
        if ", over " in name:
            assert item["value"] is None
            assert item["met"] is None
    for name, item in found.items():
        if name.endswith("payloads right"):
            assert item["value"] == 1.0, name
    text = page.read_text("utf-8")
    assert all(f"## {part.title}\n" in text for part in PARTS)
    pictures = re.findall(r"\]\((images/[^)]+)\)", text)
    assert len(pictures) == len(set(pictures)) >= len(PARTS)
    assert all((tmp_path / name).read_text("utf-8").startswith("<?xml") for name in pictures)


@pytest.mark.slow
def test_missing_programs_are_told(sdr_gsc, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    outcome = sdr_gsc("bench", "phy", "--only", "speed", "--effort", 0.001, "--json")
    found = check(outcome.json)
    assert outcome.json["environment"]["anchors"]["liquid-dsp"].startswith("missing: pip did not install liquid-dsp==")
    assert "sdr-gsc: liquid-dsp is missing: pip" in outcome.err
    speed = found["receive, 2 kB frames, QPSK uncoded"]
    assert speed["value"] > 0
    assert speed["anchor"] is None
    assert found["receive, 2 kB frames, QPSK uncoded, over liquid-dsp"]["value"] is None


def test_every_measurement_of_accuracy_is_a_part():
    parts = {part.module for part in PARTS}
    for found in pkgutil.iter_modules(accuracy.__path__):
        module = import_module(f"{accuracy.__name__}.{found.name}")
        if hasattr(module, "measure"):
            # Packets are measured through the module that puts another program beside them.
            wanted = ".link_packets" if found.name == "link" else f".accuracy.{found.name}"
            assert wanted in parts


@pytest.mark.parametrize("effort", [0.0, -1.0, math.nan, 1000.0])
def test_an_effort_out_of_range_is_refused(effort):
    with pytest.raises(SettingsError, match="effort"):
        bench_phy(effort=effort)


def test_requests_of_the_command_line_are_checked(sdr_gsc, tmp_path):
    assert "speed" in sdr_gsc("bench", "phy", "--only", "speeed").refusal
    assert "--only" in sdr_gsc("bench", "phy", "--only", "speed", "--page", tmp_path / "page.md").refusal


def test_the_link_is_measured(sdr_gsc, models):
    arguments = ("--side-px", 64, "--seconds", 0.3, "--weights", models)
    found = check(sdr_gsc("bench", "link", *arguments, "--json").json)
    assert found["sustained: frames received"]["value"] == 1.0


def test_rows_as_json_keep_their_order():
    result = rows.table_json({"cpu": "x"}, [row("m", 1.0, "s")])
    check(result)
