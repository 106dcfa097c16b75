import gzip
import io
import json
import tarfile
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import jsonschema
import numpy as np
import pytest
import sigmf
from hypothesis import given, settings
from hypothesis import strategies as st
from sigmf import schema

from sdr_gsc.capture import Capture, Gap, Retune
from sdr_gsc.errors import RecordingError
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.recording.recording import Given
from sdr_gsc.recording.sigmf_collection import SentFrame, read_collection, write_collection
from sdr_gsc.recording.sigmf_reader import read_recording
from sdr_gsc.recording.sigmf_writer import write_capture

RATE_HZ = 4e6
START = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


def noise(n, seed=0):
    rails = np.random.default_rng(seed).normal(0, 0.05, (n, 2)).astype(np.float32)
    return rails.view(np.complex64)[:, 0]


@pytest.fixture(scope="module")
def heard():
    """What was sent, where its frames stand, what was heard, and the reports."""
    symbols = np.exp(0.5j * np.pi * np.random.default_rng(1).integers(0, 4, 4000)).astype(np.complex64)
    sent = Transmitter().transmit_symbols(symbols, b"d", 5)
    ends = (*sent.frame_starts[1:], sent.frame_starts[0] + sent.n_air_samples)
    frames = [SentFrame(a, b - a, i) for i, (a, b) in enumerate(zip(sent.frame_starts, ends, strict=True))]
    samples = np.concatenate([np.zeros(700, np.complex64), sent.samples]) + 0.1 * noise(sent.samples.size + 700)
    capture = Capture(samples.astype(np.complex64), RATE_HZ, 2.4e9, START, (Gap(100, 50),), 3, {"uri": "x"})
    reports = [frame.report for frame in Receiver().receive(capture).frames]
    return Capture(sent.samples, RATE_HZ, 2.4e9), frames, capture, reports


def same(first, second):
    np.testing.assert_array_equal(first.samples.view(np.uint64), second.samples.view(np.uint64))
    return replace(first, samples=second.samples) == second


@pytest.fixture
def written(heard, tmp_path):
    sent, frames, capture, reports = heard
    return write_collection(tmp_path / "run.1", sent, capture, reports, sent_frames=frames, description="a test")


def test_frames_stand_where_the_receiver_finds_them(heard):
    sent, frames, _, _ = heard
    found = Receiver().receive(sent).frames
    assert [frame.report.start_sample for frame in found] == [frame.start_sample for frame in frames]
    assert len(frames) == 2
    assert frames[-1].start_sample + frames[-1].sample_count == sent.samples.size - Transmitter().gap_samples


def test_both_come_back_bit_for_bit(heard, written):
    sent, _, capture, _ = heard
    assert [path.name for path in written] == ["run.1.sigmf-collection", "run.1.tx.sigmf-meta", "run.1.rx.sigmf-meta"]
    for path in (written[0], written[0].with_suffix("")):
        found = read_collection(path)
        assert (found.name, found.notices) == ("run.1", ())
        assert same(found.reference.capture, sent)
        (received,) = found.received
        assert same(received.capture, capture)
        assert (found.reference.role, received.role) == ("transmitted", "received")
        assert received.notices == ()


def test_the_sigmf_package_accepts_everything(written):
    collection = sigmf.fromfile(written[0])
    collection.verify_stream_hashes()
    assert collection.get_stream_names() == ["run.1.tx", "run.1.rx"]
    for index in range(2):
        recording = collection.get_SigMFFile(stream_index=index)
        recording.validate()
        assert recording.get_global_field("core:collection") == "run.1"
    metadata = json.loads(written[0].read_text())
    # The specification made the tuples of its earlier versions objects; the schema in the package still has tuples.
    streams = metadata["collection"]["core:streams"]
    metadata["collection"]["core:streams"] = [[each["name"], each["hash"]] for each in streams]
    jsonschema.validate(metadata, schema.get_schema(schema_file=schema.SCHEMA_COLLECTION))
    assert metadata["collection"]["core:description"] == "a test"


