"""scikit-commpy: sum-product decoding of our code, and soft demapping of QPSK; a few of each, for it is slow."""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.metadata import version

import numpy as np
import scipy.sparse

from .child_main import Work
from .code_words import ITERATIONS, CodeWords

__all__ = ["works"]

_BLOCKS = 4
_POINTS = 2000
_NOISE_VARIANCE = 0.1


def works() -> dict[str, Work]:
    """Decoding and demapping."""
    warnings.simplefilter("ignore")
    package = f"scikit-commpy {version('scikit-commpy')}"
    return {"ldpc": _decoder(package), "demap": _demapper(package)}


def _decoder(package: str) -> Work:
    words = CodeWords.drawn(_BLOCKS, 1)
    # Its reader of code files does not work with NumPy 2.4, so it gets the parity-check matrix itself.
    matrix = scipy.sparse.csc_matrix(words.code.parity_check_matrix(), dtype=np.int8)
    parameters = {"n_vnodes": words.code.n, "n_cnodes": words.code.n - words.code.k, "parity_check_matrix": matrix}
    decode = import_module("commpy.channelcoding.ldpc").ldpc_bp_decode
    llr = words.llr.astype(np.float64).reshape(-1)
    found: list[np.ndarray] = [np.zeros(0)]

    def run() -> None:
        # It clips its input in place. One column for each word.
        found[0] = decode(llr.copy(), parameters, "SPA", ITERATIONS)[0]

    name = f"{package}, ldpc_bp_decode (SPA), the same code"
    return Work(name, run, words.information.size, lambda: words.block_errors(found[0].T))


def _demapper(package: str) -> Work:
    generator = np.random.default_rng(1)
    bits = generator.integers(0, 2, 2 * _POINTS, dtype=np.uint8)
    modem = import_module("commpy.modulation").QAMModem(4)
    noise = generator.standard_normal((2, _POINTS)) * np.sqrt(_NOISE_VARIANCE / 2)
    # Its points have two units of power.
    points = modem.modulate(bits) / np.sqrt(modem.Es) + noise[0] + 1j * noise[1]
    scaled = points * np.sqrt(modem.Es)
    found: list[np.ndarray] = [np.zeros(0)]

    def run() -> None:
        found[0] = modem.demodulate(scaled, "soft", _NOISE_VARIANCE * modem.Es)

    return Work(
        f"{package}, QAMModem.demodulate(soft)", run, _POINTS, lambda: float(((found[0] > 0) != (bits > 0)).mean())
    )
