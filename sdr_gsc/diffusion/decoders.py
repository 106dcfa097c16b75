"""Decoders by name: a reception in, a reconstruction out.

Names are the same in the command line, in TOML and in JSON: ``mmse`` (deterministic), ``refine[:STEPS]`` (conditional
diffusion from the codec's estimate) and ``posterior[:SOLVER]`` (unconditional prior guided by the likelihood).
"""

from __future__ import annotations

from pathlib import Path

from ..errors import SettingsError
from ..semantic.codec import Codec
from .decoding import Decoder
from .mmse import MmseDecoder
from .options import DecoderOptions
from .posterior import SOLVERS, open_posterior
from .refine import open_refine

__all__ = ["DECODER_NAMES", "open_decoder"]

DECODER_NAMES = ("mmse", "refine[:STEPS]", f"posterior[:{'|'.join(SOLVERS)}]")


def open_decoder(name: str, codec: Codec, folder: Path | None = None, options: DecoderOptions | None = None) -> Decoder:
    """Open a decoder by name.

    Args:
        name: see DECODER_NAMES.
        codec: the codec of the pictures.
        folder: holds ``cards.toml`` and the models; default: the shipped ones.
        options: see there; default: the decoder's own.

    Raises:
        SettingsError: unknown name, or a number out of range.
        WeightsError: the model's file is missing, damaged, or belongs to another codec.
    """
    options = options or DecoderOptions()
    family, _, choice = name.partition(":")
    if family == "mmse" and not choice:
        return MmseDecoder(codec)
    if family == "refine" and (not choice or choice.isdecimal()):
        return open_refine(name, int(choice) if choice else None, codec, folder, options)
    if family == "posterior" and (not choice or choice in SOLVERS):
        return open_posterior(name, choice or next(iter(SOLVERS)), codec, folder, options)
    raise SettingsError(f"decoder {name!r} is unknown; needed one of {', '.join(DECODER_NAMES)}")
