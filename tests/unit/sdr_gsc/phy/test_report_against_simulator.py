"""Simulator and receiver were written apart: what one says it did, the other must report, signs included."""

from dataclasses import replace

import numpy as np
import pytest

from sdr_gsc.capture import Capture
from sdr_gsc.channel.profile import ChannelProfile, profile
from sdr_gsc.channel.simulator import simulate
from sdr_gsc.phy._sequences import qpsk_points
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.report import FrameReport
from sdr_gsc.phy.transmitter import Transmitter

RATE_HZ = 4e6
GAP = 512
BURST = Capture(Transmitter(gap_samples=GAP).transmit_symbols(qpsk_points(1, 2048), b"x", 1).samples, RATE_HZ)
AWGN = ChannelProfile(name="awgn", tail_samples=400, random_phase=True)
FADING = replace(AWGN, delay_profile="exponential", delay_spread_s=500e-9)


def reports(channel: ChannelProfile, trials: int) -> list[tuple[FrameReport, dict[str, float]]]:
    generator, receiver, found = np.random.default_rng(11), Receiver(), []
    for _ in range(trials):
        received = simulate(BURST, channel, generator)
        (frame,) = receiver.receive(received).frames
        assert frame.header is not None
        found.append((frame.report, received.settings["truth"]))
    return found


@pytest.mark.parametrize("cfo_hz", [-125e3, -20e3, 20e3, 125e3])
def test_carrier_offset(cfo_hz: float) -> None:
    for report, _ in reports(replace(AWGN, esn0_db=20.0, cfo_hz=cfo_hz), 3):
        assert report.cfo_hz == pytest.approx(cfo_hz, abs=40)


@pytest.mark.parametrize("sfo_ppm", [-50.0, 50.0])
def test_clock_offset(sfo_ppm: float) -> None:
    for report, _ in reports(replace(FADING, esn0_db=30.0, sfo_ppm=sfo_ppm), 3):
        assert report.sfo_ppm == pytest.approx(sfo_ppm, abs=5)


def test_start_of_the_burst() -> None:
    channel = replace(AWGN, esn0_db=30.0, delay_samples=100.0, delay_range_samples=50.0, stale_samples=64)
    for report, truth in reports(channel, 6):
        assert report.start_sample + report.timing_samples == pytest.approx(truth["first_sample"] + GAP, abs=0.3)


@pytest.mark.parametrize("channel", [AWGN, FADING], ids=["awgn", "fading"])
@pytest.mark.parametrize("esn0_db", [5.0, 10.0, 20.0, 30.0])
def test_es_n0_is_the_requested_one(channel: ChannelProfile, esn0_db: float) -> None:
    found = [report.esn0_db - esn0_db for report, _ in reports(replace(channel, esn0_db=esn0_db), 15)]
    assert abs(np.mean(found)) < 0.3
    assert np.abs(found).max() < 1.0


def test_distortion_counts_as_noise() -> None:
    clean, damaged = (
        np.mean([report.esn0_db for report, _ in reports(channel, 8)])
        for channel in (replace(AWGN, esn0_db=35.0), replace(profile("cabled"), esn0_db=35.0, linewidth_hz=20.0))
    )
    assert clean == pytest.approx(35, abs=0.4)
    assert damaged < 33
