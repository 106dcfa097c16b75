from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from experiments.configuration import DemoSettings
from experiments.procedures import demo
from experiments.procedures.transmission import Bench
from experiments.settings_files import read_settings

ARGUMENTS = ("--side-px", 64, "--cbr", 12, "--seed", 3, "--json")


@pytest.fixture(scope="module")
def shown(models, photo, tmp_path_factory):
    """One demonstration for all tests of this file: its directory and its JSON."""
    import contextlib
    import io

    from experiments.cli import main

    out = tmp_path_factory.mktemp("demo") / "run"
    said = io.StringIO()
    arguments = ("demo", photo, *ARGUMENTS, "--posterior-steps", 2, "--weights", models, "--out", out)
    with contextlib.redirect_stdout(said):
        status = main([str(argument) for argument in arguments])
    assert status == 0
    return out, json.loads(said.getvalue())


def test_every_mapping_and_decoder_is_there(shown):
    out, result = shown
    assert list(result["transmissions"]) == ["direct", "coded", "classical"]
    assert list(result["transmissions"]["direct"]["decoders"]) == ["mmse", "refine", "posterior"]
    assert result["nfe"]["posterior"] == 2
    assert result["report"] == str(out / "report.html")
    # The three share their air: the coded ones take at most what direct takes.
    samples = [json.loads(line)["air"]["air_samples"] for line in (out / "trials.jsonl").read_text().splitlines()]
    assert max(samples) == samples[0]


def test_the_run_directory_is_whole(shown):
    out, _ = shown
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    wanted = {"config.toml", "environment.json", "trials.jsonl", "report.html", "pictures/sent.png"}
    kept = ("sigmf-collection", "tx.sigmf-meta", "tx.sigmf-data", "rx.sigmf-meta", "rx.sigmf-data")
    wanted |= {f"captures/{mapping}.{part}" for mapping in demo.DEMO_MAPPINGS for part in kept}
    wanted |= {f"pictures/{name}.png" for name in ("direct.mmse", "direct.refine", "direct.posterior")}
    figures = ("constellation", "spectrum", "channel", "evm", "frames", "posterior.uncertainty")
    wanted |= {f"figures/direct.{figure}{suffix}" for figure in figures for suffix in (".png", ".svg")}
    assert wanted <= names


class Tags(HTMLParser):
    """Balance of tags, and every address that a browser would fetch."""

    VOID = {"meta", "img", "br", "link"}

    def __init__(self):
        super().__init__()
        self.open, self.addresses = [], []

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_report_needs_nothing_else(shown):
    out, _ = shown
    text = (out / "report.html").read_text("utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert len(tags.addresses) >= 12
    assert all(address.startswith("data:image/png;base64,") for address in tags.addresses)
    assert "url(" not in text
    assert "prefers-color-scheme: dark" in text
    for word in ("direct · posterior", "coded · mmse", "classical", "PSNR", "perceptual", "CFO (Hz)", "How sure"):
        assert word in text


def test_it_can_be_run_again_from_itself(shown, sdr_gsc, tmp_path):
    out, first = shown
    assert read_settings(out / "config.toml").image.startswith("pictures/source")
    again = sdr_gsc("run", out / "config.toml", "--out", tmp_path / "again", "--json").json

    def figures(result):
        return re.sub(r'"timings_s": \{[^}]*\}', "", json.dumps(result["transmissions"]))

    assert figures(again) == figures(first)


def test_the_report_is_drawn_again_from_the_directory_alone(shown, sdr_gsc):
    out, _ = shown
    before = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    assert sdr_gsc("report", out).out.strip() == str(out / "report.html")
    assert (out / "report.html").read_bytes() == before


def test_nothing_received_gives_a_report_and_status_1(sdr_gsc, models, photo, tmp_path):
    arguments = ("--esn0-db", -25, "--decoder", "mmse", "--weights", models)
    outcome = sdr_gsc("demo", photo, *ARGUMENTS[:-1], *arguments, "--out", tmp_path / "run")
    assert outcome.status == 1
    assert (tmp_path / "run/report.html").read_text("utf-8").count("not received") == 3


@pytest.mark.parametrize(("budget_s", "steps"), [(1000.0, 30), (15.0, 15), (0.1, 10)])
def test_the_posterior_takes_the_steps_that_fit(models, monkeypatch, budget_s, steps):
    """With one second per step; never fewer than ten steps."""

    class Probe:
        def decode(self, reception, *, generator):
            class Result:
                timings_s = {"sample": 1.0}

            return Result()

    monkeypatch.setattr(demo, "open_decoder", lambda name, codec, folder, options: Probe())
    settings = DemoSettings(posterior_budget_s=budget_s, side_px=64, cbr=12)
    from experiments.procedures.photographs import find_picture

    timed = demo._timed(settings, "posterior", Bench.open(models), find_picture("coffee", 64))  # noqa: SLF001
    assert timed.posterior_steps == steps