def test_annotations_say_what_was_sent_and_what_became_of_it(heard, written):
    _, frames, capture, reports = heard
    collection = sigmf.fromfile(written[0])
    sent = collection.get_SigMFFile(stream_index=0).get_annotations()
    assert [(each["core:sample_start"], each["core:sample_count"], each["sdr_gsc:sequence"]) for each in sent] == [
        (frame.start_sample, frame.sample_count, frame.sequence) for frame in frames
    ]
    found = [
        each for each in collection.get_SigMFFile(stream_index=1).get_annotations() if each["core:label"] != "gap"
    ]  # fmt: skip
    assert len(found) == len(reports) == 2
    for each, report, frame in zip(found, reports, frames, strict=True):
        assert each["core:sample_start"] == report.start_sample
        assert each["core:sample_count"] == min(frame.sample_count, capture.samples.size - report.start_sample)
        for name in ("cfo_hz", "esn0_db", "evm_db", "post_eq_snr_db", "header_ok"):
            assert each[f"sdr_gsc:{name}"] == getattr(report, name)
        assert each["sdr_gsc:header_ok"] is True


def test_several_captures_of_one_transmission(heard, tmp_path):
    sent, _, capture, reports = heard
    other = replace(capture, start=None, gaps=())
    written = write_collection(tmp_path / "x", sent, [capture, other], [reports, []])
    assert [path.name for path in written[1:]] == ["x.tx.sigmf-meta", "x.rx1.sigmf-meta", "x.rx2.sigmf-meta"]
    first, second = read_collection(written[0]).received
    assert same(first.capture, capture)
    assert same(second.capture, other)
    for captures, found in (([], []), ([capture], [[], []])):
        with pytest.raises(RecordingError, match="needed at least one capture"):
            write_collection(tmp_path / "y", sent, captures, found)


def test_a_second_collection_replaces_the_first(heard, written, tmp_path):
    sent, _, capture, _ = heard
    shorter = replace(capture, samples=capture.samples[:900])
    write_collection(tmp_path / "run.1", sent, shorter)
    assert same(read_collection(written[0]).received[0].capture, shorter)


def _edit(path, change):
    metadata = json.loads(path.read_text())
    change(metadata["collection"])
    path.write_text(json.dumps(metadata))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["core:streams"][0].update({"hash": "0" * 128}), "does not fit run.1.tx"),
        (lambda c: c["core:streams"][1].update({"name": "nobody"}), "there is no .*nobody"),
        (lambda c: c["core:streams"][0].update({"name": "../run.1.tx"}), "points outside"),
        (lambda c: c["core:streams"][0].pop("name"), "no collection"),
        (lambda c: c.update({"core:streams": [[]]}), "no collection"),
        (lambda c: c.update({"core:streams": [7]}), "no collection"),
        (lambda c: c.update({"core:streams": c["core:streams"][:1]}), "no recording that was received"),
        (lambda c: c.pop("core:streams"), "no collection"),
    ],
)
def test_collections_that_do_not_fit(written, change, words):
    _edit(written[0], change)
    with pytest.raises(RecordingError, match=words):
        read_collection(written[0])


@pytest.mark.parametrize("text", ["", "[]", "\x00", "{" * 50_000, '{"collection": 3}'])
def test_files_that_are_no_collections(written, text):
    written[0].write_text(text)
    with pytest.raises(RecordingError, match="run.1.sigmf-collection is no collection"):
        read_collection(written[0])


def test_tuples_of_earlier_versions_and_missing_hashes(heard, written):
    _edit(written[0], lambda c: c.update({"core:streams": [[s["name"], s["hash"]] for s in c["core:streams"]]}))
    assert read_collection(written[0]).notices == ()
    _edit(written[0], lambda c: c.update({"core:streams": [{"name": name} for name, _ in c["core:streams"]]}))
    found = read_collection(written[0])
    assert [notice.field for notice in found.notices] == ["core:streams"] * 2
    assert same(found.received[0].capture, heard[2])


def test_a_recording_alone_and_a_folder(heard, written, tmp_path):
    assert read_collection(tmp_path / "run.1.rx").reference is None
    assert read_collection(tmp_path).reference is not None
    write_capture(tmp_path / "another", heard[2])
    with pytest.raises(RecordingError, match=r"holds 2 recordings or collections .*another"):
        read_collection(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordingError, match="holds 0 recordings"):
        read_collection(tmp_path / "empty")
    for name in ("nowhere", "nowhere.sigmf", "nowhere.sigmf-collection"):
        with pytest.raises(RecordingError, match="there is no"):
            read_collection(tmp_path / name)


# Archives.


