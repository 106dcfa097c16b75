import functools

import numpy as np
import pytest

from sdr_gsc.phy.detection import Candidate, LagSearch
from sdr_gsc.phy.estimation import ChannelEstimator
from sdr_gsc.phy.numerology import FFT_SIZES, Numerology
from sdr_gsc.phy.preamble import Preamble
from sdr_gsc.phy.synchronization import Acquisition, Synchronizer
from sdr_gsc.phy.transmitter import Transmitter

GAP = 400


def burst(grid: Numerology, seed: int) -> np.ndarray:
    transmitter = Transmitter(grid, gap_samples=GAP)
    generator = np.random.default_rng(seed)
    symbols = np.exp(2j * np.pi * generator.random(200))
    return transmitter.transmit_symbols(symbols, b"", seed).samples


@functools.lru_cache
def synchronizer(grid: Numerology, max_cfo: float) -> Synchronizer:
    preamble = Preamble(grid)
    return Synchronizer(preamble, ChannelEstimator(preamble), 1e-9, max_cfo)


def acquire(samples: np.ndarray, grid: Numerology, max_cfo: float = 2.5) -> tuple[Acquisition | None, Synchronizer]:
    preamble, sync = Preamble(grid), synchronizer(grid, max_cfo)
    search = LagSearch(samples, preamble)
    found, position = None, 0
    while found is None and (candidate := search.next_candidate(position)) is not None:
        found = sync.acquire(samples, candidate)
        position = candidate.start + 2 * search.stride
    return found, sync


@pytest.mark.parametrize("esn0_db", [10.0, 20.0])
def test_carrier_offset_meets_the_bound(esn0_db: float, impair) -> None:
    generator = np.random.default_rng(11)
    grid = Numerology()
    samples = burst(grid, 1)
    errors = []
    for _ in range(200):
        cfo = generator.uniform(-2.5, 2.5)
        found, _ = acquire(impair(samples, generator, esn0_db=esn0_db, cfo=cfo).capture.samples, grid)
        errors.append(found.cfo - cfo)
    # Morelli and Mengali 1999 for R copies in n samples, in units of (fs/n)².
    snr = 10 ** (esn0_db / 10) * grid.occupied_fraction
    copies, n = 4, 256
    bound = np.sqrt(3 / (2 * np.pi**2 * n * snr * (1 - 1 / copies**2))) * grid.fft_size / n
    # 200 draws scatter by 5 %: three times that above a ratio of one.
    assert np.sqrt(np.mean(np.square(errors))) < 1.15 * bound


@pytest.mark.parametrize("size", FFT_SIZES)
def test_carrier_offset_is_found_over_the_whole_range(size: int, impair) -> None:
    generator = np.random.default_rng(12)
    grid = Numerology.of(size)
    samples = burst(grid, 2)
    for cfo in np.linspace(-2.5, 2.5, 11):
        found, _ = acquire(impair(samples, generator, esn0_db=15, cfo=cfo, numerology=grid).capture.samples, grid)
        assert found is not None
        assert found.cfo == pytest.approx(cfo, abs=0.01)


def test_carrier_offset_beyond_the_range_is_not_mistaken(impair) -> None:
    generator = np.random.default_rng(13)
    grid = Numerology()
    samples = impair(burst(grid, 2), generator, esn0_db=20, cfo=5.2).capture.samples
    narrow, _ = acquire(samples, grid)
    wide, _ = acquire(samples, grid, max_cfo=8)
    assert narrow is None
    assert wide.cfo == pytest.approx(5.2, abs=0.01)


def test_timing_of_a_single_path_is_exact(impair) -> None:
    generator = np.random.default_rng(14)
    grid = Numerology()
    samples = burst(grid, 3)
    expected = GAP + Preamble(grid).prefix_length
    for _ in range(50):
        found, sync = acquire(
            impair(samples, generator, esn0_db=10, cfo=generator.uniform(-2, 2)).capture.samples, grid
        )
        assert found.training_start + sync.slack == expected
        assert abs(found.fractional_delay) < 0.1


def test_first_path_wins_over_a_stronger_later_one(impair) -> None:
    generator = np.random.default_rng(15)
    grid = Numerology()
    taps = np.zeros(9, complex)
    taps[[0, 5, 8]] = 0.5, 1.0j, -0.3
    found, sync = acquire(impair(burst(grid, 3), generator, esn0_db=20, taps=taps).capture.samples, grid)
    assert found.training_start + sync.slack == GAP + Preamble(grid).prefix_length


def test_fading_leaves_timing_within_the_slack(impair, draw_taps) -> None:
    generator = np.random.default_rng(16)
    grid = Numerology()
    samples = burst(grid, 4)
    errors = []
    for _ in range(100):
        found, sync = acquire(
            impair(samples, generator, esn0_db=10, taps=draw_taps(generator), cfo=1.3).capture.samples, grid
        )
        errors.append(found.training_start + sync.slack - GAP - Preamble(grid).prefix_length)
    errors = np.array(errors)
    assert np.all(errors >= -sync.slack)
    # Late means that paths before the window are lost to it; the slack covers that many samples.
    assert np.count_nonzero(errors > sync.slack) <= 1


def test_fractional_delay_is_estimated() -> None:
    grid = Numerology()
    samples = burst(grid, 5)
    shift = 0.3
    spectrum = np.fft.fft(samples) * np.exp(-2j * np.pi * np.fft.fftfreq(samples.size) * shift)
    found, sync = acquire(np.fft.ifft(spectrum).astype(np.complex64), grid)
    place = found.training_start + sync.slack + found.fractional_delay
    assert place == pytest.approx(GAP + Preamble(grid).prefix_length + shift, abs=0.05)


def test_a_preamble_cut_by_the_capture_is_none() -> None:
    grid = Numerology()
    samples = burst(grid, 6)
    preamble = Preamble(grid)
    sync = Synchronizer(preamble, ChannelEstimator(preamble), 1e-9, 2.5)
    start = Candidate(GAP, 0.0, 1.0)
    assert sync.acquire(samples, start) is not None
    assert sync.acquire(samples[: GAP + 250], start) is None
    assert sync.acquire(samples[GAP + 200 :], Candidate(0, 0.0, 1.0)) is None


def test_a_whole_symbol_slip_of_the_coarse_place_is_mended() -> None:
    grid = Numerology()
    samples = burst(grid, 7)
    preamble = Preamble(grid)
    sync = Synchronizer(preamble, ChannelEstimator(preamble), 1e-9, 2.5)
    for slip in (-64, 0, 64):
        found = sync.acquire(samples, Candidate(GAP + slip, 0.0, 1.0))
        assert found.training_start + sync.slack == GAP + preamble.prefix_length
