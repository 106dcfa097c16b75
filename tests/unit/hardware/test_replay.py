from datetime import UTC, datetime

import numpy as np
import pytest

from hardware.errors import BadValueError
from hardware.radio import Radio, RadioSettings
from hardware.registry import open_radio
from sdr_gsc.capture import Capture, Gap
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