@pytest.mark.parametrize("suffix", [".sigmf", ".sigmf.gz", ".sigmf.xz", ".sigmf.zip"])
def test_archives_of_the_sigmf_package(heard, tmp_path, suffix):
    plain = sigmf.fromfile(write_capture(tmp_path / "x", heard[2]))
    plain.archive(str(tmp_path / f"packed{suffix}"))
    assert same(read_recording(tmp_path / f"packed{suffix}").capture, heard[2])
    assert same(read_collection(tmp_path / f"packed{suffix}").received[0].capture, heard[2])
    if suffix == ".sigmf":
        assert same(read_collection(tmp_path / "packed").received[0].capture, heard[2])


def tarred(path, members, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name) if isinstance(name, str) else name
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def test_an_archive_may_hold_a_collection(heard, written, tmp_path):
    members = [(f"run/{path.name}", path.read_bytes()) for path in sorted(tmp_path.iterdir())]
    found = read_collection(tarred(tmp_path / "all.sigmf", members))
    assert found.reference is not None
    assert same(found.received[0].capture, heard[2])
    with pytest.raises(RecordingError, match="holds 2 recordings"):
        read_recording(tmp_path / "all.sigmf")


def _link(name):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return entry


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../x.sigmf-meta", "points outside"),
        ("a/../../x.sigmf-meta", "points outside"),
        ("/etc/x.sigmf-meta", "points outside"),
        ("C:\\x.sigmf-meta", "points outside"),
        (_link("x.sigmf-data"), "no plain file"),
    ],
)
def test_archives_that_reach_outside_are_refused(tmp_path, name, words):
    with pytest.raises(RecordingError, match=words):
        read_collection(tarred(tmp_path / "bad.sigmf", [(name, b"{}")]))


def test_two_files_of_one_name_are_refused(tmp_path):
    members = [("a/x.sigmf-meta", b"{}"), ("b/x.sigmf-meta", b"{}")]
    with pytest.raises(RecordingError, match="twice"):
        read_collection(tarred(tmp_path / "bad.sigmf", members))


@pytest.mark.parametrize("suffix", [".sigmf", ".sigmf.gz", ".sigmf.xz", ".sigmf.zip"])
@pytest.mark.parametrize("data", [b"", b"nonsense", b"PK\x03\x04", b"\x1f\x8b\x08\x00"])
def test_archives_that_are_none(tmp_path, suffix, data):
    (tmp_path / f"bad{suffix}").write_bytes(data)
    with pytest.raises(RecordingError, match="no readable archive|holds 0 recordings"):
        read_collection(tmp_path / f"bad{suffix}")


def test_a_cut_archive_is_told(heard, tmp_path):
    sigmf.fromfile(write_capture(tmp_path / "x", heard[2])).archive(str(tmp_path / "x.sigmf"))
    whole = (tmp_path / "x.sigmf").read_bytes()
    (tmp_path / "cut.sigmf").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordingError):
        read_collection(tmp_path / "cut.sigmf")


@pytest.mark.parametrize("suffix", [".sigmf.gz", ".sigmf.zip"])
def test_what_unpacks_to_far_more_than_it_is_is_refused(tmp_path, suffix):
    path = tmp_path / f"bomb{suffix}"
    zeros = bytes(2**20)
    if suffix == ".sigmf.zip":
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("x.sigmf-data", "w") as file,
        ):
            for _ in range(80):
                file.write(zeros)
    else:
        with gzip.open(path, "wb", compresslevel=1) as file:
            for _ in range(80):
                file.write(zeros)
    assert path.stat().st_size < 2**20
    with pytest.raises(RecordingError, match="unpacks to more than 64 MiB"):
        read_collection(path)


# Retunes.

RETUNED = Capture(
    noise(1000), RATE_HZ, 2.4e9, START, (Gap(100, 50), Gap(500, 100)), 2, {},
    (Retune(300, 2.41e9), Retune(600, 2.42e9), Retune(800, 2.42e9)),
)  # fmt: skip


def test_a_segment_begins_at_every_gap_and_retune(tmp_path):
    path = write_capture(tmp_path / "x", RETUNED)
    recording = sigmf.fromfile(path)
    recording.validate()
    found = [(each["core:sample_start"], each["core:frequency"]) for each in recording.get_captures()]
    assert found == [(0, 2.4e9), (150, 2.4e9), (300, 2.41e9), (600, 2.42e9), (800, 2.42e9)]
    capture = read_recording(path).capture
    assert same(capture, RETUNED)


