from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from experiments.benchmarks.throughput_memory import peak_mebibytes
from experiments.benchmarks.throughput_traffic import LDPC_HALF, UNCODED, traffic
from sdr_gsc.phy.coding.mcs import mcs


def test_schemes_are_what_their_names_say():
    assert mcs(UNCODED).name == "QPSK uncoded"
    assert mcs(LDPC_HALF).name == "QPSK 1/2"


@pytest.mark.parametrize(
    ("size", "scheme", "snr_db"), [(64, UNCODED, 30.0), (2048, UNCODED, 30.0), (300, LDPC_HALF, 6.0)]
)
def test_traffic_is_received_as_it_was_sent(generator, size, scheme, snr_db):
    scene = traffic(size, 3, generator, scheme=scheme, snr_db=snr_db)
    frames = scene.receive()
    assert scene.right(frames) == 1.0
    assert len({*scene.payloads}) == 3
    period = scene.frame_samples + scene.frame_samples // 10
    assert scene.capture.samples.size == 3 * period
    starts = [frame.report.start_sample for frame in frames]
    assert np.diff(starts) == pytest.approx([period, period], abs=4)
    spacing_hz = scene.capture.sample_rate_hz / 64
    assert [frame.report.cfo_hz / spacing_hz for frame in frames] == pytest.approx([0.2] * 3, abs=0.02)


def test_the_ratio_of_signal_to_noise_is_as_asked(generator):
    scene = traffic(2048, 4, generator, snr_db=10.0)
    power = np.abs(scene.capture.samples) ** 2
    period, length = scene.frame_samples + scene.frame_samples // 10, scene.frame_samples
    start = (period - length) // 2
    signal = np.concatenate([power[i * period + start :][:length] for i in range(4)]).mean()
    noise = np.concatenate([power[i * period :][:start] for i in range(4)]).mean()
    assert 10 * np.log10(signal / noise - 1) == pytest.approx(10.0, abs=0.2)


def test_wrong_lost_and_surplus_frames_count_against_the_receiver(generator):
    scene = traffic(64, 4, generator)
    frames = scene.receive()
    other = replace(scene, payloads=(b"x" * 64, *scene.payloads[1:]))
    assert other.right(frames) == 0.75
    assert scene.right(frames[:3]) == 0.75
    assert scene.right((*frames, frames[0])) == 0.8
    damaged = replace(frames[0], blocks=(None,))
    assert scene.right((damaged, *frames[1:])) == 0.75
    assert scene.right(()) == 0.0


def test_noise_alone_brings_no_payload(generator):
    assert traffic(64, 4, generator, snr_db=-20.0).right(traffic(64, 4, generator, snr_db=-20.0).receive()) == 0.0


@pytest.mark.slow
def test_memory_grows_with_the_capture():
    small, large = peak_mebibytes(2048, [4, 64])
    if np.isnan(small):
        pytest.skip("this system does not tell the peak of a process's memory")
    # 64 frames leave 64 * 8704 symbols with their variances behind: 6.4 MiB.
    assert large > max(small, 6.4)
