"""The ablation of weights: the same decoders on the same receptions, with less of what the receiver measured."""

from __future__ import annotations

from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.diffusion.decoding import Decoder
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.semantic.evidence import WEIGHTINGS

from ..procedures.transmission import Bench
from .decode_plan import is_slow

__all__ = ["WEIGHTINGS", "ablation_name", "open_weighted"]

#: Enough to tell weightings apart, at a fifth of the time of the comparison between decoders.
_MOST_NFE = 10


def ablation_name(decoder: str, weighting: str) -> str:
    """Name of a series.

    >>> ablation_name("mmse", "global")
    'mmse, weights: global'
    """
    return f"{decoder}, weights: {weighting}"


def open_weighted(name: str, weighting: str, nfe: int, bench: Bench) -> Decoder:
    """Open a decoder with a weighting; one of many evaluations takes at most 10. Errors as in `open_decoder`."""
    steps = min(nfe, _MOST_NFE) if is_slow(name) else None
    return open_decoder(name, bench.codec, bench.weights, DecoderOptions(steps=steps, weighting=weighting))
