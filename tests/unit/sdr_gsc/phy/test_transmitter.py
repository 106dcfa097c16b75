import numpy as np
import pytest
import scipy.fft

from sdr_gsc.errors import SettingsError
from sdr_gsc.phy._header import encode_header, header_cells
from sdr_gsc.phy._sequences import qpsk_points
from sdr_gsc.phy.blocks import coded_plan, encode_blocks, split_payload
from sdr_gsc.phy.coding.mcs import MCS_TABLE
from sdr_gsc.phy.framing import MAX_COUNT, FrameHeader, FrameLayout, interleave
from sdr_gsc.phy.numerology import FFT_SIZES, Numerology
from sdr_gsc.phy.preamble import Preamble
from sdr_gsc.phy.transmitter import Transmitter, pilot_values

GRIDS = [
    *map(Numerology.of, FFT_SIZES),
    Numerology(64, 1, active=[-3, -2, -1, 1, 2, 3, 31], pilots=[-3, 3]),
    Numerology(128, 64, active=range(1, 64), pilots=[1, 20, 63]),
]


def spectra(frame: np.ndarray, grid: Numerology) -> tuple[np.ndarray, np.ndarray]:
    """Subcarriers [S, N] of the OFDM symbols behind the preamble, as a textbook receiver sees them; prefixes."""
    symbols = frame[Preamble(grid).length :].reshape(-1, grid.symbol_length)
    amplitude = np.sqrt(10**-1.2 / grid.occupied_fraction)
    values = scipy.fft.fft(symbols[:, grid.cp_length :].astype(np.complex128), axis=1, norm="ortho") / amplitude
    return values, symbols[:, : grid.cp_length]


@pytest.mark.parametrize("grid", GRIDS, ids=repr)
@pytest.mark.parametrize("n_symbols", [1, 700, 3001])
def test_a_burst_holds_what_was_sent_and_nothing_else(grid: Numerology, n_symbols: int) -> None:
    seed = 5
    symbols = qpsk_points(1, n_symbols)
    sent = Transmitter(grid, gap_samples=7, frame_symbols=1700).transmit_symbols(symbols, b"d", seed)
    preamble = Preamble(grid)
    frames = np.split(sent.samples[7:-7], sent.n_frames)
    for sequence, (frame, part) in enumerate(zip(frames, interleave(symbols, seed, sent.n_frames), strict=True)):
        scaled = preamble.samples * np.sqrt(10**-1.2 / grid.occupied_fraction)
        np.testing.assert_allclose(frame[: preamble.length], scaled, atol=1e-6)
        values, prefixes = spectra(frame, grid)
        ends = frame[preamble.length :].reshape(-1, grid.symbol_length)[:, -grid.cp_length :]
        np.testing.assert_array_equal(prefixes, ends)
        expected = np.zeros_like(values)
        n_header = header_cells(grid.data.size) // grid.data.size
        layout = FrameLayout.of(part.size, grid)
        assert values.shape[0] == n_header + layout.length
        expected[:, grid.pilots] = pilot_values(grid, values.shape[0])
        expected[n_header + np.flatnonzero(layout.is_training)[:, None], grid.active] = preamble.tones
        header = encode_header(FrameHeader(sequence, part.size, None, 0, b"d").pack(), n_header * grid.data.size)
        expected[:n_header, grid.data] = header.reshape(n_header, -1)
        rows = n_header + np.flatnonzero(~layout.is_training)
        fill = qpsk_points(seed ^ 0xF111, rows.size * grid.data.size - part.size)
        expected[rows[:, None], grid.data] = np.concatenate([part, fill]).reshape(rows.size, -1)
        np.testing.assert_allclose(values, expected, atol=2e-5)


@pytest.mark.parametrize(("size", "n_symbols"), [(64, MAX_COUNT), (64, 48 * 1000), (1024, MAX_COUNT)])
def test_the_longest_frames(size: int, n_symbols: int) -> None:
    grid = Numerology.of(size)
    transmitter = Transmitter(grid, frame_symbols=MAX_COUNT, gap_samples=0)
    symbols = qpsk_points(2, n_symbols)
    sent = transmitter.transmit_symbols(symbols, b"", 1)
    assert sent.n_frames == 1
    layout = FrameLayout.of(n_symbols, grid)
    values, _ = spectra(sent.samples, grid)
    n_header = header_cells(grid.data.size) // grid.data.size
    data = values[n_header:][~layout.is_training][:, grid.data].reshape(-1)[:n_symbols]
    np.testing.assert_allclose(data, interleave(symbols, 1, 1)[0], atol=2e-5)
    np.testing.assert_allclose(values[-1, grid.active], Preamble(grid).tones, atol=2e-5)
    training_pilots = values[n_header:][~layout.is_training][:, grid.pilots]
    np.testing.assert_allclose(
        training_pilots, pilot_values(grid, values.shape[0])[n_header:][~layout.is_training], atol=2e-5
    )


