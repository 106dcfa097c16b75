"""Pictures over a calibrated radio are as good as over an ideal channel with the same Es/N0, and without it are not."""

import math
from dataclasses import replace

import numpy as np
import pytest

from experiments.configuration import LinkSettings
from experiments.procedures.airing import Airing
from experiments.procedures.calibrating import Request, calibrate
from experiments.procedures.photographs import find_picture
from experiments.procedures.transmission import Bench, send_picture
from hardware.emulation.air import Air
from hardware.emulation.pluto import EmulatedPluto
from hardware.emulation.token import issue_token
from sdr_gsc.channel.front_end_faults import FrontEnd, with_ideal_front_ends
from sdr_gsc.channel.profile import profile
from sdr_gsc.seeding import TrialSeeds

pytestmark = pytest.mark.slow

ESN0_DB, TRIALS = 20.0, 5
WHAT = ("frequency", "dc_offset", "iq_balance", "response")


def psnr_db(name, airing, bench, decoders, picture):
    """Mean over the trials, and the variance of that mean."""
    found = []
    for trial in range(TRIALS):
        sent = send_picture(
            picture, LinkSettings(cbr=12), bench, decoders, airing=airing, seeds=TrialSeeds(trial, name)
        )
        error = sent.reconstructions["mmse"].picture - picture
        found.append(-10 * math.log10(float(np.mean(error**2))))
    return np.mean(found), np.var(found, ddof=1) / TRIALS


def test_a_calibrated_link_is_as_good_as_an_ideal_one(libiio, tmp_path):
    channel = replace(with_ideal_front_ends(profile("cabled")), esn0_db=ESN0_DB)
    air = Air(channel, seed=6)
    token = issue_token()
    try:
        with EmulatedPluto(
            air.antenna("pluto", front_ends=[FrontEnd.draw(21)]), token=token.text, realtime=False
        ) as device:
            uri = f"{device.uri}?center_frequency_hz=2.45e9&sample_rate_hz=4e6&tx_gain_db=-10&rx_gain_db=40"
            calibrate(Request(uri, tmp_path, what=WHAT, keep_captures=False), lambda stage, share: None)
            bench = Bench.open()
            decoders = bench.decoders(("mmse",))
            picture = find_picture("astronaut", 128)
            ideal, ideal_variance = psnr_db(
                "ideal", Airing("loopback:ideal", esn0_db=ESN0_DB), bench, decoders, picture
            )
            plain, plain_variance = psnr_db("plain", Airing(uri), bench, decoders, picture)
            good, good_variance = psnr_db("good", Airing(uri, calibration=str(tmp_path)), bench, decoders, picture)
    finally:
        token.revoke()
    # Five trials each: the 99.9 % point of Student's t with 8 degrees of freedom is 5.0.
    assert abs(good - ideal) < 5.0 * math.sqrt(good_variance + ideal_variance)
    # One-sided, 99 %: 2.9.
    assert ideal - plain > 3.0 * math.sqrt(plain_variance + ideal_variance)
