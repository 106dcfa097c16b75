"""EfficientNet-Lite: small classifiers of 1000 kinds of things, used as eyes.

Architecture: Tan and Le 2019 (arXiv:1905.11946), table 1, in its Lite form: no squeeze-and-excitation, ReLU6, and
stem and head of fixed size. Larger members are wider by a factor (channels rounded to multiples of 8) and deeper by
another (repeats rounded up). Depthwise convolutions pad as TensorFlow does ("same": what is missing goes to the end).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["LITE0", "LITE1", "LITE2", "STAGES", "EfficientNetLite", "EfficientNetLite0", "Scaling"]

#: Of each stage of Lite0: repeats, kernel size, stride of its first block, expansion, output channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM_CHANNELS, _HEAD_CHANNELS, _CLASSES = 32, 1280, 1000
_NORM_EPSILON = 1e-3


@dataclass(frozen=True, slots=True)
class Scaling:
    """How a member of the family differs from Lite0.

    Attributes:
        width: factor of the stages' channels.
        depth: factor of the stages' repeats; the first and the last stage keep theirs.
        side_px: side of the pictures it was trained with.
    """

    width: float
    depth: float
    side_px: int

    @property
    def stages(self) -> tuple[tuple[int, int, int, int, int], ...]:
        """STAGES of this member."""
        last = len(STAGES) - 1
        return tuple(
            (repeats if index in (0, last) else math.ceil(repeats * self.depth), kernel, stride, expansion,
             _multiple_of_8(out * self.width))
            for index, (repeats, kernel, stride, expansion, out) in enumerate(STAGES)
        )  # fmt: skip


LITE0, LITE1, LITE2 = Scaling(1.0, 1.0, 224), Scaling(1.0, 1.1, 240), Scaling(1.1, 1.2, 260)


def _multiple_of_8(channels: float) -> int:
    """The nearest multiple of 8 that does not lose more than a tenth."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_NORM_EPSILON)


class _SameConv(nn.Conv2d):
    """Convolution whose output has ceil(side / stride) pixels, with the odd pixel of padding at the end."""

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        height, width = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[2:])
        padded = functional.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
        return super().forward(padded)


class _Block(nn.Module):
    """Inverted residual: expand, filter each channel, project; added to the input where the shapes agree."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        layers: list[tuple[str, nn.Module]] = []
        if expansion > 1:
            layers += [
                ("expand", nn.Conv2d(channels, wide, 1, bias=False)),
                ("expand_norm", _norm(wide)),
                ("expand_act", nn.ReLU6()),
            ]
        layers += [
            ("filter", _SameConv(wide, wide, kernel, stride, groups=wide, bias=False)),
            ("filter_norm", _norm(wide)),
            ("filter_act", nn.ReLU6()),
            ("project", nn.Conv2d(wide, out, 1, bias=False)),
            ("project_norm", _norm(out)),
        ]
        self.layers = nn.Sequential(OrderedDict(layers))
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + y if self.residual else y


class EfficientNetLite(nn.Module):
    """The network; 4.65 (Lite0), 5.42 (Lite1) or 6.09 (Lite2) million parameters.

    Pictures come as float32 [B, 3, H, W] in [0, 1] and are brought to the network's range, (255 x - 127) / 128, inside.
    """

    def __init__(self, scaling: Scaling) -> None:
        super().__init__()
        self._stages = scaling.stages
        self.stem = nn.Sequential(
            OrderedDict(conv=_SameConv(3, _STEM_CHANNELS, 3, 2, bias=False), norm=_norm(_STEM_CHANNELS), act=nn.ReLU6())
        )
        stages, channels = [], _STEM_CHANNELS
        for repeats, kernel, stride, expansion, out in self._stages:
            blocks = []
            for index in range(repeats):
                blocks.append(_Block(channels, out, kernel, stride if index == 0 else 1, expansion))
                channels = out
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.head = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(channels, _HEAD_CHANNELS, 1, bias=False), norm=_norm(_HEAD_CHANNELS), act=nn.ReLU6()
            )
        )
        self.classify = nn.Linear(_HEAD_CHANNELS, _CLASSES)

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Outputs of the seven stages, [B, C, H/2, W/2] to [B, 320, H/32, W/32]."""
        x = self.stem((pictures * 255 - 127) / 128)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found

    def pooled(self, pictures: Tensor) -> Tensor:
        """What the classes are read from: mean over the picture of the head's 1280 features, float [B, 1280], >= 0."""
        return self.pooled_of(self.features(pictures)[-1])

    def pooled_of(self, last_features: Tensor) -> Tensor:
        """`pooled` from the last of `features`."""
        found: Tensor = self.head(last_features).mean(dim=(2, 3))
        return found

    def logits_of(self, last_features: Tensor) -> Tensor:
        """Class logits [B, 1000] from the last of `features`."""
        return self.classify(self.pooled_of(last_features))

    def forward(self, pictures: Tensor) -> Tensor:
        """Class logits [B, 1000]."""
        return self.logits_of(self.features(pictures)[-1])

    def load_published(self, state: dict[str, Tensor]) -> None:
        """Take weights named as in the published file (``_blocks.0._depthwise_conv.weight`` …).

        Raises:
            RuntimeError: a name or a shape does not fit.
        """
        self.load_state_dict(OrderedDict((_own_name(name, self._stages), value) for name, value in state.items()))


class EfficientNetLite0(EfficientNetLite):
    """The smallest of the family."""

    def __init__(self) -> None:
        super().__init__(LITE0)


def _own_name(name: str, stages: tuple[tuple[int, int, int, int, int], ...]) -> str:
    parts = name.split(".")
    outer = {"_conv_stem": "stem.conv", "_bn0": "stem.norm", "_conv_head": "head.conv", "_bn1": "head.norm"}
    if parts[0] == "_fc":
        return f"classify.{parts[1]}"
    if parts[0] != "_blocks":
        return ".".join([outer.get(parts[0], parts[0]), *parts[1:]])
    inner = {
        "_expand_conv": "expand",
        "_bn0": "expand_norm",
        "_depthwise_conv": "filter",
        "_bn1": "filter_norm",
        "_project_conv": "project",
        "_bn2": "project_norm",
    }
    stage, index = 0, int(parts[1])
    while stage + 1 < len(stages) and index >= stages[stage][0]:
        index -= stages[stage][0]
        stage += 1
    return ".".join([f"stages.{stage}.{index}.layers", inner.get(parts[2], parts[2]), *parts[3:]])
