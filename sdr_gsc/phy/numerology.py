"""The OFDM grid: FFT size, cyclic prefix, and which subcarriers carry what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import SettingsError

__all__ = ["FFT_SIZES", "Numerology"]

FFT_SIZES = (64, 128, 256, 512, 1024)
_HALF_BAND = 26  # of 64: subcarriers -26…-1 and 1…26, the guard proportion of IEEE 802.11 clause 17
_FIRST_PILOT = 7
_LAST_PILOT_FROM_EDGE = 5


class Numerology:
    """OFDM grid, immutable.

    Subcarriers are FFT bins 0…N-1: bin b stands for frequency b·fs/N up to N/2 and (b-N)·fs/N above. All index arrays
    are int64, in FFT order (ascending bins: positive frequencies first), and read-only. Bin 0 (DC) is never used.

    >>> grid = Numerology()
    >>> grid.symbol_length, grid.active.size, grid.data.size
    (80, 52, 48)
    >>> Numerology.of(256).data.size
    192

    Attributes:
        fft_size: N, samples of the useful part of a symbol.
        cp_length: samples of the cyclic prefix, 1…N/2.
        active: occupied bins [Na].
        pilots: bins with known symbols [Np], a subset of `active`.
        data: bins with payload [Na - Np].
    """

    __slots__ = ("active", "cp_length", "data", "fft_size", "pilots")

    fft_size: int
    cp_length: int
    active: np.ndarray
    pilots: np.ndarray
    data: np.ndarray

    def __init__(
        self,
        fft_size: int = 64,
        cp_length: int | None = None,
        active: Sequence[int] | np.ndarray | None = None,
        pilots: Sequence[int] | np.ndarray | None = None,
    ) -> None:
        """Build a grid; what is left out keeps the proportions of the 64-point grid.

        Args:
            fft_size: one of FFT_SIZES.
            cp_length: samples; N/4 by default.
            active: occupied subcarriers, signed (-N/2…N/2-1) or as bins; ±1…±26·N/64 by default.
            pilots: pilot subcarriers, signed or as bins; 4·N/64 of them by default, ±7 and ±21 for N = 64.

        Raises:
            SettingsError: sizes out of range, DC occupied, duplicates, or pilots outside the occupied band.
        """
        if fft_size not in FFT_SIZES:
            raise SettingsError(f"fft_size is {fft_size}; it must be one of {FFT_SIZES}")
        cp = fft_size // 4 if cp_length is None else cp_length
        if not 1 <= cp <= fft_size // 2:
            raise SettingsError(f"cp_length is {cp} samples; it must lie in 1…{fft_size // 2} (half of fft_size)")
        scale = fft_size // 64
        half = _HALF_BAND * scale
        if active is None:
            active = np.concatenate([np.arange(-half, 0), np.arange(1, half + 1)])
        if pilots is None:
            right = np.rint(np.linspace(_FIRST_PILOT, half - _LAST_PILOT_FROM_EDGE, 2 * scale)).astype(np.int64)
            pilots = np.concatenate([-right, right])
        bins = _bins(active, fft_size, "active")
        pilot_bins = _bins(pilots, fft_size, "pilots")
        if 0 in bins:
            raise SettingsError("active contains subcarrier 0 (DC), which must stay empty; leave it out")
        if pilot_bins.size < 2 or not np.isin(pilot_bins, bins).all():
            raise SettingsError(
                f"pilots are bins {pilot_bins.tolist()}; at least two are needed, all of them among the active ones"
            )
        data = np.setdiff1d(bins, pilot_bins)
        if data.size == 0:
            raise SettingsError("every active subcarrier is a pilot; leave at least one for data")
        for array in (bins, pilot_bins, data):
            array.setflags(write=False)
        set_field = object.__setattr__
        set_field(self, "fft_size", int(fft_size))
        set_field(self, "cp_length", int(cp))
        set_field(self, "active", bins)
        set_field(self, "pilots", pilot_bins)
        set_field(self, "data", data)

    @classmethod
    def of(cls, fft_size: int) -> Numerology:
        """The grid of `fft_size` points with the proportions of the 64-point one."""
        return cls(fft_size)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: a grid is a value."""
        raise AttributeError(f"Numerology is immutable: build a new one instead of setting {name}")

    def __reduce__(self) -> tuple[type[Numerology], tuple[int, int, np.ndarray, np.ndarray]]:
        """Pickle through the constructor."""
        return (Numerology, (self.fft_size, self.cp_length, self.active, self.pilots))

    def __eq__(self, other: object) -> bool:
        """Equal when every subcarrier has the same role."""
        if not isinstance(other, Numerology):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        """Hash of the same fields."""
        return hash(self._key())

    def __repr__(self) -> str:
        """Sizes only."""
        return (
            f"Numerology(fft_size={self.fft_size}, cp_length={self.cp_length}, "
            f"active={self.active.size}, pilots={self.pilots.size})"
        )

    def _key(self) -> tuple[int, int, bytes, bytes]:
        return (self.fft_size, self.cp_length, self.active.tobytes(), self.pilots.tobytes())

    @property
    def symbol_length(self) -> int:
        """Samples of one OFDM symbol with its prefix."""
        return self.fft_size + self.cp_length

    @property
    def occupied_fraction(self) -> float:
        """Active subcarriers over FFT size: Es/N0 = sample SNR / occupied_fraction."""
        return self.active.size / self.fft_size

    def signed(self, bins: np.ndarray) -> np.ndarray:
        """Signed subcarrier index (-N/2…N/2-1) of each bin, int64."""
        return np.where(bins < self.fft_size // 2, bins, bins - self.fft_size)

    def positions(self, bins: np.ndarray) -> np.ndarray:
        """Where each of `bins` stands in `active`, int64."""
        return np.searchsorted(self.active, bins)


def _bins(subcarriers: Sequence[int] | np.ndarray, fft_size: int, name: str) -> np.ndarray:
    indices = np.asarray(subcarriers, np.int64)
    if indices.ndim != 1 or indices.size == 0 or indices.min() < -(fft_size // 2) or indices.max() >= fft_size:
        raise SettingsError(f"{name} must be a non-empty list of subcarriers in {-(fft_size // 2)}…{fft_size - 1}")
    bins = np.unique(indices % fft_size)
    if bins.size != indices.size:
        raise SettingsError(f"{name} names a subcarrier twice; each may occur once")
    return bins
