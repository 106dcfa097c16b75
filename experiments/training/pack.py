"""Pictures at several sizes in one memory-mapped file, so that training reads crops without decoding."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sdr_gsc.errors import SettingsError

__all__ = ["Pack", "open_pack", "pack_corpus"]


@dataclass(frozen=True, slots=True)
class Pack:
    """Pictures in one memory-mapped file.

    Attributes:
        blob: uint8 [n], all versions one after another, each [H, W, 3].
        entries: (offset, height, width, index of the picture in `names`) of each version.
        names: file names of the pictures.
    """

    blob: np.ndarray
    entries: tuple[tuple[int, int, int, int], ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.entries)

    def version(self, index: int) -> np.ndarray:
        """One version, uint8 [H, W, 3]: a view of the file, not a copy."""
        offset, height, width, _ = self.entries[index]
        return self.blob[offset : offset + height * width * 3].reshape(height, width, 3)


def pack_corpus(folder: Path, out: Path, *, sides_px: Sequence[int] = (1024, 512, 256), max_mib: float = 200.0) -> Pack:
    """Write the pictures of a folder, each at several sizes, as `out` (.npy, uint8) and `out` with suffix .json.

    A picture is there at every smaller side that it reaches, or at its own if it reaches none; nothing is enlarged. If
    all of that exceeds `max_mib`, the largest sizes are thinned: small versions come first, and large ones are added
    picture by picture, spread evenly over the list, while there is room.
    """
    paths = sorted(folder.glob("*.webp"))
    if not paths:
        raise SettingsError(
            f"{folder} holds no corpus; gather one with: python -m experiments.training.corpus {folder}"
        )
    plan: list[tuple[int, int, int, int]] = []  # (side, picture, height, width)
    for index, path in enumerate(paths):
        with Image.open(path) as opened:
            width, height = opened.size
        reached = [side for side in sides_px if side <= min(width, height)] or [min(width, height)]
        for side in reached:
            scale = side / min(width, height)
            plan.append((side, index, round(height * scale), round(width * scale)))
    room = int(max_mib * 2**20) - 128  # less the .npy header
    golden = 0.6180339887498949
    order = sorted(plan, key=lambda item: (item[0], item[1] * golden % 1.0))
    chosen, used = [], 0
    for item in order:
        if used + item[2] * item[3] * 3 <= room:
            chosen.append(item)
            used += item[2] * item[3] * 3
    partial = out.with_suffix(".partial")  # who has the old file open keeps it
    blob = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=(used,))
    entries, offset = [], 0
    by_picture = sorted(chosen, key=lambda item: (item[1], -item[0]))
    held: tuple[int, Image.Image] | None = None
    for _, index, height, width in by_picture:
        if held is None or held[0] != index:
            with Image.open(paths[index]) as opened:
                held = (index, opened.convert("RGB"))
        version = np.asarray(held[1].resize((width, height), Image.Resampling.LANCZOS))
        blob[offset : offset + version.size] = version.reshape(-1)
        entries.append((offset, height, width, index))
        offset += version.size
    blob.flush()
    partial.replace(out)
    index_json = {"dtype": "uint8", "layout": "H,W,3", "names": [path.name for path in paths], "entries": entries}
    out.with_suffix(".json").write_text(json.dumps(index_json) + "\n", encoding="utf-8")
    return open_pack(out)


def open_pack(path: Path) -> Pack:
    """Open what `pack_corpus` wrote, memory-mapped."""
    index = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    entries = tuple((int(o), int(h), int(w), int(i)) for o, h, w, i in index["entries"])
    return Pack(np.load(path, mmap_mode="r"), entries, tuple(index["names"]))
