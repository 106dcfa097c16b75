"""Calibration through the real driver stacks: hidden imperfections of emulated radios are found out, and go away.

The truth is that of the emulators' front ends, which no procedure sees; what is left is measured here by plain tones.
"""

import contextlib
import math
from dataclasses import replace

import numpy as np
import pytest

from calibration.applying import CalibratedRadio
from calibration.record import Direction
from calibration.store import Store
from experiments.procedures.calibrating import Request, calibrate
from hardware.emulation.air import Air
from hardware.emulation.pluto import EmulatedPluto
from hardware.emulation.token import issue_token
from hardware.emulation.usrp import EmulatedUsrp
from hardware.registry import open_radio
from sdr_gsc.capture import Capture
from sdr_gsc.channel.front_end_faults import FrontEnd, with_ideal_front_ends
from sdr_gsc.channel.profile import profile

pytestmark = pytest.mark.slow

#: At the levels of the soundings, that leaves 30 dB of sample SNR.
NOISE_DBFS = -42.0
SEEDS = {"pluto": 301, "usrp": 302}
RATE_HZ = 1e6
FREQUENCY = "center_frequency_hz=2.45e9&sample_rate_hz=1e6&rx_gain_db=40"
WHAT = ("frequency", "dc_offset", "iq_balance", "response")
CELLS = 1 << 14


def quietly(stage, share):
    pass


@pytest.fixture(scope="module")
def token():
    issued = issue_token()
    yield issued.text
    issued.revoke()


@pytest.fixture(scope="module", params=["pluto", "usrp"])
def bench(request, token, libiio, tmp_path_factory):
    """An emulated radio, its truth, its address with settings, and the store of its calibration."""
    kind = request.param
    air = Air(with_ideal_front_ends(profile("cabled")), seed=9, noise_dbfs=NOISE_DBFS)
    n_ports = 1 if kind == "pluto" else 2
    front_ends = [FrontEnd.draw(SEEDS[kind], channel) for channel in range(n_ports)]
    antenna = air.antenna(kind, n_ports=n_ports, front_ends=front_ends)
    store = tmp_path_factory.mktemp(kind)
    with contextlib.ExitStack() as stack:
        if kind == "pluto":
            # As fast as the host can read: what is shown here does not depend on how busy the machine is.
            device = stack.enter_context(EmulatedPluto(antenna, token=token, realtime=False))
            uri = f"{device.uri}?{FREQUENCY}&tx_gain_db=-10"
        else:
            device = stack.enter_context(EmulatedUsrp(antenna, token=token))
            uri = f"{device.uri}?{FREQUENCY}&tx_gain_db=79.75"
        found = calibrate(Request(uri, store, what=WHAT, keep_captures=False), quietly)
        yield kind, front_ends[0], uri, store, found


def spectrum(radio, cycles, *, offset_hz, amplitude=0.3, n_pieces=24):
    """Levels in dBFS by frequency in cycles per sample of a tone that is repeated."""
    at = round(cycles * 4096) / 4096
    burst = (amplitude * np.exp(2j * np.pi * at * np.arange(4096))).astype(np.complex64)
    radio.configure(replace(radio.settings, tx_offset_hz=offset_hz))
    averaged = np.zeros(CELLS)
    with radio.repeat(Capture(burst, radio.settings.sample_rate_hz)):
        heard = radio.capture(n_pieces * CELLS + 2048).samples[2048:].astype(np.complex128)
    window = np.blackman(CELLS)
    for piece in heard.reshape(n_pieces, CELLS):
        averaged += np.abs(np.fft.fft(piece * window) / window.sum()) ** 2 / n_pieces

    def level_dbfs(place):
        cell = round(place * CELLS)
        return 10 * math.log10(max(averaged[(cell + k) % CELLS] for k in (-1, 0, 1)))

    return level_dbfs, at, radio.settings.tx_offset_hz / radio.settings.sample_rate_hz


