"""What the drivers over libuhd and SoapySDR do when all is well."""

from dataclasses import replace

import numpy as np
import pytest

from hardware.errors import BadValueError, ClippingError, ForbiddenError, RadioBusyError
from hardware.registry import open_radio
from sdr_gsc.capture import Capture


def test_a_timed_burst_stands_at_the_very_sample_it_was_sent_for(pair, burst, find):
    sent = burst()
    for _ in range(3):
        got = pair.radio.exchange(sent)
        start, gain, error = find(got.samples, sent.samples)
        assert start == got.settings["burst_start_sample"]
        assert abs(abs(gain) - 1) < 0.02
        assert error < 0.03
        assert pair.radio.muted


def test_listening_time_is_kept(pair, burst, find):
    sent = burst(500)
    got = pair.radio.exchange(sent, listen_s=0.02)
    assert got.samples.size == 20_000
    assert find(got.samples, sent.samples)[0] == got.settings["burst_start_sample"]
    assert pair.radio.exchange(sent, listen_s=500 / sent.sample_rate_hz).samples.size == 500


def test_a_burst_longer_than_the_queues_arrives_whole(pair, burst, find, with_settings):
    """send() takes fewer samples than it is given; recv() splits packets, whose times libuhd 4.3 then gets wrong."""
    with_settings(pair.radio, sample_rate_hz=4e6)
    sent = burst(1_234_567, rate_hz=4e6)
    got = pair.radio.exchange(sent)
    start, _, error = find(got.samples, sent.samples)
    assert start == got.settings["burst_start_sample"]
    assert error < 0.03


def test_samples_that_lie_apart_in_memory_are_sent_as_they_are(usrp, burst, find):
    whole = burst(8000)
    sent = replace(whole, samples=whole.samples[::2])
    assert not sent.samples.flags.c_contiguous
    start, _, error = find(usrp.radio.exchange(sent).samples, np.ascontiguousarray(sent.samples))
    assert start == 256
    assert error < 0.03


def test_two_channels_start_together_and_stay_apart(pair, burst, find, with_settings):
    with_settings(pair.radio, channels=(0, 1))
    bursts = [burst(250_000, seed) for seed in (1, 2)]  # more than one call to recv for each channel
    captures = pair.radio.exchange_channels(bursts)
    for own, other, got in zip(bursts, reversed(bursts), captures, strict=True):
        start, gain, error = find(got.samples, own.samples)
        assert start == got.settings["burst_start_sample"]
        assert abs(abs(gain) - 1) < 0.02
        assert error < 0.03
        assert abs(np.vdot(other.samples, got.samples[start:][: other.samples.size])) < 0.01 * np.vdot(
            other.samples, other.samples
        )
    with pytest.raises(BadValueError, match="1 bursts for 2 channels"):
        pair.radio.exchange_channels(bursts[:1])


def test_without_hardware_time_the_burst_is_found_by_correlation(start_usrp, at, burst, find):
    with open_radio(at("soapy", start_usrp(), ",timed=no"), sample_rate_hz=1e6) as radio:
        assert not radio.capabilities.keeps_time
        sent = burst()
        for listen_s in (None, 0.03):
            got = radio.exchange(sent, listen_s=listen_s)
            start, gain, error = find(got.samples, sent.samples)
            assert abs(start - got.settings["burst_start_sample"]) <= 1
            assert abs(abs(gain) - 1) < 0.02
            assert error < 0.03
            assert radio.muted
        assert got.samples.size == 30_000
        assert radio.capture(5000).samples.size == 5000


def test_capture_says_when_and_with_which_settings(pair):
    got = pair.radio.capture(5000)
    assert got.samples.shape == (5000,)
    assert got.samples.dtype == np.complex64
    assert got.start is not None
    assert got.start.utcoffset().total_seconds() == 0
    assert got.settings["uri"] == pair.radio.uri
    assert got.settings["radio"]["sample_rate_hz"] == got.sample_rate_hz == 1e6
    assert pair.device.state()["transmitting"] is False


def test_repeat_fills_the_air_without_a_seam_and_ends_muted(pair, burst, find):
    sent = burst(2500)
    with pair.radio.repeat(sent):
        assert not pair.radio.muted
        got = pair.radio.capture(12_500).samples
        assert pair.device.state()["transmitting"]
    start, _, _ = find(got[:5000], sent.samples)
    periods = got[start % 2500 :][:10_000].reshape(4, 2500)
    assert np.linalg.norm(periods - periods.mean(axis=0)) < 0.03 * np.linalg.norm(periods)
    state = pair.device.state()
    assert pair.radio.muted
    assert not state["transmitting"]
    assert set(state["tx_gain_db"]) == {0.0}
    assert np.abs(pair.radio.capture(2000).samples).max() < 0.01


