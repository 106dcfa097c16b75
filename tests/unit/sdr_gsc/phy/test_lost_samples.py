"""Samples that a radio lost cost the symbols they carried, and nothing else."""

import numpy as np
import pytest

from sdr_gsc.capture import Capture, Gap
from sdr_gsc.phy._sequences import qpsk_points
from sdr_gsc.phy.numerology import FFT_SIZES, Numerology
from sdr_gsc.phy.receiver import ReceivedFrame, Receiver
from sdr_gsc.phy.transmitter import Transmitter

RATE_HZ = 4e6
SYMBOLS = qpsk_points(1, 2000)
PREAMBLE_AT, TRAINING_AT, HEADER_AT = 512, 544, 800


def receive(samples: np.ndarray, *spans: tuple[int, int]) -> list[ReceivedFrame]:
    gaps = tuple(Gap(begin, end - begin) for begin, end in spans)
    return [f for f in Receiver().receive(Capture(samples, RATE_HZ, gaps=gaps)).frames if f.header is not None]


def error_over_variance(frame: ReceivedFrame, sent: np.ndarray) -> float:
    heard = np.isfinite(frame.noise_variance)
    return float(np.mean(np.abs(frame.symbols - sent)[heard] ** 2 / frame.noise_variance[heard]))


@pytest.fixture
def reference(generator: np.random.Generator) -> np.ndarray:
    """What a receiver without loss makes of a frame: the symbols in the order of the air."""
    sent = Transmitter().transmit_symbols(SYMBOLS, b"x", 1)
    return receive(sent.samples)[0].symbols


@pytest.mark.parametrize("left_by_the_driver", ["zeros", "old samples"])
@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (PREAMBLE_AT, TRAINING_AT),
        *[(TRAINING_AT + 64 * copy, TRAINING_AT + 64 * (copy + 1)) for copy in range(4)],
        (TRAINING_AT + 16, TRAINING_AT + 48),
        (HEADER_AT + 100, HEADER_AT + 400),
    ],
)
def test_a_gap_in_preamble_or_header_does_no_harm(begin, end, left_by_the_driver, reference, impair, generator) -> None:
    sent = Transmitter().transmit_symbols(SYMBOLS, b"x", 1).samples
    ratios = []
    for _ in range(8):
        samples = impair(sent, generator, esn0_db=20, cfo=generator.uniform(-2, 2)).capture.samples.copy()
        samples[begin:end] = 0 if left_by_the_driver == "zeros" else samples[3000 : 3000 + end - begin] * 3
        frame = receive(samples, (begin, end))[0]
        assert np.isfinite(frame.noise_variance).all()
        assert frame.report.esn0_db == pytest.approx(20, abs=0.8)
        ratios.append(error_over_variance(frame, reference))
    assert np.mean(ratios) == pytest.approx(1, abs=0.1)


def test_a_frame_inside_a_gap_was_not_received(impair, generator) -> None:
    samples = impair(Transmitter().transmit_symbols(SYMBOLS, b"x", 1).samples, generator, esn0_db=30).capture.samples
    assert len(receive(samples)) == 1
    assert receive(samples, (0, samples.size)) == []
    assert receive(samples, (-10, TRAINING_AT + 200)) == []


@pytest.mark.parametrize("order", [1, -1])
def test_overlapping_gaps_in_any_order(order, reference, impair, generator) -> None:
    sent = Transmitter().transmit_symbols(SYMBOLS, b"x", 1).samples
    samples = impair(sent, generator, esn0_db=20).capture.samples
    first = HEADER_AT + 14 * 80 + 5 * 80 + 20  # in the payload's symbol 5
    spans = [(first, first + 300), (first + 10, first + 20), (first + 100, first + 110), (50, 60)][::order]
    frame = receive(samples, *spans)[0]
    lost = np.flatnonzero(np.isinf(frame.noise_variance))
    np.testing.assert_array_equal(lost, np.arange(5 * 48, 9 * 48))
    assert not frame.symbols[lost].any()
    assert error_over_variance(frame, reference) == pytest.approx(1, abs=0.15)


def test_thousands_of_lost_samples_do_not_stop_the_receiver(impair, generator) -> None:
    sent = Transmitter().transmit_symbols(SYMBOLS, b"x", 1).samples
    samples = impair(sent, generator, esn0_db=20).capture.samples.copy()
    samples[HEADER_AT + 14 * 80 :][::3] = np.nan
    frame = receive(samples)[0]
    assert np.isinf(frame.noise_variance).all()
    assert not frame.symbols.any()


@pytest.mark.parametrize("size", FFT_SIZES)
def test_headers_survive_phase_noise_at_every_size(size: int, impair, draw_taps) -> None:
    """One symbol holds the whole header of the largest grid: too few to see how the oscillator walked before it."""
    grid = Numerology.of(size)
    generator = np.random.default_rng(8)
    sent = Transmitter(grid).transmit_symbols(SYMBOLS, b"x", 1).samples
    receiver = Receiver(grid)
    for _ in range(25):
        walk = np.cumsum(generator.standard_normal(sent.size)) * np.sqrt(2 * np.pi * 10 / RATE_HZ)
        settings = {"cfo": generator.uniform(-2, 2), "sfo_ppm": generator.uniform(-40, 40), "numerology": grid}
        received = impair(sent * np.exp(1j * walk), generator, esn0_db=10, taps=draw_taps(generator), **settings)
        frames = receiver.receive(received.capture).frames
        assert [frame.header is not None for frame in frames] == [True]
