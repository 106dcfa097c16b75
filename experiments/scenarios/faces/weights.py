"""The weight files of the face finder: data of an installed package, whose code is never imported."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from torch import Tensor

from sdr_gsc.errors import WeightsError
from sdr_gsc.metrics.foreign import load_foreign

__all__ = ["FACE_PACKAGE", "face_weights"]

FACE_PACKAGE = "facenet-pytorch"
#: Its pins are older than any PyTorch of today, hence without its dependencies; only three data files of it are read.
_REMEDY = f"pip install --no-deps {FACE_PACKAGE}"
_SHA256 = {
    "pnet": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "rnet": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "onet": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}


def face_weights(name: str) -> dict[str, Tensor]:
    """The state dictionary of one stage of the face finder.

    Args:
        name: ``pnet``, ``rnet`` or ``onet``.

    Raises:
        WeightsError: the package is not installed, has no such file, or has another file than the known one.
    """
    return load_foreign(_located(f"{name}.pt"), _SHA256[name])


def _located(file_name: str) -> Path:
    try:
        files = distribution(FACE_PACKAGE).files or []
    except PackageNotFoundError as error:
        raise WeightsError(f"finding faces needs the weight files of {FACE_PACKAGE}; run: {_REMEDY}") from error
    for file in files:
        if file.name == file_name:
            return Path(str(file.locate()))
    raise WeightsError(f"{FACE_PACKAGE} is installed without {file_name}; run: {_REMEDY} --force-reinstall")
