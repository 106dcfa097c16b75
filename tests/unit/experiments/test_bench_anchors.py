from __future__ import annotations

import shutil
import sys
import zipfile
from importlib.util import find_spec

import pytest

from experiments.benchmarks.anchors import child as child_module
from experiments.benchmarks.anchors.cache import Absent, AnchorError, cache_folder, fetched
from experiments.benchmarks.anchors.child import open_child
from experiments.benchmarks.anchors.code_words import CodeWords
from experiments.benchmarks.anchors.liquid import LIQUID_VERSION, open_liquid


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and a pip that reaches nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return tmp_path / "cache" / "sdr-gsc" / "anchors"


def wheel(folder, name, version):
    """A wheel with one module."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": "VALUE = 7\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    folder.mkdir()
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(path, text)


def test_the_cache_is_where_the_user_wants_it(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "sdr-gsc" / "anchors"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "sdr-gsc" / "anchors"


def test_packages_are_fetched_once_into_a_folder_of_their_own(cache, tmp_path, monkeypatch):
    wheel(tmp_path / "wheels", "anchorage", "1.2.3")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    folder = fetched("anchorage-1.2.3", ("anchorage==1.2.3",))
    assert folder.parent == cache
    assert (folder / "anchorage.py").read_text() == "VALUE = 7\n"
    assert find_spec("anchorage") is None
    shutil.rmtree(tmp_path / "wheels")
    assert fetched("anchorage-1.2.3", ("anchorage==1.2.3",)) == folder
    assert [path.name for path in cache.iterdir()] == [folder.name]


def test_what_cannot_be_fetched_is_absent_with_a_remedy(cache):
    missing = fetched("nothing-1", ("nothing-of-this-name==1",))
    assert isinstance(missing, Absent)
    assert "nothing-of-this-name==1" in missing.reason
    assert "pip download" in missing.reason
    assert list(cache.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_no_crash(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert isinstance(fetched("x-1", ("x==1",)), Absent)


def test_without_a_compiler_liquid_is_absent(cache, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    missing = open_liquid()
    assert isinstance(missing, Absent)
    assert "compiler" in missing.reason
    assert "apt install" in missing.reason


def test_without_the_wheel_liquid_is_absent(cache, monkeypatch, tmp_path):
    monkeypatch.setenv("CC", sys.executable)  # anything that can be executed; it does not come to compiling
    missing = open_liquid()
    assert isinstance(missing, Absent)
    assert f"liquid-dsp=={LIQUID_VERSION}" in missing.reason


@pytest.fixture(scope="module")
def liquid():
    """liquid-dsp, where its wheel is in the cache already: tests fetch nothing."""
    name = f"liquid-dsp-{LIQUID_VERSION}-py{sys.version_info.major}{sys.version_info.minor}"
    if not (cache_folder() / name).is_dir():
        pytest.skip("liquid-dsp is not in the cache; 'sdr-gsc bench phy --only speed' fetches it")
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        pytest.skip("no C compiler")
    found = open_liquid()
    assert not isinstance(found, Absent), found
    return found


def test_the_program_around_liquid_is_compiled_once(liquid):
    stamp = liquid.program.stat().st_mtime_ns
    assert open_liquid() == liquid
    assert liquid.program.stat().st_mtime_ns == stamp


def test_liquid_counts_what_it_received(liquid):
    speed = liquid.speed(64, 20, seed=3)
    assert speed.frames == speed.right == 20
    assert speed.receive_samples == 20 * (speed.frame_samples + speed.frame_samples // 10)
    assert speed.transmit_samples == 20 * speed.frame_samples
    assert min(speed.receive_s, speed.transmit_s, speed.idle_s) > 0


def test_liquid_loses_packets_in_noise_and_none_without(liquid):
    weak, strong = liquid.packets((5.0, 20.0), trials=50, payload_bytes=256, seed=5)
    assert (weak.snr_db, strong.snr_db) == (5.0, 20.0)
    assert weak.right == 0 < weak.headers
    assert strong.right >= 48
    assert liquid.packets((5.0,), trials=50, seed=5)[0] == weak


def test_what_liquid_cannot_send_is_an_error(liquid):
    with pytest.raises(AnchorError, match="out of range"):
        liquid.speed(10_000, 1)


@pytest.mark.slow
def test_another_package_works_in_a_process_of_its_own():
    pytest.importorskip("commpy")
    with open_child("commpy") as child:
        assert child.begin() is None
        assert child.anchors["demap"].amount == 2000
        # QPSK at Es/N0 = 10 dB: Q(sqrt(10)) = 8e-4 of the bits, 3 of 4000.
        assert child.anchors["demap"].errors < 5e-3
        assert 0 <= child.anchors["ldpc"].errors <= 0.5
        seconds = child.measure()
        assert set(seconds) == {"demap", "ldpc"}
        assert min(seconds.values()) > 0


def test_a_package_that_does_not_work_is_absent(monkeypatch):
    monkeypatch.setattr(child_module, "_REQUIREMENTS", {"nonesuch": ("numpy==0",)})
    with open_child("nonesuch") as child:
        missing = child.begin()
        assert "nonesuch" in missing.reason
        with pytest.raises(AnchorError, match="ended"):
            child.measure()


def test_code_words_are_as_noisy_as_they_should_be():
    words = CodeWords.drawn(64, 1)
    wrong = (words.llr < 0) != words.code.encode(words.information)
    # Q(sqrt(2 R Eb/N0)) at 2 dB and R = 1/2; 124416 bits make a standard deviation of 9e-4.
    assert wrong.mean() == pytest.approx(0.1040, abs=4e-3)
    assert words.block_errors(words.information) == 0.0
    broken = words.information.copy()
    broken[3, 5] ^= 1
    assert words.block_errors(broken) == 1 / 64
