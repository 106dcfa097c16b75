"""Frames over the air meet the errors that the simulator's own bursts meet."""

from dataclasses import replace

import numpy as np
import pytest

from hardware.emulation.air import Air
from sdr_gsc.capture import Capture
from sdr_gsc.channel.profile import ChannelProfile, profile
from sdr_gsc.channel.simulator import simulate
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter

RATE = 4e6
TRIALS = 60
QUIET = {"dac_bits": None, "adc_bits": None, "receive_level_dbfs": None, "stale_samples": 0}
OFFICE = replace(profile("office"), **QUIET)
CHANNELS = {
    "white noise": ChannelProfile(
        esn0_db=10.0, random_phase=True, cfo_range_hz=2e3, sfo_range_ppm=10.0, delay_samples=200.0
    ),
    "fading": replace(OFFICE, esn0_db=12.3),
    "moving": replace(profile("mobile"), **QUIET, esn0_db=11.5),
}


@pytest.fixture(scope="module")
def sent():
    transmitter = Transmitter(frame_symbols=1024)
    payload = np.random.default_rng(1).bytes(150)
    return transmitter.transmit_bytes(payload, 3, b"", 0).samples


def outcome(received):
    """Found, header and payload good; and the estimate of Es/N0."""
    found, header, payload, esn0_db = False, False, False, np.nan
    for frame in received.frames:
        report = frame.report
        found, header, payload, esn0_db = True, report.header_ok, bool(report.payload_ok), report.esn0_db
    return np.array([found, header, payload, esn0_db], float)


def over_the_air(channel, burst, trial):
    air = Air(channel, seed=trial, clock=lambda: 0.0)
    sender, listener = air.antenna("sender"), air.antenna("listener")
    on = {"sample_rate_hz": RATE, "center_frequency_hz": 2.4e9}
    sender.transmit(0, burst, start_s=1000 / RATE, gain_db=-10.0, **on)
    n, heard = burst.size + 2000, []
    for at in range(0, n, 3000):
        heard.append(listener.receive([0], min(3000, n - at), start_s=at / RATE, gain_db=40.0, **on)[0])
    return np.concatenate(heard)


@pytest.mark.parametrize("name", CHANNELS)
def test_error_statistics_are_those_of_the_simulator(name, sent):
    channel, receiver = CHANNELS[name], Receiver()
    outcomes = np.empty((2, TRIALS, 4))
    for trial in range(TRIALS):
        outcomes[0, trial] = outcome(receiver.receive(Capture(over_the_air(channel, sent, trial), RATE)))
        simulated = simulate(Capture(sent, RATE), channel, np.random.default_rng(trial))
        outcomes[1, trial] = outcome(receiver.receive(simulated))
    assert outcomes[:, :, :2].all()
    shares = outcomes[:, :, 2].mean(axis=1)
    assert 0.1 < shares.mean() < 0.9  # or the comparison would say nothing
    # Counts and estimates of equal laws differ by less than four standard deviations.
    assert abs(shares[0] - shares[1]) < 4 * np.sqrt(2 * shares.mean() * (1 - shares.mean()) / TRIALS)
    esn0_db = outcomes[:, :, 3]
    assert abs(np.diff(esn0_db.mean(axis=1))[0]) < 4 * np.sqrt(esn0_db.var(axis=1).sum() / TRIALS)
