"""Emulated radios from the command line: what is refused, and what others are told."""

import json
import signal
import subprocess
import sys

import pytest

from experiments.benchmarks.emulated import emulated
from experiments.cli import main
from experiments.procedures.emulating import EmulatedSetting, emulated_radios
from sdr_gsc.errors import SettingsError


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("toaster",), "toaster"),
        ((), "pluto, ad9361, usrp"),
        (("pluto", "--fault", "fire=1"), "fire"),
        (("pluto", "--fault", "fault_rate=often"), "often"),
        (("pluto", "--fault", "fault_rate"), "NAME=VALUE"),
        (("pluto", "--channel", "esn0_db=loud"), "esn0_db"),
        (("pluto", "--profile", "mars"), "mars"),
        (("pluto", "--ppm", "1", "--ppm", "2"), "clocks"),
    ],
)
def test_what_cannot_be_emulated_is_refused_in_one_line(arguments, word, capsys):
    assert main(["emulate", *arguments]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1
    assert word in err


def test_faults_reach_every_radio_that_has_them():
    setting = EmulatedSetting(kinds=("pluto", "usrp"), faults={"fault_rate": "0.25", "no_samples": "true"})
    with emulated_radios(setting) as (pluto, usrp):
        assert pluto.faults.fault_rate == usrp.faults.fault_rate == 0.25
        assert usrp.faults.no_samples is True


def test_a_token_ends_with_its_emulator():
    from hardware.emulation.token import is_ours

    with emulated_radios(EmulatedSetting(kinds=("pluto",))) as (radio,):
        token = radio.token
        assert is_ours(token)
    assert not is_ours(token)


def test_the_command_prints_one_line_and_ends_when_told():
    command = [sys.executable, "-m", "experiments.cli", "emulate", "ad9361", "usrp", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        answer = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert (out, err) == ("", "")
    assert answer["uri"] == answer["uris"][0]
    assert [uri.partition(":")[0] for uri in answer["uris"]] == ["ad9361", "usrp"]


def test_radios_that_are_asked_say_what_they_are(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with emulated(["pluto", "usrp"]) as (pluto, usrp):
        (tmp_path / "bench.toml").write_text(f'[[radio]]\nuri = "{usrp}"\n')
        assert main(["radios", pluto, "--json"]) == 0
        listed = {radio["uri"]: radio for radio in json.loads(capsys.readouterr().out)["radios"]}
    assert "Pluto" in listed[pluto]["what"]
    assert "E320" in listed[usrp]["what"].upper()
    assert main(["radios", pluto, "--json"]) == 1
    gone = {radio["uri"]: radio for radio in json.loads(capsys.readouterr().out)["radios"]}
    assert not gone[pluto]["available"]
    assert gone[pluto]["remedy"]


def test_settings_that_no_profile_has_are_named():
    with pytest.raises(SettingsError, match="colour"):
        with emulated_radios(EmulatedSetting(kinds=("pluto",), channel_settings={"colour": "red"})):
            pass
