"""Campaigns on a Ray cluster of several nodes: a radio on one, decoders on others, one of which dies."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from experiments.campaign.inline import InlineEngine
from experiments.campaign.ray_cluster import ClusterError, loopback_allowed
from experiments.campaign.ray_engine import RayEngine
from experiments.campaign.ray_resources import resource_of
from experiments.campaign.run_directory import RunDirectory
from experiments.campaign.running import run_campaign
from experiments.campaign.settings import CampaignSettings
from experiments.campaign.study import Trial
from experiments.sweeps.settings import SweepSettings
from experiments.sweeps.study import SweepStudy

ray = pytest.importorskip("ray", reason="pip install 'sdr-gsc[ray]'")

pytestmark = [
    pytest.mark.slow,
    # Ray leaves pipes and log files to the garbage collector, and asks for attention to its own plans.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]

ONE, OTHER = "radio:usrp:type=b200,serial=1", "radio:pluto:ip:192.168.2.1"
LOOPBACK = "127.0.0.1"
MEMORY = 80 * 2**20


def node(**resources):
    return {"node_ip_address": LOOPBACK, "object_store_memory": MEMORY, "include_dashboard": False, **resources}


def processes(mark):
    """Ids of processes whose command line holds a text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


@pytest.fixture(scope="module")
def cluster():
    """Two nodes: the head has two radios and no processor, the other one decodes; no process of them is left over."""
    from ray.cluster_utils import Cluster

    quick = {
        "health_check_initial_delay_ms": 1000,
        "health_check_period_ms": 500,
        "health_check_timeout_ms": 3000,
        "health_check_failure_threshold": 4,
    }
    radios = {resource_of(ONE): 1, resource_of(OTHER): 1}
    # What workers unpack, and leave when they are killed, goes with this folder. Its name is short: the path of a
    # socket in it may have 107 bytes, which is less than pytest's own folders take where tests run side by side.
    folder = tempfile.mkdtemp(prefix="ray")
    inherited = {"RAY_USAGE_STATS_ENABLED": "0", "TMPDIR": folder}
    environment = {name: os.environ.get(name) for name in inherited}
    os.environ.update(inherited)
    with loopback_allowed():
        head = node(num_cpus=0, resources=radios, _system_config=quick)
        found = Cluster(initialize_head=True, head_node_args=head, shutdown_at_exit=True)
    session = Path(found.head_node.get_session_dir_path()).name.encode()
    try:
        with loopback_allowed():
            found.add_node(**node(num_cpus=1))
        yield found
    finally:
        ray.shutdown()
        found.shutdown()
        left = processes(session)
        end = time.monotonic() + 10
        while left and time.monotonic() < end:
            time.sleep(0.2)
            left = processes(session)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        for name, value in environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        shutil.rmtree(folder, ignore_errors=True)
    assert not left


@pytest.fixture(autouse=True)
def studies_travel():
    """Nodes cannot import this module: what they need of it is sent by value."""
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


class RadioSweep(SweepStudy):
    """A sweep over a simulated radio that is treated as if it were real, whose decoder's node breaks down once."""

    def plan(self):
        return tuple(dataclasses.replace(trial, needs=(ONE,)) for trial in super().plan())

    def open_judge(self, out):
        judge = super().open_judge(out)

        def judge_or_die(trial, aired):
            mark = Path(self.settings.bench)
            if trial.name == "direct/cbr12/+25dB/coffee/1" and not mark.exists():
                mark.write_text(str(os.getppid()))
                os.kill(os.getppid(), signal.SIGKILL)  # the node itself; this process is its child
                time.sleep(600)
            return judge(trial, aired)

        return judge_or_die


class Watched(RayEngine):
    """Remembers failures, and has a new node join when one has died."""

    failures = ()
    replace = staticmethod(lambda: None)

    def wait(self):
        outcomes = super().wait()
        for outcome in outcomes:
            if outcome.failure is not None:
                self.failures += (outcome,)
                self.replace()
        return outcomes


def without_timings(value):
    if isinstance(value, dict):
        return {name: without_timings(part) for name, part in value.items() if name != "timings_s"}
    return [without_timings(part) for part in value] if isinstance(value, list) else value


def lines(out):
    return {line["trial"]: without_timings(line) for line in out.trials()}


