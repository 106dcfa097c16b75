import numpy as np
import pytest

from sdr_gsc.errors import SettingsError
from sdr_gsc.phy._sequences import qpsk_points
from sdr_gsc.phy.numerology import FFT_SIZES, Numerology
from sdr_gsc.phy.preamble import Preamble
from sdr_gsc.phy.transmitter import Transmitter


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


def test_same_seed_same_samples_other_seed_other_samples() -> None:
    symbols = qpsk_points(1, 500)
    first, second, third = (Transmitter().transmit_symbols(symbols, b"", seed).samples for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert np.count_nonzero(first != third) > 800  # the payload's 11 OFDM symbols of 80 samples


@pytest.mark.parametrize("scheme", range(11))
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
    "settings", [{"frame_symbols": 0}, {"frame_symbols": 40000}, {"backoff_db": -1}, {"gap_samples": -1}]
)
def test_impossible_settings_are_refused(settings: dict) -> None:
    with pytest.raises(SettingsError, match=next(iter(settings))):
        Transmitter(**settings)


def test_a_frame_too_short_for_a_block_is_refused() -> None:
    with pytest.raises(SettingsError, match="raise frame_symbols"):
        Transmitter(frame_symbols=900).transmit_bytes(b"x", 0, b"", 1)


def test_too_few_training_copies_are_refused() -> None:
    with pytest.raises(SettingsError, match="repetitions"):
        Preamble(repetitions=2)


def test_an_even_picture_is_no_impulse() -> None:
    """Equal symbols on all subcarriers would add up to a peak far above full scale."""
    even = np.full(8192, (1 + 1j) * np.sqrt(0.5), np.complex64)
    transmission = Transmitter().transmit_symbols(even, b"", seed=4)
    assert transmission.papr_db < 13
    assert transmission.clipped <= 2
