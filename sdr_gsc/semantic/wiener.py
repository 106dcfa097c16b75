"""Linear minimum-mean-squared-error estimation of rotated latents, with one noise variance per received value."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["wiener"]

#: Columns solved at once; bounds memory (a column of 128 latents has a 64 KiB covariance).
_COLUMNS = 2048


def wiener(received: Tensor, noise: Tensor, signal: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and remaining variance of v ~ N(0, diag(signal)) given R v + n, n ~ N(0, diag(noise)).

    v̂ = diag(signal) Rᵀ (R diag(signal) Rᵀ + diag(noise))⁻¹ y; the inverse is diagonal where a column's noise is white.

    Args:
        received: y, float [B, n, c].
        noise: float [B, n, c], finite, > 0.
        signal: float [B, n, c].
        rotation: R, orthonormal float [c, c].

    Returns:
        v̂ and the variance of v - v̂, both float [B, n, c].
    """
    if bool((noise == noise[..., :1]).all()):
        shrink = signal / (signal + noise[..., :1])
        return (received @ rotation) * shrink, signal * (1 - shrink)
    columns = [values.reshape(-1, values.shape[-1]).split(_COLUMNS) for values in (received, noise, signal)]
    solved = [_solve(y, n, s, rotation) for y, n, s in zip(*columns, strict=True)]
    mean = torch.cat([mean for mean, _ in solved]).reshape(received.shape)
    remaining = torch.cat([remaining for _, remaining in solved]).reshape(received.shape)
    return mean, remaining


def _solve(received: Tensor, noise: Tensor, signal: Tensor, rotation: Tensor) -> tuple[Tensor, Tensor]:
    """The general solution by Cholesky, for columns float [n, c]."""
    covariance = (rotation * signal[:, None, :]) @ rotation.T + torch.diag_embed(noise)
    factor = torch.linalg.cholesky(covariance)
    mean = torch.cholesky_solve(received[..., None], factor)[..., 0] @ rotation * signal
    whitened = torch.linalg.solve_triangular(factor, rotation.expand_as(covariance), upper=False)
    return mean, signal * (1 - signal * whitened.square().sum(-2)).clamp(min=0)
