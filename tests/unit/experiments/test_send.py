from __future__ import annotations

import json

import numpy as np
import pytest

from experiments.configuration import LinkSettings
from experiments.procedures.airing import Airing, exchange_over
from experiments.procedures.photographs import find_picture
from experiments.procedures.scoring import measured_reports, sent_points
from experiments.procedures.transmission import Bench, send_picture
from sdr_gsc.link import PictureRequest, prepare
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.descriptor import Mapping
from sdr_gsc.semantic.rate import rate_by_cbr

SHAPE = {
    "mapping": str,
    "radio": str,
    "cbr_payload": float,
    "cbr_effective": float,
    "esn0_db": float,
    "sample_snr_db": float,
    "post_eq_snr_db": float,
    "evm_snr_db": float,
    "frames": {"sent": int, "detected": int, "header_ok": int, "payload_ok": int},
    "decoders": dict,
}
DECODER = {"psnr_db": float, "ms_ssim": (float, type(None)), "perceptual": float, "timings_s": dict}


def check_shape(value, shape):
    assert list(value) == list(shape)
    for key, kind in shape.items():
        if isinstance(kind, dict):
            check_shape(value[key], kind)
        else:
            assert isinstance(value[key], kind), key


def without_timings(result):
    copy = json.loads(json.dumps(result))
    for decoder in copy["decoders"].values():
        decoder.pop("timings_s")
    return copy


@pytest.mark.parametrize("mapping", ["direct", "coded", "classical"])
def test_the_json_has_the_promised_shape(sdr_gsc, models, photo, mapping):
    outcome = sdr_gsc(
        "send", photo, "--mapping", mapping, "--radio", "loopback:cabled", "--esn0-db", 20, "--cbr", 12,
        "--decoder", "mmse", "--weights", models, "--json",
    )  # fmt: skip
    assert outcome.status == 0
    assert outcome.err == ""
    result = outcome.json
    check_shape(result, SHAPE)
    assert list(result["decoders"]) == ["classical" if mapping == "classical" else "mmse"]
    for decoder in result["decoders"].values():
        check_shape(decoder, DECODER)
        assert decoder["psnr_db"] > 18
    frames = result["frames"]
    assert frames["sent"] == frames["detected"] == frames["header_ok"] == frames["payload_ok"] >= 1
    assert result["cbr_payload"] <= 1 / 12 + 1e-9 < result["cbr_effective"]
    assert result["esn0_db"] == pytest.approx(20, abs=1.5)
    assert result["sample_snr_db"] == pytest.approx(result["esn0_db"] - 0.90, abs=0.01)
    assert result["evm_snr_db"] == pytest.approx(result["post_eq_snr_db"], abs=1.5)


def test_equal_seeds_give_equal_figures_and_others_do_not(sdr_gsc, models, photo):
    def send(seed):
        arguments = ("--decoder", "mmse", "--decoder", "refine:2", "--weights", models, "--esn0-db", 10, "--json")
        return without_timings(sdr_gsc("send", photo, "--seed", seed, *arguments).json)

    first = send(7)
    assert first == send(7)
    assert first != send(8)
    assert list(first["decoders"]) == ["mmse", "refine:2"]


def test_a_decoder_does_not_depend_on_its_company(sdr_gsc, models, photo):
    def send(decoders):
        return sdr_gsc("send", photo, "--decoder", decoders, "--weights", models, "--esn0-db", 10, "--json").json

    alone = send("refine:2")["decoders"]["refine:2"]["psnr_db"]
    assert send("mmse,refine:3,refine:2")["decoders"]["refine:2"]["psnr_db"] == alone


@pytest.mark.parametrize("mapping", ["direct", "classical"])
def test_what_is_not_received_is_told_so(sdr_gsc, models, photo, mapping):
    arguments = ("--mapping", mapping, "--decoder", "mmse", "--weights", models, "--esn0-db", -25)
    outcome = sdr_gsc("send", photo, "--cbr", 12, *arguments, "--json")
    assert outcome.status == 1
    assert "nothing was received" in outcome.err
    result = outcome.json
    assert result["frames"]["header_ok"] == result["frames"]["payload_ok"] == 0
    for name in ("esn0_db", "sample_snr_db", "post_eq_snr_db", "evm_snr_db"):
        assert result[name] is None
    (decoder,) = result["decoders"].values()
    assert decoder == {"psnr_db": None, "ms_ssim": None, "perceptual": None, "timings_s": None}
    assert sdr_gsc("send", photo, "--cbr", 12, *arguments).status == 1


