"""Decoders by name: a reception in, a reconstruction out.

Names are the same in the command line, in TOML and in JSON: ``mmse`` (deterministic), ``refine[:STEPS]`` (conditional
diffusion from the codec's estimate), ``consistency[:STEPS]`` (the same, distilled to one step) and
``posterior[:SOLVER]`` (unconditional prior guided by the likelihood), ``blind`` (posterior of picture and residual
channel together) and ``cddm`` (symbols denoised before they are decoded).
"""

from __future__ import annotations

from pathlib import Path

from ..errors import SettingsError
from ..semantic.codec import Codec
from .blind import open_blind
from .consistency import open_consistency
from .decoding import Decoder
from .mmse import MmseDecoder
from .options import DecoderOptions
from .posterior import SOLVERS, open_posterior
from .refine import open_refine
from .runtime import Runtime
from .symbol_denoising import SymbolDenoiser

__all__ = ["DECODER_NAMES", "open_decoder"]

DECODER_NAMES = ("mmse", "refine[:STEPS]", "consistency[:STEPS]", f"posterior[:{'|'.join(SOLVERS)}]", "blind", "cddm")


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
    codec = Runtime(options.precision, options.compile).applied_to_codec(codec)
    family, _, choice = name.partition(":")
    if family == "mmse" and not choice:
        return MmseDecoder(codec, weighting=options.weighting)
    if family == "cddm" and not choice:
        return SymbolDenoiser(codec)
    if family == "blind" and not choice:
        return open_blind(name, codec, folder, options)
    if family == "refine" and (not choice or choice.isdecimal()):
        return open_refine(name, int(choice) if choice else None, codec, folder, options)
    if family == "consistency" and (not choice or choice.isdecimal()):
        return open_consistency(name, int(choice) if choice else None, codec, folder, options)
    if family == "posterior" and (not choice or choice in SOLVERS):
        return open_posterior(name, choice or next(iter(SOLVERS)), codec, folder, options)
    raise SettingsError(f"decoder {name!r} is unknown; needed one of {', '.join(DECODER_NAMES)}")
