"""How the U-Nets run: in which precision, compiled or not. The algebra around them always keeps float32.

In float32 a CUDA device may take TF32 for convolutions, the codec's transform included: torch's defaults let it.
Compiling is for CUDA devices, where it also records CUDA graphs: it happens at the first picture of each size, and
every later picture of that size gains. On a CPU it is refused: generating and building the C++ took more than five
minutes on two busy cores, for a network that runs in a fraction of a second.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..errors import SettingsError
from ..semantic.codec import Codec
from ..semantic.decoder import SemanticDecoder
from .bridge import BridgeDenoiser
from .denoiser import PriorDenoiser
from .nets.unet import UNet

__all__ = ["PRECISIONS", "Runtime", "RuntimeUNet"]

PRECISIONS = ("float32", "bfloat16")

Model = TypeVar("Model", BridgeDenoiser, PriorDenoiser)


class RuntimeUNet(UNet):
    """A trained U-Net in another precision, compiled if wanted; takes and returns what the U-Net does."""

    def __init__(self, unet: UNet, *, bfloat16: bool, compiled: bool) -> None:
        # The layers are those of `unet`: building others, as UNet's own constructor does, would be for nothing.
        nn.Module.__init__(self)
        self.shape = unet.shape
        self.inner = unet
        self._bfloat16, self._graphs = bfloat16, compiled
        self._run = torch.compile(unet, mode="reduce-overhead") if compiled else unet

    def forward(self, x: Tensor, conditions: Tensor | None = None, latent: Tensor | None = None) -> Tensor:
        """See UNet."""
        if self._graphs:
            torch.compiler.cudagraph_mark_step_begin()
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=self._bfloat16):
            out: Tensor = self._run(x, conditions, latent)
        # A graph writes its next result where this one lies.
        return out.float().clone() if self._graphs else out.float()


@dataclass(frozen=True, slots=True)
class Runtime:
    """How networks run.

    Attributes:
        precision: ``float32``, or ``bfloat16``: convolutions take bfloat16 inputs and accumulate in float32.
        compile: fuse the network's operations with torch.compile and record CUDA graphs; CUDA devices only.
    """

    precision: str = "float32"
    compile: bool = False

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise SettingsError(f"precision is {self.precision!r}; needed one of {', '.join(PRECISIONS)}")

    @property
    def plain(self) -> bool:
        """Whether networks run just as they are."""
        return self.precision == "float32" and not self.compile

    def applied(self, model: Model) -> Model:
        """The model with its U-Net run this way; the argument is left as it was.

        Raises:
            SettingsError: compiling is asked for on another device than CUDA.
        """
        if self.plain:
            return model
        prepared = copy.deepcopy(model)
        prepared.unet = self._unet(prepared.unet)
        return prepared

    def applied_to_codec(self, codec: Codec) -> Codec:
        """The codec with its decoder's U-Net run this way; encoder and card are the same objects.

        Raises:
            SettingsError: see `applied`; also a codec of others.
        """
        if self.plain:
            return codec
        if not isinstance(codec.decoder, SemanticDecoder):
            raise SettingsError("precision and compile are for this package's networks, and the codec is another one")
        decoder = copy.deepcopy(codec.decoder)
        decoder.unet = self._unet(decoder.unet)
        return replace(codec, decoder=decoder)

    def _unet(self, unet: UNet) -> RuntimeUNet:
        device = next(unet.parameters()).device
        if self.compile and device.type != "cuda":
            raise SettingsError(
                f"compile was asked for on device {device}; it is for CUDA devices: open the codec on one, or leave "
                "compile off"
            )
        return RuntimeUNet(unet, bfloat16=self.precision == "bfloat16", compiled=self.compile)
