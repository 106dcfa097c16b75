"""Faults of the device: what the user sees, and that the radio goes on afterwards."""

import numpy as np
import pytest

from hardware.errors import (
    LateBurstError,
    RadioTimeoutError,
    SampleOverflowError,
    SampleUnderflowError,
)

ALWAYS = 1000


def works(pair, burst, find):
    """Whether an exchange succeeds; a fault must leave nothing behind."""
    pair.device.faults.clear()
    sent = burst(seed=99)
    got = pair.radio.exchange(sent)
    start, _, error = find(got.samples, sent.samples)
    state = pair.device.state()
    return start == got.settings["burst_start_sample"] and error < 0.03 and not state["transmitting"]


@pytest.mark.parametrize(
    ("scheme", "faults", "error"),
    [
        ("usrp", {"rx_overruns": 1}, SampleOverflowError),
        ("soapy", {"rx_overruns": 1}, SampleOverflowError),
        ("usrp", {"rx_dropped_packets": 1}, SampleOverflowError),
        ("usrp", {"tx_underruns": 1}, SampleUnderflowError),
        ("usrp", {"tx_late_bursts": ALWAYS}, LateBurstError),
        ("usrp", {"rx_late_captures": ALWAYS}, LateBurstError),
        ("soapy", {"rx_late_captures": ALWAYS}, LateBurstError),
        ("usrp", {"no_samples": True}, RadioTimeoutError),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_exchange_says_what_went_wrong_and_the_next_one_works(open_pairs, burst, find, scheme, faults, error):
    pair = open_pairs[scheme]
    pair.refresh()
    pair.device.faults.update(faults)
    with pytest.raises(error) as caught:
        pair.radio.exchange(burst(30_000))
    assert caught.value.remedy
    state = pair.device.state()
    assert pair.radio.muted
    assert state["tx_gain_db"] == [0.0, 0.0]
    assert works(pair, burst, find)


@pytest.mark.parametrize("fault", ["tx_late_bursts", "rx_late_captures"])
def test_what_is_late_once_is_tried_again_with_more_time(usrp, burst, find, fault):
    usrp.device.faults.update({fault: 1})
    sent = burst()
    got = usrp.radio.exchange(sent)
    assert find(got.samples, sent.samples)[0] == got.settings["burst_start_sample"]
    assert getattr(usrp.device.faults, fault) == 0


@pytest.mark.parametrize("fault", ["rx_overruns", "rx_dropped_packets", "rx_late_captures"])
def test_a_capture_is_repeated_until_it_is_whole(usrp, burst, find, fault):
    sent = burst(5000)
    with usrp.radio.repeat(sent):
        usrp.device.faults.update({fault: 2})
        got = usrp.radio.capture(50_000).samples
    assert getattr(usrp.device.faults, fault) == 0
    start, _, _ = find(got[:10_000], sent.samples)
    periods = got[start % 5000 :][:45_000].reshape(9, 5000)
    assert np.linalg.norm(periods - periods.mean(axis=0)) < 0.03 * np.linalg.norm(periods)


def test_a_capture_that_never_comes_whole_is_an_overflow(usrp, burst, find):
    usrp.device.faults.update({"rx_overruns": ALWAYS})
    with pytest.raises(SampleOverflowError):
        usrp.radio.capture(50_000)
    assert works(usrp, burst, find)


@pytest.mark.parametrize(
    ("scheme", "fault"), [("usrp", "rx_overruns"), ("usrp", "rx_dropped_packets"), ("soapy", "rx_overruns")]
)
def test_a_stream_counts_what_was_lost_and_goes_on(open_pairs, burst, find, scheme, fault):
    pair = open_pairs[scheme]
    pair.refresh()
    sent = burst(5000)
    with pair.radio.repeat(sent), pair.radio.receive_stream(2500) as stream:
        blocks = []
        for number, block in enumerate(stream):
            blocks.append(block)
            if number == 20:
                pair.device.faults.update({fault: 1})
            if number > 30 and any(one.lost_before for one in blocks[-40:-10]):
                break
            assert number < 2000, "nothing was lost"
    expected, phases = 0, set()
    for block in blocks:
        assert block.samples.size == 2500
        assert block.first_sample == expected + block.lost_before
        expected = block.first_sample + 2500
        start, _, _ = find(np.tile(sent.samples, 2), block.samples)
        phases.add((start - block.first_sample) % 5000)
    assert len(phases) == 1, "the numbers are wrong across the gap"
    assert works(pair, burst, find)


def test_a_stream_without_samples_ends_with_an_error(usrp, burst, find):
    def receive():
        with usrp.radio.receive_stream(1000) as stream:
            for _ in stream:
                usrp.device.faults.update({"no_samples": True})

    with pytest.raises(RadioTimeoutError):
        receive()
    assert works(usrp, burst, find)


def test_underflows_of_streams_are_counted(usrp, burst, find):
    with usrp.radio.transmit_stream() as stream:
        stream.write(burst().samples)
        usrp.device.faults.update({"tx_underruns": 1})
        for _ in range(40):
            stream.write(burst(5000).samples)
    assert stream.underflows >= 1
    assert works(usrp, burst, find)


def test_a_repeated_burst_that_broke_off_is_reported(usrp, burst, find):
    def repeat():
        with usrp.radio.repeat(burst()):
            usrp.device.faults.update({"tx_underruns": 1})
            usrp.radio.capture(200_000)

    with pytest.raises(SampleUnderflowError, match="broke off"):
        repeat()
    assert works(usrp, burst, find)


def test_a_slow_device_is_waited_for(usrp, burst, find):
    usrp.device.faults.update({"rpc_delay_s": 0.05})
    usrp.radio.configure(usrp.radio.settings)
    assert usrp.radio.exchange(burst()).samples.size > 3000
    assert works(usrp, burst, find)


def test_every_exchange_succeeds_or_is_reported_under_random_faults(usrp, burst, find):
    usrp.device.faults.update({"fault_rate": 0.2, "seed": 5})
    whole = reported = 0
    for number in range(12):
        sent = burst(2000, seed=number)
        try:
            got = usrp.radio.exchange(sent)
        except (SampleOverflowError, SampleUnderflowError, LateBurstError, RadioTimeoutError):
            reported += 1
            continue
        start, _, error = find(got.samples, sent.samples)
        assert start == got.settings["burst_start_sample"]
        assert error < 0.03
        whole += 1
    assert reported > 0
    assert whole > 4
    assert works(usrp, burst, find)
