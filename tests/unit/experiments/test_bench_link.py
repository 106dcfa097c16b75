"""The link's benchmark over simulated radios that lose, repeat and fail on purpose."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from experiments.benchmarks.link import LinkPlan, bench_link
from experiments.benchmarks.link_account import Passage
from experiments.benchmarks.link_ends import Heard, ReceivingEnd, SendingEnd
from experiments.benchmarks.link_phase import STAGES, Ends, run_phase
from experiments.benchmarks.link_radio import FaultyAir, KeptRadio
from experiments.procedures.transmission import Bench
from hardware.errors import (
    DisconnectedError,
    ForbiddenError,
    RadioError,
    RadioTimeoutError,
    SampleOverflowError,
    SampleUnderflowError,
)
from hardware.registry import open_radio
from sdr_gsc.capture import Capture
from sdr_gsc.errors import SettingsError
from sdr_gsc.link import gather
from sdr_gsc.semantic.rate import rate_by_cbr

COUNT = 12
FIRST_ID = 65530


@pytest.fixture(scope="module")
def ends(models):
    bench = Bench.open(models)
    generator = np.random.default_rng(5)
    pictures = [np.float32(generator.uniform(0.2, 0.8, (48, 64, 3))) for _ in range(3)]
    return Ends(SendingEnd(bench, pictures, rate_by_cbr(24)), ReceivingEnd(bench, "mmse", seed=1))


class Unreliable:
    """A simulated radio whose n-th exchange does what it is told; everything else is the radio's own."""

    def __init__(self, fates):
        self.fates = iter(fates)
        self.last = None
        self.radio = open_radio("loopback:ideal", generator=np.random.default_rng(1), esn0_db=25)

    def __getattr__(self, name):
        return getattr(self.radio, name)

    def exchange(self, burst, *, listen_s=None):
        fate = next(self.fates, "good")
        if fate == "lost":
            return replace(burst, samples=np.zeros_like(burst.samples))
        if fate == "again":
            return self.last
        if isinstance(fate, Exception):
            raise fate
        self.last = self.radio.exchange(burst, listen_s=listen_s)
        return self.last


def phase(ends, fates, *, attempts=3, **options):
    with KeptRadio(lambda: Unreliable(fates), attempts) as radio:
        outcome = run_phase(ends, radio, way="exchange", seconds=60, first_id=FIRST_ID, most=COUNT, **options)
        return outcome, radio.faults


def test_every_picture_arrives_over_a_good_radio(ends):
    outcome, faults = phase(ends, [])
    tally = outcome.tally
    assert (tally.offered, tally.arrived, tally.lost, tally.unaccounted) == (COUNT, COUNT, 0, 0)
    assert (tally.repeated, tally.out_of_order, tally.strangers, tally.retried) == (0, 0, 0, 0)
    assert tally.frames_received == tally.frames_sent >= COUNT
    assert faults.count == 0
    assert len(outcome.psnr_db) == COUNT
    assert set(outcome.times_s) == set(STAGES)
    for stages in zip(*(outcome.times_s[name] for name in STAGES), strict=True):
        *parts, total = stages
        assert sum(parts) == pytest.approx(total)


def test_pictures_that_a_radio_drops_are_counted(ends):
    outcome, _ = phase(ends, ["good", "lost", "good"] * 4)
    assert (outcome.tally.offered, outcome.tally.arrived, outcome.tally.lost) == (COUNT, 8, 4)
    assert outcome.tally.unaccounted == 0
    assert outcome.tally.longest_run == 2
    assert len(outcome.psnr_db) == 8


def test_pictures_are_told_apart_by_their_descriptors(ends):
    """A stale capture is the picture before once more, and not the one that was sent."""
    outcome, _ = phase(ends, ["good", "again", "good", "again", "again"])
    assert (outcome.tally.arrived, outcome.tally.lost, outcome.tally.repeated) == (COUNT - 3, 3, 3)
    # Each decoded picture was compared with its own original.
    good, _ = phase(ends, [])
    assert min(outcome.psnr_db) > min(good.psnr_db) - 1


def test_a_picture_of_an_earlier_run_is_a_stranger(ends):
    with KeptRadio(lambda: Unreliable([]), 1) as radio:
        run_phase(ends, radio, way="exchange", seconds=60, first_id=100, most=1)
        radio.radio().fates = iter(["again"])
        outcome = run_phase(ends, radio, way="exchange", seconds=60, first_id=101, most=2)
    assert (outcome.tally.arrived, outcome.tally.lost, outcome.tally.strangers) == (1, 1, 1)