def test_every_target_is_met(bench):
    *_, found = bench
    missed = [row for done in found.done for row in done.outcome.rows if row.met is False]
    assert not missed
    assert len(found.done) == len(WHAT)


def test_what_is_left_of_images_and_constants_lies_where_it_must(bench):
    _, truth, uri, store, _ = bench
    with open_radio(uri) as plain:
        before, at, offset = spectrum(plain, 0.09, offset_hz=0.055 * RATE_HZ)
        rejection = before(offset + at) - before(-(offset + at))
        assert rejection == pytest.approx(truth.rx.image_rejection_db, abs=1.5)
        radio = CalibratedRadio(plain, tuple(Store(store).records()))
        after, at, offset = spectrum(radio, 0.09, offset_hz=0.055 * RATE_HZ)
        assert after(offset + at) - after(-(offset + at)) >= 55
        assert after(offset + at) - after(offset - at) >= 55
        assert after(offset) <= -60
        assert after(0.0) <= -60
        assert before(offset) > -40
        assert before(0.0) > -40


def test_the_band_is_flat(bench):
    _, truth, uri, store, _ = bench
    places = np.linspace(-0.39, 0.39, 9)
    with open_radio(uri) as plain:
        radio = CalibratedRadio(plain, tuple(Store(store).records()))
        levels = []
        for place in places:
            level_dbfs, at, offset = spectrum(radio, place, offset_hz=0.0, n_pieces=4)
            levels.append(level_dbfs(at + offset))
    expected = 20 * np.log10(np.abs(truth.tx.response(places) * truth.rx.response(places)))
    assert np.ptp(expected) > 0.5
    assert np.abs(np.array(levels) - np.mean(levels)).max() <= 0.1


def test_gain_curves_are_the_true_ones(token, libiio, tmp_path):
    truth = FrontEnd.draw(303)
    air = Air(with_ideal_front_ends(profile("cabled")), seed=5, noise_dbfs=NOISE_DBFS)
    with EmulatedPluto(air.antenna("pluto", front_ends=[truth]), token=token, realtime=False) as device:
        uri = f"{device.uri}?{FREQUENCY}&tx_gain_db=-10"
        found = calibrate(Request(uri, tmp_path, what=("frequency", "dc_offset", "gain"), keep_captures=False), quietly)
    assert not [row for row in found.done[-1].outcome.rows if row.met is False]
    records = {one.subject.direction: one for one in found.done[-1].records}
    for direction, half in ((Direction.TRANSMIT, truth.tx), (Direction.RECEIVE, truth.rx)):
        record = records[direction]
        nominal, true = np.array(record.curve("nominal_db")), np.array(record.curve("true_db"))
        base = record.figure("reference_db")
        expected = np.array([half.gain.true_db(one) for one in nominal]) + base - half.gain.true_db(base)
        assert nominal.size >= 8
        assert np.abs(expected - nominal).max() > 0.15
        assert np.abs(true - expected).max() <= 0.1


def test_two_radios_learn_how_far_their_clocks_are_apart(token, libiio, tmp_path):
    air = Air(with_ideal_front_ends(profile("cabled")), seed=4, noise_dbfs=NOISE_DBFS)
    truths = [FrontEnd.draw(401), replace(FrontEnd.draw(402), drift_ppm_s=0.0)]
    truths[0] = replace(truths[0], drift_ppm_s=0.0)
    with contextlib.ExitStack() as stack:
        devices = [
            stack.enter_context(EmulatedPluto(air.antenna(f"pluto {k}", front_ends=[truth]), token=token))
            for k, truth in enumerate(truths)
        ]
        tx, rx = (f"{device.uri}?{FREQUENCY}&tx_gain_db=-10" for device in devices)
        calibrate(Request(None, tmp_path, tx=tx, rx=rx, what=("frequency",), keep_captures=False), quietly)
    (record,) = Store(tmp_path).records()
    expected_ppm = truths[0].clock_ppm - truths[1].clock_ppm
    assert record.figure("offset_ppm") == pytest.approx(expected_ppm, abs=0.02)
