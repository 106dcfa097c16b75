"""Mixers, pulses, sequences, and the bounds of the benchmarks against the `sdr` package."""

import numpy as np
import pytest

from experiments.benchmarks.accuracy.bounds import known_waveform_deviation, timing_deviation
from experiments.benchmarks.accuracy.coding_bounds import capacity_and_dispersion
from sdr_gsc.channel.awgn import complex_noise
from sdr_gsc.channel.impairments import iq_imbalance
from sdr_gsc.phy.sequences import root_raised_cosine, zadoff_chu


@pytest.mark.parametrize(("gain_db", "phase_deg"), [(0.0, 0.0), (0.1, 0.5), (-1.0, 5.0), (3.0, -20.0)])
def test_iq_imbalance(sdr, gain_db, phase_deg):
    x = complex_noise(1000, 1.0, np.random.default_rng(1))
    # Theirs shares the error between both rails and calls a stronger I positive; ours leaves I alone.
    theirs = sdr.iq_imbalance(x.astype(complex), -gain_db, phase_deg)
    on_i = 10 ** (-gain_db / 40) * np.exp(-0.5j * np.deg2rad(phase_deg))
    np.testing.assert_allclose(iq_imbalance(x, gain_db, phase_deg), theirs / on_i, atol=1e-6)


@pytest.mark.parametrize("roll_off", [0.2, 0.5, 0.9])
def test_root_raised_cosine(sdr, roll_off):
    np.testing.assert_allclose(
        root_raised_cosine(8 * 6 + 1, roll_off, 6), sdr.root_raised_cosine(roll_off, 8, 6), atol=1e-9
    )


@pytest.mark.parametrize(("root", "length"), [(1, 3), (25, 139), (129, 839)])
def test_zadoff_chu(sdr, root, length):
    np.testing.assert_allclose(zadoff_chu(root, length), sdr.zadoff_chu_sequence(length, root), atol=1e-6)


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 30.0])
@pytest.mark.parametrize("n", [128, 5000])
def test_bounds_of_frequency_and_delay(sdr, snr_db, n):
    snr = 10 ** (snr_db / 10)
    # In samples and cycles per sample: n samples last n, and the noise fills a band of 1. Theirs integrates over
    # continuous time, which differs by the 1 in n^2 - 1.
    assert known_waveform_deviation(n, snr) == pytest.approx(float(sdr.foa_crlb(snr_db, n, 1.0)), rel=1 / n**2)
    theirs = float(sdr.toa_crlb(snr_db, n, 52 / 64, noise_bandwidth=1.0))
    assert timing_deviation(n, 52 / 64, snr) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("ebn0_db", [-4.0, 0.0, 4.0, 8.0])
def test_capacity_of_the_binary_channel(sdr, ebn0_db):
    esn0 = 10 ** (ebn0_db / 10)
    capacity, _ = capacity_and_dispersion(esn0)
    assert capacity == pytest.approx(float(sdr.biawgn_capacity(10 * np.log10(2 * esn0))), abs=1e-5)
