import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
import sigmf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sdr_gsc.capture import Capture, Gap
from sdr_gsc.errors import RecordingError
from sdr_gsc.phy.report import FrameReport, Stage
from sdr_gsc.recording.sigmf_reader import read_capture
from sdr_gsc.recording.sigmf_writer import write_capture

START = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
SETTINGS = {"uri": "loopback:office", "radio": {"rx_gain_db": 10.5, "agc": False, "note": None, "taps": [1, 2.5]}}
CAPTURE = Capture(
    np.exp(0.1j * np.arange(1000)).astype(np.complex64), 4e6, 2.4e9, START, (Gap(100, 50), Gap(900, 100)), 7, SETTINGS
)
REPORT = FrameReport(
    start_sample=200,
    detection_metric=0.75,
    detection_threshold=0.25,
    timing_samples=0.125,
    cfo_hz=-1234.5,
    cfo_ppm=-0.5,
    sfo_ppm=12.0,
    esn0_db=17.5,
    snr_per_subcarrier_db=np.zeros(52, np.float32),
    channel=np.ones(52, np.complex64),
    post_eq_snr_db=15.0,
    evm_db=-14.0,
    evm_per_subcarrier_db=None,
    sequence=3,
    header_ok=True,
    payload_ok=None,
    blocks_ok=None,
    failed_at=None,
)


def same(first, second):
    np.testing.assert_array_equal(first.samples.view(np.uint64), second.samples.view(np.uint64))
    return replace(first, samples=second.samples) == second


def test_round_trip(tmp_path):
    written = write_capture(tmp_path / "run.1", CAPTURE, [REPORT])
    assert written == tmp_path / "run.1.sigmf-meta"
    for name in ("run.1", "run.1.sigmf-meta", "run.1.sigmf-data"):
        assert same(read_capture(tmp_path / name), CAPTURE)
    assert same(read_capture(str(written)), CAPTURE)


@given(
    rails=hnp.arrays(np.uint32, st.integers(1, 40).map(lambda n: 2 * n)),
    rate=st.floats(1e-3, 1e12),
    frequency=st.floats(-1e12, 1e12),
    start=st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
)
@settings(max_examples=40, deadline=None)
def test_round_trip_is_bit_exact(tmp_path_factory, rails, rate, frequency, start):
    path = tmp_path_factory.mktemp("recording") / "x"
    capture = Capture(rails.view(np.complex64), rate, frequency, start)
    write_capture(path, capture)
    assert same(read_capture(path), capture)


def test_the_recording_is_valid_sigmf(tmp_path):
    recording = sigmf.fromfile(write_capture(tmp_path / "x", CAPTURE, [REPORT]))
    recording.validate()
    fields = recording.get_global_info()
    assert fields["core:datatype"] == "cf32_le"
    assert fields["core:hw"] == "loopback:office"
    assert {"name": "sdr_gsc", "version": "1.0.0", "optional": True} in fields["core:extensions"]
    assert fields["sdr_gsc:clipped"] == 7


def test_a_segment_begins_after_each_gap(tmp_path):
    segments = sigmf.fromfile(write_capture(tmp_path / "x", CAPTURE)).get_captures()
    assert [segment["core:sample_start"] for segment in segments] == [0, 150]
    assert all(segment["core:frequency"] == 2.4e9 for segment in segments)
    second = datetime.fromisoformat(segments[1]["core:datetime"])
    assert second - START == timedelta(microseconds=round(150 / 4))


def test_one_annotation_per_frame(tmp_path):
    lost = replace(
        REPORT,
        start_sample=600,
        sequence=None,
        evm_db=None,
        post_eq_snr_db=float("-inf"),
        esn0_db=float("nan"),
        header_ok=False,
        failed_at=Stage.HEADER,
    )
    recording = sigmf.fromfile(write_capture(tmp_path / "x", CAPTURE, [REPORT, lost]))
    good, bad = (a for a in recording.get_annotations() if a["core:label"] != "gap")
    assert (good["core:sample_start"], good["core:label"], good["core:comment"]) == (200, "frame 3", "complete")
    assert (good["sdr_gsc:cfo_hz"], good["sdr_gsc:esn0_db"], good["sdr_gsc:evm_db"]) == (-1234.5, 17.5, -14.0)
    assert (good["sdr_gsc:header_ok"], good["sdr_gsc:payload_ok"]) == (True, None)
    assert (bad["core:label"], bad["core:comment"]) == ("frame", "failed at header")
    assert (bad["sdr_gsc:esn0_db"], bad["sdr_gsc:post_eq_snr_db"], bad["sdr_gsc:failed_at"]) == (None, None, "header")


def test_gaps_are_cut_to_the_capture(tmp_path):
    gaps = (Gap(-5, 10), Gap(100, 0), Gap(200, 50), Gap(990, 5000), Gap(5000, 3), Gap(-9, 3))
    write_capture(tmp_path / "x", replace(CAPTURE, gaps=gaps))
    assert read_capture(tmp_path / "x").gaps == (Gap(0, 5), Gap(200, 50), Gap(990, 10))


