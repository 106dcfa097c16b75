from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.campaign.scheduler import Scheduler
from experiments.campaign.settings import StopSettings
from experiments.campaign.sharding import Shard
from experiments.campaign.study import Trial
from sdr_gsc.errors import SettingsError


def plan(cells, repetitions, needs=lambda cell: ()):
    return tuple(
        Trial(f"{cell}/{number}", f"{cell}", {"repetition": number}, needs(cell))
        for cell in range(cells)
        for number in range(repetitions)
    )


def drained(scheduler, workers, generator, line_of=lambda trial: {"received": True}):
    """Run everything with so many workers that end in any order; returns the names in the order of their ends."""
    running, ended = [], []
    while scheduler.remaining:
        while len(running) < workers and (trial := scheduler.next()) is not None:
            running.append(trial)
        assert running, "nothing runs and nothing can begin"
        trial = running.pop(generator.randrange(len(running)))
        scheduler.finished(trial, line_of(trial))
        ended.append(trial.name)
    return ended


@given(cells=st.integers(1, 6), repetitions=st.integers(1, 5), workers=st.integers(1, 5), seed=st.integers(0, 99))
def test_every_trial_runs_once(cells, repetitions, workers, seed):
    trials = plan(cells, repetitions)
    ended = drained(Scheduler(trials, {}), workers, random.Random(seed))
    assert sorted(ended) == sorted(trial.name for trial in trials)


@given(done=st.sets(st.integers(0, 19)), seed=st.integers(0, 99))
def test_what_is_done_is_left_out(done, seed):
    trials = plan(4, 5)
    names = {trials[index].name for index in done}
    ended = drained(Scheduler(trials, {name: {"received": True} for name in names}), 3, random.Random(seed))
    assert set(ended) == {trial.name for trial in trials} - names


@given(workers=st.integers(1, 4), seed=st.integers(0, 99), cut=st.integers(0, 40))
def test_a_stop_rule_ends_at_the_same_trials_whatever_the_workers_and_the_breaks(workers, seed, cut):
    trials = plan(3, 20)
    lost = {trial.name: random.Random(trial.name).random() < 0.4 for trial in trials}
    rule = StopSettings(errors=3)

    def line_of(trial):
        return {"received": not lost[trial.name]}

    undisturbed = drained(Scheduler(trials, {}, stop=rule), 1, random.Random(0), line_of)
    ended = drained(Scheduler(trials, {}, stop=rule), workers, random.Random(seed), line_of)
    assert set(ended) == set(undisturbed)
    # Killed after some trials and begun again from what was written.
    first = {name: {"received": not lost[name]} for name in ended[:cut]}
    rest = drained(Scheduler(trials, first, stop=rule), workers, random.Random(seed + 1), line_of)
    assert set(first) | set(rest) == set(undisturbed)
    for cell in range(3):
        names = [f"{cell}/{number}" for number in range(20)]
        run = [name for name in names if name in undisturbed]
        assert run == names[: len(run)]
        assert sum(lost[name] for name in run) == 3 or run == names


@given(seed=st.integers(0, 99))
def test_a_radio_has_one_user_at_a_time(seed):
    generator = random.Random(seed)
    scheduler = Scheduler(plan(6, 3, lambda cell: (f"radio:{cell % 2}",)), {})
    running = []
    while scheduler.remaining:
        while (trial := scheduler.next()) is not None:
            running.append(trial)
        needs = [need for trial in running for need in trial.needs]
        assert len(set(needs)) == len(needs)
        assert running
        scheduler.finished(running.pop(generator.randrange(len(running))), {})


def test_a_failed_trial_comes_again_or_never():
    scheduler = Scheduler(plan(1, 2), {})
    first = scheduler.next()
    scheduler.failed(first, again=True)
    assert scheduler.next() == first
    scheduler.failed(first, again=False)
    assert scheduler.next().name == "0/1"
    assert scheduler.remaining == 1


def test_what_was_given_up_is_not_tried_again():
    scheduler = Scheduler(plan(1, 3), {}, given_up=["0/1"])
    assert [scheduler.next().name for _ in range(2)] == ["0/0", "0/2"]
    assert scheduler.next() is None


@given(count=st.integers(1, 9))
def test_shards_are_a_partition_that_keeps_cells_whole(count):
    trials = plan(40, 3)
    parts = [[trial for trial in trials if Shard(index, count).holds(trial)] for index in range(1, count + 1)]
    assert sorted(trial.name for part in parts for trial in part) == sorted(trial.name for trial in trials)
    owners = [{trial.cell for trial in part} for part in parts]
    assert sum(map(len, owners)) == 40


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/2"])
def test_a_shard_that_is_not_there_is_refused(text):
    with pytest.raises(SettingsError, match="INDEX/COUNT"):
        Shard.parse(text)


@pytest.mark.parametrize("stop", [None, StopSettings(errors=10**6), StopSettings(metric="x", half_width=1e-9)])
@pytest.mark.parametrize(("cells", "repetitions"), [(20_000, 1), (1, 10_000)])
def test_large_plans_are_no_matter(cells, repetitions, stop):
    # Anything that looks at all cells, or at all repetitions, for each trial would take hours.
    scheduler = Scheduler(plan(cells, repetitions), {}, stop=stop)
    for left in range(cells * repetitions, 0, -1):
        assert scheduler.remaining == left
        scheduler.finished(scheduler.next(), {"received": False, "x": left * 0.1})
    assert scheduler.next() is None
