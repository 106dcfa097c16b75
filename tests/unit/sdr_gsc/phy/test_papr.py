import math

import numpy as np
import pytest
import scipy.fft

from sdr_gsc.capture import Capture
from sdr_gsc.errors import SettingsError
from sdr_gsc.phy._header import decode_header, header_cells
from sdr_gsc.phy._papr_kernel import clip_and_filter
from sdr_gsc.phy._sequences import qpsk_points
from sdr_gsc.phy.framing import FrameHeader, FrameLayout, deinterleave, interleave
from sdr_gsc.phy.numerology import FFT_SIZES, Numerology
from sdr_gsc.phy.papr import ClipAndFilter, papr_ccdf
from sdr_gsc.phy.preamble import Preamble
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter, pilot_values

LEVELS_DB = np.arange(-10.0, 9.5, 0.5)


def gaussian(generator: np.random.Generator, *shape: int) -> np.ndarray:
    parts = generator.standard_normal((2, *shape))
    return (parts[0] + 1j * parts[1]) * np.sqrt(0.5)


def soft_symbols(generator: np.random.Generator, count: int) -> np.ndarray:
    symbols = gaussian(generator, count)
    return symbols / np.sqrt(np.mean(np.abs(symbols) ** 2))


def interpolated(rows: np.ndarray, factor: int) -> np.ndarray:
    """Waveforms [S, factor·N] of subcarriers [S, N], mean power Σ|X|²/N."""
    size = rows.shape[1]
    wide = np.zeros((rows.shape[0], factor * size), np.complex128)
    wide[:, : size // 2], wide[:, -(size // 2) :] = rows[:, : size // 2], rows[:, size // 2 :]
    return scipy.fft.ifft(wide, axis=1) * factor * np.sqrt(size)


def test_gaussian_signal_follows_the_exponential_law(generator: np.random.Generator) -> None:
    n = 400_000
    share = papr_ccdf(gaussian(generator, n).astype(np.complex64), LEVELS_DB)
    law = np.exp(-(10 ** (LEVELS_DB / 10)))
    np.testing.assert_array_less(np.abs(share - law), 5 * np.sqrt(law * (1 - law) / n) + 1e-6)


@pytest.mark.parametrize("size", FFT_SIZES)
def test_ofdm_follows_the_exponential_law(size: int) -> None:
    """A sum of many subcarriers is nearly Gaussian; fewer of them reach less far."""
    sent = Transmitter(Numerology.of(size), backoff_db=20, gap_samples=0, frame_symbols=1 << 17)
    samples = sent.transmit_symbols(qpsk_points(1, 1 << 17), b"", 1).samples
    levels_db = np.array([0.0, 3.0, 6.0, 8.4])
    share = papr_ccdf(samples, levels_db)
    np.testing.assert_allclose(10 * np.log10(-np.log(share)), levels_db, atol=0.3)


def test_ccdf_of_constant_envelope_is_a_step() -> None:
    assert papr_ccdf(qpsk_points(1, 99), [-0.1, 0.1]).tolist() == [1, 0]
    assert papr_ccdf(qpsk_points(1, 99), 3.0).shape == ()


@pytest.mark.parametrize("samples", [np.zeros(0, np.complex64), np.zeros(5, np.complex64)])
def test_silence_has_no_ratio(samples: np.ndarray) -> None:
    with pytest.raises(SettingsError, match="peak-to-average"):
        papr_ccdf(samples, [3])


@pytest.mark.parametrize("settings", [{"peak_db": 2}, {"peak_db": 16}, {"peak_db": math.nan}, {"iterations": 0}])
def test_impossible_reductions_are_refused(settings: dict) -> None:
    with pytest.raises(SettingsError, match=next(iter(settings))):
        ClipAndFilter(**settings)


@pytest.mark.parametrize(
    "grid", [Numerology(), Numerology.of(1024), Numerology(128, 64, range(1, 64), [1, 20, 63])], ids=repr
)
@pytest.mark.parametrize(("peak_db", "beyond_db"), [(6.0, 0.5), (8.0, 0.3)])
def test_only_data_subcarriers_change(
    grid: Numerology, peak_db: float, beyond_db: float, generator: np.random.Generator
) -> None:
    symbols = soft_symbols(generator, 120 * grid.data.size)
    descriptor = b"peaks"
    seed = 3
    transmitter = Transmitter(
        grid, frame_symbols=symbols.size, gap_samples=0, backoff_db=20, papr_reduction=ClipAndFilter(peak_db, 16)
    )
    sent = transmitter.transmit_symbols(symbols, descriptor, seed)
    preamble = Preamble(grid)
    amplitude = np.sqrt(0.01 / grid.occupied_fraction)
    np.testing.assert_allclose(sent.samples[: preamble.length], amplitude * preamble.samples, atol=1e-6)
    body = sent.samples[preamble.length :].reshape(-1, grid.symbol_length)[:, grid.cp_length :]
    rows = scipy.fft.fft(body.astype(np.complex128), axis=1, norm="ortho") / amplitude
    empty = np.setdiff1d(np.arange(grid.fft_size), grid.active)
    assert np.abs(rows[:, empty]).max() < 1e-5
    n_header = header_cells(grid.data.size) // grid.data.size
    is_training = np.r_[np.zeros(n_header, bool), FrameLayout.of(symbols.size, grid).is_training]
    np.testing.assert_allclose(rows[is_training][:, grid.active] - preamble.tones, 0, atol=2e-5)
    pilots = pilot_values(grid, rows.shape[0])[~is_training]
    np.testing.assert_allclose(rows[~is_training][:, grid.pilots], pilots, atol=2e-5)
    # Data: unbiased, and off by what was reported.
    data = rows[~is_training][n_header:][:, grid.data].reshape(-1)
    original = interleave(symbols.astype(np.complex64), seed, 1)[0]
    error = data - original
    power = np.mean(np.abs(original) ** 2)
    assert sent.papr_evm_db is not None
    assert 10 * np.log10(np.mean(np.abs(error) ** 2) / power) == pytest.approx(sent.papr_evm_db, abs=0.01)
    gain = np.vdot(original, data) / np.vdot(original, original)
    assert abs(gain - 1) < 1e-3
    # The header, touched as well, is still one.
    cells = rows[:n_header][:, grid.data].reshape(-1).astype(np.complex64)
    header = FrameHeader(0, symbols.size, None, 0, descriptor)
    assert decode_header(cells, np.full(cells.size, 0.01, np.float32)) == header.pack()
    # Peaks, sought twice as closely as the reduction does, with the gain given back.
    highest_db = 10 * np.log10((np.abs(interpolated(rows[~is_training], 8)) ** 2).max(axis=1) / grid.occupied_fraction)
    assert np.quantile(highest_db, 0.99) < peak_db + beyond_db


@pytest.mark.parametrize("size", [64, 256])
@pytest.mark.parametrize("peak_db", [6.0, 8.0])
def test_error_is_nearly_the_smallest_possible(size: int, peak_db: float, generator: np.random.Generator) -> None:
    """The least change of the data subcarriers for a given peak is a convex problem; its dual is solved to the end."""
    grid = Numerology.of(size)
    count, factor = 120, 4
    rows = np.zeros((count, size), np.complex128)
    rows[:, grid.data] = gaussian(generator, count, grid.data.size)
    rows[:, grid.pilots] = generator.choice([-1.0, 1.0], (count, grid.pilots.size))
    limit = np.sqrt(10 ** (peak_db / 10) * grid.occupied_fraction)
    wide_bins = np.where(grid.data < size // 2, grid.data, grid.data + (factor - 1) * size)

    def change(excess: np.ndarray) -> np.ndarray:
        """What a waveform holds in the data subcarriers."""
        out = np.zeros_like(rows)
        out[:, grid.data] = scipy.fft.fft(excess, axis=1)[:, wide_bins] / (factor * np.sqrt(size))
        return out

    # Fast proximal gradient (Beck, Teboulle 2009) on the dual: y = the excess that is subtracted.
    excess = ahead = np.zeros((count, factor * size), np.complex128)
    momentum = 1.0
    for _ in range(300):
        moved = ahead + interpolated(rows - change(ahead), factor)
        magnitude = np.abs(moved)
        following = moved * (1 - np.minimum(1, limit / np.maximum(magnitude, 1e-30)))
        next_momentum = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        ahead = following + (momentum - 1) / next_momentum * (following - excess)
        excess, momentum = following, next_momentum
    least = rows - change(excess)
    gain = np.vdot(rows[:, grid.data], least[:, grid.data]).real / np.linalg.norm(rows[:, grid.data]) ** 2
    smallest = np.linalg.norm(least[:, grid.data] / gain - rows[:, grid.data]) ** 2

    reduced = rows.astype(np.complex64)
    error, energy = clip_and_filter(reduced, np.arange(count), grid.data, np.float32(limit**2), 16)
    assert energy == pytest.approx(np.linalg.norm(rows[:, grid.data]) ** 2, rel=1e-5)
    assert error == pytest.approx(np.linalg.norm((reduced - rows)[:, grid.data]) ** 2, rel=1e-3)
    # Both leave the same peaks; the reduction may stop a little short of them, and then its error is the smaller one.
    assert abs(10 * np.log10(error / smallest)) < 0.4
    peaks = [np.quantile(np.abs(interpolated(each, factor)).max(axis=1), 0.9) for each in (reduced, least / gain)]
    assert 20 * np.log10(peaks[0] / peaks[1]) < 0.1


def test_symbols_without_peaks_stay_as_they_are(generator: np.random.Generator) -> None:
    symbols = soft_symbols(generator, 5000)
    plain = Transmitter(backoff_db=20).transmit_symbols(symbols, b"", 1)
    reduced = Transmitter(backoff_db=20, papr_reduction=ClipAndFilter(15.0)).transmit_symbols(symbols, b"", 1)
    np.testing.assert_allclose(reduced.samples, plain.samples, atol=1e-7)
    assert plain.papr_evm_db is None
    assert reduced.papr_evm_db == -math.inf


def test_lower_peaks_cost_more_and_need_less_back_off(generator: np.random.Generator) -> None:
    symbols = soft_symbols(generator, 48 * 400)
    plain = Transmitter(backoff_db=7).transmit_symbols(symbols, b"", 1)
    errors_db = []
    for peak_db in (6.0, 7.0, 8.0, 9.0):
        settings = {"backoff_db": peak_db + 0.6, "papr_reduction": ClipAndFilter(peak_db, 16)}
        sent = Transmitter(**settings).transmit_symbols(symbols, b"", 1)
        errors_db.append(sent.papr_evm_db)
        assert sent.papr_db < peak_db + 0.6
        assert sent.clipped == 0
    assert plain.clipped > 100
    assert np.all(np.diff(errors_db) < -3)


def test_a_receiver_sees_the_error_that_was_reported(generator: np.random.Generator) -> None:
    symbols = soft_symbols(generator, 4000).astype(np.complex64)
    sent = Transmitter(frame_symbols=4000, papr_reduction=ClipAndFilter(7.0)).transmit_symbols(symbols, b"", 8)
    (frame,) = Receiver(frame_symbols=4000).receive(Capture(sent.samples, 4e6)).frames
    received, _ = deinterleave({0: (frame.symbols, frame.noise_variance)}, 4000, 1, 8)
    error_db = 10 * np.log10(np.mean(np.abs(received - symbols) ** 2))
    assert error_db == pytest.approx(sent.papr_evm_db, abs=0.3)


def test_bytes_are_reduced_too() -> None:
    sent = Transmitter(papr_reduction=ClipAndFilter(7.0)).transmit_bytes(bytes(range(256)) * 8, 0, b"", 1)
    assert sent.papr_db < 7.5
    assert sent.papr_evm_db is not None
    assert -33 < sent.papr_evm_db < -24
