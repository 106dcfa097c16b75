"""Whatever comes in: a clear refusal, or an honest report that nothing was received."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.fft
from PIL import Image

from experiments.procedures.photographs import find_picture
from experiments.procedures.transmission import Bench
from sdr_gsc.capture import Capture
from sdr_gsc.link import PictureRequest, prepare
from sdr_gsc.phy._header import header_cells
from sdr_gsc.phy.preamble import Preamble
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.recording.sigmf_writer import write_capture
from sdr_gsc.semantic.descriptor import Mapping
from sdr_gsc.semantic.rate import rate_by_cbr

RATE_HZ = 4e6


def png_header(path: Path, side: int) -> Path:
    """A PNG that claims a size and holds nothing: refused by its header, before any memory is taken."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )
    return path


def animated(path: Path) -> Path:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "green", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


@pytest.fixture
def refused(tmp_path):
    """Files that are no pictures to send, by what is wrong with them."""
    (tmp_path / "text.jpg").write_text("not a picture at all")
    (tmp_path / "empty.png").touch()
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    Image.new("RGB", (64, 64), "red").save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:60])
    return {
        "text": tmp_path / "text.jpg",
        "empty": tmp_path / "empty.png",
        "1x1": tmp_path / "dot.png",
        "20000": png_header(tmp_path / "huge.png", 20_000),
        "animated": animated(tmp_path / "moving.gif"),
        "cut": tmp_path / "cut.png",
        "missing": tmp_path / "missing.png",
        "folder": tmp_path,
    }


@pytest.mark.parametrize("kind", ["text", "empty", "1x1", "20000", "animated", "cut", "missing", "folder"])
@pytest.mark.parametrize("command", ["send", "demo"])
def test_what_is_no_picture_is_refused(sdr_gsc, models, refused, kind, command):
    refusal = sdr_gsc(command, refused[kind], "--weights", models).refusal
    assert str(refused[kind]) in refusal
    assert "needed" in refusal or "scale it down" in refusal


def unusual(kind: str) -> Image.Image:
    ramp = np.tile(np.linspace(0, 255, 80).astype(np.uint8), (64, 1))
    if kind == "grey":
        return Image.fromarray(ramp)
    if kind == "16 bit":
        return Image.fromarray(ramp.astype(np.uint16) * 257)
    if kind == "palette":
        return Image.fromarray(ramp).convert("P")
    alpha = np.stack([ramp, 255 - ramp, ramp, ramp], -1)
    return (
        Image.fromarray(alpha, "RGBA")
        if kind == "alpha"
        else Image.fromarray(ramp).convert("1", dither=Image.Dither.NONE)
    )


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
@pytest.mark.parametrize("kind", ["grey", "16 bit", "alpha", "palette", "bilevel"])
def test_unusual_pictures_are_sent(sdr_gsc, models, tmp_path, kind):
    unusual(kind).save(tmp_path / "picture.png")
    arguments = ("--radio", "loopback:cabled", "--decoder", "mmse", "--cbr", 12, "--weights", models, "--json")
    result = sdr_gsc("send", tmp_path / "picture.png", *arguments)
    assert result.status == 0
    assert result.json["decoders"]["mmse"]["psnr_db"] > 10


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--radio", "loopback:moon"), ("moon", "office")),
        (("--radio", "loopback:office?colour=red"), ("colour",)),
        (("--radio", "loopback:office?esn0_db=loud"), ("loud",)),
        (("--radio", "loopback:office?seed=3"), ("--seed",)),
        (("--radio", "walkie-talkie"), ("walkie-talkie", "loopback")),
        (("--radio", "pluto:ip:127.0.0.1:9"), ("127.0.0.1:9",)),
        (("--radio", "replay:nowhere.sigmf-meta"), ("nowhere",)),
        (("--decoder", "magic"), ("magic", "mmse")),
        (("--decoder", "refine:0"), ("refine", "0")),
        (("--decoder", "refine:many"), ("refine:many",)),
        (("--decoder", "posterior:guess"), ("posterior:guess",)),
        (("--decoder", ","), ("decoders",)),
        (("--cbr", 25), ("1/25", "1/24")),
        (("--levels", 5), ("levels",)),
        (("--mcs", 99), ("mcs",)),
        (("--mapping", "telepathy"), ("telepathy", "classical")),
        (("--esn0-db", "nan"), ("esn0_db",)),
        (("--seed", -1), ("seed",)),
        (("--mapping", "coded", "--cbr", 384), ("MCS",)),
    ],
)
def test_requests_that_cannot_be_met(sdr_gsc, models, photo, arguments, words):
    decoder = () if arguments[0] == "--decoder" else ("--decoder", "mmse")
    refusal = sdr_gsc("send", photo, "--weights", models, *decoder, *arguments).refusal
    for word in words:
        assert word in refusal


