"""The three networks of the multi-task cascade: proposals from a fully convolutional one, then two that look closer.

Zhang et al. 2016, "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks", figure 2.

Parameters are named as in the weight files. Pictures are float [B, 3, H, W] in about [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

__all__ = ["Looked", "OutputNet", "ProposalNet", "RefinementNet"]


@dataclass(frozen=True, slots=True)
class Looked:
    """What a network says of its windows.

    Attributes:
        probability: float [B] or [B, h, w], of a face in the window.
        shift: float [B, 4] or [B, 4, h, w]: how far left, top, right and bottom edge are to move, in window sides.
        points: float [B, 5, 2]: landmarks as fractions of window width and height; None where a network knows none.
    """

    probability: Tensor
    shift: Tensor
    points: Tensor | None = None


def _flat(planes: Tensor) -> Tensor:
    """Columns first, then rows, then channels: the order in which the weights of the dense layers were made."""
    return planes.permute(0, 3, 2, 1).flatten(1)


class ProposalNet(nn.Module):
    """A window of 12x12 pixels every 2 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.pool1 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)

    def forward(self, pictures: Tensor) -> Looked:
        """Maps over all windows of pictures of any size from 12x12 pixels."""
        planes = self.pool1(self.prelu1(self.conv1(pictures)))
        planes = self.prelu3(self.conv3(self.prelu2(self.conv2(planes))))
        return Looked(self.conv4_1(planes).softmax(1)[:, 1], self.conv4_2(planes))


class RefinementNet(nn.Module):
    """Windows scaled to 24x24 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1, self.dense5_2 = nn.Linear(128, 2), nn.Linear(128, 4)

    def forward(self, pictures: Tensor) -> Looked:
        """One answer per window, float [B, 3, 24, 24]."""
        planes = self.pool1(self.prelu1(self.conv1(pictures)))
        planes = self.pool2(self.prelu2(self.conv2(planes)))
        values = self.prelu4(self.dense4(_flat(self.prelu3(self.conv3(planes)))))
        return Looked(self.dense5_1(values).softmax(1)[:, 1], self.dense5_2(values))


class OutputNet(nn.Module):
    """Windows scaled to 48x48 pixels; this one finds the landmarks."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.pool3 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1, self.dense6_2, self.dense6_3 = nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)

    def forward(self, pictures: Tensor) -> Looked:
        """One answer per window, float [B, 3, 48, 48]."""
        planes = self.pool1(self.prelu1(self.conv1(pictures)))
        planes = self.pool2(self.prelu2(self.conv2(planes)))
        planes = self.pool3(self.prelu3(self.conv3(planes)))
        values = self.prelu5(self.dense5(_flat(self.prelu4(self.conv4(planes)))))
        # Five horizontal positions come before five vertical ones.
        points = self.dense6_3(values).unflatten(1, (2, 5)).transpose(1, 2)
        return Looked(self.dense6_1(values).softmax(1)[:, 1], self.dense6_2(values), points)
