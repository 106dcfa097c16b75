"""Whatever samples come: nothing raises or hangs, memory stays bounded, and no header is believed that nobody sent."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdr_gsc.capture import Capture
from sdr_gsc.phy._sequences import qpsk_points
from sdr_gsc.phy.matched_search import MatchedSearch
from sdr_gsc.phy.preamble import Preamble
from sdr_gsc.phy.received import ReceivedFrame
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.streaming import StreamingReceiver
from sdr_gsc.phy.transmitter import Transmitter

RATE_HZ = 4e6
SENT = b"sent".ljust(32, b"\0")
LONGEST = 400
KINDS = (
    "noise", "truncated", "bits flipped", "saturated", "constant", "tone", "square", "NaN", "infinite", "huge", "tiny",
    "repeated", "swapped rails", "zeros inside", "words",
)  # fmt: skip


@functools.cache
def receiver() -> Receiver:
    return Receiver(frame_symbols=LONGEST)


@functools.cache
def burst() -> np.ndarray:
    transmitter = Transmitter(frame_symbols=LONGEST, gap_samples=100)
    return transmitter.transmit_symbols(qpsk_points(1, 700), SENT, 1).samples


def flipped(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """One bit of a hundred wrong in 16-bit words, as a broken link to a radio would leave them."""
    words = np.round(samples.view(np.float32) * 32767).astype(np.int16).view(np.uint16)
    wrong = np.where(generator.random(words.size) < 0.01, 1 << generator.integers(0, 16, words.size), 0)
    return ((words ^ wrong.astype(np.uint16)).view(np.int16) / np.float32(32768)).astype(np.float32).view(np.complex64)


def spoil(kind: str, generator: np.random.Generator) -> np.ndarray:
    samples, n = burst().copy(), burst().size
    place = int(generator.integers(0, n))
    time = np.arange(n)
    match kind:
        case "noise":
            return (generator.standard_normal((n, 2)) * 10 ** generator.uniform(-6, 3)).view(np.complex128).ravel()
        case "truncated":
            return samples[place:] if generator.random() < 0.5 else samples[:place]
        case "bits flipped":
            return flipped(samples, generator)
        case "saturated":
            level = 10 ** generator.uniform(-3, 0)
            return np.clip(samples.real, -level, level) + 1j * np.clip(samples.imag, -level, level)
        case "constant":
            return np.full(n, generator.uniform(-1, 1) + 1j)
        case "tone":
            return np.exp(2j * np.pi * generator.uniform(-0.5, 0.5) * time) + samples
        case "square":
            return np.where(time // int(generator.integers(1, 200)) % 2, 1.0, -1.0)
        case "NaN" | "infinite":
            samples[generator.integers(0, n, 20)] = np.nan if kind == "NaN" else -np.inf
            samples[place : place + int(generator.integers(0, 300))] = complex(np.inf, np.nan)
        case "huge" | "tiny":
            samples[place:] *= np.float32(1e30 if kind == "huge" else 1e-30)
        case "repeated":
            return np.tile(samples[place : place + int(generator.integers(1, 500))], 50)[:20000]
        case "swapped rails":
            return samples.imag + 1j * samples.real
        case "zeros inside":
            samples[place : place + int(generator.integers(0, 2000))] = 0
        case "words":
            # Any bit pattern at all, NaN payloads and denormal numbers among them.
            return generator.integers(0, 2**32, 2 * n, dtype=np.uint32).view(np.complex64)
    return samples


def believed(frames: tuple[ReceivedFrame, ...] | list[ReceivedFrame]) -> list[bytes]:
    return [frame.header.descriptor for frame in frames if frame.header is not None]


def assert_honest(frames: tuple[ReceivedFrame, ...] | list[ReceivedFrame]) -> None:
    for frame in frames:
        assert np.isfinite(frame.symbols).all()
        assert not np.isnan(frame.noise_variance).any()
        assert (frame.noise_variance > 0).all()
    assert set(believed(frames)) <= {SENT}


@settings(max_examples=120, deadline=None)
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3), st.integers(0, 2**32 - 1))
def test_nothing_raises_and_no_header_is_invented(kinds: list[str], seed: int) -> None:
    generator = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        samples = np.concatenate([spoil(kind, generator) for kind in kinds]).astype(np.complex64)
    assert_honest(receiver().receive(Capture(samples, RATE_HZ)).frames)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(KINDS), min_size=2, max_size=4), st.integers(0, 2**32 - 1))
def test_a_stream_of_anything_needs_bounded_memory(kinds: list[str], seed: int) -> None:
    generator = np.random.default_rng(seed)
    stream, frames, kept, largest = StreamingReceiver(receiver(), RATE_HZ), [], [], 0
    for kind in kinds:
        with np.errstate(all="ignore"):
            block = spoil(kind, generator).astype(np.complex64)
        frames += stream.feed(block)
        kept.append(stream.buffered_samples)
        largest = max(largest, block.size)
    frames += stream.finish()
    assert_honest(frames)
    # The longest frame that is believed, the largest block, and what a scan looks ahead and back.
    longest = 288 + 80 * (14 + 9 + 1) + 6000
    assert max(kept) <= largest + longest


@pytest.mark.parametrize("block", [1_000_000, 9973])
def test_a_million_samples_of_noise_give_no_header(block: int) -> None:
    generator = np.random.default_rng(20)
    noise = generator.standard_normal((1_000_000, 2), np.float32).view(np.complex64).ravel()
    stream = StreamingReceiver(receiver(), RATE_HZ)
    frames = [frame for at in range(0, noise.size, block) for frame in stream.feed(noise[at : at + block])]
    frames += stream.finish()
    assert believed(frames) == []
    assert len(frames) <= 1  # 1e-9 per sample: one in a thousand such captures shows a preamble at all


@pytest.mark.parametrize("kind", KINDS)
def test_the_matched_search_survives_it_too(kind: str) -> None:
    preamble = Preamble()
    search = MatchedSearch(preamble.samples[preamble.prefix_length :], 64)
    generator = np.random.default_rng(21)
    with np.errstate(all="ignore"):
        samples = spoil(kind, generator).astype(np.complex64)
    statistic = search.statistic(samples)
    assert np.isfinite(statistic).all()
    assert (statistic >= 0).all()
    assert all(0 <= found.start < samples.size for found in search.detections(samples))
