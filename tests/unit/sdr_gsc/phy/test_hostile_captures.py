"""Captures that no transmitter made: the receiver answers with honest reports, or with nothing."""

import numpy as np
import pytest

from sdr_gsc.capture import Capture, Gap
from sdr_gsc.phy._header import encode_header, encode_information, header_cells
from sdr_gsc.phy._sequences import qpsk_points
from sdr_gsc.phy.framing import DESCRIPTOR_BYTES, HEADER_BYTES, FrameHeader
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.preamble import Preamble
from sdr_gsc.phy.receiver import Received, Receiver
from sdr_gsc.phy.report import Stage
from sdr_gsc.phy.transmitter import Transmitter, pilot_values

RATE_HZ = 4e6
SENT = {bytes([number]) * DESCRIPTOR_BYTES for number in (0, 1, 2, 255)}


def bank(grid: Numerology) -> list[np.ndarray]:
    """Bursts without gaps: uncoded and coded, one frame and several, descriptors of zeros and of ones among them."""
    transmitter = Transmitter(grid, gap_samples=0)
    zeros, one, two, ones = sorted(SENT)
    sent = [transmitter.transmit_symbols(qpsk_points(1, count), zeros, 1) for count in (1, 300)]
    sent += [transmitter.transmit_symbols(qpsk_points(2, 3000), one, 2)]
    sent += [transmitter.transmit_bytes(bytes(700), scheme, packed, 3) for scheme, packed in ((3, two), (10, ones))]
    return [each.samples for each in sent]


