"""Decoders by name: a reception in, a reconstruction out.

Names are the same in the command line, in TOML and in JSON: ``mmse`` (deterministic), ``refine[:STEPS]`` (conditional
diffusion from the codec's estimate), ``consistency[:STEPS]`` (the same, distilled to one step) and
``posterior[:SOLVER]`` (a prior guided by the likelihood: an unconditional one, or the bridge of refine for ``cddb``,
which is the default), ``blind`` (posterior of picture and residual channel together) and ``cddm`` (symbols denoised
before they are decoded).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
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

__all__ = ["DECODER_NAMES", "POSTERIOR_SOLVERS", "check_used", "open_decoder"]

#: The posterior solver whose prior is the bridge of `refine`, see `consistent_bridge`; how far it trusts that bridge to
#: have misread the symbols, and its steps.
_BRIDGE_SOLVER, _TRUST, _BRIDGE_STEPS = "cddb", 1.0, 20

POSTERIOR_SOLVERS = (*SOLVERS, _BRIDGE_SOLVER)

DECODER_NAMES = (
    "mmse", "refine[:STEPS]", "consistency[:STEPS]", f"posterior[:{'|'.join(POSTERIOR_SOLVERS)}]", "blind", "cddm",
)  # fmt: skip

_BRIDGE = f"posterior:{_BRIDGE_SOLVER}"
#: The posterior whose prior is a bridge is a family of its own, and so is that of the other solvers.
_GUIDED = "posterior:diffpir (or another solver)"
#: Which families of decoders use an option; those that are not named here serve all of them.
_USED_BY = {
    "steps": ("refine", "consistency", _GUIDED, "blind", _BRIDGE),
    "samples": ("refine", "consistency", _GUIDED, "blind", _BRIDGE),
    "realism": ("refine", "consistency", _BRIDGE),
    "weighting": ("mmse", "refine", "consistency", _GUIDED, _BRIDGE),
    "start": (_GUIDED,),
    "prior": (_GUIDED, "blind"),
    "label": (_GUIDED, "blind"),
    "prompt": (_GUIDED, "blind"),
    "guidance": ("refine", _GUIDED, "blind", _BRIDGE),
    "sampler": ("refine", _BRIDGE),
    "early_exit": ("refine", "consistency", _BRIDGE),
    "task_guidance": (_GUIDED,),
}


def check_used(names: Collection[str], options: DecoderOptions) -> None:
    """Refuse options that none of the decoders uses: somebody who gives one expects it to matter.

    Args:
        names: of the decoders, see DECODER_NAMES.
        options: for all of them.

    Raises:
        SettingsError: an option other than its default that would change nothing.
    """
    families = {_family(name) for name in names}
    for option in fields(DecoderOptions):
        users = _USED_BY.get(option.name)
        if users is None or getattr(options, option.name) == option.default:
            continue
        if option.name == "guidance" and options.prior is None:
            users = ("refine", _BRIDGE)
        if not families & set(users):
            raise SettingsError(
                f"{option.name} is used by {', '.join(users)}; chosen {'are' if len(names) > 1 else 'is'} "
                f"{', '.join(sorted(names)) or 'no decoder'}: leave {option.name} out, or choose one that uses it"
            )


def _family(name: str) -> str:
    family, _, choice = name.partition(":")
    if family != "posterior":
        return family
    return _GUIDED if choice and name != _BRIDGE else _BRIDGE


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
    if options.compile and family == "posterior" and choice in SOLVERS and SOLVERS[choice].confirming:
        raise SettingsError(
            f"{name} takes gradients through two networks at once, and recorded graphs overwrite each other's results; "
            "leave compile off"
        )
    codec = Runtime(options.precision, options.compile).applied_to_codec(codec)
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
    if _family(name) == _BRIDGE:
        return open_refine(name, _BRIDGE_STEPS, codec, folder, options, _TRUST)
    if family == "posterior" and choice in SOLVERS:
        return open_posterior(name, choice, codec, folder, options)
    raise SettingsError(f"decoder {name!r} is unknown; needed one of {', '.join(DECODER_NAMES)}")
