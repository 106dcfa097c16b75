"""Sionna: its decoder on our code, and its OFDM receiver, which knows where a frame begins."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version

import numpy as np
import scipy.sparse
import torch

from .child_main import Work
from .code_words import ITERATIONS, CodeWords

__all__ = ["works"]

_BLOCKS = 64
_SLOTS = 64
_NOISE_VARIANCE = 1e-2


def works() -> dict[str, Work]:
    """Decoding and receiving, on one thread, without gradients."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    torch.set_grad_enabled(False)
    package = f"Sionna {version('sionna-no-rt')}"
    return {"ldpc": _decoder(package), "receive": _receiver(package)}


def _decoder(package: str) -> Work:
    words = CodeWords.drawn(_BLOCKS, 1)
    matrix = scipy.sparse.csr_matrix(words.code.parity_check_matrix())
    ldpc = import_module("sionna.phy.fec.ldpc")
    decoder = ldpc.LDPCBPDecoder(matrix, cn_update="boxplus-phi", num_iter=ITERATIONS, hard_out=True)
    llr = torch.from_numpy(-words.llr)  # log P(1)/P(0)
    found: list[np.ndarray] = [np.zeros(0)]

    def run() -> None:
        found[0] = decoder(llr).numpy()

    name = f"{package}, LDPCBPDecoder (boxplus-phi, flooding), the same code"
    return Work(name, run, words.information.size, lambda: words.block_errors(found[0]))


def _receiver(package: str) -> Work:
    ofdm, mapping = import_module("sionna.phy.ofdm"), import_module("sionna.phy.mapping")
    grid = ofdm.ResourceGrid(
        num_ofdm_symbols=14, fft_size=64, subcarrier_spacing=15625.0, num_tx=1, num_streams_per_tx=1,
        cyclic_prefix_length=16, num_guard_carriers=(6, 5), dc_null=True, pilot_pattern="kronecker",
        pilot_ofdm_symbol_indices=[2, 11],
    )  # fmt: skip
    bits = mapping.BinarySource()([_SLOTS, 1, 1, int(grid.num_data_symbols) * 2])
    sent = ofdm.OFDMModulator(16)(ofdm.ResourceGridMapper(grid)(mapping.Mapper("qam", 2)(bits)))
    variance = torch.tensor(_NOISE_VARIANCE)
    received = sent + torch.sqrt(variance) * torch.randn(sent.shape, dtype=sent.dtype)
    demodulate = ofdm.OFDMDemodulator(64, 0, 16)
    estimate = ofdm.LSChannelEstimator(grid, interpolation_type="lin")
    streams = import_module("sionna.phy.mimo").StreamManagement(np.array([[1]]), 1)
    equalize = ofdm.LMMSEEqualizer(grid, streams)
    demap = mapping.Demapper("app", "qam", 2)
    found: list[torch.Tensor] = [torch.zeros(0)]

    def run() -> None:
        symbols = demodulate(received)
        response, uncertainty = estimate(symbols, variance)
        points, noise = equalize(symbols, response, uncertainty, variance)
        found[0] = demap(points, noise)

    name = f"{package}, OFDM demodulation to soft bits; no search, no carrier offset, no header, no CRC"
    return Work(name, run, received.numel(), lambda: float(((found[0] > 0) != (bits > 0.5)).float().mean()))
