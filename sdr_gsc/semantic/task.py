"""Task vectors: features of a foundation model, brought to the few directions that its task is read from.

    v = G Bᵀ (f - μ),   sent with mean square 1,   f̂ = μ + B G⁻¹ v̂ · s

f are the model's features, B orthonormal directions, G = diag(λ^(-1/4)) the amplitudes of analogue transmission (λ the
variance of each direction over training pictures; Jakubczak and Katabi, 2011), s the usual length of G Bᵀ (f - μ).
The directions of a classifier are the right singular vectors of its centred weights, the strongest first: no other
direction changes which class is likelier. A vector sent in few symbols has fewer directions, not coarser ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import SettingsError
from .picture import as_tensor
from .vector_code import VectorCode

__all__ = ["ClassHead", "FeatureModel", "TaskModel", "TaskSpace", "named"]

_PREFIX_BYTES = 4
#: Most directions that are worth their noise before each can be sent about twice.
_FEW_DIRECTIONS = 512


@dataclass(frozen=True, slots=True, eq=False)
class ClassHead:
    """Reads classes from features: logits = weight f + bias.

    Attributes:
        weight: float [classes, F].
        bias: float [classes].
        temperature: divides the logits of the posterior, so that confidence is what training pictures justify.
    """

    weight: np.ndarray
    bias: np.ndarray
    temperature: float = 1.0

    def directions(self) -> np.ndarray:
        """Orthonormal float64 [F, classes - 1]: right singular vectors of the centred weights, strongest first."""
        centred = self.weight.astype(np.float64) - self.weight.mean(0, dtype=np.float64)
        count = min(centred.shape[0] - 1, centred.shape[1])
        # Through the smaller Gram matrix: a tenth of the time of a singular value decomposition.
        if centred.shape[1] <= centred.shape[0]:
            basis = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :count]
        else:
            left = np.linalg.eigh(centred @ centred.T)[1][:, ::-1][:, :count]
            basis = centred.T @ left
            basis = basis / np.linalg.norm(basis, axis=0)
        # Libraries differ in the signs; sender and receiver must not.
        largest = np.abs(basis).argmax(0)
        return np.asarray(basis * np.sign(basis[largest, np.arange(count)]))


@dataclass(frozen=True, slots=True, eq=False)
class TaskSpace:
    """Where task vectors live.

    Attributes:
        mean: μ, float64 [F].
        basis: B, orthonormal float64 [F, K], the most important direction first.
        variance: λ, float64 [K], of each direction, > 0.
    """

    mean: np.ndarray
    basis: np.ndarray
    variance: np.ndarray

    def __post_init__(self) -> None:
        features, directions = self.basis.shape
        if self.mean.shape != (features,) or self.variance.shape != (directions,):
            raise SettingsError(
                f"basis is {features}x{directions}, mean {list(self.mean.shape)}, variance "
                f"{list(self.variance.shape)}; needed [F, K], [F] and [K]"
            )
        if not (np.isfinite(self.variance).all() and (self.variance > 0).all()):
            raise SettingsError("variances of the task directions must be finite and above 0")

    @classmethod
    def plain(cls, n_features: int, seed: int = 0) -> TaskSpace:
        """For features of which nothing is known: seeded random orthonormal directions, at most 512, equally likely."""
        generator = np.random.Generator(np.random.PCG64(seed))
        basis = np.linalg.qr(generator.standard_normal((n_features, n_features)))[0]
        count = min(n_features, _FEW_DIRECTIONS)
        largest = np.abs(basis).argmax(0)
        signed = basis * np.sign(basis[largest, np.arange(n_features)])
        return cls(np.zeros(n_features), signed[:, :count], np.ones(count))

    @classmethod
    def fitted(cls, features: np.ndarray, basis: np.ndarray) -> TaskSpace:
        """Mean and variances over the features of training pictures, float [n, F]; `basis` float [F, K]."""
        mean = features.mean(0, dtype=np.float64)
        variance = np.square((features - mean) @ basis).mean(0)
        return cls(mean, basis, variance + 1e-6 * variance.mean())

    def dimensions(self, n_values: int) -> int:
        """How many directions are sent in `n_values` real values: a power of two, all where each fits twice.

        >>> space = TaskSpace.plain(600)
        >>> [space.dimensions(n) for n in (1, 100, 511, 600, 5000)]
        [1, 64, 256, 512, 512]
        """
        available = self.basis.shape[1]
        if n_values >= 2 * available:
            return available
        return min(1 << max(n_values.bit_length() - 1, 0), _FEW_DIRECTIONS, available)

    def amplitudes(self, dimensions: int) -> np.ndarray:
        """G over s, float64 [dimensions]: the sent components have prior variances of mean 1."""
        gain = self.variance[:dimensions] ** -0.25
        return np.asarray(gain / np.sqrt(np.mean(gain**2 * self.variance[:dimensions])))

    def code(self, dimensions: int) -> VectorCode:
        """The code over the air."""
        return VectorCode(self.amplitudes(dimensions) ** 2 * self.variance[:dimensions])


#: Pictures, float [B, 3, H, W] in [0, 1], to features, float [B, F].
FeatureModel = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class TaskModel:
    """A foundation model at both ends of the link.

    Attributes:
        name: for results.
        features: pictures, float [B, 3, H, W] in [0, 1], to features, float [B, F]; differentiable.
        space: where its task vectors live.
        head: reads classes from the features; None for a model without.
        identity: 4 bytes that tell this model and space from all others; they travel in the descriptor.
        device: where the model runs.
    """

    name: str
    features: FeatureModel
    space: TaskSpace
    head: ClassHead | None
    identity: bytes
    device: torch.device

    @classmethod
    def of_module(
        cls,
        name: str,
        module: nn.Module,
        *,
        space: TaskSpace | None = None,
        head: ClassHead | None = None,
        device: str = "cpu",
    ) -> TaskModel:
        """Any module that maps pictures, float [B, 3, H, W] in [0, 1], to features, float [B, F].

        Args:
            name: for results.
            module: the model; put into evaluation mode and frozen.
            space: where its task vectors live; default: along the head's directions or, without one, random ones, with
                no statistics. `TaskSpace.fitted` makes a better one from training pictures.
            head: reads classes from the features.
            device: where it runs.

        Raises:
            SettingsError: the module's output is no [B, F], or does not fit the space or the head.
        """  # fmt: skip
        target = torch.device(device)
        module = module.to(target).eval().requires_grad_(False)
        with torch.inference_mode():
            found = module(torch.full((1, 3, 64, 64), 0.5, device=target))
        if not isinstance(found, Tensor) or found.ndim != 2 or found.shape[0] != 1:
            shape = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise SettingsError(f"module {name!r} gives {shape} for one picture; needed features [1, F]")
        n_features = found.shape[1]
        if space is None and head is not None:
            basis = head.directions()
            space = TaskSpace(np.zeros(basis.shape[0]), basis, np.ones(basis.shape[1]))
        space = space or TaskSpace.plain(n_features)
        for what, size in (("space", space.mean.size), ("head", n_features if head is None else head.weight.shape[1])):
            if size != n_features:
                raise SettingsError(f"module {name!r} gives {n_features} features; its task {what} is made for {size}")
        return cls(name, module, space, head, _identity(name, module, space), target)

    @torch.inference_mode()
    def features_of(self, picture: np.ndarray) -> np.ndarray:
        """Features of a picture float [H, W, 3] in [0, 1]: float64 [F].

        Raises:
            PictureError: no usable picture.
        """
        found = self.features(as_tensor(picture).to(self.device))
        return np.asarray(found[0].double().cpu().numpy())

    def values(self, picture: np.ndarray, n_symbols: int) -> np.ndarray:
        """The task vector of a picture as float32 [2·n_symbols], mean square about 1.

        Raises:
            PictureError: no usable picture.
            SettingsError: the model gives other features than its space is made for.
        """
        features = self.features_of(picture)
        if features.shape != self.space.mean.shape:
            raise SettingsError(
                f"model {self.name!r} gives {features.size} features; its task space is made for {self.space.mean.size}"
            )
        dimensions = self.space.dimensions(2 * n_symbols)
        centred = (features - self.space.mean) @ self.space.basis[:, :dimensions]
        return self.space.code(dimensions).spread(centred * self.space.amplitudes(dimensions), 2 * n_symbols)


def _identity(name: str, module: nn.Module, space: TaskSpace) -> bytes:
    digest = hashlib.sha256(name.encode())
    for key, value in module.state_dict().items():
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    for array in (space.mean, space.variance):
        digest.update(array.astype(np.float32).tobytes())
    digest.update(repr(space.basis.shape).encode())
    return named(digest.digest())


def named(digest: bytes) -> bytes:
    """First 4 bytes of a hash, as the descriptor carries them; never all zero, which stands for no task vector."""
    prefix = digest[:_PREFIX_BYTES]
    return prefix if any(prefix) else digest[1:_PREFIX_BYTES] + b"\1"
