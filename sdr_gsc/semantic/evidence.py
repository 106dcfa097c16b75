"""Received symbols in the codec's own units: what every decoder starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..errors import DescriptorError, SettingsError
from .decoder import grid_of
from .descriptor import Descriptor
from .objective import NO_PICTURE
from .quantizer import Quantizer
from .rate import RATES, Rate, symbols_per_picture
from .task_evidence import TaskEvidence, task_evidence_of
from .values import Reception

__all__ = ["WEIGHTINGS", "Evidence", "check_weighting", "evidence_of"]

#: How symbols are weighted against each other; all but the first throw knowledge away, for ablations.
WEIGHTINGS = ("measured", "global", "none")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Latents as received.

    Attributes:
        latents: float32 [1, h·w, c], scale undone; 0 where erased.
        variance: float32 [1, h·w, c] per real latent, noise and quantization; inf where erased.
        rate: the rate in use.
        height: picture height in pixels.
        width: picture width in pixels.
        power: mean square of a sent latent: half of the mean symbol power 1, in the encoder's units.
        task: what arrived of the task vector; None where none was sent.
    """

    latents: Tensor
    variance: Tensor
    rate: Rate
    height: int
    width: int
    power: float = 1.0
    task: TaskEvidence | None = None

    @property
    def grid(self) -> tuple[int, int]:
        """Blocks down and across."""
        return grid_of(self.height, self.width)

    def to(self, device: torch.device) -> Evidence:
        """The same on another device."""
        return replace(self, latents=self.latents.to(device), variance=self.variance.to(device))

    def weighted(self, weighting: str) -> Evidence:
        """The same as a receiver that measures less would have it.

        Args:
            weighting: ``measured``: as it is. ``global``: one variance for all latents, the mean of those heard;
                erased ones become received zeros of that variance (all stay erased where nothing was heard). ``none``:
                every symbol counts as if its noise had the mean symbol power, w = 1; erased ones are received zeros.

        Raises:
            SettingsError: no such weighting.
        """
        check_weighting(weighting)
        heard = torch.isfinite(self.variance)
        if weighting == "measured" or (weighting == "global" and not bool(heard.any())):
            return self
        level = float(self.variance[heard].mean()) if weighting == "global" else self.power
        return replace(self, variance=torch.full_like(self.variance, level))


def check_weighting(weighting: str) -> None:
    """Refuse a weighting that does not exist.

    Raises:
        SettingsError: not one of WEIGHTINGS.
    """
    if weighting not in WEIGHTINGS:
        raise SettingsError(f"weighting is {weighting!r}; needed one of {', '.join(WEIGHTINGS)}")


def evidence_of(reception: Reception, whole: Rate | None = None) -> Evidence:
    """Undo gain and scale of a reception's symbols, and add the quantizer's distortion to their variance.

    A symbol is y = g·level + n with g the descriptor's gain; the latent is level·scale. Hence latent ≈ y·scale/g with
    variance (σ²/2)·(scale/g)² + D·scale² per real dimension. Symbols behind those of the picture belong to a task
    vector and are left out.

    Args:
        reception: what the receiver knows.
        whole: for a codec that has no table of rates, all its latents as the channels of one block.

    Raises:
        DescriptorError: nothing was received, the descriptor contradicts itself or does not belong to the symbols, or
            symbols or variances are no such values.
    """
    descriptor = reception.descriptor
    if descriptor is None:
        raise DescriptorError("no good header was received, so there is nothing to decode; see the frame reports")
    if whole is None and descriptor.rate_index >= len(RATES):
        hint = ": a task vector came without a picture" if descriptor.rate_index == NO_PICTURE else ""
        raise DescriptorError(f"rate index is {descriptor.rate_index}; this codec has {len(RATES)} rates{hint}")
    rate = whole or RATES[descriptor.rate_index]
    needed = rate.channels // 2 if whole else symbols_per_picture(descriptor.height, descriptor.width, rate)
    if descriptor.n_symbols < needed or reception.symbols.size != descriptor.n_symbols:
        raise DescriptorError(
            f"{descriptor.width}x{descriptor.height} pixels at this rate need {needed} symbols; "
            f"the descriptor says {descriptor.n_symbols} and {reception.symbols.size} came"
        )
    _check_values(reception, descriptor)
    scale, unit = descriptor.scale, descriptor.scale / descriptor.gain
    heard = np.isfinite(reception.noise_variance[:needed])
    symbols = np.where(heard, reception.symbols[:needed], 0)
    pairs = np.stack([symbols.real, symbols.imag], -1).astype(np.float32)
    variance = reception.noise_variance[:needed].astype(np.float32) / 2 * unit**2
    variance = variance + Quantizer.of(descriptor.levels).distortion * scale**2
    shape = (1, needed * 2 // rate.channels, rate.channels)
    return Evidence(
        latents=torch.from_numpy((pairs * unit).astype(np.float32).reshape(shape)),
        variance=torch.from_numpy(np.repeat(variance, 2).astype(np.float32).reshape(shape)),
        rate=rate,
        height=descriptor.height,
        width=descriptor.width,
        power=unit**2 / 2,
        task=task_evidence_of(reception),
    )


#: Beyond these a received value is no measurement, and its square no float32.
_LARGEST_SYMBOL = 1e9
_LARGEST_VARIANCE = 1e18


def _check_values(reception: Reception, descriptor: Descriptor) -> None:
    """Refuse symbols and variances that no receiver measures; inf is the variance of an erased symbol."""
    symbols, variance = reception.symbols, reception.noise_variance
    if symbols.ndim != 1 or variance.shape != symbols.shape:
        raise DescriptorError(
            f"symbols have shape {list(symbols.shape)} and variances {list(variance.shape)}; "
            f"needed [{descriptor.n_symbols}] each"
        )
    wrong = np.isnan(variance) | (variance < 0) | (np.isfinite(variance) & (variance > _LARGEST_VARIANCE))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise DescriptorError(
            f"{int(wrong.sum())} noise variances are no variances (symbol {first} has {variance[first]}); "
            f"needed 0…{_LARGEST_VARIANCE:g}, or inf where the symbol was lost"
        )
    # Compared this way round NaN is wrong too.
    wrong = ~(np.maximum(np.abs(symbols.real), np.abs(symbols.imag)) <= _LARGEST_SYMBOL)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise DescriptorError(
            f"{int(wrong.sum())} symbols are no numbers in range (symbol {first} is {symbols[first]}); "
            f"needed finite values up to {_LARGEST_SYMBOL:g}, 0 where the symbol was lost"
        )
    # Levels lie between half a step and the outermost one, so a gain to unit power cannot lie anywhere.
    step = Quantizer.of(descriptor.levels).step
    least, most = (2**-0.5 / (step * factor) for factor in ((descriptor.levels - 1) / 2, 0.5))
    if not 0.99 * least <= descriptor.gain <= 1.01 * most:
        raise DescriptorError(
            f"gain is {descriptor.gain}; {descriptor.levels} levels of unit variance need {least:.3g}…{most:.3g}"
        )
