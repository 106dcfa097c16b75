import numpy as np
import pytest

from sdr_gsc.capture import Capture, Gap
from sdr_gsc.errors import SettingsError
from sdr_gsc.phy._sequences import qpsk_points
from sdr_gsc.phy.coding.mcs import MCS_TABLE
from sdr_gsc.phy.framing import deinterleave, join_blocks
from sdr_gsc.phy.numerology import FFT_SIZES, Numerology
from sdr_gsc.phy.receiver import Received, Receiver
from sdr_gsc.phy.report import Stage
from sdr_gsc.phy.transmitter import Transmission, Transmitter

RATE_HZ = 4e6
SPACING_HZ = RATE_HZ / 64
SEED = 9
DESCRIPTOR = b"what the receiver may know"


def gaussian_symbols(count: int, seed: int = 1) -> np.ndarray:
    parts = np.random.default_rng(seed).standard_normal((2, count))
    symbols = parts[0] + 1j * parts[1]
    return (symbols / np.sqrt(np.mean(np.abs(symbols) ** 2))).astype(np.complex64)


def collect(received: Received, n_symbols: int, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    frames = {f.header.sequence: (f.symbols, f.noise_variance) for f in received.frames if f.header is not None}
    return deinterleave(frames, n_symbols, n_frames, SEED)


def send(symbols: np.ndarray, **settings: object) -> Transmission:
    return Transmitter(**settings).transmit_symbols(symbols, DESCRIPTOR, SEED)


@pytest.mark.parametrize("size", FFT_SIZES)
def test_noiseless_round_trip(size: int) -> None:
    grid = Numerology.of(size)
    symbols = gaussian_symbols(5000)
    sent = send(symbols, numerology=grid, backoff_db=14.0)
    assert sent.clipped == 0
    received = Receiver(grid).receive(Capture(sent.samples, RATE_HZ))
    assert [f.header.sequence for f in received.frames] == [0, 1, 2]
    out, variance = collect(received, 5000, 3)
    assert 10 * np.log10(np.mean(np.abs(out - symbols) ** 2)) < -80
    assert np.isfinite(variance).all()
    for frame in received.frames:
        assert frame.header.descriptor.rstrip(b"\0") == DESCRIPTOR
        assert frame.report.header_ok
        assert frame.report.failed_at is None
        assert frame.report.evm_db is None
        assert frame.report.snr_per_subcarrier_db.shape == frame.report.channel.shape == grid.active.shape


def test_report_says_where_the_frame_stood(impair) -> None:
    generator = np.random.default_rng(1)
    sent = send(gaussian_symbols(2000))
    samples = np.concatenate([np.zeros(300, np.complex64), sent.samples])
    received = impair(samples, generator, esn0_db=25, cfo=-1.7, sfo_ppm=30.0)
    capture = Capture(received.capture.samples, RATE_HZ, center_frequency_hz=2.4e9)
    report = Receiver().receive(capture).frames[0].report
    assert report.start_sample + report.timing_samples == pytest.approx((300 + 512) / (1 + 30e-6), abs=0.2)
    assert report.cfo_hz == pytest.approx(-1.7 * SPACING_HZ, abs=10)
    assert report.cfo_ppm == pytest.approx(report.cfo_hz / 2400)
    # Stretched time is a receiver that samples too slowly: the transmitter's clock is the faster one.
    assert report.sfo_ppm == pytest.approx(30.0, abs=6)
    assert report.esn0_db == pytest.approx(25, abs=0.5)
    assert report.post_eq_snr_db == pytest.approx(24.6, abs=0.6)
    assert np.median(report.snr_per_subcarrier_db) == pytest.approx(25, abs=0.7)
    assert report.detection_metric > report.detection_threshold
    assert (report.sequence, report.payload_ok, report.blocks_ok) == (0, None, None)


@pytest.mark.parametrize("ppm", [-50.0, 50.0])
def test_the_longest_frame_at_50_ppm(ppm: float, impair) -> None:
    generator = np.random.default_rng(2)
    symbols = gaussian_symbols(32767)  # 683 payload symbols and their training: 58000 samples, 2.9 of them drift
    sent = send(symbols, frame_symbols=symbols.size)
    assert sent.n_frames == 1
    received = impair(sent.samples, generator, esn0_db=25, sfo_ppm=ppm, cfo=0.4)
    out_of = Receiver(frame_symbols=symbols.size).receive(received.capture)
    out, variance = collect(out_of, symbols.size, 1)
    error = np.abs(out - symbols) ** 2
    assert out_of.frames[0].report.sfo_ppm == pytest.approx(ppm, abs=0.5)
    assert 10 * np.log10(np.mean(error)) == pytest.approx(-24.8, abs=0.5)
    assert np.mean(error / variance) == pytest.approx(1, abs=0.12)


def test_header_is_robust_in_fading(impair, draw_taps) -> None:
    generator = np.random.default_rng(3)
    receiver = Receiver()
    good = 0
    for trial in range(60):
        sent = Transmitter(gap_samples=200).transmit_symbols(gaussian_symbols(300, trial), DESCRIPTOR, trial)
        received = impair(
            sent.samples,
            generator,
            esn0_db=10,
            taps=draw_taps(generator),
            cfo=generator.uniform(-2, 2),
            sfo_ppm=generator.uniform(-40, 40),
        )
        frames = receiver.receive(received.capture).frames
        headers = [frame.header for frame in frames if frame.header is not None]
        assert all(header.descriptor.rstrip(b"\0") == DESCRIPTOR for header in headers)
        assert len(headers) <= 1
        good += len(headers)
    assert good >= 59


def test_header_is_read_at_zero_db(impair) -> None:
    generator = np.random.default_rng(4)
    sent = send(gaussian_symbols(100), gap_samples=300)
    good = 0
    for _ in range(40):
        received = impair(sent.samples, generator, esn0_db=0, cfo=generator.uniform(-2, 2))
        good += sum(frame.header is not None for frame in Receiver().receive(received.capture).frames)
    assert good >= 39


@pytest.mark.parametrize("esn0_db", [5.0, 15.0, 30.0])
@pytest.mark.parametrize("fading", [False, True])
def test_predicted_variance_is_the_true_one(esn0_db: float, fading: bool, impair, draw_taps) -> None:
    generator = np.random.default_rng(5)
    symbols = gaussian_symbols(2000)
    sent = send(symbols)
    receiver = Receiver()
    ratios = []
    for _ in range(12):
        taps = draw_taps(generator) if fading else None
        received = impair(sent.samples, generator, esn0_db=esn0_db, taps=taps, cfo=generator.uniform(-2, 2))
        out, variance = collect(receiver.receive(received.capture), 2000, 1)
        if np.isfinite(variance).all():
            ratios.append(np.mean(np.abs(out - symbols) ** 2 / variance))
    assert len(ratios) >= 11
    assert abs(10 * np.log10(np.mean(ratios))) < 0.5
    assert np.abs(10 * np.log10(ratios)).max() < 1.0


def test_predicted_variance_follows_phase_noise(impair) -> None:
    generator = np.random.default_rng(6)
    symbols = gaussian_symbols(2000)
    sent = send(symbols)
    ratios = []
    for _ in range(10):
        walk = np.cumsum(generator.standard_normal(sent.samples.size)) * np.sqrt(2 * np.pi * 20 / RATE_HZ)
        received = impair(sent.samples * np.exp(1j * walk), generator, esn0_db=30)
        out, variance = collect(Receiver().receive(received.capture), 2000, 1)
        ratios.append(np.mean(np.abs(out - symbols) ** 2 / variance))
    assert abs(10 * np.log10(np.mean(ratios))) < 1.0


@pytest.mark.parametrize("scheme", [entry.index for entry in MCS_TABLE])
def test_coded_round_trip(scheme: int, impair) -> None:
    generator = np.random.default_rng(7)
    payload = generator.bytes(900)
    sent = Transmitter().transmit_bytes(payload, scheme, DESCRIPTOR, SEED)
    esn0_db = 6 + 4.2 * np.log2(MCS_TABLE[scheme].order) * float(MCS_TABLE[scheme].rate) * 0.75
    received = Receiver().receive(impair(sent.samples, generator, esn0_db=esn0_db, cfo=0.8).capture)
    assert len(received.frames) == sent.n_frames
    assert all(frame.report.payload_ok for frame in received.frames)
    assert all(frame.report.evm_db == pytest.approx(-esn0_db, abs=1.5) for frame in received.frames)
    assert received.frames[0].report.evm_per_subcarrier_db.shape == (48,)
    frames = {frame.header.sequence: frame.blocks for frame in received.frames}
    assert b"".join(join_blocks(frames, 900, scheme, sent.n_frames)) == payload


def test_payload_that_cannot_be_decoded_is_reported(impair) -> None:
    generator = np.random.default_rng(8)
    sent = Transmitter().transmit_bytes(bytes(500), 10, DESCRIPTOR, SEED)
    frame = Receiver().receive(impair(sent.samples, generator, esn0_db=12).capture).frames[0]
    assert frame.header is not None
    assert set(frame.blocks) == {None}
    assert frame.report.payload_ok is False
    assert frame.report.blocks_ok == 0
    assert frame.report.failed_at is Stage.PAYLOAD


def test_noise_and_nothing_give_no_frames(generator: np.random.Generator) -> None:
    noise = generator.standard_normal(400_000, np.float32).view(np.complex64)
    receiver = Receiver()
    for samples in (noise, np.zeros(10000, np.complex64), np.zeros(0, np.complex64), noise[:100]):
        assert receiver.receive(Capture(samples, RATE_HZ)).frames == ()


def test_a_lost_frame_is_no_evidence(impair) -> None:
    generator = np.random.default_rng(9)
    symbols = gaussian_symbols(6000)
    sent = send(symbols)
    samples = sent.samples.copy()
    length = sent.n_air_samples // 3
    samples[512 + length : 512 + 2 * length] = 0
    received = Receiver().receive(impair(samples, generator, esn0_db=20).capture)
    assert [frame.header.sequence for frame in received.frames] == [0, 2]
    out, variance = collect(received, 6000, 3)
    lost = np.isinf(variance)
    assert np.count_nonzero(lost) == 2000
    assert not out[lost].any()
    assert 10 * np.log10(np.mean(np.abs(out - symbols)[~lost] ** 2)) == pytest.approx(-20, abs=0.5)


def test_a_truncated_frame_keeps_what_arrived(impair) -> None:
    generator = np.random.default_rng(10)
    symbols = gaussian_symbols(2000)
    sent = send(symbols)
    samples = impair(sent.samples, generator, esn0_db=20).capture.samples
    payload_at = 512 + 288 + 14 * 80
    frame = Receiver().receive(Capture(samples[: payload_at + 20 * 80 + 30], RATE_HZ)).frames[0]
    assert frame.report.failed_at is Stage.TRUNCATED
    assert frame.report.header_ok
    heard = np.isfinite(frame.noise_variance)
    # The first group is 14 or 15 payload symbols and one training symbol; 20 symbols hold 19 of payload.
    np.testing.assert_array_equal(np.flatnonzero(heard), np.arange(19 * 48))
    assert not frame.symbols[~heard].any()
    only_header = Receiver().receive(Capture(samples[: payload_at + 10], RATE_HZ)).frames[0]
    assert only_header.header is not None
    assert np.isinf(only_header.noise_variance).all()
    assert only_header.report.post_eq_snr_db is None
    half_header = Receiver().receive(Capture(samples[: payload_at - 14 * 80 + 200], RATE_HZ)).frames
    assert [frame.header for frame in half_header] in ([None], [])
    assert all(frame.report.failed_at is Stage.TRUNCATED for frame in half_header)


def test_every_cut_is_survived(impair) -> None:
    samples = impair(send(gaussian_symbols(200)).samples, np.random.default_rng(11), esn0_db=20).capture.samples
    receiver = Receiver()
    for cut in range(0, samples.size, 97):
        for part in (samples[:cut], samples[cut:]):
            for frame in receiver.receive(Capture(part, RATE_HZ)).frames:
                assert frame.symbols.size == frame.noise_variance.size
                assert np.isfinite(frame.symbols).all()


def test_overlapping_frames_are_reported_honestly(impair) -> None:
    generator = np.random.default_rng(12)
    first, second = (
        Transmitter(gap_samples=0).transmit_symbols(gaussian_symbols(2000, seed), bytes([seed]), SEED).samples
        for seed in (1, 2)
    )
    samples = np.zeros(12000, np.complex64)
    samples[500 : 500 + first.size] += first
    samples[3500 : 3500 + second.size] += second
    received = Receiver().receive(impair(samples, generator, esn0_db=25).capture)
    good = [frame for frame in received.frames if frame.header is not None]
    assert good
    assert {frame.header.descriptor[0] for frame in good} <= {1, 2}
    assert len({frame.header.descriptor[0] for frame in good}) == len(good)
    assert all(frame.report.failed_at is Stage.HEADER for frame in received.frames if frame.header is None)


def flip_header(samples: np.ndarray, start: int) -> np.ndarray:
    """Negate the header's data subcarriers: every code bit inverted, pilots untouched."""
    grid = Numerology()
    out = samples.copy()
    for symbol in range(14):
        at = start + 288 + symbol * 80
        spectrum = np.fft.fft(out[at + 16 : at + 80])
        spectrum[grid.data] *= -1
        useful = np.fft.ifft(spectrum)
        out[at : at + 80] = np.concatenate([useful[-16:], useful])
    return out.astype(np.complex64)


def test_an_inverted_header_is_refused_and_does_not_hide_the_next_frame() -> None:
    sent = send(gaussian_symbols(4000))
    received = Receiver().receive(Capture(flip_header(sent.samples, 512), RATE_HZ))
    assert [frame.header is None for frame in received.frames] == [True, False]
    assert received.frames[0].report.failed_at is Stage.HEADER
    assert not received.frames[0].report.header_ok
    assert received.frames[0].symbols.size == 0
    assert received.frames[1].header.sequence == 1


def test_a_header_that_promises_too_much_is_refused() -> None:
    sent = send(gaussian_symbols(2000))
    frames = Receiver(frame_symbols=1000).receive(Capture(sent.samples, RATE_HZ)).frames
    assert [frame.header for frame in frames] == [None]


def test_back_to_back_frames_are_found_once_each(impair) -> None:
    generator = np.random.default_rng(13)
    sent = Transmitter(frame_symbols=300).transmit_symbols(gaussian_symbols(6000), DESCRIPTOR, SEED)
    received = Receiver().receive(impair(sent.samples, generator, esn0_db=8, cfo=1.1, sfo_ppm=40.0).capture)
    assert [frame.header.sequence for frame in received.frames] == list(range(20))


def test_gaps_and_non_finite_samples_cost_only_their_symbols(impair) -> None:
    generator = np.random.default_rng(14)
    symbols = gaussian_symbols(2000)
    sent = send(symbols)
    clean = impair(sent.samples, generator, esn0_db=20).capture.samples
    at = 512 + 288 + 14 * 80 + 5 * 80 + 40
    for value, gaps in ((np.nan, ()), (np.inf, ()), (0, (Gap(at, 100),))):
        samples = clean.copy()
        samples[at : at + 100] = value
        frame = Receiver().receive(Capture(samples, RATE_HZ, gaps=gaps)).frames[0]
        lost = np.flatnonzero(np.isinf(frame.noise_variance))
        np.testing.assert_array_equal(lost, np.arange(5 * 48, 7 * 48))
        out, variance = collect(Received((frame,)), 2000, 1)
        heard = np.isfinite(variance)
        assert np.mean(np.abs(out - symbols)[heard] ** 2 / variance[heard]) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("level", [1e-12, 1e-6, 1e3, 1e5])
def test_level_does_not_matter(level: float, impair) -> None:
    samples = impair(send(gaussian_symbols(500)).samples, np.random.default_rng(15), esn0_db=20).capture.samples
    scaled = (samples.view(np.float32).astype(np.float64) * level).astype(np.float32).view(np.complex64)
    frames = Receiver().receive(Capture(scaled, RATE_HZ)).frames
    assert [frame.header is not None for frame in frames] == [True]


def test_rubbish_never_raises(generator: np.random.Generator) -> None:
    receiver = Receiver()
    sent = send(gaussian_symbols(300)).samples
    for _ in range(20):
        samples = sent.copy()
        for _ in range(4):
            begin = generator.integers(0, samples.size)
            end = begin + generator.integers(1, 600)
            with np.errstate(invalid="ignore"):
                samples[begin:end] *= generator.choice([0, 1e3, -1, 1j, np.nan, np.inf])
            samples[begin:end] += generator.choice([0, 1.0, 1e-3])
        for frame in receiver.receive(Capture(samples, RATE_HZ)).frames:
            assert np.isfinite(frame.symbols).all()


def test_same_capture_same_result(impair) -> None:
    capture = impair(send(gaussian_symbols(2000)).samples, np.random.default_rng(16), esn0_db=10).capture
    first, second = (Receiver().receive(capture).frames[0] for _ in range(2))
    np.testing.assert_array_equal(first.symbols, second.symbols)
    np.testing.assert_array_equal(first.noise_variance, second.noise_variance)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"false_alarm_rate": 0.0}, "false_alarm_rate"),
        ({"max_cfo_subcarriers": -1.0}, "max_cfo"),
        ({"max_cfo_subcarriers": 20.0}, "max_cfo"),
        ({"frame_symbols": 0}, "frame_symbols"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        Receiver(**settings)


def test_qpsk_points_arrive_as_sent() -> None:
    symbols = qpsk_points(3, 1000)
    out, _ = collect(Receiver().receive(Capture(send(symbols).samples, RATE_HZ)), 1000, 1)
    np.testing.assert_allclose(out, symbols, atol=1e-3)
