"""Finding faces: an image pyramid, and three networks that look ever closer at what the one before proposed.

Zhang, Zhang, Li and Qiao 2016, "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sdr_gsc.errors import PictureError, WeightsError

from .boxes import moved, squared, suppressed
from .nets import Looked, OutputNet, ProposalNet, RefinementNet
from .weights import face_weights

__all__ = ["Face", "FaceFinder"]

Net = TypeVar("Net", bound=nn.Module)

_WINDOW_PX, _STRIDE_PX = 12, 2
#: From one level of the pyramid to the next, an area of one half.
_SHRINK = 0.5**0.5
#: Probability that a window must reach at each stage.
_PROBABLE = (0.6, 0.7, 0.7)
#: Share of the area that windows of one level, of all levels, and of the last stage may have in common.
_WITHIN, _ACROSS, _LAST = 0.5, 0.7, 0.7
#: Windows at once; bounds memory.
_BATCH = 256


@dataclass(frozen=True, slots=True)
class Face:
    """A face in a picture.

    Attributes:
        box: float64 [4], left, top, right, bottom in pixels.
        probability: of a face.
        points: float64 [5, 2], x and y in pixels of the eye on the left of the picture, the eye on its right, the
            tip of the nose, and the left and right corners of the mouth.
    """

    box: np.ndarray
    probability: float
    points: np.ndarray


@dataclass(frozen=True, slots=True)
class FaceFinder:
    """The cascade with its weights.

    Attributes:
        proposal: first stage.
        refinement: second stage.
        output: third stage.
        device: where they run.
        least_side_px: smallest face that is looked for.
    """

    proposal: ProposalNet
    refinement: RefinementNet
    output: OutputNet
    device: torch.device
    least_side_px: int = 24

    @classmethod
    def load(cls, device: str = "cpu", least_side_px: int = 24) -> FaceFinder:
        """Load the weights.

        Raises:
            WeightsError: their package is missing, or its files are others than the known ones.
        """
        target = torch.device(device)
        nets = (_loaded(ProposalNet(), "pnet"), _loaded(RefinementNet(), "rnet"), _loaded(OutputNet(), "onet"))
        for net in nets:
            net.to(target).eval().requires_grad_(requires_grad=False)
        return cls(*nets, target, least_side_px)

    @torch.inference_mode()
    def find(self, picture: np.ndarray) -> tuple[Face, ...]:
        """All faces of a picture, float [H, W, 3] in [0, 1], the most probable first.

        Raises:
            PictureError: not such an array.
        """
        if picture.ndim != 3 or picture.shape[2] != 3:
            raise PictureError(f"picture has shape {list(picture.shape)}; needed [height, width, 3]")
        pixels = torch.from_numpy(np.ascontiguousarray(picture, np.float32)).to(self.device)
        # 8-bit values v as (v - 127.5) / 128, as in the training of the networks.
        planes = ((pixels.clamp(0, 1) * 255 - 127.5) / 128).permute(2, 0, 1)[None]
        boxes = self._propose(planes)
        boxes, looked = self._look(self.refinement, 24, planes, boxes, _PROBABLE[1])
        kept = suppressed(boxes, looked.probability, _ACROSS)
        boxes = squared(moved(boxes, looked.shift)[kept])
        boxes, looked = self._look(self.output, 48, planes, boxes, _PROBABLE[2])
        if looked.points is None or not len(boxes):
            return ()
        points = boxes[:, None, :2] + looked.points * (boxes[:, None, 2:] - boxes[:, None, :2])
        boxes = moved(boxes, looked.shift)
        # The area of the smaller one: a face within a face is the same face.
        kept = suppressed(boxes, looked.probability, _LAST, of_smaller=True)
        return tuple(
            Face(boxes[i].double().cpu().numpy(), float(looked.probability[i]), points[i].double().cpu().numpy())
            for i in kept
        )

    def _propose(self, planes: Tensor) -> Tensor:
        """Square windows of all sizes that may hold a face, float [n, 4]."""
        height, width = planes.shape[2:]
        boxes, probability, shift = [], [], []
        scale = _WINDOW_PX / self.least_side_px
        while min(height, width) * scale >= _WINDOW_PX:
            size = (math.ceil(height * scale), math.ceil(width * scale))
            looked = self.proposal(_resized(planes, size))
            rows, columns = torch.nonzero(looked.probability[0] >= _PROBABLE[0], as_tuple=True)
            corner = torch.stack([columns, rows], 1) * _STRIDE_PX
            found = torch.cat([corner, corner + _WINDOW_PX], 1).float()
            unit = found.new_tensor((width / size[1], height / size[0]))
            found = found * unit.repeat(2)
            likely = looked.probability[0, rows, columns]
            kept = suppressed(found, likely, _WITHIN)
            boxes.append(found[kept])
            probability.append(likely[kept])
            shift.append(looked.shift[0, :, rows, columns].T[kept])
            scale *= _SHRINK
        if not boxes:
            return planes.new_zeros(0, 4)
        together, likely = torch.cat(boxes), torch.cat(probability)
        kept = suppressed(together, likely, _ACROSS)
        return squared(moved(together, torch.cat(shift))[kept])

    def _look(
        self, net: nn.Module, side_px: int, planes: Tensor, boxes: Tensor, probable: float
    ) -> tuple[Tensor, Looked]:
        """A network's answers on the windows that it believes to be faces, and these windows, in whole pixels."""
        boxes = boxes.round()
        if not len(boxes):
            return boxes, Looked(boxes[:, 0], boxes, boxes.new_zeros(0, 5, 2))
        found: list[Looked] = [
            net(torch.cat([_window(planes, box, side_px) for box in part])) for part in boxes.split(_BATCH)
        ]
        probability = torch.cat([looked.probability for looked in found])
        good = probability >= probable
        points = [looked.points for looked in found if looked.points is not None]
        return boxes[good], Looked(
            probability[good],
            torch.cat([looked.shift for looked in found])[good],
            torch.cat(points)[good] if points else None,
        )


def _loaded(net: Net, name: str) -> Net:
    try:
        net.load_state_dict(face_weights(name))
    except RuntimeError as error:
        raise WeightsError(f"the weights of {name} are of another network than this one: {error}") from error
    return net


def _resized(planes: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(planes, size, mode="bilinear", antialias=True, align_corners=False)


def _window(planes: Tensor, box: Tensor, side_px: int) -> Tensor:
    """A square of the picture at the size that a network takes; mid-grey beyond the picture's edges."""
    left, top, right, bottom = (int(value) for value in box.tolist())
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    height, width = planes.shape[2:]
    inside = planes[:, :, max(top, 0) : max(min(bottom, height), 0), max(left, 0) : max(min(right, width), 0)]
    if inside.numel() == 0:
        return planes.new_zeros(1, 3, side_px, side_px)
    margins = (max(-left, 0), max(right - width, 0), max(-top, 0), max(bottom - height, 0))
    return _resized(functional.pad(inside, margins), (side_px, side_px))
