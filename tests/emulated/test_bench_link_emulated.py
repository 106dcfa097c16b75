"""Pictures through real drivers and emulated radios, in a pipeline: each one arrives, or is counted."""

import json

import pytest

from experiments.cli import main


def bench(capsys, *arguments):
    capsys.readouterr()
    status = main(["bench", "link", "--side-px", "64", "--json", *arguments])
    out, err = capsys.readouterr()
    assert out, err
    found = json.loads(out)
    return status, {item["metric"]: item["value"] for item in found["rows"]}, found["environment"]


@pytest.mark.parametrize("kind", ["pluto", "usrp"])
def test_every_picture_arrives(kind, capsys):
    status, rows, environment = bench(capsys, "--emulated", kind, "--seconds", "1", "--way", "exchange")
    assert status == 0
    assert environment["radio"] == f"emulated {kind}"
    for run in ("sustained", "paced"):
        assert rows[f"{run}: pictures arrived"] == rows[f"{run}: pictures offered"] > 0
        assert rows[f"{run}: pictures received again"] == rows[f"{run}: pictures of others"] == 0
        assert rows[f"{run}: frames received"] == 1
        # A cable between them, and no noise but that of the converters: what is lost is lost in the codec.
        assert rows[f"{run}: quality, PSNR"] > 20


def test_a_stream_accounts_for_every_picture(capsys):
    """How many arrive depends on how busy the computer is; that all are accounted for does not."""
    arguments = ("--emulated", "pluto", "--seconds", "1", "--way", "stream", "--rate-hz", "1e6")
    _, rows, environment = bench(capsys, *arguments)
    assert environment["way"] == "stream"
    assert rows["sustained: pictures arrived"] > 0
    assert rows["sustained: pictures offered"] == rows["sustained: pictures arrived"] + rows["sustained: pictures lost"]
    assert rows["sustained: pictures not accounted for"] == rows["sustained: pictures out of order"] == 0


def test_a_soak_loses_nothing_that_is_not_counted(capsys):
    arguments = ("--emulated", "pluto", "--seconds", "1", "--soak", "3", "--fault-rate", "0.05", "--seed", "5")
    status, rows, environment = bench(capsys, *arguments)
    assert status == 0
    assert rows["soak: faults"] > 0
    assert rows["soak: faults"] == sum(environment["faults"].values())
    assert rows["soak: faults not recovered from"] == 0
    assert rows["soak: pictures offered"] == rows["soak: pictures arrived"] + rows["soak: pictures lost"]
    assert rows["soak: pictures not accounted for"] == 0
    assert rows["soak: pictures lost that were retried"] == 0
    assert rows["soak: threads left"] == 0