def test_receive_stream_delivers_every_sample_in_order(pair, burst, find):
    sent = burst(7000)
    with pair.radio.repeat(sent), pair.radio.receive_stream(3001) as stream:
        blocks = [block for block, _ in zip(stream, range(60), strict=False)]
    assert [block.first_sample for block in blocks] == [3001 * k for k in range(60)]
    assert not any(block.lost_before for block in blocks)
    samples = np.concatenate([block.samples for block in blocks])
    start, _, _ = find(samples[:14_000], sent.samples)
    periods = samples[start % 7000 :][:168_000].reshape(24, 7000)
    assert np.linalg.norm(periods - periods.mean(axis=0)) < 0.03 * np.linalg.norm(periods)


def test_a_reader_who_is_too_slow_is_told_what_is_missing(usrp, until, with_settings):
    with_settings(usrp.radio, sample_rate_hz=4e6)
    with usrp.radio.receive_stream(2000) as stream:
        blocks = iter(stream)
        first = next(blocks)
        before = usrp.device.state()["rx_samples"][0]
        until(lambda: usrp.device.state()["rx_samples"][0] > before + 6_000_000)  # three times what fits
        rest = [next(blocks) for _ in range(1200)]
    expected = first.first_sample + first.samples.size
    for block in rest:
        assert block.samples.size == 2000
        assert block.first_sample == expected + block.lost_before
        expected = block.first_sample + block.samples.size
    assert sum(block.lost_before for block in rest) > 1_000_000


def test_transmit_stream_goes_out_as_one(pair, burst, find):
    sent = burst(6000)
    with pair.radio.transmit_stream() as stream:
        assert not pair.radio.muted
        sent_before = pair.device.state()["tx_samples"][0]
        for _ in range(40):
            stream.write(sent.samples)
        with pytest.raises(ClippingError):
            stream.write(np.full(10, 1.5, np.complex64))
        with pytest.raises(BadValueError, match="complex128"):
            stream.write(sent.samples.astype(np.complex128))
    assert stream.underflows == 0
    assert pair.radio.muted
    # One sample of silence ends it.
    assert pair.device.state()["tx_samples"][0] - sent_before == 40 * 6000 + 1
    assert not pair.device.state()["transmitting"]


def test_a_direction_serves_one_at_a_time(usrp, burst):
    with usrp.radio.receive_stream(1000):
        with pytest.raises(RadioBusyError, match="receive stream"):
            usrp.radio.capture(10)
        with pytest.raises(RadioBusyError, match="receive stream"):
            usrp.radio.exchange(burst())
    with usrp.radio.repeat(burst()), pytest.raises(RadioBusyError, match="repeat"):
        usrp.radio.configure(usrp.radio.settings)
    assert usrp.radio.capture(10).samples.size == 10


def test_nothing_beyond_full_scale_reaches_the_library(pair, burst):
    sent_before = pair.device.state()["tx_samples"]
    loud = replace(burst(), samples=np.full(100, 1.01, np.complex64))
    with pytest.raises(ClippingError):
        pair.radio.exchange(loud)
    with pytest.raises(ClippingError), pair.radio.repeat(loud):
        pass
    assert pair.device.state()["tx_samples"] == sent_before


def test_clipping_at_the_converter_is_counted(usrp, burst, with_settings):
    with_settings(usrp.radio, rx_gain_db=60.0)
    assert usrp.radio.exchange(burst()).clipped > 1000
    with_settings(usrp.radio, rx_gain_db=40.0)
    assert usrp.radio.exchange(burst()).clipped == 0


def test_a_real_radio_needs_a_bench_file(brief_usrp, at, burst, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    device = brief_usrp(token="")
    with open_radio(at("usrp", device)) as radio:
        assert radio.settings.tx_gain_db == radio.capabilities.tx_gain_db.minimum
        sent = Capture(burst().samples, radio.settings.sample_rate_hz)
        with pytest.raises(ForbiddenError, match="radio.allow"):
            radio.exchange(sent)
        with pytest.raises(ForbiddenError), radio.repeat(sent):
            pass
        with pytest.raises(ForbiddenError), radio.transmit_stream():
            pass
        assert radio.capture(100).samples.size == 100
    assert device.state()["tx_samples"] == [0, 0]