def test_failures_that_pass_are_tried_again_and_counted(ends):
    fates = ["good", RadioTimeoutError("slow"), RadioTimeoutError("slow"), "good", DisconnectedError("gone")]
    outcome, faults = phase(ends, iter(fates))
    assert (outcome.tally.arrived, outcome.tally.lost) == (COUNT, 0)
    assert (outcome.tally.retried, outcome.tally.retried_lost) == (2, 0)
    assert faults.kinds == {"RadioTimeoutError": 2, "DisconnectedError": 1}
    assert faults.recovered == faults.count == 3
    assert faults.reopened == 1
    assert len(faults.outages_s) == 2


def test_a_picture_that_never_gets_through_is_given_up_and_lost(ends):
    outcome, faults = phase(ends, ["good", *[RadioTimeoutError("slow")] * 2], attempts=2)
    assert (outcome.tally.arrived, outcome.tally.lost) == (COUNT - 1, 1)
    assert (outcome.tally.retried, outcome.tally.retried_lost) == (1, 1)
    assert faults.given_up == 1


def test_what_no_other_attempt_mends_ends_the_run(ends):
    with pytest.raises(ForbiddenError, match="not here") as caught:
        phase(ends, ["good", ForbiddenError("not here")])
    assert "in the stage air of the link" in caught.value.__notes__


def test_one_at_a_time_nothing_waits(ends):
    outcome, _ = phase(replace(ends, window=1), [])
    assert outcome.tally.arrived == COUNT
    assert set(outcome.waited.values()) == {1}


def test_pictures_pass_through_a_stream(ends):
    def opened():
        return open_radio("loopback:ideal", generator=np.random.default_rng(2), esn0_db=25)

    with KeptRadio(opened, 3) as radio:
        outcome = run_phase(ends, radio, way="stream", seconds=60, first_id=FIRST_ID, most=COUNT)
        assert radio.radio().muted
    assert (outcome.tally.offered, outcome.tally.arrived, outcome.tally.lost) == (COUNT, COUNT, 0)
    assert (outcome.tally.out_of_order, outcome.tally.repeated, outcome.tally.unaccounted) == (0, 0, 0)
    assert outcome.losses.samples == 0


def test_pictures_on_the_air_when_a_stream_breaks_are_sent_again(ends):
    class Breaking(Unreliable):
        def receive_stream(self, block_samples):
            return _broken(self.radio.receive_stream(block_samples), next(self.fates, None))

    fates = iter([1, 1])
    with KeptRadio(lambda: Breaking(fates), 3) as radio:
        outcome = run_phase(ends, radio, way="stream", seconds=60, first_id=FIRST_ID, most=COUNT)
    assert (outcome.tally.arrived, outcome.tally.lost, outcome.tally.unaccounted) == (COUNT, 0, 0)
    assert radio.faults.count == radio.faults.recovered > 0


class _broken:  # noqa: N801 - stands for a function
    """A reception that is lost after so many blocks."""

    def __init__(self, inner, blocks):
        self.inner, self.blocks = inner, blocks

    def __enter__(self):
        self.stream = self.inner.__enter__()
        return self

    def __exit__(self, *error):
        return self.inner.__exit__(*error)

    def __iter__(self):
        for number, block in enumerate(self.stream):
            if number == self.blocks:
                raise DisconnectedError("the cable was pulled")
            yield block


def test_a_batch_decodes_to_the_same_pictures(ends):
    bench = ends.sending.bench
    heard = []
    for serial in range(3):
        outgoing = ends.sending.send(Passage(serial, serial))
        reception = gather(Capture(outgoing.transmission.samples, 4e6), bench.receiver)
        heard.append(Heard(outgoing.passage, reception))
    heard.insert(1, Heard(Passage(9, 9), None))
    alone = ReceivingEnd(bench, "mmse", seed=1).decode(heard)
    together = ReceivingEnd(bench, "mmse", seed=1, batch=4).decode(heard)
    assert [each.picture is None for each in together] == [False, True, False, False]
    for one, other in zip(alone, together, strict=True):
        if one.picture is not None:
            np.testing.assert_allclose(one.picture, other.picture, atol=1e-5)
    with pytest.raises(SettingsError, match="one picture at a time"):
        ReceivingEnd(bench, "refine", seed=1, batch=2)


