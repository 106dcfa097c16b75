"""The critic of adversarial training: how real is a picture, given the codec's estimate of it?

It is trained from scratch together with the network that it judges; nothing in it was trained for another purpose.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sdr_gsc.diffusion.bridge import BridgeCondition

__all__ = ["Critic", "Judgement", "adversarial_loss", "matching_loss", "sensitivity"]

#: Channels at 1/2, 1/4 and 1/8 of the picture's resolution; a verdict per cell falls at each of them, so that grain,
#: edges and shapes of about 14, 36 and 80 pixels are judged apart.
_WIDTHS = (48, 80, 112)

#: Verdicts, float [B, 1, h, w] (larger is more real), and features, float [B, C, h, w], of each scale.
Judgement = tuple[list[Tensor], list[Tensor]]


class Critic(nn.Module):
    """Patch discriminator on three scales, without normalization: `sensitivity` is what keeps it in bounds.

    It sees the residual in units of the predicted deviation, (x - m)/τ: at every rate and SNR real residuals have
    about unit variance, and so has its gradient with respect to them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(4 * 10, _WIDTHS[0], 3, padding=1)
        self.levels = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2)) for width in _WIDTHS
        )
        self.down = nn.ModuleList(nn.Conv2d(_WIDTHS[i], _WIDTHS[i + 1], 2, stride=2) for i in range(len(_WIDTHS) - 1))
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in _WIDTHS)
        with torch.no_grad():  # no opinion at the start
            for parameter in self.heads.parameters():
                parameter.zero_()

    def forward(self, pictures: Tensor, condition: BridgeCondition) -> Judgement:
        """Judge pictures, float [B, 3, H, W] in [0, 1] units with sides in multiples of 16."""
        residual = (pictures - condition.estimate) / condition.deviation
        planes = torch.cat(
            [
                # Bounded: where the decoder was far too sure, one pixel would outweigh the whole picture.
                residual / (1 + residual.square() / 9).sqrt(),
                pictures - 0.5,
                condition.estimate - 0.5,
                condition.deviation.log() / 3 + 1,
            ],
            1,
        )
        h = _activated(self.stem(functional.pixel_unshuffle(planes, 2).contiguous(memory_format=torch.channels_last)))
        verdicts, features = [], []
        for index, level in enumerate(self.levels):
            if index:
                h = _activated(self.down[index - 1](h))
            for convolution in level:  # type: ignore[attr-defined]
                h = _activated(convolution(h))
            features.append(h.float())
            verdicts.append(self.heads[index](h).float())
        return verdicts, features


def _activated(h: Tensor) -> Tensor:
    return functional.leaky_relu(h, 0.2)


def adversarial_loss(preferred: Judgement, other: Judgement) -> Tensor:
    """Mean over cells and scales of softplus(D(other) - D(preferred)): the paired relativistic logistic loss.

    Jolicoeur-Martineau 2018 (arXiv:1807.00734). Both pictures have the same condition, so what the condition alone
    says about how real a picture looks cancels. The critic prefers the photograph; the network it judges, its own.
    """
    terms = [functional.softplus(b - a).mean() for a, b in zip(preferred[0], other[0], strict=True)]
    return torch.stack(terms).mean()


def matching_loss(real: Judgement, made: Judgement) -> Tensor:
    """Mean distance between features relative to their own size, over scales (Wang et al. 2018, pix2pixHD, eq. 4)."""
    terms = [(b - a.detach()).abs().mean() / a.detach().abs().mean() for a, b in zip(real[1], made[1], strict=True)]
    return torch.stack(terms).mean()


def sensitivity(critic: Critic, pictures: Tensor, condition: BridgeCondition) -> Tensor:
    """How strongly the verdict reacts to a picture: mean over pictures of n·|∂ mean verdict/∂r|², r = (x - m)/τ.

    It is the penalty R1 of Mescheder et al. 2018 (arXiv:1801.04406, equation 9) in units of the predicted deviation,
    with n the number of values of r.

    A verdict that follows the mean of r with slope w has the sensitivity w², at every size of picture.
    """
    residual = ((pictures - condition.estimate) / condition.deviation).detach()
    residual.requires_grad = True
    verdicts, _ = critic(condition.estimate + condition.deviation * residual, condition)
    whole = torch.stack([verdict.mean((1, 2, 3)) for verdict in verdicts]).mean(0).sum()
    (slope,) = torch.autograd.grad(whole, residual, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean() * slope[0].numel()
