"""What a conditional model is told: a class, or a text as embeddings, and how strongly to follow it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ...errors import SettingsError, WeightsError

__all__ = ["Conditioning", "LabelledNetwork", "TextNetwork", "checked_label", "read_embeddings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditioning:
    """What the user wants to see.

    Attributes:
        label: class, for a model trained with classes.
        prompt: a text, or the path of a ``.safetensors`` file with its embeddings (see `read_embeddings`).
        guidance: g of classifier-free guidance, u + g·(c - u) with c and u the conditional and the unconditional
            prediction (Ho and Salimans 2022); None and 1 take c alone, at half the cost.
    """

    label: int | None = None
    prompt: str | None = None
    guidance: float | None = None

    @property
    def is_guided(self) -> bool:
        """Whether the unconditional prediction is needed."""
        return self.guidance is not None and self.guidance != 1


def checked_label(conditioning: Conditioning, classes: int | None) -> int | None:
    """The label, once it is clear that the model can use it.

    Args:
        conditioning: as asked for.
        classes: number of the model's classes; None for a model without.

    Raises:
        SettingsError: a label for a model without classes, none or a wrong one for a model with classes, or guidance,
            which needs an unconditional prediction that such a model does not have.
    """
    if conditioning.prompt is not None:
        raise SettingsError("this prior takes no text; leave prompt out")
    if conditioning.is_guided:
        raise SettingsError("guidance needs a prior that is conditioned on text; leave guidance out")
    label = conditioning.label
    if classes is None:
        if label is not None:
            raise SettingsError(f"label is {label}, but this prior knows no classes; leave label out")
        return None
    if label is None or not 0 <= label < classes:
        raise SettingsError(f"label is {label}; this prior needs one of its classes 0…{classes - 1}")
    return label


def read_embeddings(path: Path, width: int) -> tuple[Tensor, Tensor | None]:
    """Text embeddings from a safetensors file.

    Args:
        path: holds ``prompt``, float [n, width] or [1, n, width], and perhaps ``negative`` in the same form: the
            embedding of the empty text, or of what is not wanted.
        width: of the model's cross-attention.

    Returns:
        Both as float32 [1, n, width].

    Raises:
        WeightsError: missing, no safetensors file, or embeddings for another model.
    """
    if not path.is_file():
        raise WeightsError(f"{path} is missing; needed a safetensors file with the embeddings of a text")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a safetensors file ({error}); see docs/models.md for its form") from error
    if "prompt" not in tensors:
        raise WeightsError(f"{path} holds {', '.join(sorted(tensors)) or 'nothing'}; needed a tensor named prompt")
    found = {}
    for name in ("prompt", "negative"):
        if name in tensors:
            value = tensors[name].float()
            value = value[None] if value.ndim == 2 else value
            if value.ndim != 3 or value.shape[0] != 1 or value.shape[2] != width or not value.isfinite().all():
                raise WeightsError(
                    f"{path}: {name} has shape {list(tensors[name].shape)}; needed finite values [n, {width}]: take "
                    "the text encoder that the model was trained with"
                )
            found[name] = value
    return found["prompt"], found.get("negative")


class LabelledNetwork(nn.Module):
    """A network that takes a class, bound to one.

    Args:
        call: (x_t, times, labels long [B] or None) to the prediction.
        network: the module behind `call`.
        label: the class; None for a network without.
    """

    def __init__(
        self, call: Callable[[Tensor, Tensor, Tensor | None], Tensor], network: nn.Module, label: int | None
    ) -> None:
        super().__init__()
        self.network = network
        self._call = call
        self._label = label

    @property
    def passes(self) -> int:
        """Forward passes per prediction."""
        return 1

    def forward(self, scaled: Tensor, times: Tensor) -> Tensor:
        """See Network."""
        if self._label is None:
            return self._call(scaled, times, None)
        return self._call(scaled, times, torch.full((scaled.shape[0],), self._label, device=scaled.device))


class TextNetwork(nn.Module):
    """A network that takes text embeddings, bound to a text and guided by the lack of it.

    Args:
        call: (x_t, times, embeddings [B, n, d]) to the prediction.
        network: the module behind `call`.
        wanted: embeddings of the text, float [1, n, d].
        unwanted: embeddings of no text, or of what is not wanted; only guidance needs them.
        guidance: see Conditioning.
    """

    wanted: Tensor
    unwanted: Tensor | None

    def __init__(
        self,
        call: Callable[[Tensor, Tensor, Tensor], Tensor],
        network: nn.Module,
        wanted: Tensor,
        unwanted: Tensor | None,
        guidance: float | None,
    ) -> None:
        super().__init__()
        if guidance is not None and guidance != 1 and unwanted is None:
            raise SettingsError(
                "guidance needs the embeddings of the empty text beside those of the prompt; add a tensor named "
                "negative to the embedding file"
            )
        self.network = network
        self._call = call
        self._guidance = 1.0 if guidance is None else guidance
        self.register_buffer("wanted", wanted, persistent=False)
        self.register_buffer("unwanted", unwanted, persistent=False)

    @property
    def passes(self) -> int:
        """Forward passes per prediction: 2 under guidance."""
        return 1 if self._guidance == 1 else 2

    def forward(self, scaled: Tensor, times: Tensor) -> Tensor:
        """See Network."""
        wanted = self._said(scaled, times, self.wanted)
        if self.unwanted is None or self.passes == 1:
            return wanted
        free = self._said(scaled, times, self.unwanted)
        return free + self._guidance * (wanted - free)

    def _said(self, scaled: Tensor, times: Tensor, embeddings: Tensor) -> Tensor:
        return self._call(scaled, times, embeddings.to(scaled.dtype).expand(scaled.shape[0], -1, -1))