def test_shorter_pilot_tables_begin_longer_ones() -> None:
    grid = Numerology.of(256)
    whole = pilot_values(grid, 5000)
    assert set(np.unique(whole)) == {-1, 1}
    for count in (0, 1, 255, 256, 257, 4096):
        np.testing.assert_array_equal(pilot_values(grid, count), whole[:count])


def test_coded_frames_carry_their_blocks() -> None:
    payload = bytes(range(256)) * 8
    transmitter = Transmitter(frame_symbols=3000, gap_samples=0)
    sent = transmitter.transmit_bytes(payload, 0, b"z", 9)
    blocks = split_payload(payload, 0)
    plan = coded_plan(len(blocks), sent.n_frames)
    grid, first, start = Numerology(), 0, 0
    for sequence, count in enumerate(plan):
        expected = encode_blocks(blocks[first : first + count], 0, 9 + sequence)
        layout = FrameLayout.of(expected.size, grid)
        length = Preamble().length + (14 + layout.length) * 80
        values, _ = spectra(sent.samples[start : start + length], grid)
        data = values[14:][~layout.is_training][:, grid.data].reshape(-1)[: expected.size]
        np.testing.assert_allclose(data, expected, atol=2e-5)
        first, start = first + count, start + length
    assert start == sent.samples.size


@pytest.mark.parametrize("size", FFT_SIZES)
def test_burst_has_the_promised_power_and_length(size: int) -> None:
    transmitter = Transmitter(Numerology.of(size), gap_samples=100)
    sent = transmitter.transmit_symbols(qpsk_points(1, 5000), b"d", 3)
    inner = sent.samples[100:-100]
    assert sent.n_frames == 3
    assert inner.size == sent.n_air_samples == transmitter.air_samples(5000)
    assert not sent.samples[:100].any()
    assert not sent.samples[-100:].any()
    assert sent.samples.dtype == np.complex64
    assert np.abs(sent.samples).max() <= 1
    assert 10 * np.log10(sent.mean_power) == pytest.approx(-12, abs=0.1)
    assert 8 < sent.papr_db < 13


def test_power_does_not_depend_on_the_picture(generator: np.random.Generator) -> None:
    gaussian = generator.standard_normal((2, 6000))
    gaussian = (gaussian[0] + 1j * gaussian[1]) / np.sqrt(2)
    gaussian /= np.sqrt(np.mean(np.abs(gaussian) ** 2))
    powers = [
        Transmitter().transmit_symbols(symbols, descriptor, 1).mean_power
        for symbols, descriptor in ((gaussian, bytes(32)), (qpsk_points(1, 6000), b"\xff" * 32))
    ]
    assert 10 * np.log10(powers[0] / powers[1]) == pytest.approx(0, abs=0.1)


def test_preamble_header_and_payload_have_one_power() -> None:
    sent = Transmitter(gap_samples=0).transmit_symbols(qpsk_points(1, 2000), b"", 3)
    length = Preamble().length
    parts = np.split(np.abs(sent.samples) ** 2, [length, length + 14 * 80])
    levels_db = 10 * np.log10([part.mean() for part in parts])
    assert np.ptp(levels_db) < 0.3


def test_peaks_are_clipped_and_counted() -> None:
    sent = Transmitter(backoff_db=6).transmit_symbols(qpsk_points(1, 2000), b"", 3)
    magnitude = np.abs(sent.samples)
    assert magnitude.max() <= 1
    assert sent.clipped == np.count_nonzero(magnitude > 1 - 1e-5) > 0
    # exp(-10^0.6): fraction of complex Gaussian samples beyond 6 dB above the mean
    assert sent.clipped / sent.n_air_samples == pytest.approx(np.exp(-(10**0.6)), rel=0.5)


