"""What no code can pass: capacity of the link, and the least distortion of a Gaussian source at that capacity (OPTA).

OPTA stands for "optimum performance theoretically attainable": the distortion-rate function of the source taken at the
capacity of the channel. It bounds analogue, digital and learned codes alike, for the source that it is computed for.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from ..errors import SettingsError
from .encoder import SemanticEncoder
from .picture import as_tensor
from .transform import pad_to_blocks

__all__ = ["capacity_bits", "distortion_at_rate", "fading_capacity_bits", "opta_psnr_db", "transform_variances"]


def capacity_bits(n_symbols: int, esn0_db: float) -> float:
    """Bits that `n_symbols` complex symbols carry over white noise: n log2(1 + Es/N0) (Shannon 1948).

    >>> capacity_bits(100, 0.0)
    100.0
    """
    if n_symbols < 0:
        raise SettingsError(f"{n_symbols} symbols; needed at least 0")
    return n_symbols * math.log2(1 + 10 ** (esn0_db / 10))


def fading_capacity_bits(noise_variance: np.ndarray) -> float:
    """Bits that symbols of mean power 1 carry, each with the noise variance it was received with: Σ log2(1 + 1/σ²).

    The sender spends the same power on every symbol, for it does not know the channel.

    Args:
        noise_variance: float [n], > 0; inf where a symbol was lost.

    Raises:
        SettingsError: a variance that is not positive.
    """
    if not (noise_variance > 0).all():
        raise SettingsError("a noise variance is zero, negative or no number; needed positive ones, inf where lost")
    return float(np.sum(np.log2(1 + 1 / noise_variance.astype(np.float64))))


def distortion_at_rate(variances: np.ndarray, bits: float) -> float:
    """Least total squared error of independent Gaussian values in so many bits in all, by reverse water-filling.

    D(θ) = Σ min(θ, σ²), R(θ) = Σ max(0, ½ log2(σ²/θ)) (Cover and Thomas, Elements of Information Theory, theorem
    10.3.3). With the k largest variances above the water level θ, log2 θ = (Σ_k log2 σ² - 2R)/k.

    Args:
        variances: float [n], >= 0; any shape.
        bits: R, >= 0.

    Returns:
        D, in units of the variances.

    Raises:
        SettingsError: a negative variance or number of bits, or one that is not finite.
    """
    values = np.sort(np.asarray(variances, np.float64).ravel())[::-1]
    if not np.isfinite(values).all() or (values.size and values[-1] < 0):
        raise SettingsError("a variance is negative or no number; needed finite ones, at least 0")
    if not (math.isfinite(bits) and bits >= 0):
        raise SettingsError(f"the rate is {bits} bits; needed a finite number, at least 0")
    positive = values[values > 0]
    if not positive.size:
        return 0.0
    counts = np.arange(1, positive.size + 1)
    levels = (np.cumsum(np.log2(positive)) - 2 * bits) / counts
    # The right k is the largest whose own variance still stands above its level.
    active = int(np.flatnonzero(np.log2(positive) >= levels - 1e-12)[-1]) + 1
    return float(active * 2.0 ** levels[active - 1] + positive[active:].sum())


@torch.inference_mode()
def transform_variances(encoder: SemanticEncoder, picture: np.ndarray) -> tuple[np.ndarray, float]:
    """A picture as a Gaussian source, seen through the codec's linear transform.

    Args:
        encoder: whose transform it is.
        picture: float [H, W, 3] in [0, 1].

    Returns:
        Variance of each of the 128 channels over the picture's blocks times the energy that the channel's synthesis
        gives to pixel values, float64 [128], and the squared error per block that all channels together leave over.
    """
    device = encoder.transform.mean.device
    padded = pad_to_blocks(as_tensor(picture).to(device))
    latents = encoder.transform.analyze(padded)
    left = float((encoder.transform.synthesize(latents) - padded).square().sum() / latents[0, 0].numel())
    gains = encoder.transform.synthesis.square().sum((1, 2, 3))
    variances = latents[0].flatten(1).var(1, unbiased=False) * gains
    return variances.double().cpu().numpy(), left


def opta_psnr_db(encoder: SemanticEncoder, picture: np.ndarray, bits: float) -> float:
    """PSNR of the Gaussian source of `transform_variances` in so many bits for the whole picture.

    Each channel of every block is a Gaussian value with the channel's variance; the means are known. It is a line to
    compare with, no bound for one photograph: its blocks are not alike, and a code that adapts to each may do better.

    Args:
        encoder: whose transform it is.
        picture: float [H, W, 3] in [0, 1].
        bits: for all blocks together.
    """
    variances, left = transform_variances(encoder, picture)
    height, width = picture.shape[:2]
    block = encoder.transform.synthesis.shape[-1] // 2
    blocks = -(-height // block) * -(-width // block)
    error = (distortion_at_rate(variances, bits / blocks) + left) / (3 * block**2)
    return -10 * math.log10(max(error, 1e-12))
