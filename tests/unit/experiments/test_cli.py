from __future__ import annotations

import subprocess
import sys

import pytest

from experiments import cli
from experiments.cli_console import split_names

COMMANDS = ("demo", "send", "run", "resume", "report", "replay", "radios", "doctor", "bench", "train")


def test_help_names_every_command(sdr_gsc):
    outcome = sdr_gsc("--help")
    assert outcome.status == 0
    for command in COMMANDS:
        assert command in outcome.out


@pytest.mark.parametrize("command", [*COMMANDS[:-2], "bench phy", "bench decode", "bench link", "train codec"])
def test_every_command_has_help(sdr_gsc, command):
    outcome = sdr_gsc(*command.split(), "--help")
    assert outcome.status == 0
    assert "Usage" in outcome.out


def test_version(sdr_gsc):
    from sdr_gsc import __version__

    assert sdr_gsc("--version").out.strip() == __version__


def test_the_command_line_loads_nothing_heavy_before_it_is_needed():
    code = "import experiments.cli, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    )
    assert not loaded & {"numpy", "scipy", "numba", "torch", "pydantic", "matplotlib", "skimage", "jinja2"}


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("transmit",), "transmit"),
        (("send",), "IMAGE"),
        (("send", "x.png", "--loud"), "--loud"),
        (("send", "x.png", "--seed", "many"), "many"),
        (("bench", "decode", "--repetitions", "0"), "repetitions"),
        (("bench", "phy", "--effort", "0"), "effort"),
        (("train", "codec", "x", "--steps", "0"), "steps"),
        (("train", "prior", "x", "--side-px", "33"), "side_px"),
        (("train", "codec", "x", "--device", "toaster"), "is no device"),
        (("train", "refine", "x", "--device", "cuda:63"), "cuda:63 is asked for"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line(sdr_gsc, arguments, word):
    assert word in sdr_gsc(*arguments).refusal


def test_an_interrupt_is_no_error_of_ours(sdr_gsc, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", interrupted)
    outcome = sdr_gsc("radios")
    assert outcome.status == 130
    assert "interrupted" in outcome.err


def test_lack_of_memory_is_told_as_such(sdr_gsc, monkeypatch):
    def starved(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(cli, "app", starved)
    assert "memory" in sdr_gsc("radios").refusal


def test_radios_lists_what_opens_and_what_does_not(sdr_gsc):
    from hardware.registry import open_radio

    radios = sdr_gsc("radios", "--json").json["radios"]
    for radio in radios:
        if radio["uri"].startswith("loopback:"):
            open_radio(radio["uri"]).close()
        if not radio["available"]:
            assert radio["remedy"]
    assert "loopback:office" in sdr_gsc("radios").out


def test_doctor_names_a_remedy_for_all_that_is_broken(sdr_gsc):
    outcome = sdr_gsc("doctor", "--json")
    checks = outcome.json["checks"]
    assert outcome.status == (2 if any(check["state"] == "broken" for check in checks) else 0)
    for check in checks:
        assert check["found"]
        assert bool(check["remedy"]) == (check["state"] != "good")
    assert {"python", "torch", "package hardware", "model codec", "driver pluto"} <= {check["name"] for check in checks}


def test_doctor_names_the_other_owner_of_a_package(monkeypatch):
    from experiments.procedures import doctor

    owners = {"hardware": ["hardware", "sdr-gsc"], "experiments": ["sdr-gsc"]}
    monkeypatch.setattr(doctor, "packages_distributions", lambda: owners)
    checks = {check.name: check for check in doctor.examine()}
    assert checks["package hardware"].is_broken
    assert "pip uninstall hardware" in checks["package hardware"].remedy
    assert not checks["package experiments"].is_broken


def test_names_come_from_repeated_options_and_lists():
    assert split_names(["mmse", " refine:2,mmse,"]) == ("mmse", "refine:2")
    assert split_names(None) is None
