"""A folder's own text encoder, where there is one."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ...errors import WeightsError
from .files import fill, read_tensors

__all__ = ["encode_text"]

_HINT = "or give the embeddings of the text as a .safetensors file (docs/models.md says how to make one)"


@torch.no_grad()
def encode_text(folder: Path, texts: tuple[str, ...]) -> list[Tensor]:
    """Embeddings, float32 [1, n, d] each, of texts by the CLIP text encoder of a `diffusers` folder.

    Raises:
        WeightsError: no text encoder in the folder, no `transformers` installed, or files that do not fit.
    """
    if not (folder / "text_encoder" / "config.json").is_file() or not (folder / "tokenizer").is_dir():
        raise WeightsError(f"{folder} has no text encoder and tokenizer; take the whole pipeline's folder, {_HINT}")
    try:
        from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer
    except ImportError as error:
        raise WeightsError(f"texts need the package transformers: pip install transformers, {_HINT}") from error
    tensors, source = read_tensors(folder / "text_encoder", "model")
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        model = CLIPTextModel(CLIPTextConfig.from_pretrained(folder / "text_encoder", local_files_only=True))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"{folder} has a text encoder that is no CLIP text model ({error}); {_HINT}") from error
    own = model.state_dict()
    # Older files keep the positions 0, 1, 2… as a tensor; the module counts by itself.
    fill(model, {name: value for name, value in tensors.items() if name in own or "position_ids" not in name}, source)
    model.eval()
    found = []
    for text in texts:
        length = tokenizer.model_max_length
        tokens = tokenizer(text, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        found.append(model(tokens.input_ids)[0].float())
    return found