def test_people_get_tables(sdr_gsc, models, photo):
    outcome = sdr_gsc("send", photo, "--decoder", "mmse", "--weights", models)
    assert outcome.status == 0
    for word in ("payload CBR", "Es/N0", "frames header ok", "direct · mmse"):
        assert word in outcome.out


def test_a_run_directory_can_be_run_again_from_itself(sdr_gsc, models, photo, tmp_path):
    out = tmp_path / "run"
    arguments = ("--decoder", "mmse", "--weights", models, "--esn0-db", 12)
    first = sdr_gsc("send", photo, *arguments, "--out", out, "--json").json
    for name in ("config.toml", "environment.json", "trials.jsonl", "report.html", "captures/send.sigmf-collection"):
        assert (out / name).is_file()
    for suffix in (".png", ".svg"):
        assert (out / "figures" / f"send.constellation{suffix}").is_file()
    (trial,) = [json.loads(line) for line in (out / "trials.jsonl").read_text("utf-8").splitlines()]
    assert trial["trial"] == "send"
    assert trial["decoders"]["mmse"]["psnr_db"] == first["decoders"]["mmse"]["psnr_db"]
    moved = tmp_path / "elsewhere"
    out.rename(moved)
    again = sdr_gsc("run", moved / "config.toml", "--out", tmp_path / "second", "--json").json
    assert without_timings(again) == without_timings(first)
    assert sdr_gsc("resume", moved, "--json").status == 0
    assert len((moved / "trials.jsonl").read_text("utf-8").splitlines()) == 1


def test_a_recording_gives_what_the_transmission_gave(sdr_gsc, models, photo, tmp_path):
    arguments = ("--decoder", "mmse", "--weights", models)
    sent = sdr_gsc("send", photo, *arguments, "--out", tmp_path / "run", "--json").json
    recording = tmp_path / "run/captures/send.rx.sigmf-meta"
    picture = tmp_path / "received.png"
    outcome = sdr_gsc("replay", recording, *arguments, "--reference", photo, "--picture", picture, "--json")
    assert outcome.status == 0
    replayed = outcome.json
    for name in ("mapping", "cbr_payload", "esn0_db", "sample_snr_db", "post_eq_snr_db", "evm_snr_db", "frames"):
        assert replayed[name] == sent[name]
    assert replayed["decoders"]["mmse"]["psnr_db"] == sent["decoders"]["mmse"]["psnr_db"]
    assert find_picture(str(picture)).shape == (64, 96, 3)
    blind = sdr_gsc("replay", recording, *arguments, "--json").json
    assert blind["decoders"]["mmse"]["psnr_db"] is None
    assert blind["decoders"]["mmse"]["timings_s"]


def test_another_senders_picture_is_not_ours(models, photo, monkeypatch):
    bench = Bench.open(models)
    picture = find_picture(str(photo))
    link = LinkSettings(cbr=12)
    request = PictureRequest(Mapping.DIRECT, rate_by_cbr(12), picture_id=4711)
    foreign = prepare(picture, request, bench.codec, bench.transmitter)

    def intruder(airing, prepared, generator):
        return exchange_over(airing, foreign, generator)

    monkeypatch.setattr("experiments.procedures.transmission.exchange_over", intruder)
    sent = send_picture(
        picture,
        link,
        bench,
        bench.decoders(("mmse",)),
        airing=Airing("loopback:cabled", esn0_db=25.0),
        seeds=TrialSeeds(1, "x"),
    )
    assert not sent.received
    assert sent.reconstructions["mmse"] is None
    assert any(report.header_ok for report in sent.reception.reports)


def test_measured_evm_is_that_of_the_symbols(models, photo):
    bench = Bench.open(models)
    picture = find_picture(str(photo))
    sent = send_picture(
        picture,
        LinkSettings(cbr=12),
        bench,
        {},
        airing=Airing("loopback:cabled", esn0_db=15.0),
        seeds=TrialSeeds(3, "x"),
    )
    points = sent_points(picture, sent.prepared.descriptor, bench.codec)
    reports = measured_reports(sent.reception, points, bench.receiver.numerology)
    error = np.mean(np.abs(sent.reception.symbols - points) ** 2)
    frames = [10 ** (report.evm_db / 10) for report in reports]
    assert np.mean(frames) == pytest.approx(error, rel=0.02)
    assert all(report.evm_per_subcarrier_db.shape == (48,) for report in reports)
    assert measured_reports(sent.reception, None, bench.receiver.numerology) == sent.reception.reports
