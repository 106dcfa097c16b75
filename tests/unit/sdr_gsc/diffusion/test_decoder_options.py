"""Options that matter to somebody, and priors that run as asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sdr_gsc.diffusion.decoders import check_used, open_decoder
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.diffusion.runtime import RuntimeUNet
from sdr_gsc.errors import SettingsError
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.rate import rate_by_cbr
from sdr_gsc.semantic.values import Reception


@pytest.mark.parametrize(("names", "options", "said"), [
    (("mmse",), {"prior": "folder"}, "prior is used by posterior:diffpir .or another solver., blind; chosen is mmse"),
    (("mmse", "refine:4"), {"prior": "folder"}, "chosen are mmse, refine:4"),
    (("mmse", "cddm"), {"steps": 4}, "steps is used by refine"),
    (("posterior:dps",), {"realism": 0.5}, "realism is used by refine, consistency"),
    (("posterior:diffpir",), {"guidance": 2.0}, "guidance is used by refine, posterior:cddb;"),
    (("posterior",), {"prior": "folder"}, "prior is used by posterior:diffpir .or another solver., blind;"),
    (("consistency",), {"sampler": "heun"}, "sampler is used by refine, posterior:cddb;"),
    (("blind",), {"weighting": "none"}, "weighting is used by mmse"),
    (("refine",), {"task_guidance": 1.0}, "task_guidance is used by posterior:diffpir"),
    ((), {"samples": 2}, "no decoder"),
])  # fmt: skip
def test_an_option_that_changes_nothing_is_refused(
    names: tuple[str, ...], options: dict[str, object], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        check_used(names, DecoderOptions(**options))  # type: ignore[arg-type]


def test_one_decoder_that_uses_an_option_is_enough() -> None:
    check_used(("mmse",), DecoderOptions())
    check_used(("mmse",), DecoderOptions(precision="bfloat16", weighting="global"))
    check_used(("mmse", "posterior:pigdm"), DecoderOptions(prior="folder", label=1, guidance=2.0, start="noise"))
    check_used(("mmse", "refine:2"), DecoderOptions(guidance=2.0, sampler="heun", early_exit=0.1, realism=0.5))


@pytest.fixture(scope="module")
def codec(model_folder: Path) -> Codec:
    return Codec.load(model_folder)


@pytest.fixture(scope="module")
def reception(codec: Codec) -> Reception:
    symbols = codec.encode(np.full((32, 48, 3), 0.4, np.float32), rate_by_cbr(24), 16)
    points = constellation_points(symbols).astype(np.complex64)
    return Reception(symbols.descriptor, points, np.full(points.size, 0.1, np.float32), None, ())


@pytest.mark.parametrize("name", ["posterior:diffpir", "posterior:mmps", "blind"])
def test_the_prior_runs_in_the_precision_that_was_asked_for(
    codec: Codec, model_folder: Path, reception: Reception, name: str
) -> None:
    decoder = open_decoder(name, codec, model_folder, DecoderOptions(steps=2, precision="bfloat16"))
    assert isinstance(decoder.prior.unet, RuntimeUNet)  # type: ignore[attr-defined]
    found = decoder.decode(reception, generator=torch.Generator().manual_seed(0))
    assert found.picture.shape == (32, 48, 3)
    assert np.isfinite(found.picture).all()
    with pytest.raises(SettingsError, match="CUDA devices"):
        open_decoder(name, codec, model_folder, DecoderOptions(compile=True))
    with pytest.raises(SettingsError, match="as its authors built it"):
        open_decoder("posterior:diffpir", codec, model_folder, DecoderOptions(prior="folder", precision="bfloat16"))


def test_what_graphs_would_overwrite_is_not_compiled(codec: Codec, model_folder: Path) -> None:
    for name in ("posterior:hifi-diffcom", "posterior:hifi-diffcom-paper"):
        with pytest.raises(SettingsError, match="two networks at once"):
            open_decoder(name, codec, model_folder, DecoderOptions(compile=True))
