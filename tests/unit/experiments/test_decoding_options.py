"""Options of decoders from the command line and from TOML."""

from __future__ import annotations

from dataclasses import fields
from typing import get_args

import pytest

from experiments.cli_decoding import Decoding
from experiments.configuration import SendSettings
from experiments.decoding_settings import DecodingSettings
from experiments.procedures.send import send
from experiments.settings_files import read_settings, write_settings
from experiments.sweeps.settings import SeriesSettings, SweepSettings
from sdr_gsc.diffusion.early_start import START_RULES
from sdr_gsc.diffusion.ode import SAMPLERS
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.diffusion.runtime import PRECISIONS
from sdr_gsc.semantic.evidence import WEIGHTINGS

_GIVEN = dict(
    steps=3, samples=2, realism=0.25, weighting="global", start="noise", sampler="heun", early_exit=0.5,
    precision="bfloat16", prior="p", label=1, guidance=2.0,
)  # fmt: skip


def test_names_are_those_of_the_decoders():
    for field, known in (("weighting", WEIGHTINGS), ("start", START_RULES), ("sampler", SAMPLERS)):
        choices = get_args(DecodingSettings.model_fields[field].annotation)
        inner = next((get_args(choice) for choice in choices if get_args(choice)), choices)
        assert set(inner) == set(known)
    assert set(get_args(DecodingSettings.model_fields["precision"].annotation)) == set(PRECISIONS)


def test_every_option_has_a_setting_and_a_flag():
    settings, flags = set(DecodingSettings.model_fields), {flag.name for flag in fields(Decoding)}
    assert {option.name for option in fields(DecoderOptions)} - {"task_guidance"} <= settings
    assert flags == settings


def test_settings_reach_the_decoders_and_survive_a_file(tmp_path):
    sweep = SweepSettings(name="x", series=(SeriesSettings(name="a", decoders=("refine",)),), **_GIVEN)
    for settings in (SendSettings(image="astronaut", **_GIVEN), sweep):
        write_settings(tmp_path / "config.toml", settings)
        assert read_settings(tmp_path / "config.toml") == settings
        assert settings.decoder_options() == DecoderOptions(**_GIVEN)
    assert SendSettings(image="astronaut").decoder_options(0.5) == DecoderOptions(task_guidance=0.5)


def test_settings_change_what_the_decoder_does(models, photo):
    settings = SendSettings(
        image=str(photo), radio="loopback:cabled", cbr=24, weights=models, steps=2, sampler="heun", guidance=3.0
    )
    found = send(settings).reconstructions["refine"]
    assert found is not None
    assert found.nfe == 6  # Heun's 2·2 - 1 estimates, each with and without the evidence


def test_flags_that_change_nothing_are_refused(sdr_gsc, models, photo):
    link = ("send", photo, "--radio", "loopback:cabled", "--cbr", 24, "--weights", models, "--json")
    assert "steps is used by" in sdr_gsc(*link, "--decoder", "mmse", "--steps", 2).refusal
    assert "chosen is no decoder" in sdr_gsc(*link, "--mapping", "classical", "--samples", 2).refusal
    assert "CUDA" in sdr_gsc(*link, "--decoder", "refine", "--compile").refusal


@pytest.mark.parametrize("bad", [{"steps": 0}, {"sampler": "magic"}, {"early_exit": 0.0}, {"precision": "float8"}])
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        SendSettings(image="astronaut", **bad)
