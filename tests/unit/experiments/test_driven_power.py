"""Transmit power and Es/N0 asked for in decibels, by the records of a calibration."""

from __future__ import annotations

import json

import numpy as np
import pytest

from experiments.cli import main
from experiments.procedures.airing import Airing
from experiments.procedures.calibrating import Request, calibrate
from sdr_gsc.channel.front_end_faults import FrontEnd
from sdr_gsc.errors import SettingsError

SEED = 3
#: A noise floor of its own, whatever is sent.
RADIO = f"loopback:cabled?impaired={SEED}&noise_dbfs=-42"


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """A store that knows how to reach a power and an Es/N0; it is not to be changed."""
    store = tmp_path_factory.mktemp("store")
    request = Request(RADIO, store, what=("gain", "snr"), esn0_db=(10.0, 20.0), keep_captures=False)
    done = calibrate(request, lambda stage, share: None)
    assert not done.failed
    return store


@pytest.mark.parametrize("power_db", [0.0, -6.0, -13.5])
def test_power_is_relative_to_the_largest_true_gain(records, power_db):
    def true_db(tx_power_db):
        airing = Airing(RADIO, calibration=str(records), tx_power_db=tx_power_db)
        with airing.open(np.random.default_rng(0)) as radio:
            return FrontEnd.draw(SEED, 0).tx.gain.true_db(radio.settings.tx_gain_db)

    # 0.1 dB is what a gain curve has to be true to.
    assert true_db(power_db) - true_db(0.0) == pytest.approx(power_db, abs=0.1)


@pytest.mark.parametrize("esn0_db", [8.0, 10.0, 20.0])
def test_a_radio_with_noise_of_its_own_is_driven_to_an_es_n0(records, esn0_db, capsys):
    asked = ["send", "astronaut", "--radio", RADIO, "--calibration", str(records), "--esn0-db", str(esn0_db)]
    assert main([*asked, "--decoder", "mmse", "--cbr", "96", "--json"]) == 0
    # 0.3 dB of the drive and as much of the receiver's own estimate over one picture's frames.
    answer = json.loads(capsys.readouterr().out)
    assert answer["esn0_db"] == pytest.approx(esn0_db, abs=0.6)
    named = " ".join(answer["calibration"]["records"])
    assert "gain-tx" in named
    assert "snr-loop" in named


def test_power_needs_records_and_excludes_an_es_n0(records):
    with pytest.raises(SettingsError, match="--calibration"):
        Airing(RADIO, tx_power_db=-3.0).open(np.random.default_rng(0))
    both = Airing(RADIO, calibration=str(records), tx_power_db=-3.0, esn0_db=10.0)
    with pytest.raises(SettingsError, match="leave out"):
        both.open(np.random.default_rng(0))
