"""A user's encoder and decoder as a codec: they go through our quantizer, descriptor, link and likelihood."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import DescriptorError, WeightsError
from ..weights.cards import Card
from .codec import Codec
from .evidence import Evidence, evidence_of
from .foreign_halves import ForeignDecoder, ForeignEncoder, PictureFrame
from .rate import Rate
from .values import Reception, SemanticSymbols

__all__ = ["FOREIGN_CODEC_ID", "ForeignCodec"]

#: Codec family of all foreign codecs in descriptors; which one it is, its weights' hash says.
FOREIGN_CODEC_ID = 2
#: Side of the trial picture that a codec of any size is checked with, before padding.
_TRIAL_PX = 64


@dataclass(frozen=True, slots=True)
class ForeignCodec(Codec):
    """A codec of others. It has one rate: its own number of latents, whatever rate is asked for.

    Attributes:
        encoder: the user's, see ForeignEncoder.
        decoder: the user's, see ForeignDecoder.
        frame: sizes that it works at.
    """

    # Both are called exactly as our own halves are; see foreign_halves.
    encoder: ForeignEncoder  # type: ignore[assignment]
    decoder: ForeignDecoder  # type: ignore[assignment]
    frame: PictureFrame

    @classmethod
    def of_modules(
        cls,
        encoder: nn.Module,
        decoder: nn.Module,
        *,
        device: str = "cpu",
        stride_px: int = 1,
        size_px: tuple[int, int] | None = None,
        deviation: float = 0.03,
        name: str = "foreign",
        sha256: str | None = None,
    ) -> ForeignCodec:
        """Take two modules as a codec.

        Args:
            encoder: pictures [B, 3, H, W] in [0, 1] to latents [B, ...], differentiable.
            decoder: latents [B, ...] and the variance of each (1e6 where erased; the latent is 0 there) to pictures
                [B, 3, H, W] in [0, 1], or to a pair of pictures and standard deviation [B, 1, H, W].
            device: where it runs.
            stride_px: see PictureFrame.
            size_px: see PictureFrame.
            deviation: root mean square error of a decode without noise, as a share of full scale.
            name: what it is.
            sha256: hash of the weights; by default that of both modules' tensors, so that sender and receiver with the
                same weights know each other.

        Raises:
            WeightsError: modules that do not do that; the message says what they do instead.
        """
        target = torch.device(device)
        for module in (encoder, decoder):
            module.to(target).eval().requires_grad_(requires_grad=False)
        frame = PictureFrame(stride_px, size_px)
        state = {f"encoder.{key}": value for key, value in encoder.state_dict().items()}
        state |= {f"decoder.{key}": value for key, value in decoder.state_dict().items()}
        parameters = sum(value.numel() for value in state.values())
        card = Card(name, "", sha256 or _digest(state), parameters, "", "", "", "", "", {}, {})
        codec = cls(ForeignEncoder(encoder), ForeignDecoder(decoder, frame, deviation), card, target, frame)
        codec._try_out(size_px or (_TRIAL_PX, _TRIAL_PX))
        return codec

    @property
    def family(self) -> int:
        """See Codec."""
        return FOREIGN_CODEC_ID

    def padded(self, pictures: Tensor) -> Tensor:
        """See Codec."""
        return self.frame.pad(pictures)

    def sizes(self, height: int, width: int) -> tuple[tuple[Rate, int], ...]:
        """See Codec: one."""
        rate = self.encoder.rate(*self.frame.padded(height, width))
        return ((rate, rate.channels // 2),)

    def encode(
        self,
        picture: np.ndarray,
        rate: Rate,
        levels: int,
        *,
        picture_id: int = 0,
        interleaver_seed: int = 0,
        design_esn0_db: float = 10.0,
    ) -> SemanticSymbols:
        """See Codec; `rate` is not asked."""
        ((own, _),) = self.sizes(*picture.shape[:2])
        return Codec.encode(
            self,
            picture,
            own,
            levels,
            picture_id=picture_id,
            interleaver_seed=interleaver_seed,
            design_esn0_db=design_esn0_db,
        )

    def evidence(self, reception: Reception) -> Evidence:
        """See Codec."""
        descriptor = reception.descriptor
        if descriptor is None:
            return evidence_of(reception)
        self.check(descriptor)
        ((own, needed),) = self.sizes(descriptor.height, descriptor.width)
        if descriptor.n_symbols != needed:
            raise DescriptorError(
                f"{descriptor.width}x{descriptor.height} pixels take {needed} symbols here; the descriptor says "
                f"{descriptor.n_symbols}"
            )
        return evidence_of(reception, own)

    def _try_out(self, size: tuple[int, int]) -> None:
        """Encode and decode a grey picture, with a gradient."""
        grey = self.padded(torch.full((1, 3, *size), 0.5, device=self.device)).requires_grad_()
        rate = self.encoder.rate(*grey.shape[2:])
        latents = self.encoder(grey, rate)
        if not latents.requires_grad:
            raise WeightsError(
                "the encoder's latents do not depend on the picture by a gradient, which posterior decoders follow; "
                "needed an encoder without detach, rounding or no_grad"
            )
        latents = latents.detach()
        estimate = self.decoder.decode(self.encoder, latents, torch.full_like(latents, 0.01), size)
        if not bool(estimate.picture.isfinite().all()):
            raise WeightsError("the decoder answers finite latents with values that are not; correct it")


def _digest(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {list(value.shape)}".encode())
        digest.update(value.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
