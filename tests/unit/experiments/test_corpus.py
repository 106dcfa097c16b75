import json
import shutil
import struct
import subprocess
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from experiments.training.corpus import _largest_rectangle, gather_corpus, measure
from experiments.training.debian_pictures import Source, licence_of, resource_files
from experiments.training.pack import open_pack, pack_corpus
from sdr_gsc.errors import SettingsError

NOTICE = """
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2020, Somebody
License: GPL-2+

Files: art/closed.png
 art/other closed-things/*
Copyright: 2021, Somebody Else
License: GFDL-1.3
 with invariant sections

Files: wall/*.jpg
Copyright: 2022, A Third
License: CC-BY-4.0
"""


def textured(height, width, seed=0):
    """Noise with the spectrum of photographs, 1/f in amplitude."""
    generator = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    frequency[0, 0] = 1.0
    spectrum = np.fft.fft2(generator.standard_normal((height, width, 3)), axes=(0, 1)) / frequency[..., None]
    plane = np.fft.ifft2(spectrum, axes=(0, 1)).real
    return Image.fromarray(np.clip(128 + 45 * plane / plane.std(), 0, 255).astype(np.uint8))


def drawing(height=400, width=500):
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((50, 50, 300, 300), fill="orange", outline="black", width=6)
    draw.rectangle((250, 200, 450, 380), fill="navy")
    return picture


def resource_collection(files):
    """A Qt resource collection of version 3 with all files in its root; every second one is compressed."""
    names, data, tree = b"", b"", struct.pack(">IHIIQ", 0, 2, len(files), 1, 0)
    for index, (name, content) in enumerate(sorted(files.items())):
        compressed = index % 2
        stored = struct.pack(">I", len(content)) + zlib.compress(content) if compressed else content
        tree += struct.pack(">IHHHIQ", len(names), compressed, 0, 0, len(data), 0)
        data += struct.pack(">I", len(stored)) + stored
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
    header = 24
    offsets = (header + len(names) + len(data), header + len(names), header)
    return struct.pack(">4sIIIII", b"qres", 3, *offsets, 0) + names + data + tree


