"""The one door for weight files of others: never unpickled without restriction, checked where the file is known."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import torch
from torch import Tensor

from ..errors import WeightsError

__all__ = ["load_foreign"]


def load_foreign(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """Read a ``.pt`` or ``.pth`` state dictionary to the CPU.

    Args:
        path: the file.
        sha256: hexadecimal hash of the file, where it is known.

    Raises:
        WeightsError: missing, another file than the known one, or more than a dictionary of tensors.
    """
    if not path.is_file():
        raise WeightsError(f"{path} is not a file; needed a PyTorch state dictionary")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if sha256 is not None and found != sha256:
        raise WeightsError(f"{path} has sha256 {found[:16]}…, needed {sha256[:16]}…; fetch the known file again")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise WeightsError(f"{path} is not a plain PyTorch state dictionary: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path} does not hold a dictionary of tensors; save model.state_dict() instead")
    return state
