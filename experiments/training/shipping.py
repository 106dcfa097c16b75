"""From a trained model to what is shipped: float16 safetensors and a card that vouches for them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from sdr_gsc.weights.cards import Card, write_card

__all__ = ["Base", "Provenance", "describe_pictures", "ship"]

_DESCRIPTIONS = {
    "codec": "Semantic encoder and deterministic decoder for six nested rates and all SNRs.",
    "refine": "Conditional diffusion from the codec's estimate to the picture (decoders refine and posterior:cddb).",
    "consistency": "The bridge of refine, distilled to one evaluation (decoder consistency).",
    "prior": "Unconditional denoiser of photographs at all noise levels (decoder posterior).",
}


@dataclass(frozen=True, slots=True)
class Base:
    """A model that another one went on from.

    Attributes:
        sha256: of its file.
        model: as loaded from that file.
    """

    sha256: str
    model: nn.Module


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a model comes from.

    Attributes:
        trained_on: the pictures, their licences, and how to gather them again.
        trained_with: the command and the settings.
        license: of the weights.
        codec_sha256: for models that belong to one codec, the hash of its file.
        settings: values that go with the weights, by name.
        metrics: held-out figures, by name.
        base: the model that this one is shipped as a difference to; None ships it whole.
    """

    trained_on: str
    trained_with: str
    license: str = "Apache-2.0"
    codec_sha256: str = ""
    settings: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    base: Base | None = None


def _halved(name: str, value: Tensor) -> Tensor:
    # A rotation that is orthonormal to three digits only would cost more than its few kilobytes are worth.
    keep = not value.is_floating_point() or ".rotation_" in f".{name}"
    return (value if keep else value.half()).detach().cpu().contiguous()


def ship(name: str, model: nn.Module, folder: Path, provenance: Provenance) -> Card:
    """Write ``NAME.safetensors`` and its card; an older model of that name is replaced.

    Args:
        name: ``codec``, ``refine``, ``consistency`` or ``prior``.
        model: trained.
        folder: made if needed.
        provenance: for the card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: _halved(key, value) for key, value in model.state_dict().items()}
    base = provenance.base
    if base is not None:
        known = {key: _halved(key, value) for key, value in base.model.state_dict().items()}
        state = {key: value for key, value in state.items() if key not in known or not torch.equal(value, known[key])}
    data = save(state)
    card = Card(
        name=name,
        file=f"{name}.safetensors",
        sha256=hashlib.sha256(data).hexdigest(),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        description=_DESCRIPTIONS[name],
        trained_on=provenance.trained_on,
        trained_with=provenance.trained_with,
        codec_sha256=provenance.codec_sha256,
        license=provenance.license,
        settings=dict(provenance.settings),
        metrics={key: round(float(value), 4) for key, value in provenance.metrics.items()},
    )
    if base is not None:
        card = replace(card, base_sha256=base.sha256)
    (folder / card.file).write_bytes(data)
    write_card(card, folder)
    return card


def describe_pictures(folder: Path, count: int) -> str:
    """One sentence for the card; a gathered corpus tells its packages and licences itself.

    Args:
        folder: the pictures.
        count: versions in use, where there is no manifest that counts the pictures.
    """
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return f"{count} versions of the pictures in a folder named {folder.resolve().name}"
    pictures = json.loads(manifest.read_text("utf-8"))["pictures"]
    packages = sorted({str(picture["package"]) for picture in pictures})
    licences = Counter(str(picture["licence"]) for picture in pictures)
    shares = ", ".join(f"{licence} ({number})" for licence, number in licences.most_common())
    return (
        f"{len(pictures)} free photographs from the Debian packages {', '.join(packages)}; licences: {shares}; "
        "gather them again with: sdr-gsc train corpus"
    )
