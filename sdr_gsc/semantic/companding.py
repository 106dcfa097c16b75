"""Energy companding of latent columns: busy blocks are turned down, smooth ones up, by a rule the receiver can invert.

A column with mean power e leaves with power e' = e/√(e+δ). The square root is the power allocation of analogue
transmission (gain ∝ variance^(-1/4) in amplitude; Jakubczak and Katabi, SoftCast, 2011) applied to blocks, and it
thins the tails that a quantizer would clip. The receiver estimates e' from the received power less the noise and
inverts in closed form: e = (e'² + √(e'⁴ + 4 e'² δ)) / 2.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["compand", "expand_gain"]

_DELTA = 0.01


def compand(columns: Tensor) -> Tensor:
    """Compand latent columns, float [..., c]: multiply each by (e + δ)^(-1/4), e its mean square."""
    energy = columns.square().mean(-1, keepdim=True)
    return columns * (energy + _DELTA).pow(-0.25)


def expand_gain(companded_energy: Tensor) -> tuple[Tensor, Tensor]:
    """Undo the rule.

    Args:
        companded_energy: mean square e' of a companded column, float [...], > 0.

    Returns:
        The gain (e + δ)^(-1/4) that `compand` applied, and the energy e before it; both float [...].
    """
    squared = companded_energy.square()
    energy = (squared + torch.sqrt(squared.square() + 4 * squared * _DELTA)) / 2
    return (energy + _DELTA).pow(-0.25), energy
