from __future__ import annotations

import json

import pytest
import skimage.data
from PIL import Image

SHORT = ("--decoder", "mmse", "--cbr", 12, "--seed", 3)


@pytest.fixture(scope="module")
def cat(tmp_path_factory):
    """A picture of something, 128x128 pixels."""
    path = tmp_path_factory.mktemp("cat") / "cat.png"
    Image.fromarray(skimage.data.chelsea()).resize((128, 128), Image.Resampling.LANCZOS).save(path)
    return path


def test_the_class_is_read_from_the_vector_alone(sdr_gsc, models, cat):
    human = sdr_gsc("send", cat, *SHORT, "--weights", models, "--esn0-db", 12, "--json").json
    assert "task" not in human
    outcome = sdr_gsc("send", cat, "--objective", "machine", *SHORT, "--weights", models, "--esn0-db", 12, "--json")
    assert outcome.status == 0
    result = outcome.json
    assert result["cbr_payload"] == human["cbr_payload"]
    assert result["decoders"] == {"mmse": {"psnr_db": None, "ms_ssim": None, "perceptual": None, "timings_s": None}}
    assert result["evm_snr_db"] == pytest.approx(result["post_eq_snr_db"], abs=1.5)
    task = result["task"]
    assert task["share"] == 1
    assert task["symbols"] == 4096
    assert task["heard"]
    assert task["top1"] == task["models_own_top1"]
    assert task["top1"] == task["top5"][0]
    assert task["feature_similarity"] > 0.9
    assert (task["uses_task_vector"], task["judged_by"]) == (True, "efficientnet-lite2")
    assert task["top1_agrees"] == (task["top1"] == task["judged_top1"])


def test_agents_get_both_and_guided_pictures_are_marked(sdr_gsc, models, photo, tmp_path):
    arguments = ("--objective", "agent", "--decoder", "mmse,posterior:diffpir", "--weights", models, "--esn0-db", 12)
    out = tmp_path / "run"
    result = sdr_gsc(
        "send", photo, *arguments, "--cbr", 12, "--steps", 2, "--task-guidance", 1, "--out", out, "--json"
    ).json
    assert result["task"]["share"] == 0.5
    plain, guided = result["decoders"]["mmse"], result["decoders"]["posterior:diffpir"]
    assert plain["psnr_db"] > 15
    assert "uses_task_vector" not in plain
    assert (guided["uses_task_vector"], guided["judged_by"]) == (True, "efficientnet-lite2")
    assert set(result["task"]["pictures_agree"]) == {"mmse", "posterior:diffpir"}
    (trial,) = [json.loads(line) for line in (out / "trials.jsonl").read_text("utf-8").splitlines()]
    assert trial["task"] == result["task"]
    assert trial["air"]["payload_bytes"] is None
    replayed = sdr_gsc(
        "replay", out / "captures/send.rx.sigmf-meta", "--weights", models, "--reference", photo, "--json"
    ).json
    assert replayed["cbr_payload"] == result["cbr_payload"]
    assert {**replayed["task"], "objective": "agent", "pictures_agree": {}} == {**result["task"], "pictures_agree": {}}


def test_what_is_not_received_leaves_the_task_undone(sdr_gsc, models, photo):
    arguments = ("--objective", "agent", *SHORT, "--weights", models, "--esn0-db", -25)
    outcome = sdr_gsc("send", photo, *arguments, "--json")
    assert outcome.status == 1
    task = outcome.json["task"]
    assert not task["heard"]
    for name in ("top1", "top5", "confidence", "feature_similarity", "top1_agrees", "top5_agrees"):
        assert task[name] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--objective", "robot"), "objective"),
        (("--objective", "agent", "--task-share", "1.5"), "task_share"),
        (("--objective", "agent", "--task-share", "-0.1"), "task_share"),
        (("--task-share", "0.5"), "human sends no task vector"),
        (("--objective", "machine", "--mapping", "coded"), "by mapping direct"),
        (("--task-guidance", "1"), "choose objective agent"),
    ],
)
def test_requests_that_make_no_sense_are_refused(sdr_gsc, models, photo, arguments, words):
    assert words in sdr_gsc("send", photo, "--weights", models, *arguments).refusal


def test_a_configuration_says_the_same(sdr_gsc, models, photo, tmp_path):
    config = tmp_path / "task.toml"
    config.write_text(
        f'kind = "send"\nimage = "{photo}"\nobjective = "agent"\ntask_share = 0.6\ncbr = 12\ndecoders = ["mmse"]\n'
        f'weights = "{models}"\nesn0_db = 12.0\nseed = 3\n',
        "utf-8",
    )
    task = sdr_gsc("run", config, "--out", tmp_path / "out", "--json").json["task"]
    assert (task["objective"], task["share"]) == ("agent", 0.75)
