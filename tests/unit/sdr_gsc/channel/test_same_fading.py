"""Bursts of different lengths that meet one seed meet one channel: mappings can be compared side by side."""

from __future__ import annotations

import numpy as np
import pytest

from sdr_gsc.capture import Capture
from sdr_gsc.channel.profile import profile, with_text_settings
from sdr_gsc.channel.simulator import simulate


@pytest.mark.parametrize("name", ["office", "mobile"])
def test_the_length_of_a_burst_does_not_choose_its_channel(name: str) -> None:
    impulses = np.zeros(6000, np.complex64)
    impulses[100::500] = 0.9
    clean = with_text_settings(profile(name), {"esn0_db": "none", "adc_bits": "none", "stale_samples": "0"})
    received = [simulate(Capture(impulses[:length], 4e6), clean, np.random.default_rng(3)) for length in (6000, 3000)]
    truths = [capture.settings["truth"] for capture in received]
    assert isinstance(truths[0], dict)
    assert isinstance(truths[1], dict)
    assert truths[0]["cfo_hz"] == truths[1]["cfo_hz"]
    # The echoes of the first impulse, up to the gain of the receiver's level control.
    first, second = (capture.samples[: 100 + 700] for capture in received)
    alike = abs(np.vdot(first, second)) / (np.linalg.norm(first) * np.linalg.norm(second))
    assert alike > 0.999