def test_a_sweep_whose_decoder_node_dies_ends_with_the_lines_of_a_single_process(cluster, models, tmp_path, capfd):
    mark = tmp_path / "died"
    settings = SweepSettings.model_validate(
        {
            "name": "little",
            "radio": "loopback:cabled",
            "side_px": 64,
            "seed": 5,
            "weights": models,
            "bench": str(mark),
            "keep": ["captures", "pictures"],
            "grid": {"esn0_db": [-25, 25], "cbr": [12], "pictures": ["coffee"], "repetitions": 3},
            "series": [
                {"name": "direct", "decoders": ["mmse"]},
                {"name": "classical", "mapping": "classical", "mcs": 2},
            ],
        }
    )
    study = RadioSweep(settings)
    mark.touch()
    inline = RunDirectory.create(tmp_path / "inline", settings)
    run_campaign(inline, settings, study, lambda: InlineEngine(study, inline))
    mark.unlink()

    out = RunDirectory.create(tmp_path / "ray", settings)
    engine = Watched(out, settings, study, cluster.address)

    def replace():
        with loopback_allowed():
            cluster.add_node(**node(num_cpus=1))

    engine.replace = replace
    run_campaign(out, settings, study, lambda: engine)

    assert mark.exists()
    assert capfd.readouterr().out == ""  # where results go, and no last words of nodes
    # The trial in its hand, and none besides.
    assert [(each.trial.name, each.failure.kind) for each in engine.failures] == [
        ("direct/cbr12/+25dB/coffee/1", "WorkerDied")
    ]
    assert len(lines(out)) == 12
    assert lines(out) == lines(inline)
    assert not out.failures()
    for folder, kept in (("captures", "*.sigmf-data"), ("pictures", "*")):
        files = {path.name: path.read_bytes() for path in (inline.path / folder).glob(kept)}
        came = {path.name: path.read_bytes() for path in (out.path / folder).glob(kept)}
        assert files
        assert sorted(came) == sorted(files)
        assert [name for name in files if came[name] != files[name]] == []


class Users:
    """Trials that do nothing but hold what they need for a moment."""

    def __init__(self, settings):
        self.settings = settings

    def plan(self):
        return ()

    def open(self, out):
        def hold(trial):
            begin = time.monotonic()
            time.sleep(0.1)
            return {"begin": begin, "end": time.monotonic(), "node": ray.get_runtime_context().get_node_id()}

        return hold


@pytest.fixture
def users(cluster, tmp_path):
    settings = CampaignSettings(name="users")
    (tmp_path / "run").mkdir()
    study = Users(settings)
    with RayEngine(RunDirectory(tmp_path / "run"), settings, study, cluster.address, patience_s=30) as engine:
        yield engine


def run_all(engine, trials):
    for trial in trials:
        engine.submit(trial)
    outcomes = []
    while len(outcomes) < len(trials):
        outcomes += engine.wait()
    return {outcome.trial.name: outcome.line for outcome in outcomes}


def test_a_radio_has_one_user_at_a_time(users):
    # All at once, and some need both radios: nothing but the engine and the cluster keeps them apart.
    needs = [(ONE,), (ONE, OTHER), (OTHER,), (ONE,), (ONE, OTHER), (OTHER,)]
    trials = [Trial(f"t{number}", "cell", {}, need) for number, need in enumerate(needs)]
    found = run_all(users, trials)
    for radio in (ONE, OTHER):
        stays = sorted((found[t.name]["begin"], found[t.name]["end"]) for t in trials if radio in t.needs)
        assert len(stays) == 4
        assert all(end <= begin for (_, end), (begin, _) in zip(stays, stays[1:], strict=False))
    head = [each["NodeID"] for each in ray.nodes() if resource_of(ONE) in each["Resources"]]
    assert {line["node"] for line in found.values()} == set(head)


def test_a_radio_that_another_driver_holds_is_waited_for(users):
    @ray.remote(num_cpus=0, resources={resource_of(ONE): 1})
    class Stranger:
        def here(self):
            return True

    stranger = Stranger.remote()
    assert ray.get(stranger.here.remote())
    let_go = []

    def leave():
        let_go.append(time.monotonic())
        ray.kill(stranger)

    timer = threading.Timer(1.0, leave)
    timer.start()
    try:
        found = run_all(users, [Trial("t", "cell", {}, (ONE,))])
    finally:
        timer.join()
    assert found["t"]["begin"] > let_go[0]


def test_a_radio_that_nobody_offers_is_told_with_the_command(users):
    command = f"ray start --address=.* --resources='{json.dumps({'radio:lime': 1})}'"
    users.submit(Trial("t", "cell", {}, ("radio:lime",)))
    with pytest.raises(ClusterError, match=command):
        users.wait()