def test_weights_that_do_not_match_their_card(sdr_gsc, models, photo, tmp_path):
    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    file = folder / "codec.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert "does not match its card" in sdr_gsc("send", photo, "--weights", folder).refusal
    file.unlink()
    assert "missing" in sdr_gsc("send", photo, "--weights", folder).refusal
    assert "cards.toml" in sdr_gsc("send", photo, "--weights", tmp_path).refusal


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("this is = = nonsense", "TOML"),
        ("\x00\x01", "TOML"),
        ("name = 'x'\ncolour = 'red'\n[[series]]\nname = 'a'\n", "colour"),
        ("name = 'x'\n[grid]\nsnr = [1]\n[[series]]\nname = 'a'\n", "grid.snr"),
        ("name = 'x'\n[[series]]\nname = 'a'\npower = 1\n", "power"),
        ("name = 'x'\n[grid]\nesn0_db = 'loud'\n[[series]]\nname = 'a'\n", "grid.esn0_db"),
        ("name = 'x'\n[grid]\ncbr = [25]\n[[series]]\nname = 'a'\n", "1/25"),
        ("name = 'x'\n", "series"),
        ("kind = 'poem'\n", "poem"),
        ("name = '../x'\n[[series]]\nname = 'a'\n", "name"),
        ("name = 'x'\n[grid]\nesn0_db = [1, 1]\n[[series]]\nname = 'a'\n", "more than once"),
        ("name = 'x'\n[[series]]\nname = 'a'\n[[series]]\nname = 'a'\n", "a name of its own"),
    ],
)
def test_configurations_that_make_no_sense(sdr_gsc, tmp_path, text, word):
    config = tmp_path / "config.toml"
    config.write_text(text)
    assert word in sdr_gsc("run", config, "--out", tmp_path / "out").refusal
    assert not (tmp_path / "out").exists()


def test_files_and_folders_that_are_no_runs(sdr_gsc, tmp_path):
    assert "nowhere.toml" in sdr_gsc("run", tmp_path / "nowhere.toml").refusal
    for command in ("resume", "report"):
        assert "holds no run" in sdr_gsc(command, tmp_path).refusal
    (tmp_path / "letter.sigmf-meta").write_text("{}")
    (tmp_path / "letter.sigmf-data").write_bytes(b"12345678")
    assert "letter" in sdr_gsc("replay", tmp_path / "letter").refusal
    assert "letter" in sdr_gsc("replay", tmp_path / "no-letter").refusal


# What a receiver may hear.


@pytest.fixture
def transmission(models, photo):
    """A picture of one frame, with its samples."""
    bench = Bench.open(models)
    request = PictureRequest(Mapping.DIRECT, rate_by_cbr(24), picture_id=1)
    return prepare(find_picture(str(photo)), request, bench.codec, Transmitter()).transmission


@pytest.fixture
def replay(sdr_gsc, models, photo, tmp_path):
    def run(samples, mean_square_noise=1e-4):
        noise = np.random.default_rng(1).normal(0, np.sqrt(mean_square_noise / 2), (2, samples.size))
        heard = (samples + noise[0] + 1j * noise[1]).astype(np.complex64)
        recording = write_capture(tmp_path / "heard", Capture(heard, RATE_HZ))
        return sdr_gsc("replay", recording, "--weights", models, "--reference", photo, "--json")

    return run


