"""The task vector's part of a reception, in the units of the vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DescriptorError
from .descriptor import Descriptor, Mapping
from .objective import NO_PICTURE
from .quantizer import Quantizer
from .rate import RATES, symbols_per_picture
from .values import Reception

__all__ = ["TaskEvidence", "task_evidence_of", "task_symbols_of"]


@dataclass(frozen=True, slots=True, eq=False)
class TaskEvidence:
    """What arrived of a task vector.

    Attributes:
        values: float32 [n], received values in units of the vector; 0 where lost.
        variance: float32 [n], noise variance per value, without the quantizer's; inf where lost.
        distortion: the quantizer's mean squared error per value.
        identity: of the model that made the vector.
    """

    values: np.ndarray
    variance: np.ndarray
    distortion: float
    identity: bytes

    @property
    def heard(self) -> bool:
        """Whether anything arrived."""
        return bool(np.isfinite(self.variance).any())


def task_symbols_of(descriptor: Descriptor) -> int:
    """Symbols behind the picture's; 0 where there is no task vector, which a sender of one never leaves unnamed.

    Raises:
        DescriptorError: a rate that this codec does not have, or fewer symbols than the picture needs.
    """
    if descriptor.mapping is not Mapping.DIRECT or descriptor.n_bytes == 0:
        return 0
    if descriptor.rate_index == NO_PICTURE:
        return descriptor.n_symbols
    if descriptor.rate_index >= len(RATES):
        raise DescriptorError(f"rate index is {descriptor.rate_index}; this codec has {len(RATES)} rates")
    needed = symbols_per_picture(descriptor.height, descriptor.width, RATES[descriptor.rate_index])
    if descriptor.n_symbols < needed:
        raise DescriptorError(
            f"{descriptor.width}x{descriptor.height} pixels at this rate need {needed} symbols; the descriptor says "
            f"{descriptor.n_symbols}"
        )
    return descriptor.n_symbols - needed


def task_evidence_of(reception: Reception) -> TaskEvidence | None:
    """The task vector's part of a reception; None where none was sent.

    A symbol is y = g·level + n with g the descriptor's gain: the value is y/g with variance (σ²/2)/g² per real value.

    Raises:
        DescriptorError: nothing was received, or the descriptor contradicts itself or its symbols.
    """
    descriptor = reception.descriptor
    if descriptor is None:
        raise DescriptorError("no good header was received, so there is no task vector; see the frame reports")
    count = task_symbols_of(descriptor)
    if count == 0:
        return None
    sizes = (reception.symbols.size, reception.noise_variance.size)
    if sizes != (descriptor.n_symbols, descriptor.n_symbols):
        raise DescriptorError(
            f"the descriptor says {descriptor.n_symbols} symbols; {sizes[0]} came with {sizes[1]} variances"
        )
    symbols, variance = reception.symbols[-count:], reception.noise_variance[-count:]
    pairs = np.stack([symbols.real, symbols.imag], -1).reshape(-1)
    return TaskEvidence(
        values=(pairs / descriptor.gain).astype(np.float32),
        variance=np.repeat(variance / 2 / descriptor.gain**2, 2).astype(np.float32),
        distortion=Quantizer.of(descriptor.levels).distortion,
        identity=descriptor.task_identity,
    )