@pytest.fixture(scope="module")
def debs(tmp_path_factory):
    """A folder with one package that holds what a wallpaper package may hold."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is missing: the corpus can only be gathered on Debian and its kin")
    root = tmp_path_factory.mktemp("package")
    wall, art = root / "usr/share/wall", root / "usr/share/art"
    for folder in (wall / "lake", art, root / "usr/share/doc/walls", root / "DEBIAN"):
        folder.mkdir(parents=True)
    textured(600, 900).save(wall / "lake/900x600.png")
    textured(300, 450).save(wall / "lake/450x300.png")
    textured(1500, 1200, 1).save(wall / "tree.jpg", quality=95)
    textured(100, 900, 2).save(wall / "banner.png")
    drawing().save(wall / "drawing.png")
    textured(400, 400, 3).save(art / "closed.png")
    hidden = textured(600, 600, 4)
    mask = Image.new("L", hidden.size, 0)
    ImageDraw.Draw(mask).rectangle((100, 40, 499, 480), fill=255)
    hidden.putalpha(mask)
    hidden.save(wall / "stamp.png")
    (wall / "zzz.rcc").write_bytes(resource_collection({"inner.jpg": (wall / "tree.jpg").read_bytes(), "x.txt": b"x"}))
    (root / "usr/share/doc/walls/copyright").write_text(NOTICE)
    (root / "DEBIAN/control").write_text(
        "Package: walls\nVersion: 1.2-3\nArchitecture: all\nMaintainer: Nobody <nobody@localhost>\nDescription: walls\n"
    )
    out = tmp_path_factory.mktemp("debs")
    subprocess.run(["dpkg-deb", "--build", root, out / "walls_1.2-3_all.deb"], check=True, capture_output=True)
    return out


@pytest.fixture(scope="module")
def corpus(debs, tmp_path_factory):
    out = tmp_path_factory.mktemp("corpus")
    source = Source("walls", ("*/wall/*", "*/art/*", "inner.jpg"))
    return out, gather_corpus(out, packages=[source], side_px=512, from_debs=debs)


def test_only_free_photographs_are_kept_each_once_and_largest(corpus):
    _, pictures = corpus
    assert sorted(picture.path for picture in pictures) == [
        "usr/share/wall/lake/900x600.png",
        "usr/share/wall/stamp.png",
        "usr/share/wall/tree.jpg",
    ]


def test_manifest_tells_where_each_picture_came_from(corpus):
    out, pictures = corpus
    told = json.loads((out / "manifest.json").read_text())["pictures"]
    assert len(told) == len(pictures)
    tree = next(entry for entry in told if entry["path"].endswith("tree.jpg"))
    assert (tree["package"], tree["version"], tree["licence"]) == ("walls", "1.2-3", "CC-BY-4.0")
    assert (out / tree["licence_text"]).read_text() == NOTICE
    assert len(tree["sha256"]) == 64
    for entry in told:
        with Image.open(out / entry["file"]) as picture:
            assert (picture.width, picture.height) == (entry["width_px"], entry["height_px"])
            assert picture.mode == "RGB"


def test_pictures_are_reduced_never_enlarged_and_stripped_of_transparency(corpus):
    _, pictures = corpus
    sizes = {picture.path.rpartition("/")[2]: (picture.height_px, picture.width_px) for picture in pictures}
    assert sizes["900x600.png"] == (512, 768)
    assert sizes["tree.jpg"] == (640, 512)
    height, width = sizes["stamp.png"]  # the opaque part, to within the 8 px of the search grid
    assert 425 <= height <= 441
    assert 384 <= width <= 400


def test_a_missing_package_is_named(tmp_path):
    with pytest.raises(SettingsError, match="apt-get download nowhere"):
        gather_corpus(tmp_path, packages=[Source("nowhere", ("*",))], from_debs=tmp_path)


def test_pack_holds_every_picture_at_every_size_it_reaches(corpus):
    out, pictures = corpus
    pack = pack_corpus(out, out / "pack.npy", sides_px=(512, 256, 128))
    sides = {}
    for index, (_, height, width, picture) in enumerate(pack.entries):
        assert pack.version(index).shape == (height, width, 3)
        sides.setdefault(pack.names[picture], []).append(min(height, width))
    assert set(sides) == {picture.file for picture in pictures}
    for picture in pictures:
        reached = [side for side in (512, 256, 128) if side <= min(picture.height_px, picture.width_px)]
        assert sides[picture.file] == reached
        with Image.open(out / picture.file) as opened:
            if min(opened.size) == 512:
                index = next(
                    i for i, e in enumerate(pack.entries) if pack.names[e[3]] == picture.file and min(e[1:3]) == 512
                )
                np.testing.assert_array_equal(pack.version(index), np.asarray(opened))
    again = open_pack(out / "pack.npy")
    assert again.entries == pack.entries
    assert isinstance(again.blob, np.memmap)


def test_a_small_pack_keeps_its_limit_and_the_small_versions(corpus):
    out, pictures = corpus
    pack = pack_corpus(out, out / "small.npy", sides_px=(512, 256, 128), max_mib=1.0)
    assert (out / "small.npy").stat().st_size <= 2**20
    smallest = [pack.names[e[3]] for e in pack.entries if min(e[1:3]) == 128]
    assert sorted(smallest) == sorted(picture.file for picture in pictures)


def test_packing_nothing_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="no corpus"):
        pack_corpus(tmp_path, tmp_path / "pack.npy")


def test_measures_tell_photographs_from_drawings(photographs):
    for picture in photographs.values():
        assert measure(Image.fromarray((picture * 255).astype(np.uint8))).photograph
    assert measure(textured(300, 400)).photograph
    assert measure(textured(300, 400).convert("L").convert("RGB")).photograph
    assert not measure(drawing()).photograph
    ramp = np.broadcast_to(np.linspace(40, 200, 500)[None, :, None], (400, 500, 3)).astype(np.uint8)
    assert not measure(Image.fromarray(ramp)).photograph


@pytest.mark.parametrize(
    ("path", "licence"),
    [
        ("usr/share/wall/tree.jpg", "CC-BY-4.0"),
        ("usr/share/wall/tree.png", "GPL-2+"),
        ("usr/share/art/closed.png", "GFDL-1.3"),
        ("usr/share/art/closed.webp", "GFDL-1.3"),
        ("usr/share/art/open.png", "GPL-2+"),
    ],
)
def test_the_last_stanza_that_matches_gives_the_licence(path, licence):
    assert licence_of(path, NOTICE) == licence
    assert licence_of(path, "It was downloaded from somewhere.") is None


@given(st.dictionaries(st.text("abcxyz.", min_size=1, max_size=8), st.binary(max_size=40), max_size=5))
def test_resource_collections_give_back_what_went_in(files):
    assert {file.path: file.data for file in resource_files(resource_collection(files))} == files


def test_what_is_no_resource_collection_is_refused():
    with pytest.raises(SettingsError, match="resource collection"):
        list(resource_files(b"PK\x03\x04" + bytes(40)))


@given(st.integers(0, 10_000))
def test_the_largest_rectangle_is_full_and_no_square_beats_its_smaller_side(seed):
    mask = np.random.default_rng(seed).random((9, 11)) < 0.75
    top, left, height, width = _largest_rectangle(mask)
    assert mask[top : top + height, left : left + width].all()
    side = min(height, width) + 1
    windows = np.lib.stride_tricks.sliding_window_view(mask, (side, side)) if side <= 9 else np.zeros((1, 1, 1, 1))
    assert not windows.all(axis=(2, 3)).any()
