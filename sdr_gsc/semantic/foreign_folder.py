"""A codec of others from a folder: ``codec.toml``, a safetensors file, and a Python file that the user names.

Code of others runs only when it was asked for by its path.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from ..errors import WeightsError
from ..user_code import run_user_code
from .foreign_codec import ForeignCodec

__all__ = ["load_foreign_codec"]


@dataclass(frozen=True, slots=True)
class _Description:
    """Fields of ``codec.toml``.

    Attributes:
        encoder: name of the encoder's class in the Python file.
        decoder: name of the decoder's.
        file: safetensors file beside it, whose tensors are named ``encoder.…`` and ``decoder.…``.
        sha256: its hash.
        stride_px: see PictureFrame.
        size_px: height and width, where the codec knows no other; empty otherwise.
        deviation: see ForeignDecoder.
        encoder_options: keyword arguments of the encoder's class.
        decoder_options: likewise.
    """

    encoder: str
    decoder: str
    file: str
    sha256: str
    stride_px: int = 1
    size_px: list[int] = field(default_factory=list)
    deviation: float = 0.03
    encoder_options: dict[str, Any] = field(default_factory=dict)
    decoder_options: dict[str, Any] = field(default_factory=dict)


def load_foreign_codec(folder: Path, code: Path | None, device: str = "cpu") -> ForeignCodec:
    """Load a codec from a folder with ``codec.toml`` and its weights, and the Python file with its classes.

    Args:
        folder: see above.
        code: Python file. It is run, so it must be given by the user; nothing in the folder can name it.
        device: where the codec runs.

    Raises:
        WeightsError: files that are missing, damaged or do not fit each other, or code that does not do as it should.
    """
    described = _description(folder / "codec.toml")
    if code is None:
        raise WeightsError(
            f"{folder} holds a codec whose classes are Python code of others, which would be run; read it, then name "
            "its file with --codec-code"
        )
    path = folder / described.file
    if not path.is_file():
        raise WeightsError(f"{path} is missing; fetch the folder again")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != described.sha256:
        raise WeightsError(
            f"{path} has sha256 {found[:16]}…, codec.toml says {described.sha256[:16]}…; fetch both from the same place"
        )
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a safetensors file ({error}); fetch it again") from error
    space = run_user_code(code, "the Python file with the codec's classes", WeightsError)
    halves = []
    for part, options in (("encoder", described.encoder_options), ("decoder", described.decoder_options)):
        made = _made(space, getattr(described, part), options, code)
        own = {name.removeprefix(f"{part}."): value for name, value in tensors.items() if name.startswith(f"{part}.")}
        try:
            made.load_state_dict(own)
        except RuntimeError as error:
            raise WeightsError(f"{path} does not fit the class {getattr(described, part)}: {error}") from error
        halves.append(made)
    return ForeignCodec.of_modules(
        *halves,
        device=device,
        stride_px=described.stride_px,
        size_px=(described.size_px[0], described.size_px[1]) if described.size_px else None,
        deviation=described.deviation,
        name=folder.name,
        sha256=found,
    )


def _description(path: Path) -> _Description:
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise WeightsError(f"{path} is missing; docs/models.md says what it holds") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} is not TOML ({error}); correct it") from error
    kinds: dict[str, tuple[type, ...]] = {
        "encoder": (str,),
        "decoder": (str,),
        "file": (str,),
        "sha256": (str,),
        "stride_px": (int,),
        "size_px": (list,),
        "deviation": (float, int),
        "encoder_options": (dict,),
        "decoder_options": (dict,),
    }
    needed = {"encoder", "decoder", "file", "sha256"}
    if not needed <= set(found) or not set(found) <= {each.name for each in fields(_Description)}:
        raise WeightsError(
            f"{path} has the fields {sorted(found)}; needed {sorted(needed)} and none but {sorted(kinds)}"
        )
    for name, value in found.items():
        if type(value) not in kinds[name]:
            raise WeightsError(f"{path} sets {name} to {value!r}; needed a value of type {kinds[name][0].__name__}")
    described = _Description(**found)
    size = described.size_px
    if size and (len(size) != 2 or not all(type(side) is int and side > 0 for side in size)):
        raise WeightsError(f"{path} sets size_px to {size}; needed height and width in pixels")
    # The file lies beside its description; a path that leads elsewhere is not part of the folder.
    if Path(described.file).name != described.file:
        raise WeightsError(f"{path} names the file {described.file}; needed one in the same folder")
    return described


def _made(space: object, name: str, options: Mapping[str, Any], code: Path) -> nn.Module:
    kind = getattr(space, name, None)
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise WeightsError(f"{code} has no class {name} that is a torch.nn.Module; codec.toml names it")
    try:
        made: nn.Module = kind(**options)
    except Exception as error:  # Whatever a user's file raises, it is that file which needs mending.
        raise WeightsError(f"{name} of {code} cannot be made: {type(error).__name__}: {error}") from error
    return made
