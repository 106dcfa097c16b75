"""A report as one self-contained HTML page: pictures and figures embedded, nothing fetched."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import jinja2

__all__ = ["Block", "Facts", "Image", "Page", "Section", "Table", "render"]


@dataclass(frozen=True, slots=True)
class Image:
    """A PNG with its caption.

    Attributes:
        title: above the picture.
        path: the PNG; None stands for a picture that was not received.
        notes: lines below it.
        wide: figures take more room than pictures.
    """

    title: str
    path: Path | None
    notes: tuple[str, ...] = ()
    wide: bool = False

    @property
    def source(self) -> str | None:
        """The picture as a data address."""
        if self.path is None:
            return None
        return "data:image/png;base64," + base64.b64encode(self.path.read_bytes()).decode("ascii")


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; the first column names the row."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Text as it stands, such as a configuration."""

    text: str


Block = Image | Table | Facts


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands below it.

    Attributes:
        title: heading.
        blocks: images stand side by side, everything else below each other.
        text: a paragraph in front.
        folded: closed at first.
    """

    title: str
    blocks: tuple[Block, ...]
    text: str = ""
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A report.

    Attributes:
        title: heading.
        summary: (name, value) pairs at the top.
        sections: in order.
        footer: last line.
        command: what made the figures; it stands below each.
    """

    title: str
    summary: tuple[tuple[str, str], ...]
    sections: Sequence[Section] = field(default_factory=tuple)
    footer: str = ""
    command: str = ""


def render(page: Page) -> str:
    """The page as HTML."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.tests["image"] = lambda block: isinstance(block, Image)
    environment.tests["table"] = lambda block: isinstance(block, Table)
    template = environment.from_string(files(__package__).joinpath("report.html.j2").read_text("utf-8"))
    return template.render(page=page)
