"""Recordings decoded again: the project's own, and those that others make."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import scipy.signal

from experiments.configuration import SendSettings
from experiments.procedures.keeping import keep_capture, kept_capture
from experiments.procedures.photographs import find_picture
from experiments.procedures.replay_settings import ReplaySettings
from experiments.procedures.replaying import reference_points, replay
from experiments.procedures.scoring import sent_points
from experiments.procedures.send import send
from experiments.procedures.transmission import Bench
from sdr_gsc.capture import Capture, Retune
from sdr_gsc.errors import SettingsError
from sdr_gsc.link import PictureRequest, gather_pictures, prepare
from sdr_gsc.recording.sigmf_writer import write_capture
from sdr_gsc.semantic.descriptor import Mapping
from sdr_gsc.semantic.rate import rate_by_cbr

RATE_HZ = 1e6


@pytest.fixture(scope="module")
def bench(models):
    return Bench.open(models)


@pytest.fixture(scope="module")
def prepared(bench, photo):
    """Two pictures of one frame each: the photo, and its negative."""
    picture = find_picture(str(photo))
    requests = [PictureRequest(Mapping.DIRECT, rate_by_cbr(24), picture_id=n, interleaver_seed=n) for n in (1, 2)]
    return [
        prepare(each, request, bench.codec, bench.transmitter)
        for each, request in zip((picture, 1 - picture), requests, strict=True)
    ]


def noisy(*pieces, level=0.005):
    samples = np.concatenate(pieces)
    noise = np.random.default_rng(3).normal(0, level, (samples.size, 2)).astype(np.float32).view(np.complex64)[:, 0]
    return (samples + noise).astype(np.complex64)


@pytest.fixture
def decode(sdr_gsc, models):
    def run(recording, *arguments):
        return sdr_gsc("replay", recording, "--weights", models, *arguments, "--json")

    return run


@pytest.mark.parametrize("mapping", ["direct", "coded", "classical"])
def test_a_replay_gives_the_very_picture_of_the_live_run(models, photo, tmp_path, mapping):
    decoders = ("mmse", "refine:2") if mapping == "direct" else ("mmse",)
    settings = SendSettings(
        image=str(photo), mapping=mapping, cbr=12, esn0_db=14.0, decoders=decoders, weights=models, seed=11
    )
    live = send(settings, tmp_path / "run")
    collection = tmp_path / "run/captures/send.sigmf-collection"
    found = replay(collection, ReplaySettings(decoders=decoders, seed=11, weights=models))
    assert list(found.answer.reconstructions) == list(live.reconstructions)
    for name, picture in live.reconstructions.items():
        np.testing.assert_array_equal(found.answer.reconstructions[name].picture, picture.picture)
    for name in ("esn0_db", "sample_snr_db", "post_eq_snr_db", "frames", "cbr_effective"):
        assert found.answer.result[name] == live.result[name]
    # What was sent lies beside it: the EVM needs no picture.
    assert found.answer.result["evm_snr_db"] == pytest.approx(live.result["evm_snr_db"], abs=1e-6)
    (trial,) = [json.loads(line) for line in (tmp_path / "run/trials.jsonl").read_text("utf-8").splitlines()]
    assert trial["captures"] == [
        "captures/send.sigmf-collection", "captures/send.tx.sigmf-meta", "captures/send.rx.sigmf-meta",
    ]  # fmt: skip
    assert all((tmp_path / "run" / name).is_file() for name in trial["captures"])


def test_the_files_are_the_same_too(models, photo, decode, tmp_path):
    send(SendSettings(image=str(photo), decoders=("mmse",), weights=models), tmp_path / "run")
    outcome = decode(tmp_path / "run/captures", "--picture", tmp_path / "again.png")
    assert outcome.status == 0
    # What our own recorder wrote leaves nothing open but the time, which a simulation has not.
    assert set(outcome.json.get("missing", [])) <= {"core:datetime"}
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "run/pictures/send.mmse.png").read_bytes()


def test_the_points_that_were_sent_are_read_from_the_reference(bench, prepared, photo):
    received = bench.receiver.receive(Capture(prepared[0].transmission.samples, RATE_HZ)).frames
    sent = gather_pictures(received)
    points = reference_points(sent, prepared[0].descriptor)
    np.testing.assert_array_equal(points, sent_points(find_picture(str(photo)), prepared[0].descriptor, bench.codec))
    assert reference_points(sent, prepared[1].descriptor) is None
    lost = replace(sent[0], noise_variance=np.full_like(sent[0].noise_variance, np.inf))
    assert reference_points([lost], prepared[0].descriptor) is None


def test_one_answer_for_each_picture(prepared, photo, decode, tmp_path):
    first, second = (each.transmission.samples for each in prepared)
    both = Capture(noisy(second, first), RATE_HZ, 915e6)
    write_capture(tmp_path / "both", both)
    outcome = decode(tmp_path / "both", "--reference", photo, "--picture", tmp_path / "p.png")
    assert outcome.status == 0
    result = outcome.json
    assert [each["picture_id"] for each in result["pictures"]] == [2, 1]
    for each in result["pictures"]:
        assert each["frames"] == {"sent": 1, "detected": 1, "header_ok": 1, "payload_ok": 1}
        assert (each["width"], each["height"]) == (96, 64)
    assert result["picture_id"] == 2
    # The promised form is that of the first one, and the reference is compared with that one only.
    assert result["decoders"]["mmse"]["psnr_db"] == result["pictures"][0]["decoders"]["mmse"]["psnr_db"] < 15
    assert result["pictures"][1]["decoders"]["mmse"]["psnr_db"] is None
    shown, other = (find_picture(str(tmp_path / name)) for name in ("p.png", "p.2.png"))
    assert np.abs(shown + other - 1).mean() < 0.1
    alone = Capture(both.samples[second.size :], RATE_HZ, 915e6)
    write_capture(tmp_path / "alone", alone)
    single = decode(tmp_path / "alone").json
    assert "pictures" not in single
    assert single["esn0_db"] == pytest.approx(result["pictures"][1]["esn0_db"], abs=0.5)


def test_people_get_a_table_for_each_picture(sdr_gsc, models, prepared, tmp_path):
    write_capture(tmp_path / "x", Capture(noisy(*(each.transmission.samples for each in prepared)), RATE_HZ))
    outcome = sdr_gsc("replay", tmp_path / "x", "--weights", models)
    assert outcome.status == 0
    assert outcome.out.count("frames payload ok") == 2
    assert "2 pictures" in outcome.err
    assert "core:datetime is missing" in outcome.err


def test_pictures_for_another_codec_are_named(bench, prepared, decode, tmp_path):
    foreign = replace(prepared[0].descriptor, weights_prefix=b"????", picture_id=7)
    symbols = bench.transmitter.transmit_symbols(
        np.exp(0.5j * np.pi * np.arange(foreign.n_symbols)).astype(np.complex64), foreign.pack(), 1
    )
    write_capture(tmp_path / "x", Capture(noisy(symbols.samples, prepared[1].transmission.samples), RATE_HZ))
    outcome = decode(tmp_path / "x")
    assert outcome.status == 0
    known, unknown = outcome.json["pictures"]
    assert (known["picture_id"], unknown["picture_id"]) == (2, 7)
    assert unknown["error"]
    write_capture(tmp_path / "alone", Capture(noisy(symbols.samples), RATE_HZ))
    assert unknown["error"][:20] in decode(tmp_path / "alone").refusal


def test_decoders_take_their_options(prepared, decode, tmp_path):
    write_capture(tmp_path / "x", Capture(noisy(prepared[0].transmission.samples), RATE_HZ))
    assert decode(tmp_path / "x", "--decoder", "refine", "--steps", 3, "--realism", 0.2).status == 0
    assert "steps is used by" in decode(tmp_path / "x", "--steps", 3).refusal
    assert "realism" in decode(tmp_path / "x", "--decoder", "refine", "--realism", 2).refusal
    with pytest.raises(SettingsError, match="steps is used by"):
        replay(tmp_path / "x", ReplaySettings(steps=3))


def quantized(samples, full_scale=2048):
    rails = np.ascontiguousarray(samples).view(np.float32)
    return np.clip(np.rint(rails * full_scale), -full_scale, full_scale - 1).astype("<i2").tobytes()


def written_by_others(folder, data, **fields):
    metadata = {
        "global": {f"core:{name}": value for name, value in {"version": "1.0.0", **fields}.items()},
        "captures": [{"core:sample_start": 0}],
        "annotations": [],
    }
    (folder / "theirs.sigmf-meta").write_text(json.dumps(metadata))
    (folder / "theirs.sigmf-data").write_bytes(data)
    return folder / "theirs.sigmf-meta"


def test_twelve_bits_of_a_pluto(sdr_gsc, models, prepared, decode, tmp_path):
    data = quantized(noisy(prepared[0].transmission.samples))
    path = written_by_others(tmp_path, data, datatype="ci16_le", sample_rate=RATE_HZ, hw="ADALM-Pluto")
    result = decode(path).json
    assert result["frames"]["payload_ok"] == 1
    assert result["missing"] == ["core:sha512", "sdr_gsc:full_scale_counts", "core:frequency", "core:datetime"]
    assert any("full scale 2048 is taken" in notice for notice in result["notices"])
    told = decode(path, "--full-scale", 2048).json
    assert "sdr_gsc:full_scale_counts" not in told["missing"]
    assert told["decoders"]["mmse"].keys() == result["decoders"]["mmse"].keys()
    # Scaling is by a power of two: the picture does not depend on it, the level does.
    assert decode(path, "--full-scale", 32768).json["esn0_db"] == pytest.approx(told["esn0_db"], abs=1e-3)
    said = sdr_gsc("replay", path, "--weights", models).err
    assert "12 bits" in said
    assert "core:sha512 is missing" in said


def test_a_recording_without_a_rate(prepared, decode, tmp_path):
    path = written_by_others(tmp_path, noisy(prepared[0].transmission.samples).tobytes(), datatype="cf32_le")
    found = decode(path).json
    assert found["frames"]["payload_ok"] == 1
    assert "core:sample_rate" in found["missing"]
    assert "core:sample_rate" not in decode(path, "--sample-rate", RATE_HZ).json["missing"]


def test_channels(prepared, decode, tmp_path):
    samples = noisy(prepared[0].transmission.samples)
    both = np.stack([np.zeros_like(samples), samples], axis=1)
    path = written_by_others(tmp_path, both.tobytes(), datatype="cf32_le", sample_rate=RATE_HZ, num_channels=2)
    assert "2 channels" in decode(path).refusal
    assert decode(path, "--channel", 0).status == 1
    assert decode(path, "--channel", 1).status == 0


def test_another_rate_and_another_centre(prepared, decode, tmp_path):
    wide = scipy.signal.resample_poly(prepared[0].transmission.samples, 5, 2)
    samples = noisy(wide * np.exp(-2j * np.pi * 0.12 * np.arange(wide.size)), level=0.002)
    path = write_capture(tmp_path / "wide", Capture(samples, 2.5 * RATE_HZ, 915e6))
    outcome = decode(path)
    assert outcome.status == 1
    sought, found = outcome.json["looked_for"], outcome.json["found"]
    assert (sought["fft_size"], sought["cp_length"], sought["sample_rate_hz"]) == (64, 16, 2.5e6)
    assert sought["occupied_hz"] == pytest.approx(2.5e6 * 53 / 64)
    assert found["preambles"] == 0
    low, high = found["band_hz"]
    assert (low + high) / 2 == pytest.approx(-0.12 * 2.5e6, abs=3e4)
    assert high - low == pytest.approx(0.9 * 52 / 64 * 1e6, rel=0.1)
    assert "looked for frames of 52 subcarriers" in outcome.err
    assert "--shift-hz" in outcome.err
    fitted = decode(path, "--shift-hz", 3e5, "--rate", RATE_HZ)
    assert fitted.status == 0
    assert fitted.json["frames"]["payload_ok"] == 1
    assert "looked_for" not in fitted.json
    assert "shift_hz" in decode(path, "--shift-hz", 9e9).refusal
    assert "samples/s" in decode(path, "--rate", 1.0).refusal


def test_silence_is_told_as_such(decode, tmp_path):
    write_capture(tmp_path / "x", Capture(np.zeros(5000, np.complex64), RATE_HZ))
    outcome = decode(tmp_path / "x")
    assert outcome.status == 1
    assert outcome.json["found"]["level_dbfs"] is None
    assert outcome.json["found"]["band_hz"] is None
    assert "silence" in outcome.err


def test_a_retune_in_the_midst(prepared, decode, tmp_path):
    samples = prepared[0].transmission.samples
    whole = Capture(noisy(samples, samples), RATE_HZ, 915e6, retunes=(Retune(samples.size // 2, 920e6),))
    write_capture(tmp_path / "x", whole)
    result = decode(tmp_path / "x").json
    assert result["frames"] == {"sent": 1, "detected": 2, "header_ok": 1, "payload_ok": 1}


def test_archives_and_files_that_are_none(prepared, decode, tmp_path):
    meta = write_capture(tmp_path / "x", Capture(noisy(prepared[0].transmission.samples), RATE_HZ))
    with tarfile.open(tmp_path / "all.sigmf", "w") as archive:
        for path in (meta, meta.with_suffix(".sigmf-data")):
            archive.add(path, f"all/{path.name}")
    assert decode(tmp_path / "all.sigmf").status == 0
    (tmp_path / "junk.sigmf").write_bytes(b"junk" * 1000)
    assert "no readable archive" in decode(tmp_path / "junk.sigmf").refusal
    data = meta.with_suffix(".sigmf-data")
    data.write_bytes(data.read_bytes()[:-80])
    assert "SHA-512" in decode(meta).refusal
    meta.write_text('{"global": ')
    assert "cannot be read" in decode(meta).refusal


def test_captures_are_kept_with_and_without_what_was_sent(bench, prepared, tmp_path):
    class Directory:
        path = tmp_path

        def folder(self, name):
            (tmp_path / name).mkdir(exist_ok=True)
            return tmp_path / name

    sent = prepared[0].transmission
    capture = Capture(noisy(sent.samples), RATE_HZ, 915e6)
    assert keep_capture(Directory(), "a/b:c", capture, ()) == ("captures/a_b-c.sigmf-meta",)
    np.testing.assert_array_equal(kept_capture(Directory(), "a/b:c").samples, capture.samples)
    assert len(keep_capture(Directory(), "second", capture, (), sent)) == 3
    np.testing.assert_array_equal(kept_capture(Directory(), "second").samples, capture.samples)
    assert kept_capture(Directory(), "third") is None
