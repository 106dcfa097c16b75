import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from hardware.errors import BadValueError, DisconnectedError
from hardware.radio import Radio, RadioSettings
from hardware.registry import open_radio
from hardware.replay import ReplayRadio
from sdr_gsc.capture import Capture, Gap, Retune
from sdr_gsc.errors import RecordingError
from sdr_gsc.recording.recording import Given
from sdr_gsc.recording.sigmf_collection import write_collection
from sdr_gsc.recording.sigmf_writer import write_capture

SAMPLES = np.exp(0.1j * np.arange(1000)).astype(np.complex64)
RECORDED = Capture(
    SAMPLES, 1e6, 915e6, datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), (Gap(100, 50), Gap(700, 200)), 3, {"uri": "x"}
)
BURST = Capture(np.zeros(10, np.complex64), 1e6)


@pytest.fixture
def radio(tmp_path):
    with open_radio(f"replay:{write_capture(tmp_path / 'a.b', RECORDED)}") as opened:
        yield opened


def test_every_exchange_returns_the_recording(radio):
    assert isinstance(radio, Radio)
    for _ in range(2):
        received = radio.exchange(BURST)
        np.testing.assert_array_equal(received.samples, SAMPLES)
        assert (received.start, received.gaps, received.clipped) == (RECORDED.start, RECORDED.gaps, 3)
    assert radio.muted


def test_a_shorter_listening_time_cuts_samples_and_gaps(radio):
    received = radio.exchange(BURST, listen_s=750e-6)
    np.testing.assert_array_equal(received.samples, SAMPLES[:750])
    assert received.gaps == (Gap(100, 50), Gap(700, 50))
    assert radio.exchange(BURST, listen_s=100e-6).gaps == ()


def test_a_longer_listening_time_is_refused(radio):
    with pytest.raises(BadValueError, match="lasts 0.001 s"):
        radio.exchange(BURST, listen_s=2e-3)


def test_only_the_recording_s_own_settings_fit(radio):
    own = RadioSettings(center_frequency_hz=915e6, sample_rate_hz=1e6)
    assert radio.configure(own) == own
    with pytest.raises(BadValueError, match="sample_rate_hz is 2e\\+06"):
        radio.configure(RadioSettings(center_frequency_hz=915e6, sample_rate_hz=2e6))
    with pytest.raises(BadValueError, match="sampled at"):
        radio.exchange(Capture(BURST.samples, 2e6))


def test_captures_begin_where_the_recording_begins(radio):
    for n in (1, 720):
        captured = radio.capture(n)
        np.testing.assert_array_equal(captured.samples, SAMPLES[:n])
    assert captured.gaps == (Gap(100, 50), Gap(700, 20))
    for n in (0, 1001):
        with pytest.raises(BadValueError):
            radio.capture(n)


@pytest.mark.parametrize("block", [1, 64, 999, 5000])
def test_a_stream_is_the_recording_without_its_gaps(radio, block):
    with radio.receive_stream(block) as stream:
        blocks = list(stream)
    assert sum(piece.lost_before for piece in blocks) == 250
    at = 0
    for piece in blocks:
        assert piece.first_sample == at + piece.lost_before
        assert 1 <= piece.samples.size <= block
        at = piece.first_sample + piece.samples.size
        np.testing.assert_array_equal(piece.samples, SAMPLES[piece.first_sample : at])
    assert at == 1000


def test_one_burst_for_the_one_channel(radio):
    (received,) = radio.exchange_channels([BURST])
    np.testing.assert_array_equal(received.samples, SAMPLES)
    with pytest.raises(BadValueError, match="2 bursts"):
        radio.exchange_channels([BURST, BURST])


def test_what_transmits_is_refused(radio):
    for use in (lambda: radio.repeat(BURST), radio.transmit_stream):
        with pytest.raises(BadValueError, match="cannot transmit"):
            use()


def test_a_closed_recording_says_so(radio):
    radio.close()
    for use in (
        lambda: radio.capture(1),
        lambda: radio.exchange_channels([BURST]),
        lambda: radio.repeat(BURST),
        radio.transmit_stream,
        radio.receive_stream(10).__enter__,
    ):
        with pytest.raises(DisconnectedError):
            use()


def test_what_was_received_of_a_collection_is_heard(tmp_path):
    paths = write_collection(tmp_path / "x", Capture(np.ones(5, np.complex64), 1e6), RECORDED)
    with open_radio(f"replay:{paths[0]}") as opened:
        np.testing.assert_array_equal(opened.exchange(BURST).samples, SAMPLES)
    several = write_collection(tmp_path / "y", Capture(np.ones(5, np.complex64), 1e6), [RECORDED, RECORDED])
    with pytest.raises(RecordingError, match="several recordings .y.rx1, y.rx2"):
        open_radio(f"replay:{several[0]}")


def test_retunes_are_cut_with_the_samples(tmp_path):
    tuned = replace(RECORDED, retunes=(Retune(300, 2e9), Retune(600, 3e9)))
    with open_radio(f"replay:{write_capture(tmp_path / 'x', tuned)}") as opened:
        assert opened.exchange(BURST).retunes == tuned.retunes
        assert opened.capture(600).retunes == (Retune(300, 2e9),)


def test_a_recording_that_leaves_something_open_needs_to_be_told(tmp_path):
    path = write_capture(tmp_path / "x", RECORDED)
    metadata = json.loads(path.read_text())
    del metadata["global"]["core:sample_rate"]
    path.write_text(json.dumps(metadata))
    with pytest.raises(RecordingError, match="core:sample_rate is missing"):
        ReplayRadio(path)
    with ReplayRadio(path, Given(sample_rate_hz=2e6)) as opened:
        assert opened.settings.sample_rate_hz == 2e6
