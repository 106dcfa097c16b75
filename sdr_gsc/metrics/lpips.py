"""LPIPS itself, for users who have AlexNet's ImageNet weights (they may not be redistributed with this project).

Zhang et al. 2018, "The unreasonable effectiveness of deep features as a perceptual metric", version 0.1, AlexNet. The
learned weights of its five stages come inside torchmetrics; the trunk is torchvision's ``alexnet-owt-7be5be79.pth``.
"""

from __future__ import annotations

from importlib.metadata import files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import WeightsError
from .foreign import load_foreign
from .picture_pair import as_tensor_pair

__all__ = ["Lpips"]

#: Mean and deviation of ImageNet pictures in [-1, 1], as the published metric scales its input.
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)


def _trunk() -> nn.Sequential:
    """AlexNet's features (Krizhevsky 2014, one weird trick), with the published numbering of layers."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    )


class Lpips:
    """The metric with a trunk from the user's file.

    Args:
        trunk_file: state dictionary of torchvision's AlexNet.

    Raises:
        WeightsError: a file that is missing or is not AlexNet.
    """

    def __init__(self, trunk_file: Path) -> None:
        state = load_foreign(trunk_file)
        features = {name.removeprefix("features."): value for name, value in state.items() if "features." in name}
        self._trunk = _trunk()
        try:
            self._trunk.load_state_dict(features)
        except RuntimeError as error:
            raise WeightsError(f"{trunk_file} does not hold AlexNet's features: {error}") from error
        self._trunk.eval().requires_grad_(requires_grad=False)
        self._weights = _stage_weights()

    @torch.inference_mode()
    def distance(self, sent: np.ndarray, received: np.ndarray) -> float:
        """LPIPS of two pictures, float32 [H, W, 3] in [0, 1]; 0 for equal pictures, smaller is better."""
        shift, scale = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (_SHIFT, _SCALE))
        maps = (torch.cat(as_tensor_pair(sent, received)) * 2 - 1 - shift) / scale
        total, stage = 0.0, 0
        for layer in self._trunk:
            maps = layer(maps)
            if isinstance(layer, nn.ReLU):
                unit = maps / (maps.square().sum(1, keepdim=True).sqrt() + 1e-10)
                total += float(((unit[0] - unit[1]).square() * self._weights[stage]).sum(0).mean())
                stage += 1
        return total


def _stage_weights() -> list[Tensor]:
    """Learned non-negative weights per channel of the five stages, each float [C, 1, 1]."""
    for entry in files("torchmetrics") or []:
        if entry.match("lpips_models/alex.pth"):
            state = load_foreign(Path(str(entry.locate())))
            return [state[f"lin{stage}.model.1.weight"][0] for stage in range(5)]
    raise WeightsError("torchmetrics came without lpips_models/alex.pth; reinstall it: pip install torchmetrics")
