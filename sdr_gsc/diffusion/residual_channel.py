"""What the receiver's equalizer left of the channel: few taps per frame that turn every symbol of it.

A received symbol is y_k = g_k s_k + n_k with g_k = Σ_l h_{f,l} exp(-2πj b l/N), where f is the frame that carried
symbol k, b the subcarrier, and N the FFT size; g = 1 where equalization was perfect. The turns that the interleaver
gives to symbols are undone before and commute with g. A reception does not hold raw resource elements, so a channel
that changes inside a frame, or interference between carriers, is beyond this model and stays noise.

Which subcarrier carried a symbol follows from the descriptor (number of frames, seed) and from the grid; of the grid
the reports tell the number of carriers, which is enough where it has the usual proportions. Elsewhere one complex gain
per frame is all that can be said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import DescriptorError
from ..phy.framing import deinterleave
from ..phy.numerology import FFT_SIZES, Numerology
from ..semantic.descriptor import Descriptor, Mapping
from ..semantic.values import Reception

__all__ = ["Carriers", "TapPrior", "grid_of_reports", "tweedie_of_taps"]


@dataclass(frozen=True, slots=True)
class TapPrior:
    """Taps of the residual channel before anything is known: independent complex Gaussians around a perfect equalizer.

    Attributes:
        lags: delays in samples; negative ones come before the equalizer's idea of the first path.
        deviation: standard deviation of the tap at lag 0, whose mean is 1; the others have mean 0.
        decay: lags over which the power falls by e.
    """

    lags: tuple[int, ...] = (-2, -1, 0, 1, 2)
    deviation: float = 0.3
    decay: float = 1.0

    def mean(self) -> Tensor:
        """Complex64 [L]."""
        return torch.tensor([1.0 if lag == 0 else 0.0 for lag in self.lags], dtype=torch.complex64)

    def spread(self) -> Tensor:
        """Standard deviation E[|h - mean|²]^(1/2), float32 [L]."""
        return torch.tensor([self.deviation * np.exp(-abs(lag) / (2 * self.decay)) for lag in self.lags]).float()


@dataclass(frozen=True, slots=True)
class Carriers:
    """Where on the air each symbol of a picture stood.

    Attributes:
        frame: int64 [n], of each symbol.
        steering: complex64 [n, L]: exp(-2πj b l/N) for its subcarrier and each lag.
        frames: frames in all.
    """

    frame: Tensor
    steering: Tensor
    frames: int

    @classmethod
    def of(cls, reception: Reception, lags: tuple[int, ...], count: int) -> Carriers:
        """Places of the first `count` symbols of a reception.

        Raises:
            DescriptorError: without descriptor, or symbols that did not cross the air themselves (`coded`).
        """
        descriptor = reception.descriptor
        if descriptor is None or descriptor.mapping is not Mapping.DIRECT:
            raise DescriptorError(
                "only symbols of the direct mapping stood on the air themselves; decode others with posterior"
            )
        frame, place = _places(descriptor)
        grid = grid_of_reports(reception)
        steering = np.ones((count, len(lags)), np.complex64)
        if grid is not None:
            bins = grid.signed(grid.data)[place[:count] % grid.data.size]
            steering = np.exp(-2j * np.pi * bins[:, None] * np.array(lags) / grid.fft_size).astype(np.complex64)
        elif len(lags) > 1:
            # All subcarriers alike: only the tap at lag 0 has a say.
            steering[:, [lag != 0 for lag in lags]] = 0
        return cls(torch.from_numpy(frame[:count]), torch.from_numpy(steering), descriptor.n_frames)

    def to(self, device: torch.device) -> Carriers:
        """The same on another device."""
        return Carriers(self.frame.to(device), self.steering.to(device), self.frames)

    def gains(self, taps: Tensor) -> Tensor:
        """Gains of all symbols, complex64 [B, n], for taps complex64 [B, F, L]."""
        return (taps[:, self.frame] * self.steering).sum(-1)


def _places(descriptor: Descriptor) -> tuple[np.ndarray, np.ndarray]:
    """Frame of each symbol, and its place in that frame, both int64 [n_symbols].

    Frames that carry their own numbers, de-interleaved: turns leave a magnitude alone, and variances are only moved.
    """
    per_frame = -(-descriptor.n_symbols // descriptor.n_frames)
    places = np.arange(per_frame, dtype=np.float32)
    numbered = {frame: (np.full(per_frame, frame, np.complex64), places) for frame in range(descriptor.n_frames)}
    frames, places = deinterleave(numbered, descriptor.n_symbols, descriptor.n_frames, descriptor.interleaver_seed)
    return np.rint(np.abs(frames)).astype(np.int64), np.rint(places).astype(np.int64)


def grid_of_reports(reception: Reception) -> Numerology | None:
    """The grid of usual proportions that has as many carriers as the reports say; None if there is no such grid."""
    for report in reception.reports:
        if report.header_ok:
            for size in FFT_SIZES:
                grid = Numerology.of(size)
                if grid.active.size == report.channel.size:
                    return grid
    return None


def tweedie_of_taps(noisy: Tensor, keep: float, score: Tensor) -> Tensor:
    """E[h0 | h_t] = (h_t + (1 - ā)·score)/√ā for h_t = √ā h0 + √(1-ā) n with complex n, E|n|² = 1.

    The score is that of complex Gaussians, ∇_{h*} log p = -(h - mean)/variance. (The released code of Blind-DiffCom
    has (h_t + √(1-ā)·score)/ā.)

    Args:
        noisy: h_t, complex.
        keep: ā, in 0…1, not 0.
        score: at h_t.
    """
    return (noisy + (1 - keep) * score) / keep**0.5
