"""Procedures end to end on simulated radios whose hidden imperfections come from seeds."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from calibration.applying import CalibratedRadio, record_name
from calibration.errors import CalibrationError, MissingRecordError, StaleRecordError, UnreachableError, WrongRadioError
from calibration.outcome import NoiseSource, Plan
from calibration.procedures import clip, dc_offset, delay, frequency, gain, iq_balance, noise, response, snr
from calibration.procedures.catalogue import PROCEDURES, ordered
from calibration.procedures.conduct import flatness_db, sound
from calibration.record import Direction, Quantity
from calibration.running import run
from calibration.standing import standing_of, usable_records
from calibration.store import Store
from hardware.loopback import LoopbackRadio
from sdr_gsc.capture import Capture
from sdr_gsc.channel.front_end_faults import FrontEnd, with_ideal_front_ends
from sdr_gsc.channel.profile import profile
from sdr_gsc.recording.sigmf_reader import read_capture

#: 30 dB below the usual drive level.
FLOOR_DBFS = -42.0


def open_impaired(seed, *, clock=True, channel="ideal", noise_dbfs=FLOOR_DBFS):
    front = FrontEnd.draw(seed)
    if not clock:
        front = replace(front, clock_ppm=0.0, drift_ppm_s=0.0)
    return LoopbackRadio(
        with_ideal_front_ends(profile(channel)), np.random.default_rng(seed), front_ends=[front, front],
        serial=f"seed-{seed}", noise_dbfs=noise_dbfs,
    )  # fmt: skip


def by_name(outcome):
    return {row.metric: row for row in outcome.rows}


@pytest.mark.parametrize(("seed", "channel"), [(11, "ideal"), (12, "cabled")])
def test_hidden_imperfections_are_found_and_undone(seed, channel):
    with open_impaired(seed, channel=channel) as radio:
        plan = Plan(settings=radio.settings, repetitions=2)
        truth = radio.front_ends[0]
        records, rows = [], {}
        for procedure in (frequency, dc_offset, iq_balance, response):
            outcome = procedure.measure(radio, replace(plan, records=tuple(records)))
            assert radio.muted
            assert radio.settings == plan.settings
            records += outcome.records
            rows |= by_name(outcome)
        clock = records[0]
        # The clock drifts on while it is listened to, for little more than a second.
        assert clock.figure("offset_ppm") == pytest.approx(truth.clock_ppm, abs=0.02)
        assert rows["tx image rejection"].before == pytest.approx(truth.tx.image_rejection_db, abs=0.7)
        assert rows["rx image rejection"].before == pytest.approx(truth.rx.image_rejection_db, abs=0.7)
        assert rows["rx DC"].before == pytest.approx(truth.rx.dc_dbfs, abs=0.3)
        assert rows["tx DC"].before == pytest.approx(truth.tx.dc_dbfs, abs=1.0)
        assert rows["response, deviation from flat"].before > 0.3
        assert all(row.met for row in rows.values() if row.target is not None), rows
        assert all(row.before is None or row.after != row.before for row in rows.values())


def test_gain_curves_and_compression_are_true():
    with open_impaired(21) as radio:
        plan = Plan(settings=radio.settings)
        outcome = gain.measure(radio, plan)
        truth = radio.front_ends[0]
        for record, half in zip(outcome.records, (truth.tx, truth.rx), strict=True):
            nominal, base = np.array(record.curve("nominal_db")), record.figure("reference_db")
            expected = np.array([half.gain.true_db(one) for one in nominal]) - half.gain.true_db(base) + base
            assert nominal.size >= 15
            assert np.ptp(nominal) >= 30
            assert np.abs(np.array(record.curve("true_db")) - expected).max() < 0.1
        assert all(row.met for row in outcome.rows if row.target is not None), outcome.rows
        # 1 dB of compression by the drive that the true gain at the largest setting leaves.
        rails = 10 ** (truth.tx.iq_gain_db / 20) * np.exp(1j * np.radians(truth.tx.iq_phase_deg))
        mixer = abs(1 + rails) / 2
        one_db = truth.tx_saturation * (10**0.2 - 1) ** 0.25 / 10 ** (truth.tx.gain.true_db(0.0) / 20) / mixer
        assert outcome.records[0].figure("one_db_dbfs") == pytest.approx(20 * np.log10(one_db), abs=0.4)
        calibrated = CalibratedRadio(radio, outcome.records)
        asked = -20.0
        setting = calibrated.tx_gain_for(asked)
        relative = truth.tx.gain.true_db(setting) - truth.tx.gain.true_db(-10.0) - 10.0
        assert relative == pytest.approx(asked, abs=0.1)
        with pytest.raises(UnreachableError, match="measured"):
            calibrated.tx_gain_for(20.0)
        reached = snr.measure(radio, plan).records[-1]
        calibrated = CalibratedRadio(radio, [*outcome.records, reached])
        more_db = 10.0 - reached.figure("esn0_db") + reached.figure("scale_db")
        tx = truth.tx.gain
        found_db = tx.true_db(calibrated.tx_gain_for_esn0(10.0)) - tx.true_db(reached.figure("tx_gain_db"))
        assert found_db == pytest.approx(more_db, abs=0.15)


@pytest.mark.parametrize("seed", [31, 32])
def test_delay_es_n0_and_evm_meet_their_targets(seed):
    with open_impaired(seed, clock=False) as radio:
        plan = Plan(settings=radio.settings, repetitions=2, n_samples=1 << 16)
        records = []
        for procedure in (dc_offset, iq_balance, response):
            records += procedure.measure(radio, replace(plan, records=tuple(records))).records
        plan = replace(plan, records=tuple(records))
        found = delay.measure(radio, plan)
        truth = radio.front_ends[0].delay_s * plan.settings.sample_rate_hz
        assert found.records[0].figure("latency_samples") == pytest.approx(truth, abs=0.05)
        assert found.records[0].figure("stale_samples") == 0
        driven = snr.measure(radio, replace(plan, wanted_esn0_db=(0.0, 15.0, 30.0)))
        assert all(row.met for row in driven.rows), driven.rows
        # What is out of reach is a row without a figure, and hides nothing.
        some = snr.measure(radio, replace(plan, wanted_esn0_db=(15.0, 60.0)))
        assert [row.met for row in some.rows] == [True, False]
        assert len(some.records) == len(some.notes) == 1
        link = by_name(clip.measure(radio, plan))["EVM of the link without noise"]
        assert link.before > link.after + 5
        assert link.met
        with pytest.raises(UnreachableError, match="largest transmit gain"):
            snr.measure(radio, replace(plan, wanted_esn0_db=(60.0,)))


def test_noise_floor_follows_the_gain_and_a_source_gives_the_figure():
    with open_impaired(41) as radio:
        plan = Plan(settings=radio.settings, n_samples=1 << 15)
        record = noise.measure(radio, plan).records[0]
        truth = radio.front_ends[0].rx.gain
        expected = [FLOOR_DBFS - 40 + truth.true_db(one) for one in record.curve("gain_db")]
        # The response's ripple changes white noise by less than half a decibel.
        np.testing.assert_allclose(record.curve("floor_dbfs"), expected, atol=0.4)
        switched = []
        with pytest.raises(CalibrationError, match="source is switched"):
            noise.measure(radio, replace(plan, noise_source=NoiseSource(15.0, switched.append)))
        assert switched == [True, False, False]


def test_a_run_stores_what_it_finds_and_uses_it_the_next_time(tmp_path):
    store = Store(tmp_path)
    with open_impaired(51) as radio:
        plan = Plan(settings=radio.settings, n_samples=1 << 15, repetitions=2)
        names = ["iq_balance", "dc_offset", "noise"]
        assert {(one.procedure, one.state) for one in standing_of(radio, names, store)} == {
            (name, "missing") for name in names
        }
        told = []
        plan = replace(plan, progress=lambda stage, share: told.append((stage, share)))
        steps = list(run(radio, names, plan, store))
        assert [step.procedure.name for step in steps] == ["dc_offset", "iq_balance", "noise"]
        assert told[-1][1] == 1.0
        assert radio.muted
        assert {one.state for one in standing_of(radio, names, store)} == {"valid"}
        later = replace(plan, now=lambda: plan.now() + timedelta(days=8))
        assert {one.state for one in standing_of(radio, names, store, later.now())} == {"stale"}
        kept = list(store.records("seed-51"))
        assert len(kept) == 5
        for record in kept:
            assert record.conditions.temperature_c == radio.temperature_c()
            assert read_capture(tmp_path / "seed-51" / record.captures[0]).samples.size > 1 << 14
        usable = usable_records(radio, store)
        assert {(one.quantity, one.subject.direction) for one in usable} == {
            (one.quantity, one.subject.direction) for one in kept
        }
        with CalibratedRadio(radio, usable) as calibrated:
            burst = Capture(np.full(4096, 0.1, np.complex64), radio.settings.sample_rate_hz)
            heard = calibrated.exchange(burst)
            assert heard.settings["calibration"]["records"] == [record_name(one) for one in calibrated.records_used]
            assert len(calibrated.records_used) == 4
            with calibrated.receive_stream(2048) as stream:
                block = next(iter(stream))
            assert abs(block.samples[64:].mean()) < 3e-3
        with pytest.raises(StaleRecordError, match="expired"):
            CalibratedRadio(radio, usable, now=later.now())
        assert CalibratedRadio(radio, usable, now=later.now(), allow_expired=True).records_used
    with open_impaired(52) as other, pytest.raises(WrongRadioError, match="seed-51"):
        CalibratedRadio(other, usable)


def test_the_response_can_be_undone_on_either_side():
    with open_impaired(71) as radio:
        plan = Plan(settings=radio.settings, n_samples=1 << 16)
        record = response.measure(radio, plan).records[0]
        for side in ("tx", "rx"):
            found, _ = sound(CalibratedRadio(radio, [record], response_at=side), plan)
            assert flatness_db(found.direct) < 0.1


def test_records_of_other_settings_are_left_out():
    with open_impaired(61) as radio:
        plan = Plan(settings=radio.settings, n_samples=1 << 15)
        calibrated = CalibratedRadio(radio, dc_offset.measure(radio, plan).records)
        assert len(calibrated.records_used) == 2
        calibrated.configure(replace(plan.settings, center_frequency_hz=5.8e9))
        assert not calibrated.records_used
        with pytest.raises(MissingRecordError, match="calibrate"):
            calibrated.tx_gain_for(0.0)


def test_the_catalogue_is_in_order():
    seen = set()
    for procedure in PROCEDURES.values():
        assert set(procedure.after) <= seen
        seen.add(procedure.name)
    assert {procedure.quantity for procedure in PROCEDURES.values()} == set(Quantity)
    assert [one.name for one in ordered(["snr", "gain"])] == ["gain", "snr"]
    assert Direction.LOOP in PROCEDURES["delay"].directions
    with pytest.raises(CalibrationError, match="no such procedure"):
        ordered(["magic"])
