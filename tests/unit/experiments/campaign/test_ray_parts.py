"""What the Ray engine is made of, without a cluster: names of resources, parcels, workers, and who answers."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.campaign.ray_cluster import ClusterError, connected
from experiments.campaign.ray_resources import nodes_offering, resource_of
from experiments.campaign.ray_shipping import Unpacked, keep_files, make_parcel
from experiments.campaign.ray_worker import TrialWorker
from experiments.campaign.run_directory import RunDirectory
from experiments.campaign.settings import CampaignSettings
from experiments.campaign.study import Trial
from sdr_gsc.errors import RecordingError, SettingsError


class Settings(CampaignSettings):
    """With paths: one that travels, one that is of the node, and one deep inside."""

    path_fields = ("weights", "bench")

    weights: str | None = None
    bench: str | None = None
    series: tuple[dict[str, str], ...] = ()


class Staged:
    """A trial adds what a file holds to its own value, in one step or in two."""

    def __init__(self, settings):
        self.settings = settings

    def open(self, out):
        air, judge = self.open_air(out), self.open_judge(out)
        return lambda trial: judge(trial, air(trial))

    def open_air(self, out):
        weight = int((Path(self.settings.weights) / "w.txt").read_text())

        def air(trial):
            if trial.values["x"] < 0:
                raise SettingsError(f"{out.path}/x is below 0")
            return weight + trial.values["x"]

        return air

    def open_judge(self, out):
        offset = int((out.path / "models/o.txt").read_text())

        def judge(trial, aired):
            (out.folder("pictures") / f"{trial.name}.png").write_bytes(b"picture")
            if aired > 100:
                return {"sum": np.nan}
            return {"sum": aired + offset, "weights": self.settings.weights, "prior": trial.values.get("prior")}

        return judge


@pytest.fixture
def run(tmp_path):
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "w.txt").write_text("10")
    prior = tmp_path / "prior.pt"
    prior.write_bytes(b"prior")
    bench = tmp_path / "bench.toml"
    bench.touch()
    settings = Settings(name="r", weights=str(weights), bench=str(bench), series=({"prior": str(prior)},))
    out = RunDirectory(tmp_path / "run")
    out.path.mkdir()
    (out.folder("models") / "o.txt").write_text("1000")
    (out.folder("captures") / "old.sigmf-data").write_bytes(b"stays")
    return out, settings


@pytest.fixture
def worker(run):
    found = TrialWorker()
    assert found.greet(make_parcel(*run, Staged(run[1]))) is None
    yield found
    found.leave()


@given(st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True))
def test_different_needs_are_different_resources_of_plain_characters(needs):
    names = [resource_of(need) for need in needs]
    assert len(set(names)) == 2
    assert all(name.isascii() and name.isprintable() and " " not in name and "_group_" not in name for name in names)


def test_the_name_of_brief_radios_is_what_a_person_would_write():
    assert resource_of("radio:usrp1") == "radio:usrp1"
    assert resource_of("radio:usrp:type=b200,serial=30F1") == "radio:usrp:type%3Db200%2Cserial%3D30F1"
    assert resource_of("radio:a_group_0_b") == "radio:a%5Fgroup%5F0_b"


def test_a_node_offers_a_radio_once_or_not_at_all():
    def node(alive=True, **resources):
        return {"Alive": alive, "Resources": resources}

    good = node(a=1.0, b=1.0)
    nodes = [node(a=1.0), node(a=2.0, b=1.0), good, node(alive=False, a=1.0, b=1.0)]
    assert nodes_offering(nodes, ["a", "b"]) == [good]


def test_a_parcel_holds_what_trials_read_and_no_more(run):
    out, settings = run
    parcel = make_parcel(out, settings, Staged(settings))
    assert parcel.files == {"models/o.txt": b"1000"}
    prior = settings.series[0]["prior"]
    assert parcel.places == {settings.weights: {"w.txt": b"10"}, prior: {"": b"prior"}}


def test_what_is_too_much_for_every_node_is_refused(run, tmp_path):
    out, settings = run
    with open(tmp_path / "weights/huge", "wb") as file:
        file.truncate(2**30 + 1)  # a hole: it takes no room
    with pytest.raises(SettingsError, match="1.07 GB"):
        make_parcel(out, settings, Staged(settings))


def test_settings_find_what_was_sent_along_where_it_was_unpacked(run):
    out, settings = run
    unpacked = Unpacked(make_parcel(out, settings, Staged(settings)))
    try:
        placed = unpacked.settings
        assert placed.weights != settings.weights
        assert Path(placed.weights).name == "weights"
        assert Path(placed.series[0]["prior"]).read_bytes() == b"prior"
        assert placed.bench == settings.bench
        assert unpacked.restored(json.dumps(placed.weights)) == json.dumps(settings.weights)
    finally:
        unpacked.close()
    assert not unpacked.path.exists()


def test_a_worker_answers_as_one_process_would_whole_or_in_two_parts(run, worker):
    out, settings = run
    trial = Trial("t", "c", {"x": 5, "prior": settings.series[0]["prior"]})
    whole = worker.whole(trial)
    failure, aired = worker.air(trial)
    parts = worker.judge(trial, aired)
    assert failure is None
    assert json.loads(whole.line) == Staged(settings).open(out)(trial)
    assert parts == whole
    # What it left came once with each answer, and does not stay.
    assert whole.files == {"pictures/t.png": b"picture"}


def test_a_trial_that_breaks_off_is_a_failure_and_leaves_nothing(run, worker):
    out, _ = run
    failure, aired = worker.air(Trial("t", "c", {"x": -1}))
    assert (failure.kind, failure.fatal, aired) == ("SettingsError", True, None)
    assert failure.cause == f"{out.path}/x is below 0"
    answer = worker.whole(Trial("t", "c", {"x": 1000}))
    assert answer.line is None
    assert answer.failure.kind == "ValueError"
    assert worker.whole(Trial("u", "c", {"x": 0})).files == {"pictures/u.png": b"picture"}


def test_a_node_with_other_software_is_refused(run):
    out, settings = run
    parcel = make_parcel(out, settings, Staged(settings))
    parcel.software["numpy"] = "1.0"
    failure = TrialWorker().greet(parcel)
    assert failure.fatal
    assert f"numpy {np.__version__} instead of 1.0" in failure.cause
    parcel.software.update(numpy=np.__version__, source="0", machine="another")
    assert "instead of 0" in TrialWorker().greet(parcel).cause


def test_files_of_a_trial_stand_below_the_run(run):
    out, _ = run
    keep_files(out, {"captures/t.sigmf-data": b"new", "captures/old.sigmf-data": b"replaced"})
    assert (out.path / "captures/t.sigmf-data").read_bytes() == b"new"
    assert (out.path / "captures/old.sigmf-data").read_bytes() == b"replaced"
    for name in ("../out", "/tmp/out", "trials.jsonl", "captures/../trials.jsonl"):
        with pytest.raises(RecordingError, match="needed a file in a folder"):
            keep_files(out, {name: b"bad"})


def refusal(address):
    with pytest.raises((ClusterError, SettingsError)) as caught, connected(address, {}):
        pass
    return caught.value


def test_an_address_where_no_cluster_answers_is_told_soon():
    pytest.importorskip("ray", reason="pip install 'sdr-gsc[ray]'")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert "Ray does not answer" in str(refusal(address))  # it listens, and says nothing
    error = refusal(address)
    assert isinstance(error, ClusterError)
    assert str(error).startswith(f"Ray does not answer at {address} (")
    assert str(error).endswith("; start one with ray start --head, or leave out --address")
    assert "needed HOST:PORT" in str(refusal("somewhere"))
    assert "not Ray's client" in str(refusal("ray://127.0.0.1:10001"))


def test_without_ray_the_package_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert str(refusal(None)) == "--engine ray needs Ray: pip install 'sdr-gsc[ray]'"
