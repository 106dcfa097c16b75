"""Stages in threads, with plain functions as stages; and the books of what passed through them."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest

from experiments.benchmarks.link_account import Account, percentiles
from experiments.benchmarks.link_pipeline import Channel, Stage, StoppedError, run_pipeline, stage
from sdr_gsc.errors import SettingsError


def numbers(count):
    def source(outbox):
        for number in range(count):
            outbox.put(number)

    return source


def endless(outbox):
    number = 0
    while True:
        outbox.put(number)
        number += 1


def doubled(items):
    return [2 * item for item in items]


def left_threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("link ")]


@pytest.mark.parametrize("capacity", [1, 3])
@pytest.mark.parametrize("batch", [1, 4])
def test_everything_comes_out_once_and_in_order(capacity, batch):
    found = []
    run_pipeline(numbers(200), [stage("one", doubled), stage("two", doubled, batch)], found.append, capacity=capacity)
    assert found == [4 * number for number in range(200)]


def test_a_stage_may_drop_and_add():
    found = []
    run_pipeline(numbers(10), [stage("some", lambda items: [x for x in items for _ in range(x % 3)])], found.append)
    assert found == [x for x in range(10) for _ in range(x % 3)]


@pytest.mark.parametrize("capacity", [1, 2, 5])
def test_a_slow_end_holds_the_source_back(capacity):
    """No more items exist at once than the queues hold and the stages and the end have in hand."""
    begun, ended, most = [], [], []

    def source(outbox):
        for number in range(100):
            begun.append(number)
            outbox.put(number)

    def deliver(item):
        ended.append(item)
        most.append(len(begun) - len(ended))

    waited = run_pipeline(source, [stage("one", doubled), stage("two", doubled)], deliver, capacity=capacity)
    # Three queues, two stages, and one in the source's hand.
    assert max(most) <= 3 * capacity + 2 + 1
    assert list(waited) == ["one", "two", "delivery"]
    assert all(1 <= deepest <= capacity for deepest in waited.values())


def test_a_batch_is_what_waits_and_never_more_than_asked_for():
    sizes = []
    filled = threading.Event()

    def source(outbox):
        for number in range(20):
            outbox.put(number)
            if number == 7:
                filled.set()

    def work(items):
        filled.wait()
        sizes.append(len(items))
        return items

    found = []
    run_pipeline(source, [stage("batch", work, 3)], found.append, capacity=8)
    assert found == list(range(20))
    assert max(sizes) == 3


@pytest.mark.parametrize("broken", ["source", "first", "last", "delivery"])
def test_an_exception_ends_everything_with_its_cause(broken):
    def at(place):
        def work(items):
            if place == broken and items[0] >= 5:
                raise ValueError(f"{place} broke")
            return items

        return work

    def source(outbox):
        for number in range(10**9):
            at("source")([number])
            outbox.put(number)

    with pytest.raises(ValueError, match=f"{broken} broke") as caught:
        run_pipeline(
            source, [stage("first", at("first")), stage("last", at("last"))], lambda item: at("delivery")([item])
        )
    if broken != "delivery":
        assert f"in the stage {broken} of the link" in caught.value.__notes__
    assert left_threads() == []


@pytest.fixture
def interruptible():
    """SIGINT as in a terminal, also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_everything():
    """Ctrl-C reaches the main thread while it waits for results."""

    def work(items):
        if items[0] == 3:
            # To the process, as a terminal does; to this thread alone it would not wake the one that waits.
            os.kill(os.getpid(), signal.SIGINT)
        return items if items[0] < 3 else []

    with pytest.raises(KeyboardInterrupt):
        run_pipeline(endless, [stage("work", work)], lambda item: None)
    assert left_threads() == []


def test_a_stage_that_waits_for_something_else_is_broken_off():
    never: Channel[int] = Channel(1)
    met = []

    def wait(inbox, outbox):
        inbox.take()
        try:
            never.take()
        except StoppedError:
            met.append("stopped")
            raise

    def fail(items):
        if items[0] > 2:
            raise ValueError("no")
        return items

    with pytest.raises(ValueError, match="no"):
        run_pipeline(endless, [stage("fail", fail), Stage("wait", wait)], met.append, further=[never])
    assert met == ["stopped"]


def test_a_queue_waits_no_longer_than_asked_and_tells_its_end():
    queue: Channel[int] = Channel(2)
    assert queue.take(timeout_s=0.0) == []
    assert not queue.ended
    queue.put(1)
    queue.put(2)
    queue.end()
    assert not queue.ended
    assert queue.take(5) == [1, 2]
    assert queue.ended
    assert queue.take() == []
    queue.stop()
    for use in (queue.take, lambda: queue.put(3), lambda: queue.wait_until_stopped(1e6)):
        with pytest.raises(StoppedError):
            use()
    with pytest.raises(SettingsError, match="0 items"):
        Channel(0)


def test_percentiles_are_those_of_numpy():
    values = np.random.default_rng(3).permutation(np.arange(101.0))
    drawn = np.random.default_rng(4).standard_normal(37)
    found = percentiles({"known": list(values), "drawn": list(drawn), "none": []})
    assert found["known"] == {50: 50.0, 95: 95.0, 99: 99.0}
    ordered = np.sort(drawn)
    for percentile, value in found["drawn"].items():
        place = percentile / 100 * (drawn.size - 1)
        below = int(place)
        assert value == pytest.approx(ordered[below] + (place - below) * (ordered[below + 1] - ordered[below]))
        assert value == np.percentile(drawn, percentile)
    assert all(np.isnan(value) for value in found["none"].values())


def test_the_account_knows_every_fate_of_a_picture():
    account = Account(first_id=65534)
    passages = [account.offer() for _ in range(6)]
    assert [each.picture_id for each in passages] == [65534, 65535, 0, 1, 2, 3]
    for each in passages:
        account.sent(each, 4)
    assert account.arrive(65534, 4) is passages[0]
    assert account.arrive(0, 3) is passages[2]  # one frame was lost
    assert account.arrive(65535, 4) is passages[1]  # late
    assert account.arrive(0, 4) is None  # again
    assert account.arrive(999, 4) is None  # nobody sent it
    account.lose(passages[3])
    account.lose(passages[4])
    passages[4].failures = 2
    account.sent(passages[4], 4)
    assert account.arrive(1, 4) is passages[3]  # it came all the same
    tally = account.close(delivered=4)
    assert (tally.offered, tally.arrived, tally.lost, tally.unaccounted) == (6, 4, 2, 0)
    assert (tally.repeated, tally.out_of_order, tally.strangers) == (1, 1, 1)
    assert (tally.retried, tally.retried_lost) == (1, 1)
    assert (tally.frames_sent, tally.frames_received) == (24, 15)
    assert tally.longest_run == 4


def test_a_picture_that_vanishes_at_the_end_is_missed():
    account = Account()
    account.sent(account.offer(), 1)
    assert account.arrive(0, 1) is not None
    assert account.close(delivered=0).unaccounted == 1


def test_ids_come_again_after_65536_pictures():
    account = Account(most=2)
    for serial in range(2 * 65536 + 10):
        passage = account.offer()
        assert passage.picture_id == serial % 65536
        assert account.arrive(passage.picture_id, 0) is passage
    tally = account.close(delivered=2 * 65536 + 10)
    assert (tally.arrived, tally.lost, tally.repeated, tally.out_of_order) == (2 * 65536 + 10, 0, 0, 0)


def test_more_pictures_on_their_way_than_announced_are_refused():
    account = Account(most=2)
    account.offer()
    account.offer()
    with pytest.raises(SettingsError, match="more than 2 pictures"):
        account.offer()