def test_a_whole_frame_is_received(replay, transmission):
    outcome = replay(transmission.samples)
    assert outcome.status == 0
    assert outcome.json["frames"] == {"sent": 1, "detected": 1, "header_ok": 1, "payload_ok": 1}


def test_pure_noise_is_nothing(replay):
    outcome = replay(np.zeros(200_000, np.complex64), 0.1)
    assert outcome.status == 1
    assert outcome.json["frames"] == {"sent": None, "detected": 0, "header_ok": 0, "payload_ok": 0}
    assert outcome.json["decoders"] == {
        "mmse": {"psnr_db": None, "ms_ssim": None, "perceptual": None, "timings_s": None}
    }


def test_silence_is_nothing(replay):
    assert replay(np.zeros(50_000, np.complex64), 0.0).status == 1


def test_half_a_frame_is_half_the_evidence(replay, transmission):
    whole = replay(transmission.samples).json
    outcome = replay(transmission.samples[: transmission.samples.size * 6 // 10])
    assert outcome.status == 0
    cut = outcome.json
    assert cut["frames"]["header_ok"] == 1
    assert cut["frames"]["payload_ok"] == 0
    assert cut["decoders"]["mmse"]["psnr_db"] < whole["decoders"]["mmse"]["psnr_db"]


def test_a_preamble_without_its_frame_is_nothing(replay, transmission):
    outcome = replay(transmission.samples[:1000])
    assert outcome.status == 1
    assert outcome.json["frames"]["header_ok"] == 0


@pytest.mark.parametrize("offset", [300, 1500, 4000])
@pytest.mark.parametrize("level", [0.25, 1.0])
def test_overlapping_frames_never_become_a_wrong_picture(replay, transmission, offset, level):
    first = transmission.samples
    samples = np.zeros(first.size + offset, np.complex64)
    samples[: first.size] += first
    samples[offset:] += np.complex64(level) * first[::-1].conj()
    whole = replay(first).json["decoders"]["mmse"]["psnr_db"]
    outcome = replay(samples)
    assert outcome.status in (0, 1)
    if outcome.status == 0:
        result = outcome.json
        # Whatever came through is told with the noise that it has: never better than the undisturbed picture.
        assert result["decoders"]["mmse"]["psnr_db"] <= whole + 0.1


def test_two_pictures_at_once_are_one_or_none(replay, transmission, models, photo):
    bench = Bench.open(models)
    request = PictureRequest(Mapping.DIRECT, rate_by_cbr(24), picture_id=2, interleaver_seed=9)
    other = prepare(1 - find_picture(str(photo)), request, bench.codec, Transmitter()).transmission.samples
    samples = np.zeros(transmission.samples.size + 2500, np.complex64)
    samples[: transmission.samples.size] += transmission.samples
    samples[2500 : 2500 + other.size] += other
    outcome = replay(samples)
    assert outcome.status in (0, 1)
    assert outcome.json["frames"]["header_ok"] <= 2


def test_headers_with_every_bit_flipped_are_no_headers(replay, transmission):
    sender = Transmitter()
    grid = sender.numerology
    samples = transmission.samples.copy()
    burst = samples[sender.gap_samples : samples.size - sender.gap_samples]
    length, header = burst.size // transmission.n_frames, header_cells(grid.data.size) // grid.data.size
    assert burst.size == length * transmission.n_frames
    # Of the header symbols only the data tones change sign: pilots, preamble and payload stay as they were.
    for frame in range(transmission.n_frames):
        for symbol in range(header):
            start = frame * length + Preamble(grid).length + symbol * grid.symbol_length
            useful = slice(start + grid.cp_length, start + grid.symbol_length)
            spectrum = scipy.fft.fft(burst[useful], norm="ortho")
            spectrum[grid.data] *= -1
            burst[useful] = scipy.fft.ifft(spectrum, norm="ortho")
            burst[start : start + grid.cp_length] = burst[useful][-grid.cp_length :]
    outcome = replay(samples)
    assert outcome.status == 1
    frames = outcome.json["frames"]
    assert frames["detected"] >= 1
    assert frames["header_ok"] == 0
