"""What a simulated radio does beyond single bursts: repetition, captures, streams, two channels."""

import threading

import numpy as np
import pytest

from hardware.errors import BadValueError, DisconnectedError, RadioBusyError
from hardware.loopback import LoopbackRadio
from hardware.probe_signal import find, probe
from hardware.radio import RadioSettings
from sdr_gsc.capture import Capture
from sdr_gsc.channel.profile import ChannelProfile, profile
from sdr_gsc.errors import ClippingError

RATE = 4e6
BURST = Capture(probe(4096, 1), RATE)


def radio(channel=None, seed=0):
    return LoopbackRadio(channel or ChannelProfile(), np.random.default_rng(seed))


def test_exchanges_do_not_depend_on_what_else_the_radio_did():
    def exchanged(meanwhile):
        with radio(profile("office"), seed=4) as opened:
            first = opened.exchange(BURST)
            meanwhile(opened)
            return first, opened.exchange(BURST)

    def busy(opened):
        with opened.repeat(BURST):
            opened.capture(1000)
        opened.capture(1000)

    for plain, after in zip(exchanged(lambda _: None), exchanged(busy), strict=True):
        np.testing.assert_array_equal(plain.samples, after.samples)


def test_a_seed_repeats_everything_and_every_transmission_is_new():
    def heard():
        with radio(profile("office"), seed=4) as opened:
            found = []
            for _ in range(2):
                with opened.repeat(BURST):
                    found.append(opened.capture(8192).samples)
            return found

    first, second = heard(), heard()
    np.testing.assert_array_equal(first, second)
    assert np.any(first[0] != first[1])


def test_a_repetition_goes_on_from_capture_to_capture():
    with radio(ChannelProfile(delay_samples=33.0)) as opened:
        with opened.repeat(BURST):
            captured = np.concatenate([opened.capture(n).samples for n in (3000, 1, 9000)])
        after = opened.capture(10_000)
    start = find(captured, BURST.samples).start
    np.testing.assert_allclose(captured[start:], np.resize(BURST.samples, captured.size - start), atol=2e-6)
    assert np.mean(np.abs(after.samples) ** 2) < 1e-6


def test_captures_are_converted_and_say_where_they_come_from():
    with radio(ChannelProfile(adc_bits=4, rx_dc_dbfs=10.0)) as opened:
        opened.configure(RadioSettings(center_frequency_hz=2.4e9, sample_rate_hz=1e6))
        captured = opened.capture(100)
    assert captured.clipped == 100
    assert (captured.sample_rate_hz, captured.center_frequency_hz) == (1e6, 2.4e9)
    assert captured.settings["profile"]["adc_bits"] == 4
    assert captured.settings["radio"]["sample_rate_hz"] == 1e6
    assert captured.start is not None


def test_one_transmission_at_a_time():
    with radio() as opened, opened.repeat(BURST):
        other = RadioSettings(sample_rate_hz=1e6)
        for act in (
            lambda: opened.exchange(BURST),
            lambda: opened.exchange_channels([BURST]),
            lambda: opened.configure(other),
            lambda: opened.repeat(BURST).__enter__(),
            lambda: opened.transmit_stream().__enter__(),
        ):
            with pytest.raises(RadioBusyError, match="transmitting already"):
                act()
        assert not opened.muted
        assert opened.configure(opened.settings) == opened.settings


def test_two_threads_exchange_samples_without_loss():
    sent = np.tile(BURST.samples, 40)
    heard, underflows = [], []
    with radio(ChannelProfile(delay_samples=100.0)) as opened, opened.receive_stream(5000) as received:

        def write():
            with opened.transmit_stream() as stream:
                for at in range(0, sent.size, 1777):
                    stream.write(sent[at : at + 1777])
                underflows.append(stream.underflows)
                # The end of the stream drops what still waits.
                done.wait(60)

        done = threading.Event()
        writer = threading.Thread(target=write)
        writer.start()
        total = 0
        for block in received:
            assert block.lost_before == 0
            assert block.first_sample == total
            total += block.samples.size
            heard.append(block.samples)
            if np.any(block.samples) and sum(np.count_nonzero(piece) for piece in heard) >= sent.size - 30_000:
                break
        done.set()
        writer.join()
    samples = np.concatenate(heard)
    first = np.flatnonzero(samples)[0]
    whole = samples[first : first + sent.size]
    assert whole.size >= sent.size - 40_000
    np.testing.assert_allclose(whole, sent[: whole.size], atol=1e-6)
    assert underflows == [0]


def test_running_out_of_samples_is_counted_and_mended():
    with radio() as opened:
        with opened.transmit_stream() as stream:
            assert stream.underflows == 0
            for count in (1, 2):
                stream.write(BURST.samples)
                captured = opened.capture(10_000).samples
                assert find(captured, BURST.samples).match > 0.9
                assert stream.underflows == count
        with pytest.raises(DisconnectedError, match="ended"):
            stream.write(BURST.samples)
        assert opened.muted


def test_what_the_queue_cannot_hold_passes_unheard():
    with radio() as opened, opened.transmit_stream() as stream:
        ramp = np.linspace(0.1, 0.9, 1 << 21).astype(np.complex64)
        stream.write(ramp)
        np.testing.assert_allclose(opened.capture(1000).samples, ramp[1 << 20 : (1 << 20) + 1000], atol=1e-6)


def test_losses_of_a_stream_are_counted():
    with radio() as opened, opened.receive_stream(1000) as stream:
        blocks = iter(stream)
        first = next(blocks)
        opened.capture(123)
        second = next(blocks)
        opened.close()
        with pytest.raises(DisconnectedError):
            next(blocks)
    assert (first.first_sample, first.lost_before) == (0, 0)
    assert (second.first_sample, second.lost_before) == (1123, 123)


def test_muting_ends_a_stream():
    with radio() as opened, opened.transmit_stream() as stream:
        stream.write(BURST.samples)
        opened.mute()
        with pytest.raises(DisconnectedError, match="muted"):
            stream.write(BURST.samples)


def test_two_channels_fade_apart_and_begin_together():
    bursts = [BURST, Capture(probe(4096, 2), RATE)]
    with radio(ChannelProfile(delay_profile="flat", delay_samples=50.0, cfo_range_hz=500.0), seed=1) as opened:
        opened.configure(RadioSettings(channels=(1, 0)))
        captures = opened.exchange_channels(bursts, listen_s=2e-3)
    found = [find(capture.samples, burst.samples) for capture, burst in zip(captures, bursts, strict=True)]
    assert {capture.samples.size for capture in captures} == {8000}
    assert [one.start for one in found] == [50, 50]
    assert abs(found[0].gain_db - found[1].gain_db) > 0.1


def test_bursts_that_do_not_fit_are_refused_and_leave_it_muted():
    with radio() as opened:
        opened.configure(RadioSettings(channels=(0, 1)))
        loud = Capture(BURST.samples * 20, RATE)
        for bursts, kind in (
            ([BURST], BadValueError),
            ([BURST, Capture(BURST.samples[:100], RATE)], BadValueError),
            ([BURST, loud], ClippingError),
        ):
            with pytest.raises(kind):
                opened.exchange_channels(bursts)
            assert opened.muted
        assert len(opened.exchange_channels([BURST, BURST])) == 2
