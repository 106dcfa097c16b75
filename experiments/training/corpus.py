"""A corpus of free photographs, gathered from Debian packages, for training the shipped models.

    python -m experiments.training.corpus corpus --max-mib 200

What counts as a photograph is measured on the picture reduced to a smaller side of 256 px (see `Measures`); the source
list keeps out what no statistic can tell (renderings, screenshots). Only licences that allow changed copies and
redistribution are used, and `manifest.json` names package, version, file, checksum and licence of every picture.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from sdr_gsc.errors import SettingsError

from .debian_pictures import Source, licence_of, package_files, package_version, unpack
from .pack import Pack, open_pack, pack_corpus

__all__ = ["SOURCES", "CorpusPicture", "Measures", "Pack", "gather_corpus", "measure", "open_pack", "pack_corpus"]

_GCOMPRIS = "gcompris/src/activities"
SOURCES = (
    Source("lomiri-wallpapers-16.04", ("*/backgrounds/*",), ("*/analogpattern*", "*/friends_by*", "*/umang*")),
    Source("lomiri-wallpapers-20.04", ("*/backgrounds/*",), ("*/Painting-Colors*",)),
    Source("mate-backgrounds", ("*/mate/nature/*",), ("*/Wood*",)),
    Source("palapeli-data", ("*/palapeli/collection/*",)),
    Source("kphotoalbum", ("*/kphotoalbum/demo/*",), ("*/CategoryImages/*",), declared_licence="GPL-2+"),
    Source(
        "plasma-workspace-wallpapers",
        tuple(
            f"*/wallpapers/{name}/contents/images/*"
            for name in (
                "BytheWater", "ColorfulCups", "DarkestHour", "EveningGlow", "FallenLeaf", "Grey", "Kite",
                "OneStandsOut", "Path", "summer_1am",
            )
        ),
    ),
    Source(
        "gcompris-qt-data",
        tuple(
            f"{_GCOMPRIS}/{part}"
            for part in (
                "explore_monuments/resource/*/*", "explore_farm_animals/resource/animals/*", "erase/resource/*",
                "explore_world_animals/resource/animals/*", "clickgame/resource/sea*", "details/resource/image/*",
            )
        ),
        ("*Gogh*", "*/Eglise_dAuvers*", "*/PortraitOfPere*"),  # paintings
    ),
    Source("tuxpaint-stamps-default", ("*/stamps/*",)),
)  # fmt: skip

_FREE = ("CC0", "CC-BY-", "public-domain", "GPL-", "Expat")
_MEASURED_SIDE_PX = 256
_SMALLEST_SIDE_PX = 240
_MAX_FLATNESS = 0.42
_MIN_COLOURS = 200
_MAX_ASPECT = 3.0


@dataclass(frozen=True, slots=True)
class Measures:
    """What tells a photograph from a drawing, on the picture reduced to a smaller side of 256 px.

    Attributes:
        flatness: share of pixels whose luminance gradient is below one grey level of 255. Sensor noise and texture keep
            it low in photographs; fills and computed gradients push it up.
        colours: number of distinct colours at 5 bit per channel. Icons and line drawings have few. Grey pictures
            are judged by flatness alone.
        grey: whether the picture has no colour to speak of.
    """

    flatness: float
    colours: int
    grey: bool

    @property
    def photograph(self) -> bool:
        """Whether the picture passes for a photograph."""
        return self.flatness <= _MAX_FLATNESS and (self.grey or self.colours >= _MIN_COLOURS)


@dataclass(frozen=True, slots=True)
class CorpusPicture:
    """One line of the manifest: the picture's file in the corpus, its size, and where it came from."""

    file: str
    height_px: int
    width_px: int
    package: str
    version: str
    path: str
    sha256: str
    licence: str
    licence_text: str
    flatness: float
    colours: int