@pytest.mark.parametrize("sizes", [
    [(48, 64), (32, 32), (48, 64), (80, 48)],
    [(48, 64), (64, 48)],  # as many blocks
    [(48, 64), (40, 64)],  # the same blocks, the last ones not whole
])  # fmt: skip
def test_a_batch_of_mixed_sizes_decodes_to_the_same_pictures(ends, sizes):
    """Pictures of one size go through the network together; sizes that meet in a batch must not be mixed up."""
    bench = ends.sending.bench
    generator = np.random.default_rng(6)
    pictures = [np.float32(generator.uniform(0.2, 0.8, (*size, 3))) for size in sizes]
    sending = SendingEnd(bench, pictures, rate_by_cbr(24))
    heard = []
    for serial in range(len(sizes)):
        outgoing = sending.send(Passage(serial, serial))
        reception = gather(Capture(outgoing.transmission.samples, 4e6), bench.receiver)
        heard.append(Heard(outgoing.passage, reception))
    heard.insert(1, Heard(Passage(9, 9), None))
    alone = [ReceivingEnd(bench, "mmse", seed=1).decode([each])[0] for each in heard]
    together = ReceivingEnd(bench, "mmse", seed=1, batch=5).decode(heard)
    assert [each.passage for each in together] == [each.passage for each in heard]
    shapes = [None if each.picture is None else each.picture.shape[:2] for each in together]
    assert shapes == [sizes[0], None, *sizes[1:]]
    for one, other in zip(alone, together, strict=True):
        if one.picture is not None:
            np.testing.assert_allclose(one.picture, other.picture, atol=1e-5)


def test_faults_by_chance_come_at_their_rate():
    generator, kinds = np.random.default_rng(7), Counter()
    for _ in range(400):
        radio = open_radio("loopback:ideal", generator=np.random.default_rng(0))
        burst = Capture(np.full(64, 0.1, np.complex64), radio.settings.sample_rate_hz)
        try:
            FaultyAir(radio, 0.2, generator).exchange(burst)
        except RadioError as error:
            kinds[type(error)] += 1
    assert set(kinds) == {DisconnectedError, RadioTimeoutError, SampleOverflowError, SampleUnderflowError}
    # Five standard deviations of a binomial count.
    assert abs(kinds.total() - 80) < 5 * (400 * 0.2 * 0.8) ** 0.5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"emulated": "toaster"}, "toaster"),
        ({"way": "post"}, "post"),
        ({"tx": "usrp:type=b200"}, "--rx"),
        ({"tx": "usrp:type=b200", "rx": "pluto:ip:10.0.0.2", "emulated": "pluto"}, "no --emulated"),
        ({"seconds": 0}, "seconds"),
        ({"pace_hz": -1}, "pace_hz"),
        ({"fault_rate": 1.5, "soak_s": 1}, "probability"),
        ({"fault_rate": 0.1}, "--soak"),
        ({"fault_rate": 0.1, "soak_s": 1, "radio": "pluto:ip:192.168.2.1"}, "leave --fault-rate out"),
        ({"fault_rate": 0.1, "soak_s": 1, "way": "stream"}, "exchange"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(settings, words):
    with pytest.raises(SettingsError, match=words):
        LinkPlan(**settings)


def test_a_batch_of_a_decoder_that_takes_none_is_refused_in_one_line(sdr_gsc):
    assert "one picture at a time" in sdr_gsc("bench", "link", "--decoder", "refine", "--batch", "4").refusal


def test_the_table_has_its_form(sdr_gsc, models):
    outcome = sdr_gsc("bench", "link", "--seconds", "0.4", "--side-px", "32", "--weights", models, "--json")
    assert outcome.status == 0, outcome.err
    assert list(outcome.json) == ["environment", "rows"]
    rows = {item["metric"]: item for item in outcome.json["rows"]}
    assert len(rows) == len(outcome.json["rows"])
    for run in ("one at a time", "sustained", "paced"):
        for name in STAGES:
            assert all(f"{run}: latency, {name}, p{p}" in rows for p in (50, 95, 99))
    for run in ("sustained", "paced"):
        assert rows[f"{run}: pictures arrived"]["value"] == rows[f"{run}: pictures offered"]["value"] > 0
        assert rows[f"{run}: pictures lost"]["met"] is True
    # The aims are those of pictures of 256x256.
    assert rows["sustained: pictures per second"]["aim"] is None
    assert outcome.json["environment"]["way"] == "exchange"


def test_a_soak_over_a_faulty_loopback_recovers(models):
    plan = LinkPlan(soak_s=1.0, seconds=0.4, fault_rate=0.3, side_px=32, weights=models, seed=3)
    rows, further = bench_link(plan)
    found = {item.metric: item for item in rows}
    assert found["soak: faults"].value > 0
    assert sum(further["faults"].values()) == found["soak: faults"].value
    assert found["soak: pictures lost that were retried"].met is True
    assert found["soak: pictures not accounted for"].met is True
    assert found["soak: threads left"].met is True
    assert found["soak: pictures arrived"].value == found["soak: pictures offered"].value
