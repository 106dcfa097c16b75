"""What no receiver hands over is refused in words; what it may hand over has an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.diffusion.posterior import SOLVERS
from sdr_gsc.errors import DescriptorError, SettingsError
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.evidence import evidence_of
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.rate import RATES, rate_by_cbr, symbols_per_picture
from sdr_gsc.semantic.values import Reception

_DECODERS = ("mmse", "cddm", "blind", *(f"posterior:{solver}" for solver in SOLVERS))


@pytest.fixture(scope="module")
def codec(model_folder: Path) -> Codec:
    return Codec.load(model_folder)


def _received(codec: Codec, picture: np.ndarray, cbr: int = 48, variance: float = 0.05) -> Reception:
    symbols = codec.encode(picture, rate_by_cbr(cbr), 16)
    size = symbols.descriptor.n_symbols
    draws = np.random.default_rng(0).standard_normal((2, size)) * (variance / 2) ** 0.5
    points = (constellation_points(symbols) + draws[0] + 1j * draws[1]).astype(np.complex64)
    return Reception(symbols.descriptor, points, np.full(size, variance, np.float32), None, ())


def _small(rows: int, columns: int) -> np.ndarray:
    across = np.linspace(0.2, 0.8, rows * columns * 3, dtype=np.float32)
    return across.reshape(rows, columns, 3)


def _decode(codec: Codec, folder: Path, name: str, reception: Reception, **options: object) -> np.ndarray:
    chosen = DecoderOptions(steps=2, **options)  # type: ignore[arg-type]
    decoder = open_decoder(name, codec, folder, chosen)
    return decoder.decode(reception, generator=torch.Generator().manual_seed(0)).picture


def _with_variance(value: float) -> Callable[[Reception], Reception]:
    def change(reception: Reception) -> Reception:
        variance = reception.noise_variance.copy()
        variance[3] = value
        return replace(reception, noise_variance=variance)

    return change


def _with_symbol(value: complex) -> Callable[[Reception], Reception]:
    def change(reception: Reception) -> Reception:
        symbols = reception.symbols.copy()
        symbols[5] = value
        return replace(reception, symbols=symbols)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_with_variance(-0.1), "noise variances are no variances .symbol 3 has -0.1"),
        (_with_variance(np.nan), "symbol 3 has nan"),
        (_with_variance(-np.inf), "symbol 3 has -inf"),
        (_with_variance(1e30), "or inf where the symbol was lost"),
        (_with_symbol(complex(np.nan, 0)), "symbol 5 is"),
        (_with_symbol(complex(0, np.nan)), "symbol 5 is"),
        (_with_symbol(complex(np.inf, 0)), "needed finite values"),
        (_with_symbol(3e38 + 3e38j), "needed finite values"),
        (lambda it: replace(it, noise_variance=it.noise_variance[:-1]), "variances"),
        (lambda it: replace(it, noise_variance=it.noise_variance[:, None]), "variances"),
        (lambda it: replace(it, symbols=it.symbols[:-1], noise_variance=it.noise_variance[:-1]), "symbols"),
        (lambda it: replace(it, descriptor=replace(it.descriptor, height=64)), "need"),
        (lambda it: replace(it, descriptor=replace(it.descriptor, rate_index=4)), "need"),
        (lambda it: replace(it, descriptor=replace(it.descriptor, rate_index=9)), "rates"),
        (lambda it: replace(it, descriptor=replace(it.descriptor, gain=32.0)), "gain is 32.0"),
        (lambda it: replace(it, descriptor=replace(it.descriptor, gain=float(np.float16(1e-5)))), "gain is"),
        (lambda it: replace(it, descriptor=None), "no good header"),
    ],
)
def test_nonsense_is_refused(codec: Codec, change: Callable[[Reception], Reception], words: str) -> None:
    reception = _received(codec, _small(32, 48))
    with pytest.raises(DescriptorError, match=words):
        evidence_of(change(reception))


@pytest.mark.parametrize("name", ["mmse", "cddm", "blind", "posterior"])
def test_every_decoder_refuses_it_and_symbols_of_another_codec(codec: Codec, model_folder: Path, name: str) -> None:
    reception = _received(codec, _small(32, 48))
    with pytest.raises(DescriptorError, match="symbol 3 has nan"):
        _decode(codec, model_folder, name, _with_variance(np.nan)(reception))
    other = replace(reception, descriptor=replace(reception.descriptor, weights_prefix=b"\1\2\3\4"))
    with pytest.raises(DescriptorError, match="sender's weights"):
        _decode(codec, model_folder, name, other)


@pytest.mark.parametrize("options", [{"weighting": "guessed"}, {"start": "late"}])
def test_options_that_do_not_exist_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="needed one of"):
        DecoderOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", _DECODERS)
def test_without_any_evidence_there_is_a_defined_answer(codec: Codec, model_folder: Path, name: str) -> None:
    reception = _received(codec, _small(16, 32))
    size = reception.symbols.size
    silent = replace(reception, symbols=np.zeros(size, np.complex64), noise_variance=np.full(size, np.inf, np.float32))
    picture = _decode(codec, model_folder, name, silent)
    assert np.isfinite(picture).all()
    if name in ("mmse", "cddm"):
        # Networks at their start correct nothing, so this is the prior's mean, the mean colour everywhere.
        assert picture == pytest.approx(np.full((16, 32, 3), 0.5), abs=1e-3)
    # Whatever stands where nothing was heard has no say.
    noise = np.random.default_rng(1).standard_normal((2, size))
    other = replace(silent, symbols=(noise[0] + 1j * noise[1]).astype(np.complex64))
    assert np.array_equal(picture, _decode(codec, model_folder, name, other))


@pytest.mark.parametrize("weighting", ["measured", "global", "none"])
def test_weightings_have_an_answer_without_evidence(codec: Codec, model_folder: Path, weighting: str) -> None:
    reception = _received(codec, _small(32, 48))
    silent = replace(
        reception,
        symbols=np.zeros_like(reception.symbols),
        noise_variance=np.full_like(reception.noise_variance, np.inf),
    )
    assert np.isfinite(_decode(codec, model_folder, "posterior:diffpir", silent, weighting=weighting)).all()


@pytest.mark.parametrize("name", ["mmse", "cddm", "blind", "posterior:hifi-diffcom"])
def test_sizes_one_after_the_other(codec: Codec, model_folder: Path, name: str) -> None:
    """Odd sizes, sides that the stride does not divide, less than a block; one decoder, sizes mixed."""
    decoder = open_decoder(name, codec, model_folder, DecoderOptions(steps=2))
    for height, width in ((33, 17), (1, 1), (3, 40), (32, 32)):
        whole = _received(codec, _small(max(height, 16), max(width, 16)))
        assert whole.descriptor is not None
        cut = replace(whole, descriptor=replace(whole.descriptor, height=height, width=width))
        needed = symbols_per_picture(height, width, RATES[whole.descriptor.rate_index])
        assert needed == whole.symbols.size
        result = decoder.decode(cut, generator=torch.Generator().manual_seed(0))
        assert result.picture.shape == (height, width, 3)
        assert np.isfinite(result.picture).all()
        assert result.standard_deviation is not None
        assert result.standard_deviation.shape == (height, width)
    again = open_decoder(name, codec, model_folder, DecoderOptions(steps=2))
    fresh = again.decode(cut, generator=torch.Generator().manual_seed(0))
    assert np.array_equal(result.picture, fresh.picture)


def test_symbols_behind_the_pictures_are_left_out(codec: Codec) -> None:
    reception = _received(codec, _small(32, 48))
    assert reception.descriptor is not None
    longer = replace(
        reception,
        descriptor=replace(reception.descriptor, n_symbols=reception.symbols.size + 7),
        symbols=np.concatenate([reception.symbols, np.full(7, 9, np.complex64)]),
        noise_variance=np.concatenate([reception.noise_variance, np.full(7, 0.5, np.float32)]),
    )
    first, second = evidence_of(reception), evidence_of(longer)
    assert torch.equal(first.latents, second.latents)
    assert torch.equal(first.variance, second.variance)


def test_extreme_but_possible_values_stay_finite(codec: Codec, model_folder: Path) -> None:
    reception = _received(codec, _small(32, 48))
    for variance, symbol in ((0.0, 1.0), (1e17, 1e9)):
        size = reception.symbols.size
        extreme = replace(
            reception,
            symbols=np.full(size, symbol, np.complex64),
            noise_variance=np.full(size, variance, np.float32),
        )
        for name in ("mmse", "cddm", "blind", "posterior:dps"):
            assert np.isfinite(_decode(codec, model_folder, name, extreme)).all(), (name, variance, symbol)
