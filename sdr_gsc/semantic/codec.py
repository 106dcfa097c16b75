"""The codec at run time: pictures to semantic symbols, indices to bytes, evidence to pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..errors import DescriptorError, WeightsError
from ..weights.cards import Card, load_card
from .decoder import Estimate, SemanticDecoder
from .descriptor import NO_MCS, Descriptor, Mapping
from .encoder import SemanticEncoder
from .evidence import Evidence, evidence_of
from .picture import as_tensor
from .quantizer import Quantizer
from .rate import RATES, Rate, symbols_per_picture
from .transform import pad_to_blocks
from .values import Reception, SemanticSymbols

__all__ = ["CODEC_ID", "Codec"]

#: Identifies this codec family in descriptors.
CODEC_ID = 1


@dataclass(frozen=True, slots=True)
class Codec:
    """A trained codec on a device.

    Attributes:
        encoder: see SemanticEncoder; frozen.
        decoder: see SemanticDecoder; frozen.
        card: what it is and where it comes from.
        device: where it runs.
    """

    encoder: SemanticEncoder
    decoder: SemanticDecoder
    card: Card
    device: torch.device

    @classmethod
    def load(cls, folder: Path | None = None, device: str = "cpu") -> Codec:
        """Load the shipped codec, or one from a folder with ``cards.toml``.

        Raises:
            WeightsError: see load_card; also a damaged file, and weights of another architecture.
        """
        card, path = load_card("codec", folder)
        with torch.random.fork_rng(devices=[]):  # the layers' starting weights are drawn, for nothing
            encoder, decoder = SemanticEncoder(), SemanticDecoder()
        try:
            state = {name: value.float() for name, value in load_file(path).items()}
            for prefix, module in (("encoder.", encoder), ("decoder.", decoder)):
                own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
                module.load_state_dict(own)
        except SafetensorError as error:
            raise WeightsError(
                f"{path} is damaged ({error}); reinstall the package, or train it again with: sdr-gsc train codec"
            ) from error
        except RuntimeError as error:
            raise WeightsError(
                f"{path} holds another architecture than this version's, train it again with: sdr-gsc train codec; "
                f"{error}"
            ) from error
        target = torch.device(device)
        for module in (encoder, decoder):
            module.to(target).eval().requires_grad_(requires_grad=False)
        return cls(encoder, decoder, card, target)

    @property
    def family(self) -> int:
        """What descriptors call this kind of codec."""
        return CODEC_ID

    def padded(self, pictures: Tensor) -> Tensor:
        """Pictures, float [B, 3, H, W], at a size that the encoder takes."""
        return pad_to_blocks(pictures)

    def sizes(self, height: int, width: int) -> tuple[tuple[Rate, int], ...]:
        """The rates for a picture of this size and the complex symbols that each takes, fewest first."""
        return tuple((rate, symbols_per_picture(height, width, rate)) for rate in RATES)

    def evidence(self, reception: Reception) -> Evidence:
        """See evidence_of."""
        return evidence_of(reception)

    @torch.inference_mode()
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
        """Encode a picture for the `direct` mapping.

        The scale is the root mean square of the latents; the gain makes the mean power of this picture's symbols 1.
        Both are rounded to float16 before use, so that sender and receiver use the very same values.

        Args:
            picture: float [H, W, 3] in [0, 1].
            rate: which of RATES.
            levels: L per real dimension, 4, 8, 16 or 32.
            picture_id: see Descriptor.
            interleaver_seed: see Descriptor.
            design_esn0_db: see Descriptor.

        Returns:
            Indices and a descriptor whose `n_frames` is 1 until the link has planned the frames.
        """
        quantizer = Quantizer.of(levels)
        padded = self.padded(as_tensor(picture).to(self.device))
        latents = self.encoder(padded, rate).flatten().cpu().numpy().astype(np.float32)
        # A picture of one flat colour has latents near zero; the floor keeps the scale a normal float16.
        scale = float(np.float16(max(float(np.sqrt(np.mean(latents**2))), 1e-3)))
        indices = quantizer.indices(latents / scale).reshape(-1, 2)
        power = 2 * float(np.mean(quantizer.values(indices) ** 2))
        descriptor = Descriptor(
            picture_id=picture_id,
            codec_id=self.family,
            weights_prefix=self.card.prefix,
            height=picture.shape[0],
            width=picture.shape[1],
            mapping=Mapping.DIRECT,
            levels=levels,
            rate_index=rate.index,
            n_symbols=indices.shape[0],
            n_bytes=0,
            mcs=NO_MCS,
            n_frames=1,
            scale=scale,
            gain=float(np.float16(power**-0.5)),
            interleaver_seed=interleaver_seed,
            design_esn0_db=design_esn0_db,
        )
        return SemanticSymbols(indices, descriptor)

    def check(self, descriptor: Descriptor) -> None:
        """Refuse a descriptor that another codec wrote.

        Raises:
            DescriptorError: other codec family or other weights.
        """
        if descriptor.codec_id != self.family or descriptor.weights_prefix != self.card.prefix:
            raise DescriptorError(
                f"symbols were made by codec {descriptor.codec_id} with weights {descriptor.weights_prefix.hex()}; "
                f"this is codec {self.family} with weights {self.card.prefix.hex()}: load the sender's weights"
            )

    @torch.inference_mode()
    def estimate(self, evidence: Evidence) -> Estimate:
        """The deterministic decoder's batch of one, padded to whole blocks."""
        evidence = evidence.to(self.device)
        estimate: Estimate = self.decoder(
            self.encoder, evidence.latents, evidence.variance, evidence.rate, evidence.grid
        )
        return estimate
