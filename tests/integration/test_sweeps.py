"""Grids of transmissions from the command line: they finish, resume, and say what they show."""

from __future__ import annotations

import json

import pytest

CONFIG = """
name = "little"
radio = "loopback:cabled"
side_px = 64
seed = 5

[grid]
esn0_db = [-25, 25]
cbr = [12]
pictures = ["coffee"]
repetitions = 2

[[series]]
name = "direct"
decoders = ["mmse"]

[[series]]
name = "classical"
mapping = "classical"
mcs = 2
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "little.toml"
    path.write_text(CONFIG)
    return path


def lines(run):
    return [json.loads(line) for line in (run / "trials.jsonl").read_text("utf-8").splitlines()]


def without_timings(trials):
    copies = json.loads(json.dumps(sorted(trials, key=lambda trial: trial["trial"])))
    for trial in copies:
        for decoder in trial["decoders"].values():
            decoder.pop("timings_s")
    return copies


def test_a_run_that_was_killed_ends_as_if_it_had_not_been(sdr_gsc, models, config, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    outcome = sdr_gsc("run", config, "--weights", models, "--out", whole, "--workers", "0", "--json")
    assert outcome.status == 0
    assert outcome.json["trials"] == 8
    assert outcome.json["received"] == 4
    trials = lines(whole)
    assert len({trial["trial"] for trial in trials}) == 8

    killed.mkdir()
    for name in ("config.toml", "environment.json"):
        (killed / name).write_bytes((whole / name).read_bytes())
    data = (whole / "trials.jsonl").read_bytes().splitlines(keepends=True)
    # Finished in another order, and killed in the middle of a line.
    (killed / "trials.jsonl").write_bytes(data[4] + data[1] + data[2][:100])
    outcome = sdr_gsc("resume", killed, "--workers", "0", "--json")
    assert outcome.status == 0
    resumed = lines(killed)
    assert [trial["trial"] for trial in resumed[:2]] == [json.loads(data[4])["trial"], json.loads(data[1])["trial"]]
    assert without_timings(resumed) == without_timings(trials)

    again = sdr_gsc("run", config, "--weights", models, "--out", whole, "--workers", "0", "--json")
    assert again.json["trials"] == 8
    assert lines(whole) == trials


def test_the_report_tells_the_cliff(sdr_gsc, models, config, tmp_path):
    run = tmp_path / "run"
    assert sdr_gsc("run", config, "--weights", models, "--out", run, "--workers", "0").status == 0
    text = (run / "report.html").read_text("utf-8")
    for word in ("direct · mmse", "classical", "Means", "headers right", "8 of 8"):
        assert word in text
    assert (run / "figures/cbr12.psnr_db.svg").is_file()
    lost = [trial for trial in lines(run) if trial["requested_esn0_db"] == -25]
    assert all(trial["if_lost"]["psnr_db"] > 0 and not trial["received"] for trial in lost)


def test_a_quick_run_is_a_smaller_grid(sdr_gsc, models, config, tmp_path):
    outcome = sdr_gsc(
        "run", config, "--quick", "--weights", models, "--out", tmp_path / "run", "--workers", "0", "--json"
    )
    assert outcome.json["trials"] == 4
    assert "other settings" in sdr_gsc("run", config, "--weights", models, "--out", tmp_path / "run").refusal


def test_a_run_names_the_command_that_makes_its_figures_again(sdr_gsc, models, config, tmp_path):
    run = tmp_path / "run"
    arguments = ("run", config, "--quick", "--weights", models, "--shard", "1/2", "--out", run)
    assert sdr_gsc(*arguments, "--workers", "0", "--json").status == 0
    command = json.loads((run / "environment.json").read_text("utf-8"))["command"]
    assert command == ["sdr-gsc", *map(str, arguments)]
    assert f"--weights {models} --shard 1/2" in (run / "report.html").read_text("utf-8")


def test_what_is_expected_and_not_shown_is_status_1(sdr_gsc, models, tmp_path):
    config = tmp_path / "strict.toml"
    config.write_text(CONFIG + "\n[expect]\nheader_rate = 0.99\nwrong_headers = 0\n")
    outcome = sdr_gsc(
        "run", config, "--quick", "--weights", models, "--out", tmp_path / "run", "--workers", "0", "--json"
    )
    assert outcome.status == 1
    assert len(outcome.json["missed"]) == 1
    assert "headers arrived right" in outcome.err
    assert "headers arrived right" in (tmp_path / "run/report.html").read_text("utf-8")


def test_the_link_finds_every_header_over_a_hard_channel(sdr_gsc, models, tmp_path):
    config = tmp_path / "hard.toml"
    config.write_text("""
name = "hard"
radio = "loopback:office?cfo_range_hz=125000&sfo_range_ppm=40"
side_px = 64
seed = 2

[grid]
esn0_db = [10]
repetitions = 20

[[series]]
name = "link"

[expect]
header_rate = 0.99
wrong_headers = 0
""")
    outcome = sdr_gsc("run", config, "--weights", models, "--out", tmp_path / "run", "--workers", "0", "--json")
    assert outcome.json["headers"] == {"sent": 20, "right": 20, "wrong": 0}
    assert outcome.status == 0
    drawn = [trial["truth"]["cfo_hz"] for trial in lines(tmp_path / "run")]
    assert max(map(abs, drawn)) > 80_000
