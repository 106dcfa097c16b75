"""The transmitter's burst against Sionna's OFDM: the same grid, scale and prefix, and the payload in its cells."""

import numpy as np
import pytest
import scipy.fft

from sdr_gsc.phy.constellation import Qam
from sdr_gsc.phy.framing import FrameLayout, deinterleave
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.preamble import Preamble
from sdr_gsc.phy.transmitter import Transmitter

SEED = 7


@pytest.mark.parametrize("fft_size", [64, 256])
def test_sionna_reads_the_burst_and_would_have_made_it(sionna, fft_size):
    import torch
    from sionna.phy.ofdm import OFDMDemodulator, OFDMModulator

    grid = Numerology.of(fft_size)
    symbols = Qam(4).modulate(np.random.default_rng(fft_size).integers(0, 2, 4000, dtype=np.uint8))
    burst = Transmitter(numerology=grid, gap_samples=0).transmit_symbols(symbols, b"grid", SEED)
    assert burst.n_frames == 1
    assert burst.clipped == 0
    samples = burst.samples[Preamble(grid).length :]
    demodulator = OFDMDemodulator(fft_size=fft_size, l_min=0, cyclic_prefix_length=grid.cp_length)
    cells = demodulator(torch.from_numpy(samples.copy())[None])[0].numpy()
    again = OFDMModulator(grid.cp_length)(torch.from_numpy(cells)[None])[0].numpy()
    np.testing.assert_allclose(again, samples, atol=1e-6)

    bins = scipy.fft.ifftshift(cells, axes=1)  # Sionna's grid begins with the lowest frequency
    amplitude = np.sqrt(10**-1.2 / grid.occupied_fraction)
    unused = np.setdiff1d(np.arange(fft_size), grid.active)
    assert np.abs(bins[:, unused]).max() < 1e-5 * amplitude
    np.testing.assert_allclose(np.abs(bins[:, grid.active]), amplitude, rtol=1e-4)
    # The header comes first; the payload follows, with a training symbol after every group.
    rows = bins[-FrameLayout.of(symbols.size, grid).length :][~FrameLayout.of(symbols.size, grid).is_training]
    np.testing.assert_allclose(rows[:, grid.pilots].imag, 0, atol=1e-5 * amplitude)
    payload = np.ascontiguousarray(rows[:, grid.data].reshape(-1)[: symbols.size] / amplitude, np.complex64)
    found, _ = deinterleave({0: (payload, np.ones(symbols.size, np.float32))}, symbols.size, 1, SEED)
    np.testing.assert_allclose(found, symbols, atol=1e-4)
