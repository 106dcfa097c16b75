import zlib

import numpy as np
import pytest
import scipy.fft

from sdr_gsc.errors import SettingsError
from sdr_gsc.phy._sequences import qpsk_points
from sdr_gsc.phy.numerology import FFT_SIZES, Numerology
from sdr_gsc.phy.preamble import Preamble
from sdr_gsc.phy.transmitter import pilot_values


def signs(values: np.ndarray) -> int:
    return zlib.crc32(np.packbits(np.ravel(values) > 0).tobytes())


@pytest.mark.parametrize(
    ("size", "training", "pilots"),
    [
        (64, 3912401171, 706769131),
        (128, 3116744978, 459234744),
        (256, 2125033010, 980310092),
        (512, 1620272378, 4058763937),
        (1024, 876606907, 3881275297),
    ],
)
def test_known_values_never_change(size: int, training: int, pilots: int) -> None:
    """Recordings made today must decode for ever."""
    grid = Numerology.of(size)
    assert signs(Preamble(grid).tones.view(np.float32)) == training
    assert signs(pilot_values(grid, 500)) == pilots


@pytest.mark.parametrize("size", FFT_SIZES)
@pytest.mark.parametrize("repetitions", [3, 4, 6])
def test_copies_stand_behind_a_prefix_of_two(size: int, repetitions: int) -> None:
    preamble = Preamble(Numerology.of(size), repetitions)
    assert preamble.samples.size == preamble.length == 2 * (size // 4) + repetitions * size
    copies = preamble.samples[preamble.prefix_length :].reshape(repetitions, size)
    np.testing.assert_array_equal(copies, np.tile(copies[0], (repetitions, 1)))
    np.testing.assert_array_equal(preamble.samples[: preamble.prefix_length], copies[0][-preamble.prefix_length :])
    spectrum = scipy.fft.fft(copies[0], norm="ortho")
    np.testing.assert_allclose(spectrum[preamble.numerology.active], preamble.tones, atol=1e-5)
    assert np.mean(np.abs(copies[0]) ** 2) == pytest.approx(preamble.numerology.occupied_fraction, rel=1e-5)
    for array in (preamble.samples, preamble.tones):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize("size", FFT_SIZES)
def test_training_symbol_has_low_peaks(size: int) -> None:
    """Lower than any of a thousand other seeds: it is sent at full power however small the back-off."""
    grid = Numerology.of(size)
    between = grid.signed(grid.active) % (4 * size)  # peaks between samples count: converters interpolate
    spectra = np.zeros((1001, 4 * size), np.complex64)
    spectra[0, between] = Preamble(grid).tones
    for seed in range(1000):
        spectra[1 + seed, between] = qpsk_points(seed, grid.active.size)
    peaks = np.abs(scipy.fft.ifft(spectra, axis=1)).max(axis=1)
    assert peaks[0] < peaks[1:].min()


def test_too_few_training_copies_are_refused() -> None:
    with pytest.raises(SettingsError, match="repetitions"):
        Preamble(repetitions=2)