def mangled(frame: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    kind = generator.integers(0, 9)
    place = int(generator.integers(0, frame.size))
    if kind == 1:
        return frame.conj()
    if kind == 2:
        return frame[::-1]
    if kind == 3:
        return frame * np.exp(2j * np.pi * generator.uniform(-0.06, 0.06) * np.arange(frame.size))
    if kind == 4:
        return frame * 10 ** generator.uniform(-6, 6)
    if kind == 5:
        return np.clip(frame.real, -0.05, 0.05) + 1j * np.clip(frame.imag, -0.05, 0.05)
    if kind == 6:
        return np.concatenate([frame[:place], frame[place:] * 10 ** generator.uniform(-6, 6)])
    if kind == 7:
        return np.concatenate([frame[:place], frame[int(generator.integers(0, frame.size)) :]])
    return frame[place:] if kind == 8 else frame


def spoiled(samples: np.ndarray, generator: np.random.Generator) -> Capture:
    size = samples.size
    kind = generator.integers(0, 10)
    gaps: tuple[Gap, ...] = ()
    with np.errstate(all="ignore"):
        if kind == 1:
            samples = samples + generator.uniform(-3, 3)
        elif kind == 2:
            samples[generator.integers(0, size) :] = generator.choice([np.nan, np.inf, -np.inf, 1, 1e30, 1e-30])
        elif kind == 3:
            samples[generator.integers(0, size, 5)] = generator.choice([np.nan, np.inf, 1e38, -1e38, 1e20], 5)
        elif kind == 4:
            samples = samples * 10 ** generator.uniform(-44, 38)
        elif kind == 5:
            places = generator.integers((-100, 0), (size, size), (3, 2))
            gaps = tuple(Gap(int(start), int(count)) for start, count in places)
        elif kind == 6:
            samples[:] = generator.choice([1, 1e-40, 1j, 0, 3e38])
        return Capture(samples.astype(np.complex64), RATE_HZ, gaps=gaps)


def check(received: Received) -> None:
    for frame in received.frames:
        report = frame.report
        if frame.header is not None:
            assert frame.header.descriptor in SENT
            assert frame.symbols.size == frame.noise_variance.size == frame.header.n_symbols
        assert np.isfinite(frame.symbols).all()
        assert (frame.noise_variance > 0).all()  # which NaN is not
        numbers = (report.cfo_hz, report.sfo_ppm, report.esn0_db, report.timing_samples, report.detection_metric)
        assert np.isfinite(numbers).all()
        assert np.isfinite(report.channel).all()
        assert np.isfinite(report.snr_per_subcarrier_db).all()


@pytest.mark.parametrize(("size", "trials"), [(64, 150), (1024, 40)])
def test_fragments_of_frames_never_raise_and_never_lie(size: int, trials: int) -> None:
    grid = Numerology.of(size)
    receiver, frames = Receiver(grid), bank(grid)
    good = 0
    for trial in range(trials):
        generator = np.random.default_rng(trial)
        count = int(generator.integers(1, max(12000, 50 * size)))
        noise = generator.standard_normal((2, count)) * 10 ** generator.uniform(-6, 0)
        samples = noise[0] + 1j * noise[1]
        for _ in range(generator.integers(0, 5)):
            piece = mangled(frames[generator.integers(len(frames))], generator)
            at = int(generator.integers(-piece.size, count))
            first, last = max(at, 0), min(at + piece.size, count)
            samples[first:last] += piece[first - at : last - at]
        received = receiver.receive(spoiled(samples, generator))
        check(received)
        good += sum(frame.header is not None for frame in received.frames)
    assert good > trials / 10  # or nothing was tested


def frame_with_header(cells: np.ndarray, grid: Numerology) -> np.ndarray:
    """Preamble, the given header cells, and nothing behind them."""
    count = cells.size // grid.data.size
    spectrum = np.zeros((count, grid.fft_size), np.complex64)
    spectrum[:, grid.data] = cells.reshape(count, -1)
    spectrum[:, grid.pilots] = pilot_values(grid, count)
    symbols = np.fft.ifft(spectrum, axis=1, norm="ortho")
    prefixed = np.concatenate([symbols[:, -grid.cp_length :], symbols], axis=1)
    return np.concatenate([Preamble(grid).samples, prefixed.reshape(-1), np.zeros(4000)]).astype(np.complex64)


def test_headers_with_wrong_bits_are_refused() -> None:
    """Code words all of them, so the code repairs nothing; only the checksum can tell."""
    grid = Numerology()
    cells = header_cells(grid.data.size)
    receiver = Receiver()
    fields = FrameHeader(3, 100, None, 0, b"sent").pack()
    good = frame_with_header(encode_header(fields, cells), grid)
    assert receiver.receive(Capture(good, RATE_HZ)).frames[0].header == FrameHeader.unpack(fields)
    generator = np.random.default_rng(1)
    words = [np.zeros(324, np.uint8), np.ones(324, np.uint8)]
    words += [generator.integers(0, 2, 324, np.uint8) for _ in range(20)]
    for word in words:
        received = receiver.receive(Capture(frame_with_header(encode_information(word, cells), grid), RATE_HZ))
        assert [frame.header for frame in received.frames] == [None]
        assert received.frames[0].report.failed_at is Stage.HEADER


@pytest.mark.parametrize("fields", [bytes(HEADER_BYTES), b"\xff" * (HEADER_BYTES - 1) + b"\xf0"])
def test_fields_that_no_sender_writes_are_refused_in_spite_of_their_checksum(fields: bytes) -> None:
    grid = Numerology()
    samples = frame_with_header(encode_header(fields, header_cells(grid.data.size)), grid)
    assert [frame.header for frame in Receiver().receive(Capture(samples, RATE_HZ)).frames] == [None]


def test_an_interferer_does_not_move_the_window_out_of_the_capture() -> None:
    """Pilots drowned by something else fit any delay, of thousands of samples too; what follows must still be found."""
    transmitter, receiver = Transmitter(gap_samples=0, frame_symbols=8192), Receiver(frame_symbols=8192)
    burst = transmitter.transmit_symbols(qpsk_points(4, 8192), bytes(32), 4).samples
    for trial in range(20):
        generator = np.random.default_rng(trial)
        begin = int(generator.integers(1500, 6000))
        drowned = burst.astype(np.complex128)
        loud = generator.standard_normal((2, burst.size - begin)) * 10 ** generator.uniform(2, 4)
        drowned[begin:] += loud[0] + 1j * loud[1]
        samples = np.concatenate([drowned, np.zeros(50), burst]).astype(np.complex64)
        frames = receiver.receive(Capture(samples, RATE_HZ)).frames
        assert [frame.header is not None for frame in frames] == [True, True]
        error = np.abs(frames[0].symbols - frames[1].symbols) ** 2
        assert np.median(error / frames[0].noise_variance) < 5
