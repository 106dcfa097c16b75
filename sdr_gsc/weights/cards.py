"""Model cards: what a weight file is, what it was trained on, and the hash that proves that it is the one."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from ..errors import WeightsError

__all__ = ["Card", "load_card", "shipped_folder", "write_card"]


@dataclass(frozen=True, slots=True)
class Card:
    """A model card.

    Attributes:
        name: ``codec``, ``refine``, ``consistency`` or ``prior``.
        file: name of the safetensors file, beside the cards.
        sha256: hexadecimal hash of the file.
        parameters: number of trained values.
        description: one sentence.
        trained_on: the pictures, their licences, and how to gather them again.
        trained_with: the command and the settings that made the file.
        codec_sha256: for models that belong to one codec, its hash; otherwise empty. A codec adapted at the receiver
            belongs to the codec it was adapted from, which is the sender's.
        license: of the weights.
        settings: values that go with the weights, by name; bridges have ``kappa``, ``noise`` and ``realism``.
        metrics: held-out figures, by name.
        base_sha256: for files that hold only the tensors in which they differ from another model, the hash of that
            model's file; otherwise empty, and left out of ``cards.toml``.
    """

    name: str
    file: str
    sha256: str
    parameters: int
    description: str
    trained_on: str
    trained_with: str
    codec_sha256: str
    license: str
    settings: Mapping[str, float]
    metrics: Mapping[str, float]
    base_sha256: str = ""

    @property
    def prefix(self) -> bytes:
        """First 4 bytes of the sender's hash, as the descriptor carries them.

        An adapted codec has the encoder of the one it was adapted from, and so the same symbols: it goes by that one's
        hash on the air.
        """
        return bytes.fromhex(self.codec_sha256 or self.sha256)[:4]


def shipped_folder() -> Path:
    """Folder of the models that come with the package."""
    return Path(__file__).parent


def load_card(name: str, folder: Path | None = None) -> tuple[Card, Path]:
    """Read a card and check the file it describes.

    Args:
        name: section of ``cards.toml``.
        folder: holds ``cards.toml`` and the weight files; default: the shipped ones.

    Returns:
        The card and the path of its file, whose hash has been verified.

    Raises:
        WeightsError: no such card, a card with wrong fields, or a file that is missing or does not match.
    """
    folder = folder or shipped_folder()
    cards = folder / "cards.toml"
    try:
        sections = tomllib.loads(cards.read_text("utf-8"))
    except FileNotFoundError as error:
        raise WeightsError(f"{cards} is missing; reinstall the package or train models with: sdr-gsc train") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WeightsError(f"{cards} is damaged ({error}); reinstall the package") from error
    if name not in sections:
        raise WeightsError(f"{cards} has no model {name!r}; it has {', '.join(sorted(sections)) or 'none'}")
    found, known = set(sections[name]) | {"name"}, {field.name for field in fields(Card)}
    needed = known - {"base_sha256"}
    if not needed <= found <= known:
        raise WeightsError(f"card {name!r} in {cards} has the fields {sorted(found)}; needed {sorted(needed)}")
    card = Card(name=name, **sections[name])
    path = folder / card.file
    if not path.is_file():
        raise WeightsError(f"{path} is missing; reinstall the package or train it with: sdr-gsc train {name}")
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
    if actual != card.sha256:
        raise WeightsError(
            f"{path} does not match its card: sha256 is {actual[:16]}…, the card says {card.sha256[:16]}…; "
            "reinstall the package, or train again so that card and file are written together"
        )
    return card, path


def write_card(card: Card, folder: Path) -> None:
    """Write or replace one section of ``cards.toml``."""
    import tomlkit  # only training writes cards

    cards = folder / "cards.toml"
    document = tomlkit.parse(cards.read_text("utf-8")) if cards.exists() else tomlkit.document()
    section = tomlkit.table()
    for field in fields(Card):
        value = getattr(card, field.name)
        if field.name != "name" and (field.name != "base_sha256" or value):
            section[field.name] = dict(value) if field.name in ("settings", "metrics") else value
    document[card.name] = section
    cards.write_text(tomlkit.dumps(document), "utf-8")