def test_no_sample_is_clipped_at_the_default_back_off() -> None:
    sent = Transmitter().transmit_symbols(qpsk_points(1, 50_000), b"", 3)
    assert sent.clipped == 0
    power = np.abs(sent.samples[512:-512].astype(np.complex128)) ** 2
    assert sent.papr_db == pytest.approx(10 * np.log10(power.max() / power.mean()), abs=1e-4)
    assert sent.mean_power == pytest.approx(power.mean(), rel=1e-5)


@pytest.mark.parametrize("backoff_db", [0.0, 3.0, 7.0])
def test_power_is_measured_after_clipping_and_the_ratio_before(backoff_db: float) -> None:
    symbols = qpsk_points(1, 20_000)
    plain = Transmitter(backoff_db=40).transmit_symbols(symbols, b"", 3)
    sent = Transmitter(backoff_db=backoff_db).transmit_symbols(symbols, b"", 3)
    assert sent.papr_db == pytest.approx(plain.papr_db, abs=1e-3)
    inner = sent.samples[512:-512].astype(np.complex128)
    assert sent.mean_power == pytest.approx(np.mean(np.abs(inner) ** 2), rel=1e-5)
    unclipped = plain.samples[512:-512] * 10 ** ((40 - backoff_db) / 20)
    cut = np.abs(unclipped) > 1
    assert sent.clipped == np.count_nonzero(cut)
    np.testing.assert_allclose(inner[~cut], unclipped[~cut], atol=1e-5)
    np.testing.assert_allclose(inner[cut], unclipped[cut] / np.abs(unclipped[cut]), atol=1e-5)


def test_same_seed_same_samples_other_seed_other_samples() -> None:
    symbols = qpsk_points(1, 500)
    first, second, third = (Transmitter().transmit_symbols(symbols, b"", seed).samples for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert np.count_nonzero(first != third) > 800  # the payload's 11 OFDM symbols of 80 samples


@pytest.mark.parametrize("scheme", range(len(MCS_TABLE)))
@pytest.mark.parametrize("n_symbols", [100, 971, 972, 2049, 5000, 12288])
def test_capacity_takes_no_more_air(scheme: int, n_symbols: int) -> None:
    transmitter = Transmitter()
    capacity = transmitter.capacity_bytes(n_symbols, scheme)
    if capacity == 0:
        assert transmitter.transmit_bytes(b"x", scheme, b"", 1).n_payload_symbols > n_symbols
        return
    sent = transmitter.transmit_bytes(b"\x55" * capacity, scheme, b"", 1)
    assert sent.n_payload_symbols <= n_symbols
    assert sent.n_air_samples <= transmitter.air_samples(n_symbols)
    more = transmitter.transmit_bytes(b"\x55" * (capacity + 1), scheme, b"", 1)
    assert more.n_payload_symbols > n_symbols or more.n_air_samples > transmitter.air_samples(n_symbols)


@pytest.mark.parametrize(
    "symbols",
    [
        np.zeros(0, np.complex64),
        np.full(10, np.nan, np.complex64),
        np.full(1000, 2, np.complex64),
        np.zeros(100, np.complex64),
        np.ones((2, 2), np.complex64),
    ],
)
def test_unusable_symbols_are_refused(symbols: np.ndarray) -> None:
    with pytest.raises(SettingsError, match="symbol"):
        Transmitter().transmit_symbols(symbols, b"", 1)


@pytest.mark.parametrize(
    "settings", [{"frame_symbols": 0}, {"frame_symbols": MAX_COUNT + 1}, {"backoff_db": -1}, {"gap_samples": -1}]
)
def test_impossible_settings_are_refused(settings: dict) -> None:
    with pytest.raises(SettingsError, match=next(iter(settings))):
        Transmitter(**settings)


def test_a_frame_too_short_for_a_block_is_refused() -> None:
    with pytest.raises(SettingsError, match="raise frame_symbols"):
        Transmitter(frame_symbols=900).transmit_bytes(b"x", 0, b"", 1)


def test_an_even_picture_is_no_impulse() -> None:
    """Equal symbols on all subcarriers would add up to a peak far above full scale."""
    even = np.full(8192, (1 + 1j) * np.sqrt(0.5), np.complex64)
    transmission = Transmitter().transmit_symbols(even, b"", seed=4)
    assert transmission.papr_db < 13
    assert transmission.clipped <= 2
