"""Sentences by the command line, with a tiny model of random weights in the published format."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from sdr_gsc.semantic.text_encoder import BertEncoder, BertShape

WORDS = ("[UNK]", "[CLS]", "[SEP]", "a", "cat", "dog", "train", "sleeps", "leaves", "late")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    folder = tmp_path_factory.mktemp("sentences")
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    shape = {
        "model_type": "bert", "hidden_act": "gelu", "vocab_size": len(WORDS), "hidden_size": 32,
        "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 16,
        "type_vocab_size": 1, "layer_norm_eps": 1e-12,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(shape), "utf-8")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = BertEncoder(BertShape.read(folder / "config.json"))
    save_file({name: value.contiguous() for name, value in encoder.state_dict().items()}, folder / "model.safetensors")
    return folder


@pytest.fixture
def candidates(tmp_path):
    path = tmp_path / "known.txt"
    path.write_text("a dog sleeps\n\na cat leaves late\ntrain leaves late\na cat leaves late\n", "utf-8")
    return path


def test_the_nearest_sentence_is_found(sdr_gsc, tiny, candidates):
    arguments = ("--model", tiny, "--candidates", candidates, "--symbols", 64, "--esn0-db", 15)
    outcome = sdr_gsc("send-text", "a cat leaves late", *arguments, "--json")
    assert outcome.status == 0
    text = outcome.json["text"]
    assert (text["nearest"], text["exact"], text["candidates"]) == ("a cat leaves late", True, 3)
    assert text["embedding_similarity"] > 0.9
    assert text["sentence_similarity"] == pytest.approx(1)
    assert (text["self_judged"], text["judged_by"]) == (True, tiny.name)
    assert outcome.json["cbr_payload"] is None
    assert outcome.json["frames"]["header_ok"] == 1
    assert outcome.json == sdr_gsc("send-text", "a cat leaves late", *arguments, "--json").json
    table = sdr_gsc("send-text", "a cat leaves late", *arguments)
    assert table.status == 0
    assert "embedding similarity" in table.out


def test_without_candidates_similarity_alone_is_told(sdr_gsc, tiny):
    text = sdr_gsc("send-text", "a cat sleeps", "--model", tiny, "--json").json["text"]
    assert text["nearest"] is None
    assert text["embedding_similarity"] > 0.8


def test_what_is_not_received_is_told_so(sdr_gsc, tiny, candidates):
    arguments = ("--model", tiny, "--candidates", candidates, "--esn0-db", -25)
    outcome = sdr_gsc("send-text", "a cat sleeps", *arguments, "--json")
    assert outcome.status == 1
    assert "nothing was received" in outcome.err
    assert outcome.json["text"]["embedding_similarity"] is None
    assert outcome.json["text"]["nearest"] is None


def test_requests_that_make_no_sense_are_refused(sdr_gsc, tiny, tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("\n \n", "utf-8")
    for arguments, words in (
        (("   ", "--model", tiny), "sentence"),
        (("a cat", "--model", tiny, "--symbols", 0), "symbols"),
        (("a cat", "--model", tiny, "--levels", 5), "levels"),
        (("a cat", "--model", tmp_path), "config.json"),
        (("a cat", "--model", tiny, "--candidates", empty), "no sentence"),
        (("a cat", "--model", tiny, "--candidates", tmp_path / "none.txt"), "cannot be read"),
    ):
        assert words in sdr_gsc("send-text", *arguments).refusal
