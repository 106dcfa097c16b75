"""The command that calibrates: its answers, its exit status, and a store in which nothing is ever half-written."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from PIL import Image

from calibration import running
from calibration.errors import NoSignalError
from calibration.outcome import Outcome
from calibration.procedures.catalogue import ordered
from calibration.record import Quantity
from calibration.store import Store
from experiments.cli import main
from experiments.procedures.calibrating import Request, calibrate
from sdr_gsc.channel.front_end_faults import FrontEnd
from sdr_gsc.recording.sigmf_reader import read_capture

RADIO = "loopback:cabled?impaired=1"
SHORT = ("--what", "dc_offset,iq_balance")
COLUMNS = {"metric", "value", "unit", "anchor", "ratio", "bound", "target", "aim", "met", "before", "after"}


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.toml")}


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    """A store with the records of two procedures; it is not to be changed."""
    store = tmp_path_factory.mktemp("store")
    calibrate(Request(RADIO, store, what=("dc_offset", "iq_balance")), lambda stage, share: None)
    return store


def test_the_answer_has_the_promised_form(tmp_path, capsys):
    page = tmp_path / "docs" / "calibration.md"
    page.parent.mkdir()
    status = main(["calibrate", RADIO, *SHORT, "--store", str(tmp_path / "s"), "--page", str(page), "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert status == 0, answer["rows"]
    assert {"python", "cpu", "calibrated"} <= set(answer["environment"])
    assert all(set(row) >= COLUMNS for row in answer["rows"])
    assert all(row["value"] == row["after"] for row in answer["rows"])
    truth = FrontEnd.draw(1)
    before = [row["before"] for row in answer["rows"] if row["procedure"] == "iq_balance" and row["unit"] == "dB"]
    assert any(one == pytest.approx(truth.tx.image_rejection_db, abs=1.0) for one in before)
    assert any(one == pytest.approx(truth.rx.image_rejection_db, abs=1.0) for one in before)
    records = list(Store(tmp_path / "s").records("loopback-1"))
    wanted = {(quantity, half) for quantity in ("dc_offset", "iq_balance") for half in ("tx", "rx")}
    assert {(one.quantity.value, one.subject.direction.value) for one in records} == wanted
    assert all(one.conditions.temperature_c == truth.temperature_c for one in records)
    for one in records:
        for name in one.captures:
            assert read_capture(tmp_path / "s" / "loopback-1" / name).samples.size > 0
    text = page.read_text()
    pictures = [line.partition("](")[2].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert pictures
    assert all((page.parent / picture).stat().st_size > 0 for picture in pictures)
    assert "iq_balance" in text


def test_a_table_for_people(tmp_path, capsys):
    assert main(["calibrate", RADIO, "--what", "dc_offset", "--store", str(tmp_path), "--no-captures"]) == 0
    printed = capsys.readouterr()
    assert "before" in printed.out
    assert f"records in {tmp_path}" in printed.out
    assert "dc_offset" in printed.err
    assert not list(tmp_path.rglob("*.sigmf-meta"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no radio is named"),
        ([RADIO, "--tx", RADIO, "--rx", RADIO], "--tx and --rx for two"),
        (["--tx", RADIO], "--tx and --rx go together"),
        ([RADIO, "--what", "sorcery"], "no such procedure"),
        (["--tx", "loopback:cabled", "--rx", "loopback:cabled", "--what", "gain"], "gain is not possible"),
        (["loopback:cabled", "--check", "missing.toml"], "there is no missing.toml"),
        (["pluto"], "is not the address of a radio"),
    ],
)
def test_wrong_requests_end_in_one_line(arguments, message, tmp_path, capsys):
    assert main(["calibrate", *arguments, "--store", str(tmp_path / "s")]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert len(printed.err.strip().splitlines()) == 1
    assert not (tmp_path / "s").exists()


def test_a_simulated_radio_gets_faults_that_last(tmp_path, capsys):
    asked = "loopback:cabled?noise_dbfs=-42"
    assert main(["calibrate", asked, "--what", "dc_offset", "--store", str(tmp_path), "--no-captures", "--json"]) == 0
    printed = capsys.readouterr()
    assert f"{asked}&impaired=1" in printed.err
    assert json.loads(printed.out)["environment"]["calibrated"][0]["serial"] == "loopback-1"


def test_a_reference_out_of_the_band_is_told(tmp_path, capsys):
    status = main(["calibrate", RADIO, "--what", "frequency", "--reference-hz", "9e9", "--store", str(tmp_path / "s")])
    assert status == 1
    assert "lies outside the band" in capsys.readouterr().err


def experiment(folder, radio):
    path = folder / "experiment.toml"
    path.write_text(f'kind = "send"\nimage = "astronaut"\nradio = "{radio}"\n')
    return path


def standing(capsys, path, store, status):
    assert (
        main(["calibrate", "--check", str(path), "--what", "dc_offset,iq_balance", "--store", str(store), "--json"])
        == status
    )
    return json.loads(capsys.readouterr().out)["rows"]


def test_check_says_what_is_missing_stale_and_valid(calibrated, tmp_path, capsys):
    path = experiment(tmp_path, RADIO)
    rows = standing(capsys, path, calibrated, 0)
    assert {row["state"] for row in rows} == {"valid"}
    assert all(row["remedy"] is None for row in rows)
    rows = standing(capsys, path, tmp_path / "empty", 1)
    assert [row["state"] for row in rows] == ["missing"] * 4
    assert "sdr-gsc calibrate" in rows[0]["remedy"]
    assert "--what dc_offset" in rows[0]["remedy"]
    old = Store(tmp_path / "old")
    for record in Store(calibrated).records():
        made = record.made - 2 * record.valid_for if record.quantity is Quantity.DC_OFFSET else record.made
        old.add(replace(record, made=made))
    states = {(row["procedure"], row["state"]) for row in standing(capsys, path, tmp_path / "old", 1)}
    assert states == {("dc_offset", "stale"), ("iq_balance", "valid")}
    other = standing(capsys, experiment(tmp_path, "loopback:cabled?impaired=2"), calibrated, 1)
    assert {row["state"] for row in other} == {"missing"}


def test_whatever_write_is_interrupted_leaves_whole_records(calibrated, tmp_path, monkeypatch):
    """Ctrl-C at the first, the second, ... moment at which a file would appear."""
    store = tmp_path / "store"
    for record in Store(calibrated).records():
        Store(store).add(replace(record, made=record.made - timedelta(days=1)))
    before = contents(store)
    whole = os.replace
    for moment in range(6):
        left = [moment]

        def interrupted(source, target, left=left):
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            whole(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", interrupted)
            with pytest.raises(KeyboardInterrupt):
                calibrate(Request(RADIO, store, what=("dc_offset", "iq_balance")), lambda stage, share: None)
        assert len(list(Store(store).records())) >= len(before)
        assert {path: contents(store)[path] for path in before} == before
        assert not list(store.rglob(".partial-*"))


def test_a_full_disk_is_one_line_and_the_old_records_stay(calibrated, tmp_path, monkeypatch, capsys):
    store = tmp_path / "store"
    for record in Store(calibrated).records():
        Store(store).add(record)
    before = contents(store)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert main(["calibrate", RADIO, *SHORT, "--store", str(store)]) == 2
    assert "No space left" in capsys.readouterr().err
    assert contents(store) == before
    assert not list(store.rglob(".partial-*"))


def test_a_program_that_is_killed_leaves_whole_records(calibrated, tmp_path):
    """Killed and interrupted at random moments, over and over, on one store."""
    store = tmp_path / "store"
    for record in Store(calibrated).records():
        Store(store).add(replace(record, made=record.made - timedelta(days=1)))
    before = contents(store)
    forever = (
        "import sys, pathlib; from experiments.procedures.calibrating import Request, calibrate\n"
        "request = Request(sys.argv[1], pathlib.Path(sys.argv[2]), what=('dc_offset', 'iq_balance'))\n"
        "print('begins', flush=True)\n"
        "while True: calibrate(request, lambda stage, share: None)"
    )
    dice = random.Random(7)
    for number in (signal.SIGKILL, signal.SIGTERM):
        command = [sys.executable, "-c", forever, RADIO, str(store)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                assert process.stdout.readline() == "begins\n"
                time.sleep(dice.uniform(0.0, 0.8))
                process.send_signal(number)
                process.wait(timeout=30)
            finally:
                process.kill()
        assert len(list(Store(store).records())) >= len(before)
        assert {path: contents(store)[path] for path in before} == before


def test_leftovers_of_killed_programs_are_removed_when_they_are_old(tmp_path):
    folder = tmp_path / "loopback-1"
    (folder / ".partial-old").mkdir(parents=True)
    (folder / ".partial-file").write_text("x")
    (folder / ".partial-new").write_text("x")
    for name in (".partial-old", ".partial-file"):
        os.utime(folder / name, (0, 0))
    calibrate(Request(RADIO, tmp_path, what=("dc_offset",)), lambda stage, share: None)
    assert [path.name for path in folder.glob(".partial-*")] == [".partial-new"]


def test_a_procedure_that_fails_is_a_row_and_a_line_and_keeps_what_others_found(tmp_path, monkeypatch, capsys):
    def broken(radio, plan):
        raise NoSignalError("nothing was received;\ncheck the cable")

    procedures = ordered(("dc_offset", "iq_balance", "noise"))
    chosen = (procedures[0], replace(procedures[1], measure=broken), procedures[2])
    monkeypatch.setattr(running, "ordered", lambda names: chosen)
    page = tmp_path / "page.md"
    assert main(["calibrate", RADIO, "--store", str(tmp_path / "s"), "--json", "--page", str(page)]) == 1
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    (row,) = (row for row in answer["rows"] if row["procedure"] == "iq_balance")
    assert row["met"] is False
    assert row["value"] is None
    assert set(row) >= COLUMNS
    assert answer["environment"]["calibrated"][0]["failed"].keys() == {"iq_balance"}
    assert sum("check the cable" in line for line in printed.err.splitlines()) == 1
    assert "Failed: iq_balance: nothing was received; check the cable." in page.read_text()
    found = {record.quantity for record in Store(tmp_path / "s").records()}
    assert found == {Quantity.DC_OFFSET, Quantity.NOISE}


def test_later_procedures_measure_with_what_earlier_ones_found(calibrated, tmp_path, monkeypatch):
    seen = []

    def watching(radio, plan):
        seen.append((plan.temperature_c, [record.quantity for record in plan.records], plan.wanted_esn0_db))
        return Outcome(tuple(Store(calibrated).records())[:1], ())

    procedures = tuple(replace(one, measure=watching) for one in ordered(("dc_offset", "iq_balance")))
    monkeypatch.setattr(running, "ordered", lambda names: procedures)
    calibrate(Request(RADIO, tmp_path, esn0_db=(7.0,)), lambda stage, share: None)
    assert [len(records) for _, records, _ in seen] == [0, 1]
    assert [temperature for temperature, _, _ in seen] == [FrontEnd.draw(1).temperature_c] * 2
    assert seen[0][2] == (7.0,)


def test_a_run_names_the_records_that_it_used(calibrated, tmp_path, capsys):
    picture = tmp_path / "small.png"
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(picture)
    link = ["send", str(picture), "--radio", RADIO, "--decoder", "mmse", "--cbr", "48", "--json"]
    assert main([*link, "--calibration", str(calibrated), "--out", str(tmp_path / "run")]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["calibration"]["records"]) == 4
    assert all(name.startswith("loopback-1/") for name in answer["calibration"]["records"])
    trial = json.loads((tmp_path / "run" / "trials.jsonl").read_text())
    assert trial["calibration"] == answer["calibration"]
    assert main([*link, "--calibration", str(tmp_path / "nothing")]) == 2
    assert "has no records of loopback-1" in capsys.readouterr().err
