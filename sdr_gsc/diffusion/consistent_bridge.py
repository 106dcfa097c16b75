"""The bridge, every estimate moved to where it agrees with what was received: the solver `posterior:cddb`.

Consistent direct diffusion bridges (Chung, Kim and Ye 2023, arXiv:2305.19809) alternate between a bridge's estimate and
a step towards the data. Here the data step weighs both: of x_0 the bridge says N(x̂, (ηbτ)²), pixel by pixel, with b and
τ of `bridge`; the symbols say N(s(x), v), symbol by symbol, as the receiver measured it; the estimate becomes the mean
of the product, by a few conjugate gradients.

Were x_0 ~ N(m, τ²) before the symbols and their encoder linear, then with η = 1 that mean would be E[x_0 | x_t, y], and
a walk with all of the bridge's noise would end in draws from the posterior. But the shipped bridge has read the symbols
itself, and only misread some; η says how far it may be corrected. Strength, starting noise and realism are those of the
card of `refine`: without noise the walk gives a picture and no draw, and b lets late steps correct less.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .bridge import Bridge, BridgeCondition, remaining_deviation
from .guidance.gauss_newton import conditional_mean
from .likelihood import Likelihood

__all__ = ["ConsistentBridge"]


@dataclass(frozen=True, slots=True)
class ConsistentBridge:
    """A bridge with a data step behind every estimate; it costs no further evaluation of the network.

    Attributes:
        bridge: whose estimates are moved.
        likelihood: of what was received, for pictures in [-1, 1].
        trust: η, above 0.
        iterations: conjugate-gradient iterations of a data step.
    """

    bridge: Bridge
    likelihood: Likelihood
    trust: float = 1.0
    iterations: int = 4

    def __call__(self, state: Tensor, condition: BridgeCondition, t: Tensor, kappa: Tensor) -> Tensor:
        """See Bridge."""
        clean = self.bridge(state, condition, t, kappa)
        # Pictures are in [-1, 1] here, where deviations are twice as large.
        deviation = 2 * self.trust * remaining_deviation(condition, t, kappa)
        return conditional_mean(self.likelihood, clean * 2 - 1, deviation.square(), self.iterations) / 2 + 0.5