def measure(picture: Image.Image) -> Measures:
    """Measure an RGB picture; see `Measures`."""
    scale = _MEASURED_SIDE_PX / min(picture.size)
    size = (max(2, round(picture.width * scale)), max(2, round(picture.height * scale)))
    pixels = np.asarray(picture.resize(size, Image.Resampling.LANCZOS))
    luminance = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    gradient = np.hypot(np.diff(luminance, axis=0)[:, :-1], np.diff(luminance, axis=1)[:-1])
    codes = (pixels >> 3).astype(np.int32) @ np.array([1024, 32, 1])
    spread = np.ptp(pixels.astype(np.int16), axis=2)
    return Measures(float((gradient < 1).mean()), int(np.unique(codes).size), bool(np.percentile(spread, 95) < 12))


def gather_corpus(
    out: Path,
    *,
    packages: Sequence[Source] = SOURCES,
    side_px: int = 1024,
    from_debs: Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[CorpusPicture, ...]:
    """Gather photographs into a folder of lossless WebP files with `manifest.json` and licence texts.

    Args:
        out: folder to fill; files of the same names are overwritten.
        packages: where to look.
        side_px: pictures whose smaller side is larger are reduced to it (Lanczos).
        from_debs: folder that holds the package files; without it they are fetched with ``apt-get download``.
        progress: told one line per package.

    Raises:
        SettingsError: a package file is neither there nor to be had.
    """
    (out / "licences").mkdir(parents=True, exist_ok=True)
    gathered: list[CorpusPicture] = []
    seen: set[str] = set()
    for source in packages:
        deb = _package_file(source.package, from_debs, out / "debs")
        with tempfile.TemporaryDirectory() as scratch:
            root = unpack(deb, Path(scratch))
            notice = (root / "usr/share/doc" / source.package / "copyright").read_text(
                encoding="utf-8", errors="replace"
            )
            licence_text = out / "licences" / f"{source.package}.txt"
            licence_text.write_text(notice, encoding="utf-8")
            found: list[CorpusPicture] = []
            for path, data, picture in _largest_versions(root, source):
                licence = source.declared_licence or licence_of(path, notice)
                digest = hashlib.sha256(data).hexdigest()
                if licence is None or not _is_free(licence) or digest in seen:
                    continue
                measures = measure(picture)
                if not measures.photograph:
                    continue
                seen.add(digest)
                kept = _reduced(picture, side_px)
                name = _file_name(source.package, path)
                if any(name == other.file for other in [*gathered, *found]):
                    name = f"{Path(name).stem}-{digest[:8]}.webp"
                kept.save(out / name, lossless=True, quality=30, method=2)
                found.append(
                    CorpusPicture(
                        name, kept.height, kept.width, source.package, package_version(deb), path, digest, licence,
                        licence_text.relative_to(out).as_posix(), round(measures.flatness, 4), measures.colours,
                    )
                )  # fmt: skip
        gathered += found
        if progress is not None:
            progress(f"{source.package}: {len(found)} photographs")
    manifest = {"pictures": [asdict(picture) for picture in gathered]}
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return tuple(gathered)


def _file_name(package: str, path: str) -> str:
    """Name in the corpus: package, folder and stem; of files named after their size, the folder that tells more."""
    parts = Path(path).with_suffix("").parts
    telling = [part for part in parts if part not in ("contents", "images") and not _is_size(part)]
    return f"{'-'.join([package, *telling[-2:]])}.webp".replace(" ", "_")


def _is_size(stem: str) -> bool:
    """Whether a name is only a size, as in ``1280x1024``."""
    return stem.replace("x", "").isdigit()


def _is_free(licence: str) -> bool:
    """Every part of a conjunction, one part of a choice."""
    return any(
        all(part.strip().startswith(_FREE) for part in choice.replace(",", " ").split(" and "))
        for choice in licence.split(" or ")
    )


def _package_file(package: str, folder: Path | None, cache: Path) -> Path:
    held = sorted((folder or cache).glob(f"{package}_*.deb"))
    if not held and folder is None:
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", package], cwd=cache, check=False, stdout=sys.stderr)
        held = sorted(cache.glob(f"{package}_*.deb"))
    if not held:
        raise SettingsError(
            f"no package file {package}_*.deb in {folder or cache}; fetch it with: apt-get download {package}"
        )
    return held[-1]


def _largest_versions(root: Path, source: Source) -> list[tuple[str, bytes, Image.Image]]:
    """Candidates as RGB; of pictures that only differ in their size (``1280x1024.jpg`` …), the largest."""
    best: dict[str, tuple[int, str, bytes, Image.Image]] = {}
    for file in package_files(root, source):
        with Image.open(io.BytesIO(file.data)) as opened:
            if min(opened.size) < _SMALLEST_SIDE_PX:
                continue
            picture = _opaque_part(ImageOps.exif_transpose(opened))
        if picture is None or min(picture.size) < _SMALLEST_SIDE_PX:
            continue
        if max(picture.size) > _MAX_ASPECT * min(picture.size):
            continue
        parent, _, stem = file.path.rpartition("/")
        bare = stem.rpartition(".")[0]
        key = parent if _is_size(bare) else f"{parent}/{bare}"
        area = picture.width * picture.height
        if key not in best or area > best[key][0]:
            best[key] = (area, file.path, file.data, picture)
    return [(path, data, picture) for _, path, data, picture in best.values()]


def _opaque_part(picture: Image.Image) -> Image.Image | None:
    """The picture as RGB; of a picture with transparent parts, its largest fully opaque rectangle."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    rgba = picture.convert("RGBA")
    step = 8
    alpha = np.asarray(rgba)[..., 3]
    rows, columns = alpha.shape[0] // step, alpha.shape[1] // step
    if not rows or not columns:
        return None
    cells = alpha[: rows * step, : columns * step].reshape(rows, step, columns, step).min(axis=(1, 3)) >= 250
    top, left, height, width = _largest_rectangle(cells)
    if not height:
        return None
    return rgba.crop((left * step, top * step, (left + width) * step, (top + height) * step)).convert("RGB")


def _largest_rectangle(mask: np.ndarray) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the all-true rectangle whose smaller side, then area, is largest."""
    best, found = (0, 0), (0, 0, 0, 0)
    run = np.zeros(mask.shape[1], int)
    for row in range(mask.shape[0]):
        run = np.where(mask[row], run + 1, 0)
        for height in np.unique(run[run > 0]):
            if height < best[0]:
                continue
            edges = np.flatnonzero(np.diff(np.concatenate([[0], run >= height, [0]])))
            for start, stop in zip(edges[::2], edges[1::2], strict=True):
                score = (min(int(height), int(stop - start)), int(height * (stop - start)))
                if score > best:
                    best, found = score, (row - int(height) + 1, int(start), int(height), int(stop - start))
    return found


def _reduced(picture: Image.Image, side_px: int) -> Image.Image:
    scale = side_px / min(picture.size)
    if scale >= 1:
        return picture
    return picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)


def _main() -> int:
    parser = argparse.ArgumentParser(description="Gather and pack a corpus of free photographs from Debian packages.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--from-debs", type=Path, help="folder with the .deb files; nothing is downloaded")
    parser.add_argument("--side-px", type=int, default=1024)
    parser.add_argument("--max-mib", type=float, default=200.0)
    arguments = parser.parse_args()
    gather_corpus(
        arguments.out,
        side_px=arguments.side_px,
        from_debs=arguments.from_debs,
        progress=lambda line: print(line, file=sys.stderr),
    )
    pack = pack_corpus(arguments.out, arguments.out / "pack.npy", max_mib=arguments.max_mib)
    print(f"{len(pack.names)} photographs, {len(pack)} versions, {pack.blob.nbytes / 2**20:.0f} MiB", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())
