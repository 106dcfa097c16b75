"""Fed in blocks of any size, the receiver finds what it finds in the whole, to the bit."""

import dataclasses
import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdr_gsc.capture import Capture, Gap
from sdr_gsc.errors import SettingsError
from sdr_gsc.phy._sequences import qpsk_points
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.received import ReceivedFrame
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.report import Stage
from sdr_gsc.phy.streaming import StreamingReceiver
from sdr_gsc.phy.transmitter import Transmitter

RATE_HZ = 4e6


@functools.cache
def receiver(fft_size: int = 64) -> Receiver:
    return Receiver(Numerology.of(fft_size), frame_symbols=600)


def frame(n_symbols: int, seed: int, fft_size: int = 64) -> np.ndarray:
    transmitter = Transmitter(Numerology.of(fft_size), frame_symbols=600, gap_samples=0)
    return transmitter.transmit_symbols(qpsk_points(seed, n_symbols), bytes([seed]), seed).samples


def stream(seed: int, fft_size: int = 64) -> tuple[np.ndarray, list[Gap]]:
    """Noise, frames back to back, two that overlap, silence, a gap and a burst of nonsense, a frame cut by the end."""
    generator = np.random.default_rng(seed)
    lone, first, second, coded = (frame(n, i, fft_size) for i, n in enumerate((100, 300, 50, 200), 1))
    overlapping = np.concatenate([first, np.zeros(500, np.complex64)])
    overlapping[overlapping.size - lone.size :] += lone[: overlapping.size]
    parts = [
        np.zeros(777), lone, first, second, np.zeros(3000), overlapping, np.zeros(1500), coded, np.zeros(2000),
        first[: first.size * 2 // 3],
    ]  # fmt: skip
    samples = np.concatenate(parts).astype(np.complex64)
    samples *= np.exp(2j * np.pi * 0.7 / fft_size * np.arange(samples.size))
    noise = generator.standard_normal((2, samples.size)) * 0.01
    samples = (samples + noise[0] + 1j * noise[1]).astype(np.complex64)
    at = samples.size - first.size - coded.size
    samples[at : at + 40] = np.nan
    return samples, [Gap(at + 200, 30)]


@functools.cache
def batch(seed: int, fft_size: int = 64) -> tuple[ReceivedFrame, ...]:
    samples, gaps = stream(seed, fft_size)
    return receiver(fft_size).receive(Capture(samples, RATE_HZ, gaps=tuple(gaps))).frames


def fed(samples: np.ndarray, gaps: list[Gap], sizes: list[int], fft_size: int = 64) -> tuple[ReceivedFrame, ...]:
    """Feed blocks of these sizes, over and over."""
    streaming = StreamingReceiver(receiver(fft_size), RATE_HZ)
    frames: list[ReceivedFrame] = []
    at = turn = 0
    while at < samples.size:
        size = sizes[turn % len(sizes)]
        inside = [
            Gap(
                max(gap.start_sample - at, 0),
                min(gap.start_sample + gap.sample_count - at, size) - max(gap.start_sample - at, 0),
            )
            for gap in gaps
            if gap.start_sample < at + size and gap.start_sample + gap.sample_count > at
        ]
        frames += streaming.feed(samples[at : at + size], inside)
        at += size
        turn += 1
    return (*frames, *streaming.finish())


def assert_same(ours: tuple[ReceivedFrame, ...], theirs: tuple[ReceivedFrame, ...]) -> None:
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.header, mine.blocks) == (other.header, other.blocks)
        np.testing.assert_array_equal(mine.symbols, other.symbols)
        np.testing.assert_array_equal(mine.noise_variance, other.noise_variance)
        for field in dataclasses.fields(mine.report):
            np.testing.assert_array_equal(
                getattr(mine.report, field.name), getattr(other.report, field.name), err_msg=field.name
            )


def test_the_stream_holds_what_it_is_meant_to() -> None:
    frames = batch(1)
    whole = [each for each in frames if each.report.failed_at is None]
    assert [each.header.n_symbols for each in whole][:3] == [100, 300, 50]
    assert frames[-1].report.failed_at is Stage.TRUNCATED
    assert len(frames) >= 6


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=5), st.integers(1, 4))
def test_block_sizes_do_not_matter(sizes: list[int], seed: int) -> None:
    samples, gaps = stream(seed)
    assert_same(fed(samples, gaps, sizes), batch(seed))


@pytest.mark.parametrize("fft_size", [128, 1024])
def test_block_sizes_do_not_matter_on_larger_grids(fft_size: int) -> None:
    samples, gaps = stream(5, fft_size)
    assert_same(fed(samples, gaps, [1000, 17], fft_size), batch(5, fft_size))


def test_single_samples_are_blocks_too() -> None:
    samples = np.concatenate([np.zeros(100, np.complex64), frame(48, 9), np.zeros(900, np.complex64)])
    theirs = receiver().receive(Capture(samples, RATE_HZ)).frames
    assert len(theirs) == 1
    assert_same(fed(samples, [], [1]), theirs)


def test_memory_stays_bounded() -> None:
    generator = np.random.default_rng(6)
    streaming = StreamingReceiver(receiver(), RATE_HZ)
    kept, found, sent = [], 0, frame(600, 3)
    for turn in range(300):
        noise = 0.01 * (generator.standard_normal((2, 4000)) * [[1], [1]])
        block = (noise[0] + 1j * noise[1]).astype(np.complex64)
        if turn % 10 == 0:
            block = np.concatenate([block, sent])
        found += len(streaming.feed(block))
        kept.append(streaming.buffered_samples)
    found += len(streaming.finish())
    assert found == 30
    # The longest frame, the largest block, and what a scan looks ahead and back.
    assert max(kept) < 2 * sent.size + 4000 + 8000


def test_a_finished_stream_takes_no_more() -> None:
    streaming = StreamingReceiver(receiver(), RATE_HZ)
    assert streaming.finish() == ()
    assert streaming.finish() == ()
    with pytest.raises(SettingsError, match="finished"):
        streaming.feed(np.zeros(3, np.complex64))


def test_requests_that_make_no_sense_are_refused() -> None:
    with pytest.raises(SettingsError, match="sample_rate_hz"):
        StreamingReceiver(receiver(), 0.0)
    with pytest.raises(SettingsError, match="one dimension"):
        StreamingReceiver(receiver(), 1.0).feed(np.zeros((2, 2), np.complex64))
