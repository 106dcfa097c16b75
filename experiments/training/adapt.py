"""Adaptation to a new domain from a few pictures, at the receiver: the sender goes on as before.

Only networks behind the air learn: the correction of the deterministic decoder, or the bridge. The encoder and the
decoder's statistics stay, so that symbols keep their meaning and descriptors their hash (see `Card.prefix`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from sdr_gsc.diffusion.bridge import BridgeDenoiser
from sdr_gsc.errors import SettingsError
from sdr_gsc.semantic.rate import RATES

from .codec import CodecModel, evaluate_codec, train_codec
from .loop import LoopSettings, Progress
from .pictures import PictureSet
from .refine import RefineAim, train_refine

__all__ = ["adapt_decoder", "adapt_refine", "decoder_gain"]


def adapt_decoder(
    codec: CodecModel,
    pictures: PictureSet,
    settings: LoopSettings,
    checkpoint: Path,
    on_step: Callable[[Progress], None] = lambda progress: None,
) -> CodecModel:
    """A codec whose decoder has seen the pictures; `codec` stays as it is.

    Raises:
        SettingsError: see `fit`; also an encoder that changed after all.
    """
    adapted = train_codec(pictures, settings, checkpoint, on_step, codec, only_correction=True)
    before = codec.encoder.state_dict()
    if any(not torch.equal(value.cpu(), before[name].cpu()) for name, value in adapted.encoder.state_dict().items()):
        raise SettingsError(f"{checkpoint} holds another encoder than the codec's; use another --out folder")
    return adapted


def adapt_refine(
    codec: CodecModel,
    bridge: BridgeDenoiser,
    pictures: PictureSet,
    settings: LoopSettings,
    checkpoint: Path,
    on_step: Callable[[Progress], None] = lambda progress: None,
    aim: RefineAim = RefineAim(),  # noqa: B008
) -> BridgeDenoiser:
    """A bridge that has seen the pictures; codec and `bridge` keep their weights. Errors as in `train_refine`."""
    return train_refine(codec, pictures, settings, checkpoint, on_step, bridge, aim)


def decoder_gain(
    before: CodecModel, after: CodecModel, pictures: Mapping[str, Tensor], esn0_db: float = 10.0
) -> dict[str, float]:
    """PSNR in dB at CBR 1/48 before and after, for named sets of pictures, float [B, 3, H, W] in [0, 1]."""
    found = {}
    for name, batch in pictures.items():
        found[f"{name}_before_psnr_db"] = evaluate_codec(before, batch, RATES[3], esn0_db)
        found[f"{name}_after_psnr_db"] = evaluate_codec(after, batch, RATES[3], esn0_db)
    return found
