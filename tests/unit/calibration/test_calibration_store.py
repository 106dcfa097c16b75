"""Records survive the way to disk and back, are never half-written, and are never used where they say nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.errors import CalibrationError, MissingRecordError, StaleRecordError, StorageError
from calibration.record import Conditions, Direction, Quantity, Record, Subject
from calibration.record_file import record_from_text, record_to_text
from calibration.store import Store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SUBJECT = Subject("30A0C2", "Pluto", Direction.RECEIVE, 0)
CONDITIONS = Conditions(2.45e9, 4e6, 40.0)


def record(**changes):
    values = dict(
        quantity=Quantity.FREQUENCY, subject=SUBJECT, conditions=CONDITIONS, made=NOW, valid_for=timedelta(days=7),
        values={"offset_ppm": 1.25}, residuals={"offset_ppm": 0.01}, captures=("a.sigmf-meta",),
    )  # fmt: skip
    return Record(**{**values, **changes})


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(
    values=st.dictionaries(st.text(min_size=1), finite | st.lists(finite, min_size=1).map(tuple), min_size=1),
    residuals=st.dictionaries(st.text(), finite),
    model=st.text(),
    temperature=st.none() | finite,
)
def test_a_record_comes_back_as_it_was_written(values, residuals, model, temperature):
    sent = record(
        values=values, residuals=residuals, subject=replace(SUBJECT, model=model),
        conditions=replace(CONDITIONS, temperature_c=temperature),
    )  # fmt: skip
    text = record_to_text(sent)
    assert record_from_text(text, "test") == sent
    assert record_to_text(record_from_text(text, "test")) == text


def test_the_nearest_valid_record_is_found(tmp_path):
    store = Store(tmp_path)
    near = record(conditions=replace(CONDITIONS, center_frequency_hz=2.449e9), values={"offset_ppm": 1.0})
    far = record(conditions=replace(CONDITIONS, center_frequency_hz=2.42e9), values={"offset_ppm": 2.0})
    newer = replace(near, made=NOW + timedelta(hours=1), values={"offset_ppm": 3.0})
    for each in (near, far, newer):
        store.add(each)
    found = store.find(Quantity.FREQUENCY, SUBJECT, CONDITIONS, now=NOW + timedelta(days=1))
    assert found == newer
    # Before it was made, a record is no evidence: a clock has jumped.
    assert store.find(Quantity.FREQUENCY, SUBJECT, CONDITIONS, now=NOW + timedelta(minutes=1)) == near


@pytest.mark.parametrize(
    "change",
    [
        {"subject": replace(SUBJECT, serial="other")},
        {"subject": replace(SUBJECT, direction=Direction.TRANSMIT)},
        {"subject": replace(SUBJECT, channel=1)},
        {"quantity": Quantity.GAIN},
        {"conditions": replace(CONDITIONS, center_frequency_hz=5e9)},
        {"conditions": replace(CONDITIONS, sample_rate_hz=1e6)},
        {"conditions": replace(CONDITIONS, gain_db=0.0)},
    ],
)
def test_what_was_measured_elsewhere_does_not_count(tmp_path, change):
    store = Store(tmp_path)
    store.add(record(**change))
    with pytest.raises(MissingRecordError, match="sdr-gsc calibrate"):
        store.find(Quantity.FREQUENCY, SUBJECT, CONDITIONS, now=NOW)


def test_an_expired_record_is_refused_unless_asked_for(tmp_path):
    store = Store(tmp_path)
    old = record()
    store.add(old)
    late = NOW + timedelta(days=8)
    with pytest.raises(StaleRecordError, match="expired on 2026-03-08"):
        store.find(Quantity.FREQUENCY, SUBJECT, CONDITIONS, now=late)
    assert store.find(Quantity.FREQUENCY, SUBJECT, CONDITIONS, now=late, expired_too=True) == old


def test_a_damaged_file_is_named_and_others_stay(tmp_path):
    store = Store(tmp_path)
    path = store.add(record())
    whole = path.read_text()
    for damage in (whole[: len(whole) // 2], "", whole.replace("format = 1", "format = 9"), "\0", whole + "x"):
        path.write_text(damage)
        with pytest.raises(CalibrationError, match=path.name):
            list(store.records())
    path.write_text(whole)
    assert list(store.records()) == [record()]


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.add(record())
    before = sorted(tmp_path.rglob("*"))

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("calibration.store.os.fsync", full)
    with pytest.raises(StorageError, match="No space"):
        store.add(record(values={"offset_ppm": 2.0}))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "change",
    [
        {"made": datetime(2026, 3, 1)},  # noqa: DTZ001
        {"valid_for": timedelta(0)},
        {"values": {}},
        {"values": {"a": float("nan")}},
        {"values": {"a": ()}},
        {"residuals": {"a": float("inf")}},
    ],
)
def test_records_that_say_nothing_are_not_made(change):
    with pytest.raises(CalibrationError):
        record(**change)


@pytest.mark.parametrize("serial", ["", "../elsewhere", ".hidden", "a/b"])
def test_a_serial_number_cannot_leave_the_folder(serial):
    with pytest.raises(CalibrationError, match="serial"):
        Subject(serial, "", Direction.RECEIVE)
