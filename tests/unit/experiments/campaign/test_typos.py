"""A mistake in any table of a configuration: the message names the key, and the one that was meant."""

from __future__ import annotations

import pytest

from experiments.campaign.failing import failure_of
from experiments.campaign.kinds import study_of
from experiments.campaign.running import planned
from experiments.settings_files import read_settings
from hardware.errors import BadValueError, RadioTimeoutError
from sdr_gsc.errors import SettingsError

NAME = "name = 'x'\n"
CURVE = "[[series]]\nname = 'a'\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nam = 'x'\n" + CURVE, "nam is not a setting; did you mean name?"),
        (NAME + "sied_px = 64\n" + CURVE, "sied_px is not a setting; did you mean side_px?"),
        (NAME + "[grid]\nensr_db = [1]\n" + CURVE, "grid.ensr_db is not a setting; did you mean esn0_db?"),
        (NAME + "[grid]\nlevels = [5]\n" + CURVE, "grid: levels is 5"),
        (NAME + "[grid]\npictures = 'coffee'\n" + CURVE, "grid.pictures is 'coffee'; needed a list"),
        (NAME + CURVE + "decodres = ['mmse']\n", "series.0.decodres is not a setting; did you mean decoders"),
        (NAME + CURVE + "levels = 5\n", "series.0 (a): levels is 5"),
        (NAME + CURVE + "tx = 'loopback:ideal'\n", "series.0 (a): tx and rx go together"),
        (NAME + "[quick]\nrepetitons = 1\n" + CURVE, "quick: grid.repetitons is not a setting; did you mean repet"),
        (NAME + "[stop]\nerors = 3\n" + CURVE, "stop.erors is not a setting; did you mean errors?"),
        (NAME + "[expect]\nheader_rat = 1.0\n" + CURVE, "expect.header_rat is not a setting; did you mean header_rate"),
        (NAME + "keep = ['capture']\n" + CURVE, "keep.0 is 'capture': input should be 'captures' or 'pictures'"),
        (NAME + "[serie]\nname = 'a'\n", "serie is not a setting; did you mean series?"),
        (NAME + "[series]\nname = 'a'\n", "series is one table; needed a list of them, written [[series]]"),
        ("kind = 'swep'\nname = 'x'\n" + CURVE, "kind is 'swep'; did you mean sweep?"),
        ("kind = 'human'\nname = 'x'\n[quick]\npicturs = ['a']\n", "quick: picturs is not a setting; did you mean"),
        (NAME + CURVE + "decoders = ['mmze']\n", "decoder 'mmze' is unknown; did you mean mmse?"),
        (NAME + CURVE + "decoders = ['posterior:dp']\n", "did you mean posterior:dps?"),
        (NAME + CURVE + "decoders = ['refine:many']\n", "refine[:STEPS]"),
        (NAME + CURVE + "decoders = ['mmse']\nsampler = 'heun'\n", "sampler is used by refine"),
        (NAME + CURVE + "radio = 'loopback:offic'\n", "'offic'; needed one of ideal"),
    ],
)  # fmt: skip
def test_the_key_and_the_one_that_was_meant(tmp_path, text, words):
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as told:
        planned(study_of(read_settings(path)))
    assert words in str(told.value)
    assert "\n" not in str(told.value)
    assert "pydantic" not in str(told.value)


def test_an_address_that_nobody_understands_hits_all_trials_and_a_silent_radio_does_not():
    assert failure_of(BadValueError("lopback: is no radio", "use another")).fatal
    assert not failure_of(RadioTimeoutError("no answer", "look at the cable")).fatal
