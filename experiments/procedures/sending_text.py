"""One sentence over one radio, and what its receiver makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_gsc.errors import SettingsError
from sdr_gsc.link import gather, prepare_symbols
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmission, Transmitter
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.text import ReceivedText, encode_text, read_text
from sdr_gsc.semantic.text_encoder import SentenceModel
from sdr_gsc.semantic.values import Reception

from ..configuration import TextSettings
from .airing import Airing, exchange_over
from .scoring import link_json

__all__ = ["TextAnswer", "read_candidates", "send_text"]

_TRIAL = "send-text"
_MAX_CANDIDATES_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """What the command prints.

    Attributes:
        result: the machine-readable form.
        received: whether any symbol of the sentence arrived.
    """

    result: dict[str, object]
    received: bool


@dataclass(frozen=True, slots=True)
class _Ready:
    transmission: Transmission


def read_candidates(path: Path) -> tuple[str, ...]:
    """Sentences that a receiver knows: one in each line of a text file, empty lines left out.

    Raises:
        SettingsError: no such file, no text, too large, or no sentence in it.
    """
    try:
        if path.stat().st_size > _MAX_CANDIDATES_BYTES:
            raise SettingsError(f"{path} is larger than {_MAX_CANDIDATES_BYTES >> 20} MiB; needed fewer sentences")
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read as sentences, one a line: {error}") from error
    found = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not found:
        raise SettingsError(f"{path} holds no sentence; needed one in each line")
    return found


def send_text(settings: TextSettings) -> TextAnswer:
    """Send the embedding of a sentence and compare what arrives with the sentences that the receiver knows.

    Similarity is judged by the model that made the embedding, unless the settings name another one.

    Raises:
        WeightsError: a model is missing or damaged.
        SettingsError: a request that cannot be met.
    """
    model = SentenceModel.load(None if settings.model is None else Path(settings.model))
    judge = model if settings.judge is None else SentenceModel.load(Path(settings.judge))
    known = () if settings.candidates is None else read_candidates(Path(settings.candidates))
    seeds = TrialSeeds(settings.seed, _TRIAL)
    draw = seeds.integer("text")
    symbols = encode_text(
        settings.sentence, model, settings.symbols, settings.levels, text_id=draw % 65536,
        interleaver_seed=draw // 65536 % 65536,
    )  # fmt: skip
    descriptor, transmission = prepare_symbols(symbols, Transmitter())
    airing = Airing(settings.radio, esn0_db=settings.esn0_db, bench=settings.bench)
    capture, _ = exchange_over(airing, _Ready(transmission), seeds.generator("channel"))
    receiver = Receiver()
    reception = gather(capture, receiver)
    if reception.descriptor != descriptor:
        # Somebody else's sentence on the same frequency is not this one.
        nothing = np.zeros(0, np.float32)
        reception = Reception(None, nothing.astype(np.complex64), nothing, None, reception.reports)
    text = None if reception.descriptor is None else read_text(reception, model)
    result = link_json(
        mapping=descriptor.mapping.value,
        radio=airing.address,
        cbr_payload=None,
        cbr_effective=None,
        frames_sent=transmission.n_frames,
        reports=reception.reports,
        reconstructions={},
        metrics={},
        numerology=receiver.numerology,
    )
    result["text"] = {
        "sentence": settings.sentence,
        "symbols": descriptor.n_symbols,
        "air_samples": transmission.n_air_samples,
        "model": model.name,
        "judged_by": judge.name,
        "self_judged": judge.identity == model.identity,
        **_read(settings.sentence, text if text is not None and text.heard else None, known, model, judge),
    }
    return TextAnswer(result, text is not None and text.heard)


def _read(
    sentence: str, text: ReceivedText | None, known: tuple[str, ...], model: SentenceModel, judge: SentenceModel
) -> dict[str, object]:
    """What the receiver reads; all None where nothing arrived."""
    read: dict[str, object] = {
        "embedding_similarity": None,
        "predicted_similarity": None,
        "nearest": None,
        "nearest_similarity": None,
        "exact": None,
        "sentence_similarity": None,
        "candidates": len(known),
    }
    if text is None:
        return read
    sent = model.embed([sentence])
    read["embedding_similarity"] = float(text.similarities(sent)[0])
    read["predicted_similarity"] = text.predicted_similarity
    if known:
        similarities = text.similarities(model.embed(known))
        best = int(np.argmax(similarities))
        first, second = judge.embed([sentence, known[best]])
        read |= {
            "nearest": known[best],
            "nearest_similarity": float(similarities[best]),
            "exact": known[best] == sentence.strip(),
            "sentence_similarity": float(first @ second),
        }
    return read
