"""The same work done by other people's programs, where these are installed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import scipy.sparse

from sdr_gsc.phy.coding.ldpc import LdpcCode

__all__ = ["Anchor", "commpy_ldpc", "commpy_qpsk"]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A reference implementation at work.

    Attributes:
        name: package, version, and what is called.
        work: does it once.
        amount: symbols or bits per call.
    """

    name: str
    work: Callable[[], object]
    amount: int


def _commpy() -> str | None:
    try:
        return f"scikit-commpy {version('scikit-commpy')}"
    except PackageNotFoundError:
        return None


def commpy_qpsk(points: np.ndarray) -> Anchor | None:
    """Soft demapping of QPSK by scikit-commpy, on fewer points because it is slow."""
    package = _commpy()
    if package is None:
        return None
    with warnings.catch_warnings():
        # It is written in a Python that newer compilers of regular expressions complain about.
        warnings.simplefilter("ignore")
        from commpy.modulation import QAMModem
    few = points[:2000].astype(np.complex128)
    modem = QAMModem(4)
    return Anchor(f"{package}, QAMModem.demodulate(soft)", lambda: modem.demodulate(few, "soft", 0.1), few.size)


def commpy_ldpc(code: LdpcCode, llr: np.ndarray, iterations: int) -> Anchor | None:
    """Sum-product decoding of the same code words by scikit-commpy, a few of them because it is slow.

    Its reader of code files does not work with NumPy 2.4, so it gets the parity-check matrix itself.
    """
    package = _commpy()
    if package is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from commpy.channelcoding.ldpc import ldpc_bp_decode
    matrix = scipy.sparse.csc_matrix(code.parity_check_matrix(), dtype=np.int8)
    parameters = {"n_vnodes": code.n, "n_cnodes": code.n - code.k, "parity_check_matrix": matrix}
    few = llr[:4].astype(np.float64).reshape(-1)

    def decode() -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ldpc_bp_decode(few.copy(), parameters, "SPA", iterations)

    return Anchor(f"{package}, ldpc_bp_decode(SPA), same code", decode, 4 * code.k)