@given(
    cuts=st.sets(st.integers(1, 199), max_size=8),
    gaps=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 20)), max_size=5, unique_by=lambda each: each[0]),
    frequencies=st.lists(st.sampled_from([1e9, 2e9]), min_size=9, max_size=9),
)
@settings(max_examples=30, deadline=None)
def test_gaps_and_retunes_come_back_wherever_they_stand(tmp_path_factory, cuts, gaps, frequencies):
    capture = Capture(
        noise(200), RATE_HZ, frequencies[-1],
        gaps=tuple(Gap(20 * slot, count) for slot, count in sorted(gaps)),
        retunes=tuple(Retune(cut, frequency) for cut, frequency in zip(sorted(cuts), frequencies, strict=False)),
    )  # fmt: skip
    path = write_capture(tmp_path_factory.mktemp("cuts") / "x", capture)
    sigmf.fromfile(path).validate()
    assert same(read_recording(path).capture, capture)


def test_parts_are_the_stretches_between_retunes():
    parts = RETUNED.parts()
    assert [(first, part.samples.size, part.center_frequency_hz) for first, part in parts] == [
        (0, 300, 2.4e9), (300, 300, 2.41e9), (600, 200, 2.42e9), (800, 200, 2.42e9),
    ]  # fmt: skip
    assert [part.gaps for _, part in parts] == [(Gap(100, 50),), (Gap(200, 100),), (), ()]
    np.testing.assert_array_equal(np.concatenate([part.samples for _, part in parts]), RETUNED.samples)
    assert (parts[1][1].start - START).total_seconds() == pytest.approx(300 / RATE_HZ)
    (only,) = replace(RETUNED, retunes=()).parts()
    assert only == (0, replace(RETUNED, retunes=()))
    assert RETUNED.beginning(600).retunes == (Retune(300, 2.41e9),)


@pytest.mark.parametrize("starts", [(0,), (-1,), (5, 5), (9, 3)])
def test_retunes_stand_in_order(starts):
    with pytest.raises(ValueError, match="ascending"):
        Capture(noise(10), RATE_HZ, retunes=tuple(Retune(start, 1e9) for start in starts))


def test_a_recording_that_is_retuned_is_received_stretch_by_stretch(heard, tmp_path):
    _, _, capture, reports = heard
    twice = Capture(
        np.concatenate([capture.samples, capture.samples]), RATE_HZ, 2.4e9,
        retunes=(Retune(capture.samples.size, 1.2e9),),
    )  # fmt: skip
    write_capture(tmp_path / "x", twice)
    found = [frame.report for frame in Receiver().receive(read_recording(tmp_path / "x").capture).frames]
    starts = [report.start_sample for report in reports]
    assert [report.start_sample for report in found] == starts + [start + capture.samples.size for start in starts]
    assert found[2].cfo_hz == pytest.approx(found[0].cfo_hz)
    assert found[2].cfo_ppm == pytest.approx(2 * found[0].cfo_ppm)
    # A frame that a retune cuts in two is not put together.
    middle = starts[0] + 3000
    cut = replace(capture, gaps=(), retunes=(Retune(middle, 1.2e9),))
    assert Receiver().receive(cut).frames[0].report.failed_at is not None
    assert Receiver().receive(replace(cut, retunes=())).frames[0].report.failed_at is None


def test_segments_of_others_are_stretches(tmp_path, foreign):
    captures = [
        {"sample_start": 0, "frequency": 1e9},
        {"sample_start": 4, "frequency": 1e9},
        {"sample_start": 8, "frequency": 2e9},
    ]
    path = foreign(tmp_path, noise(10).tobytes(), datatype="cf32_le", captures=captures)
    assert read_recording(path, Given()).capture.retunes == (Retune(4, 1e9), Retune(8, 2e9))
    # Some begin a segment with every buffer; a count of samples tells that nothing is lost between them.
    for start, index, expected in ((4, 1004, (Retune(8, 2e9),)), (4, 1005, (Retune(4, 1e9), Retune(8, 2e9)))):
        captures[0]["global_index"], captures[1]["global_index"] = 1000, index
        assert captures[1]["sample_start"] == start
        path = foreign(tmp_path, noise(10).tobytes(), datatype="cf32_le", captures=captures)
        assert read_recording(path).capture.retunes == expected
