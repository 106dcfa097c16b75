"""Grids, places and channels at the edge of what is allowed."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sdr_gsc.capture import Capture
from sdr_gsc.phy._losses import usable_samples
from sdr_gsc.phy._sequences import qpsk_points
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter

RATE_HZ = 4e6
EIGHT = [*range(-8, 0), *range(1, 9)]


@pytest.mark.parametrize(
    "grid",
    [
        Numerology(cp_length=1),
        Numerology(cp_length=2),
        Numerology(cp_length=5),
        Numerology(cp_length=32),
        Numerology(64, 16, EIGHT, (-8, 8)),
        Numerology(128, 32, EIGHT, (-8, -3, 3, 8)),
    ],
    ids=repr,
)
def test_every_grid_that_can_be_sent_is_received(grid: Numerology, impair) -> None:
    sent = qpsk_points(3, 100)
    samples = Transmitter(grid).transmit_symbols(sent, b"corner", 1).samples
    for seed in range(10):
        generator = np.random.default_rng(seed)
        delay = generator.uniform(0, 1)
        turn = np.exp(-2j * np.pi * np.fft.fftfreq(samples.size) * delay)
        late = np.fft.ifft(np.fft.fft(samples) * turn)
        capture = impair(late, generator, esn0_db=25, cfo=generator.uniform(-1, 1), numerology=grid).capture
        frames = Receiver(grid).receive(capture).frames
        assert [frame.header is not None for frame in frames] == [True]


def test_long_frames_follow_a_moving_channel_as_short_ones_do(impair) -> None:
    errors = {}
    doppler = 4e-5  # cycles per sample: 160 Hz at 4 Msps
    for count in (4000, 20000):
        generator = np.random.default_rng(4)
        sent = qpsk_points(5, count)
        samples = Transmitter(frame_symbols=count, gap_samples=300).transmit_symbols(sent, b"", 1).samples
        time = np.arange(samples.size)
        found = []
        for _ in range(3):
            heard = np.zeros(samples.size, complex)
            for tap in range(3):
                angles, phases = 2 * np.pi * generator.random((2, 16))
                gain = np.mean(
                    np.exp(1j * (2 * np.pi * doppler * np.cos(angles)[:, None] * time + phases[:, None])), axis=0
                )
                heard[tap:] += 4 * 0.5**tap * (gain * samples)[: samples.size - tap]
            capture = impair(heard, generator, esn0_db=25).capture
            frame = Receiver(frame_symbols=count).receive(capture).frames[0]
            power = np.mean(np.abs(frame.symbols) ** 2 > 0)
            assert power == 1
            decided = np.sign(frame.symbols.real) + 1j * np.sign(frame.symbols.imag)
            found.append(np.median(np.abs(frame.symbols - decided / np.sqrt(2)) ** 2))
        errors[count] = np.mean(found)
    assert errors[20000] < 1.6 * errors[4000]


def test_subcarriers_without_payload_have_no_error(impair, generator) -> None:
    grid = Numerology.of(1024)
    samples = Transmitter(grid).transmit_bytes(b"x" * 20, 9, b"", 1).samples
    capture = impair(samples, generator, esn0_db=35, numerology=grid).capture
    report = Receiver(grid).receive(capture).frames[0].report
    heard = np.isfinite(report.evm_per_subcarrier_db)
    assert 0 < np.count_nonzero(heard) < grid.data.size
    np.testing.assert_allclose(
        10 * np.log10(np.mean(10 ** (report.evm_per_subcarrier_db[heard] / 10))), report.evm_db, atol=0.1
    )


def test_read_only_samples_are_samples() -> None:
    samples = Transmitter().transmit_symbols(qpsk_points(1, 100), b"", 1).samples
    stored = np.frombuffer(samples.tobytes(), np.complex64)
    assert not stored.flags.writeable
    assert usable_samples(stored)[0].flags.writeable
    assert Receiver().receive(Capture(stored, RATE_HZ)).frames[0].header is not None


def test_the_place_is_the_place_at_any_level(impair) -> None:
    samples = Transmitter(gap_samples=500).transmit_symbols(qpsk_points(1, 100), b"", 1).samples
    for level, esn0_db in ((1.0, None), (1e-6, None), (1e3, None), (1.0, 90), (1.0, 60), (1.0, 25)):
        scaled = impair(samples, np.random.default_rng(1), esn0_db=esn0_db).capture.samples * np.float32(level)
        report = Receiver().receive(Capture(scaled, RATE_HZ)).frames[0].report
        assert report.start_sample == 500
        assert abs(report.timing_samples) < 0.1


CUTS = """
import numpy as np
from sdr_gsc.capture import Capture, Gap
from sdr_gsc.phy._sequences import qpsk_points
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.preamble import Preamble
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter
grid = Numerology()
receiver, prefix = Receiver(grid), Preamble(grid).prefix_length
burst = Transmitter(grid, gap_samples=0).transmit_symbols(qpsk_points(1, 200), b"", 1).samples
level = np.float32(burst.std())
generator = np.random.default_rng(1)
count = 0
for first in [*range(prefix - 12, prefix + 12), *range(0, burst.size, 61)]:
    for last in (first + 260, first + 400, first + 900, burst.size):
        piece = burst[first:last]
        gaps = (Gap(int(generator.integers(0, 1500)), 90),) if last % 2 else ()
        count += len(receiver.receive(Capture(piece, 4e6, gaps=gaps)).frames)
        clipped = np.clip(piece.view(np.float32) / level, -1, 1).view(np.complex64)
        receiver.receive(Capture(clipped, 4e6, gaps=gaps))
for size in range(0, 700, 13):
    noise = generator.standard_normal((size, 2), np.float32).view(np.complex64).ravel()
    receiver.receive(Capture(noise, 4e6))
assert count > 50, count
"""


def test_no_kernel_leaves_its_arrays(tmp_path: Path) -> None:
    """Compiled code checks no bounds; compiled once more with checks, it has to get through the same places."""
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", CUTS], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
