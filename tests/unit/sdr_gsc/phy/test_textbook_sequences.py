import numpy as np
import pytest
import scipy.fft

from sdr_gsc.errors import SettingsError
from sdr_gsc.phy.sequences import root_raised_cosine, zadoff_chu


@pytest.mark.parametrize(
    ("root", "length"), [(1, 1), (1, 2), (5, 12), (7, 64), (25, 139), (129, 839), (3, 65536), (-4, 63)]
)
def test_zadoff_chu_is_flat_and_uncorrelated(root: int, length: int) -> None:
    sequence = zadoff_chu(root, length)
    assert (sequence.dtype, sequence.shape) == (np.complex64, (length,))
    np.testing.assert_allclose(np.abs(sequence), 1, atol=1e-6)
    spectrum = scipy.fft.fft(sequence.astype(np.complex128))
    correlation = scipy.fft.ifft(np.abs(spectrum) ** 2) / length
    np.testing.assert_allclose(correlation, np.r_[1, np.zeros(length - 1)], atol=1e-6)
    # A flat periodic spectrum says the same.
    np.testing.assert_allclose(np.abs(spectrum), np.sqrt(length), rtol=1e-4)


def test_zadoff_chu_follows_the_standard() -> None:
    m = np.arange(139)
    np.testing.assert_allclose(zadoff_chu(22, 139), np.exp(-1j * np.pi * 22 * m * (m + 1) / 139), atol=1e-6)
    np.testing.assert_allclose(zadoff_chu(3, 64), np.exp(-3j * np.pi * np.arange(64) ** 2 / 64), atol=1e-6)


def test_two_roots_of_a_prime_length_correlate_evenly() -> None:
    spectra = [scipy.fft.fft(zadoff_chu(root, 139).astype(np.complex128)) for root in (25, 34)]
    across = np.abs(scipy.fft.ifft(spectra[0] * spectra[1].conj()))
    np.testing.assert_allclose(across, np.sqrt(139), rtol=1e-5)


@pytest.mark.parametrize(("root", "length"), [(0, 7), (3, 12), (2, 64), (139, 139), (1, 0), (1, -3)])
def test_sequences_that_would_not_be_flat_are_refused(root: int, length: int) -> None:
    with pytest.raises(SettingsError, match="common factor"):
        zadoff_chu(root, length)


@pytest.mark.parametrize("roll_off", [0.0, 0.1, 0.22, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("rate", [2, 3, 4, 8])
def test_pulse_and_its_match_meet_nyquist(roll_off: float, rate: int) -> None:
    span = 400
    pulse = root_raised_cosine(span * rate + 1, roll_off, rate)
    assert np.sum(pulse**2) == pytest.approx(1)
    np.testing.assert_array_equal(pulse, pulse[::-1])
    assert np.argmax(pulse) == span * rate // 2
    at_symbols = np.convolve(pulse, pulse)[span * rate :: rate]
    assert at_symbols[0] == pytest.approx(1)
    # Cutting off the tails leaves something: 1/t without roll-off, less the smoother the band edge.
    assert np.abs(at_symbols[1 : span // 4]).max() < (1e-3 if roll_off == 0 else 1e-6)


@pytest.mark.parametrize(("roll_off", "rate"), [(0.25, 4), (0.5, 8)])
def test_spectrum_of_the_pulse_is_a_root_raised_cosine(roll_off: float, rate: int) -> None:
    pulse = root_raised_cosine(600 * rate + 1, roll_off, rate)
    power = np.abs(scipy.fft.rfft(pulse, 1 << 15)) ** 2 / rate
    cycles = scipy.fft.rfftfreq(1 << 15) * rate  # of the symbol rate
    edge = np.clip((cycles - (1 - roll_off) / 2) / roll_off, 0, 1)
    np.testing.assert_allclose(power, 0.5 * (1 + np.cos(np.pi * edge)), atol=2e-3)


def test_even_pulses_are_symmetric_too() -> None:
    pulse = root_raised_cosine(64, 0.3, 4)
    np.testing.assert_allclose(pulse, pulse[::-1], atol=1e-15)


@pytest.mark.parametrize("arguments", [(0, 0.2, 4), (9, -0.1, 4), (9, 1.1, 4), (9, 0.2, 0)])
def test_impossible_pulses_are_refused(arguments: tuple) -> None:
    with pytest.raises(SettingsError, match="needed"):
        root_raised_cosine(*arguments)
