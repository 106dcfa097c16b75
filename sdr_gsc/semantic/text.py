"""Text as a second modality: the embedding of a sentence as soft symbols, and what it means at the receiver.

The embedding has length 1 and all directions alike; spread like a task vector, it needs no scale. What comes back is an
embedding again: the receiver finds the nearest of the sentences it knows, or says how similar two sentences are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DescriptorError, SettingsError
from .descriptor import NO_MCS, Descriptor, Mapping
from .quantizer import Quantizer
from .text_encoder import SentenceModel
from .values import Reception, SemanticSymbols
from .vector_code import VectorCode

__all__ = ["MAX_TEXT_SYMBOLS", "TEXT_CODEC_ID", "ReceivedText", "encode_text", "read_text"]

#: Identifies sentence embeddings in descriptors; lower numbers are left to codecs of pictures.
TEXT_CODEC_ID = 128
#: Most symbols that a sentence is worth; each direction of a usual embedding is then sent some hundred times.
MAX_TEXT_SYMBOLS = 1 << 15


@dataclass(frozen=True, slots=True, eq=False)
class ReceivedText:
    """What the receiver knows of a sentence.

    Attributes:
        heard: whether any symbol arrived.
        embedding: conditional mean, float64 [width], made length 1; zeros where nothing came.
        predicted_similarity: cosine similarity to the sent embedding that the noise lets expect; 0 where nothing came.
    """

    heard: bool
    embedding: np.ndarray
    predicted_similarity: float

    def similarities(self, embeddings: np.ndarray) -> np.ndarray:
        """Cosine similarity to each of some embeddings, float [n, width] of length 1: float64 [n]."""
        return np.asarray(embeddings @ self.embedding)

    def nearest(self, embeddings: np.ndarray) -> int | None:
        """Index of the most similar one; None where nothing came."""
        return int(np.argmax(self.similarities(embeddings))) if self.heard else None


def _code(width: int) -> VectorCode:
    return VectorCode(np.ones(width))


def encode_text(
    sentence: str,
    model: SentenceModel,
    n_symbols: int,
    levels: int = 16,
    *,
    text_id: int = 0,
    interleaver_seed: int = 0,
    design_esn0_db: float = 10.0,
) -> SemanticSymbols:
    """A sentence as symbols of the `direct` mapping.

    Args:
        sentence: any text; what lies beyond the model's longest sentence is not seen.
        model: makes the embedding.
        n_symbols: complex symbols, each for two real values; half the width sends the embedding once.
        levels: L per real dimension.
        text_id: 0…65535, in the descriptor's field `picture_id`.
        interleaver_seed: 0…65535.
        design_esn0_db: Es/N0 that the sender designs for.

    Raises:
        SettingsError: an empty sentence, or a number of symbols or levels that does not exist.
    """  # fmt: skip
    if not 1 <= n_symbols <= MAX_TEXT_SYMBOLS:
        raise SettingsError(f"a sentence in {n_symbols} symbols; needed 1…{MAX_TEXT_SYMBOLS}")
    quantizer = Quantizer.of(levels)
    (embedding,) = model.embed([sentence])
    indices = quantizer.indices(_code(model.width).spread(embedding, 2 * n_symbols)).reshape(-1, 2)
    power = 2 * float(np.mean(quantizer.values(indices) ** 2))
    descriptor = Descriptor(
        picture_id=text_id,
        codec_id=TEXT_CODEC_ID,
        weights_prefix=model.identity,
        height=1,
        width=model.width,
        mapping=Mapping.DIRECT,
        levels=levels,
        rate_index=0,
        n_symbols=n_symbols,
        n_bytes=0,
        mcs=NO_MCS,
        n_frames=1,
        scale=1.0,
        gain=float(np.float16(power**-0.5)),
        interleaver_seed=interleaver_seed,
        design_esn0_db=design_esn0_db,
    )
    return SemanticSymbols(indices, descriptor)


def read_text(reception: Reception, model: SentenceModel) -> ReceivedText:
    """The embedding in a reception.

    Raises:
        DescriptorError: nothing was received, no sentence was sent, another model made it, or the descriptor does not
            belong to the symbols.
    """
    descriptor = reception.descriptor
    if descriptor is None:
        raise DescriptorError("no good header was received, so there is no sentence; see the frame reports")
    if descriptor.codec_id != TEXT_CODEC_ID:
        raise DescriptorError(f"codec {descriptor.codec_id} sends no sentences; needed codec {TEXT_CODEC_ID}")
    if descriptor.weights_prefix != model.identity or descriptor.width != model.width:
        raise DescriptorError(
            f"the sentence was embedded by model {descriptor.weights_prefix.hex()} of width {descriptor.width}; this "
            f"is {model.name!r} ({model.identity.hex()}) of width {model.width}: load the sender's model"
        )
    if not reception.symbols.size == reception.noise_variance.size == descriptor.n_symbols:
        raise DescriptorError(
            f"the descriptor says {descriptor.n_symbols} symbols; {reception.symbols.size} came with "
            f"{reception.noise_variance.size} variances"
        )
    pairs = np.stack([reception.symbols.real, reception.symbols.imag], -1).reshape(-1) / descriptor.gain
    variance = np.repeat(reception.noise_variance / 2 / descriptor.gain**2, 2)
    found = _code(model.width).estimate(pairs, variance, Quantizer.of(descriptor.levels).distortion)
    length = float(np.linalg.norm(found.mean))
    # E[v̂ᵀv] = |v̂|², and v has the known length √K: the cosine to expect is |v̂|/√K.
    expected = min(length / model.width**0.5, 1.0) if found.heard else 0.0
    return ReceivedText(found.heard, found.mean / length if length > 0 else found.mean, expected)
