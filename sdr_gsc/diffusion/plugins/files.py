"""Reading the files of a model folder: JSON configurations and tensors, never code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ...errors import WeightsError
from ...metrics.foreign import load_foreign

__all__ = ["fill", "read_json", "read_tensors"]

_STEM = "diffusion_pytorch_model"


def read_json(path: Path, remedy: str) -> dict[str, object]:
    """A JSON object.

    Raises:
        WeightsError: missing (with `remedy`) or no JSON object.
    """
    if not path.is_file():
        raise WeightsError(f"{path} is missing; {remedy}")
    try:
        found = json.loads(path.read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} is not JSON ({error}); fetch the folder again") from error
    if not isinstance(found, dict):
        raise WeightsError(f"{path} holds no JSON object; fetch the folder again")
    return found


def read_tensors(folder: Path, stem: str = _STEM) -> tuple[dict[str, Tensor], Path]:
    """The tensors of one part of a `diffusers` folder, float32 on the CPU, and the file that names them.

    ``STEM.safetensors`` is taken first, then its shards, then ``STEM.bin``, which may hold nothing but tensors.

    Raises:
        WeightsError: missing, damaged, or a pickle of more than tensors.
    """
    whole, index, pickled = (folder / f"{stem}{end}" for end in (".safetensors", ".safetensors.index.json", ".bin"))
    if whole.is_file():
        tensors, source = _safetensors(whole), whole
    elif index.is_file():
        tensors, source = _shards(index), index
    elif pickled.is_file():
        tensors, source = load_foreign(pickled), pickled
    else:
        raise WeightsError(f"{whole} is missing; save the model with save_pretrained(…, safe_serialization=True)")
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}, source


def _shards(index: Path) -> dict[str, Tensor]:
    where = read_json(index, "fetch the folder again").get("weight_map")
    if not isinstance(where, dict) or not all(isinstance(name, str) for name in where.values()):
        raise WeightsError(f"{index} has no weight_map; fetch the folder again")
    tensors: dict[str, Tensor] = {}
    for name in sorted(set(where.values())):
        # A shard lies beside its index; a path that leads elsewhere is no shard.
        if Path(name).name != name or not (index.parent / name).is_file():
            raise WeightsError(f"{index.parent / name} is missing; fetch the folder again")
        tensors |= _safetensors(index.parent / name)
    return tensors


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a safetensors file ({error}); fetch it again") from error


def fill(model: nn.Module, tensors: Mapping[str, Tensor], source: Path, *, assign: bool = False) -> None:
    """Load tensors into the architecture that a configuration describes; all of them, and nothing else.

    Args:
        model: the architecture.
        tensors: by name.
        source: the file that holds them, for errors.
        assign: make the tensors themselves the parameters instead of copying them.

    Raises:
        WeightsError: the configuration does not fit the tensors.
    """
    own = model.state_dict()
    missing, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    wrong = sorted(name for name in own.keys() & tensors.keys() if own[name].shape != tensors[name].shape)
    if not missing and not extra and not wrong:
        model.load_state_dict(dict(tensors), assign=assign)
        return
    reasons = []
    if wrong:
        name = wrong[0]
        shapes = f"{list(tensors[name].shape)} instead of {list(own[name].shape)}"
        reasons.append(f"{len(wrong)} tensors have another shape ({name}: {shapes})")
    if missing:
        reasons.append(f"{len(missing)} tensors are missing ({missing[0]})")
    if extra:
        reasons.append(f"{len(extra)} tensors are unknown ({extra[0]})")
    raise WeightsError(
        f"{source} does not fit its configuration: {'; '.join(reasons)}; take configuration and tensors from the same "
        "model"
    )