def test_a_frame_that_begins_before_the_capture_is_annotated(tmp_path):
    recording = sigmf.fromfile(write_capture(tmp_path / "x", CAPTURE, [replace(REPORT, start_sample=-30)]))
    annotation = next(a for a in recording.get_annotations() if a["core:label"] != "gap")
    assert (annotation["core:sample_start"], annotation["sdr_gsc:start_sample"]) == (0, -30)


def test_times_are_written_in_utc(tmp_path):
    local = replace(CAPTURE, start=START.astimezone(timezone(timedelta(hours=2))))
    meta = json.loads(write_capture(tmp_path / "x", local).read_text())
    assert meta["captures"][0]["core:datetime"] == "2026-01-02T03:04:05.678901Z"


def test_a_second_recording_replaces_the_first(tmp_path):
    write_capture(tmp_path / "x", CAPTURE)
    shorter = Capture(np.ones(3, np.complex64), 1e6)
    write_capture(tmp_path / "x", shorter)
    assert same(read_capture(tmp_path / "x"), shorter)


@pytest.mark.parametrize(
    ("capture", "message"),
    [
        (Capture(np.zeros(0, np.complex64), 1e6), "no samples"),
        (replace(CAPTURE, start=datetime(2026, 1, 1)), "time zone"),
        (replace(CAPTURE, settings={"x": object()}), "JSON"),
        (replace(CAPTURE, settings={"x": float("nan")}), "JSON"),
    ],
)
def test_captures_that_cannot_be_recorded(tmp_path, capture, message):
    with pytest.raises(RecordingError, match=message):
        write_capture(tmp_path / "x", capture)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(RecordingError, match="cannot write"):
        write_capture(tmp_path / "no" / "x", CAPTURE)


@pytest.mark.parametrize("suffix", [".sigmf-meta", ".sigmf-data"])
def test_missing_files(tmp_path, suffix):
    write_capture(tmp_path / "x", CAPTURE)
    (tmp_path / f"x{suffix}").unlink()
    with pytest.raises(RecordingError, match=f"there is no .*x{suffix}"):
        read_capture(tmp_path / "x")


def _edit(path, change):
    meta = json.loads(path.read_text())
    change(meta)
    path.write_text(json.dumps(meta))


@pytest.mark.parametrize(
    "damage",
    [
        lambda meta, data: data.write_bytes(data.read_bytes()[:-8]),
        lambda meta, data: data.write_bytes(data.read_bytes()[:-3]),
        lambda meta, data: data.write_bytes(b"\0" + data.read_bytes()[1:-1] + b"\1"),
        lambda meta, data: data.write_bytes(b""),
        lambda meta, data: meta.write_text(meta.read_text()[:100]),
        lambda meta, data: meta.write_text(""),
        lambda meta, data: meta.write_text("[]"),
        lambda meta, data: meta.write_bytes(b"\xff\xfe\x00"),
        lambda meta, data: _edit(meta, lambda m: m["global"].pop("core:datatype")),
        lambda meta, data: _edit(meta, lambda m: m["global"].update({"core:datatype": "rf32_le"})),
        lambda meta, data: _edit(meta, lambda m: m["global"].pop("core:sample_rate")),
        lambda meta, data: _edit(meta, lambda m: m["global"].update({"core:num_channels": 2})),
        lambda meta, data: _edit(meta, lambda m: m["captures"][0].update({"core:frequency": "high"})),
        lambda meta, data: _edit(meta, lambda m: m["captures"][0].update({"core:datetime": "2026-99-99T00:00:00Z"})),
        lambda meta, data: _edit(meta, lambda m: m["global"].update({"sdr_gsc:clipped": "many"})),
        lambda meta, data: _edit(meta, lambda m: m["global"].update({"core:sample_rate": 0})),
    ],
)
def test_damaged_recordings(tmp_path, damage):
    meta = write_capture(tmp_path / "x", CAPTURE)
    damage(meta, tmp_path / "x.sigmf-data")
    with pytest.raises(RecordingError, match="x.sigmf-meta"):
        read_capture(tmp_path / "x")


def test_foreign_recordings_are_scaled_to_full_scale(tmp_path):
    data = tmp_path / "other.sigmf-data"
    np.array([16384, -32768, 0, 8192], "<i2").tofile(data)
    recording = sigmf.SigMFFile(global_info={"core:datatype": "ci16_le", "core:sample_rate": 1e6})
    recording.set_data_file(data)
    recording.tofile(tmp_path / "other")
    capture = read_capture(tmp_path / "other")
    np.testing.assert_array_equal(capture.samples, np.array([0.5 - 1j, 0.25j], np.complex64))
    assert (capture.center_frequency_hz, capture.start, capture.gaps) == (0.0, None, ())
