import json
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sdr_gsc.capture import Gap, Retune
from sdr_gsc.errors import RecordingError, SettingsError
from sdr_gsc.recording.recording import Given
from sdr_gsc.recording.sigmf_names import FULL_SCALE
from sdr_gsc.recording.sigmf_reader import read_capture, read_recording

VALUES = np.array([0.5 - 1j, 0.25j, -0.75 + 0.125j], np.complex64)


def encoded(datatype):
    """VALUES in a type that holds them exactly."""
    rails = VALUES.view(np.float32).astype(np.float64)
    kind, order = datatype[1:].split("_")[0], ">" if datatype.endswith("be") else "<"
    bits = int(kind[1:])
    if kind[0] == "f":
        return rails.astype(f"{order}f{bits // 8}").tobytes()
    counts = rails * 2 ** (bits - 1) + (2 ** (bits - 1) if kind[0] == "u" else 0)
    return counts.astype(f"{order}{kind[0]}{bits // 8}").tobytes()


@pytest.mark.parametrize(
    "datatype",
    ["cf32_le", "cf32_be", "cf64_le", "cf64_be", "ci32_le", "ci32_be", "cu32_le", "ci16_le", "ci16_be", "cu16_le",
     "cu16_be", "ci8", "cu8"],
)  # fmt: skip
def test_every_complex_type_is_read(tmp_path, foreign, datatype):
    recording = read_recording(foreign(tmp_path, encoded(datatype), datatype=datatype))
    np.testing.assert_array_equal(recording.capture.samples, VALUES)
    assert (recording.notices, recording.missing) == ((), ())
    assert recording.capture.start == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    # Only integers have an end at which they clip.
    assert recording.capture.clipped == (0 if datatype[1] == "f" else 1)


@given(counts=hnp.arrays(np.int16, st.integers(1, 30).map(lambda n: 2 * n)), order=st.sampled_from(["<", ">"]))
@settings(max_examples=25, deadline=None)
def test_sixteen_bits_are_scaled_exactly(tmp_path_factory, foreign, counts, order):
    path = tmp_path_factory.mktemp("ci16")
    foreign(path, counts.astype(f"{order}i2").tobytes(), datatype="ci16_le" if order == "<" else "ci16_be")
    capture = read_recording(path / "other").capture
    np.testing.assert_array_equal(capture.samples.view(np.float32), counts.astype(np.float64) / 32768)


@given(
    counts=hnp.arrays(np.int16, st.integers(1, 30).map(lambda n: 2 * n), elements=st.integers(-2048, 2047)),
    scale=st.sampled_from([2048, 2047, 8192]),
)
@settings(max_examples=20, deadline=None)
def test_a_full_scale_of_any_size_is_one(tmp_path_factory, foreign, counts, scale):
    path = foreign(tmp_path_factory.mktemp("ci16"), counts.astype("<i2").tobytes(), datatype="ci16_le")
    if max(abs(int(counts.min())), abs(int(counts.max()))) > scale:
        with pytest.raises(RecordingError, match="beyond the full scale"):
            read_recording(path, Given(full_scale=scale))
        return
    samples = read_recording(path, Given(full_scale=scale)).capture.samples.view(np.float32)
    np.testing.assert_array_equal(samples, (counts.astype(np.float64) / scale).astype(np.float32))


def twelve_bits(peak=1800):
    return np.array([peak, -peak, 3, 0, -7, peak // 2], "<i2")


def test_twelve_bits_of_a_known_radio_are_told(tmp_path, foreign):
    path = foreign(tmp_path, twelve_bits().tobytes(), datatype="ci16_le", hw="ADALM-PLUTO, AD9363")
    recording = read_recording(path)
    np.testing.assert_array_equal(recording.capture.samples.view(np.float32), twelve_bits() / np.float32(2048))
    assert recording.missing == (FULL_SCALE,)
    (notice,) = recording.notices
    assert notice.is_guess
    assert "1800" in notice.message
    assert "2048" in notice.message
    assert "Pluto" not in notice.message
    # Who cannot be told must not guess.
    with pytest.raises(RecordingError, match="full scale 2048 is taken"):
        read_capture(path)


@pytest.mark.parametrize("hardware", [None, "USRP B210", "sound card"])
def test_a_weak_signal_of_sixteen_bits_is_not_taken_for_twelve(tmp_path, foreign, hardware):
    recording = read_recording(foreign(tmp_path, twelve_bits().tobytes(), datatype="ci16_le", hw=hardware))
    np.testing.assert_array_equal(recording.capture.samples.view(np.float32), twelve_bits() / np.float32(32768))
    (notice,) = recording.notices
    assert notice.is_guess
    assert "32768 is taken" in notice.message
    assert "full scale 2048" in notice.message


@pytest.mark.parametrize("peak", [2049, 32767])
def test_more_than_twelve_bits_are_sixteen_on_any_radio(tmp_path, foreign, peak):
    path = foreign(tmp_path, twelve_bits(peak).tobytes(), datatype="ci16_le", hw="PlutoSDR")
    assert read_capture(path).samples.real.max() == np.float32(peak / 32768)


def test_the_ends_of_twelve_bits_are_clipped_samples(tmp_path, foreign):
    counts = np.array([2047, 0, -2048, 5, 2046, -2047], "<i2")
    recording = read_recording(foreign(tmp_path, counts.tobytes(), datatype="ci16_le", hw="ad9361-phy"))
    assert recording.capture.clipped == 2


def test_full_scale_is_what_is_told(tmp_path, foreign):
    data = twelve_bits().tobytes()
    by_option = read_recording(foreign(tmp_path, data, datatype="ci16_le"), Given(full_scale=2048))
    path = foreign(tmp_path, data, datatype="ci16_le", **{FULL_SCALE: 2048})
    by_metadata = read_recording(path)
    for recording in (by_option, by_metadata):
        np.testing.assert_array_equal(recording.capture.samples.view(np.float32), twelve_bits() / np.float32(2048))
        assert recording.notices == ()
    against = read_recording(path, Given(full_scale=4096))
    np.testing.assert_array_equal(against.capture.samples.view(np.float32), twelve_bits() / np.float32(4096))


@pytest.mark.parametrize(("told", "words"), [(1024, "reach 1800 counts"), (40000, "does not fit")])
def test_a_full_scale_that_cannot_be_is_refused(tmp_path, foreign, told, words):
    path = foreign(tmp_path, twelve_bits().tobytes(), datatype="ci16_le")
    with pytest.raises(RecordingError, match=words):
        read_recording(path, Given(full_scale=told))


def test_floating_point_has_no_counts(tmp_path, foreign):
    with pytest.raises(RecordingError, match="no counts"):
        read_recording(foreign(tmp_path, encoded("cf32_le"), datatype="cf32_le"), Given(full_scale=2048))


@pytest.mark.parametrize("values", [{"full_scale": 0}, {"sample_rate_hz": float("nan")}, {"channel": -1}])
def test_what_nobody_can_know_is_refused(values):
    with pytest.raises(SettingsError, match=next(iter(values))):
        Given(**values)


@pytest.mark.parametrize("datatype", ["rf32_le", "ri16_le", "ru8"])
def test_real_samples_are_refused(tmp_path, foreign, datatype):
    with pytest.raises(RecordingError, match=f"{datatype} samples, which are real"):
        read_recording(foreign(tmp_path, b"12345678", datatype=datatype))


def test_a_channel_is_chosen_or_asked_for(tmp_path, foreign):
    both = np.stack([VALUES, 1j * VALUES], axis=1)
    path = foreign(tmp_path, both.tobytes(), datatype="cf32_le", num_channels=2)
    with pytest.raises(RecordingError, match="2 channels; choose one: channel 0…1"):
        read_recording(path)
    with pytest.raises(RecordingError, match="channel 2 is asked for"):
        read_recording(path, Given(channel=2))
    for channel in (0, 1):
        found = read_recording(path, Given(channel=channel)).capture.samples
        np.testing.assert_array_equal(found, both[:, channel])


def test_headers_and_trailers_of_another_format(tmp_path, foreign):
    samples = np.arange(1, 13).astype(np.complex64)
    data = b"HEAD" + samples[:5].tobytes() + b"MIDDLE!!" + samples[5:].tobytes() + b"END"
    captures = [
        {"sample_start": 0, "frequency": 1e9, "header_bytes": 4},
        {"sample_start": 5, "frequency": 2e9, "header_bytes": 8},
    ]
    path = foreign(
        tmp_path, data, datatype="cf32_le", dataset="strange.wav", trailing_bytes=3, captures=captures
    )  # fmt: skip
    capture = read_recording(path).capture
    np.testing.assert_array_equal(capture.samples, samples)
    assert (capture.center_frequency_hz, capture.retunes) == (1e9, (Retune(5, 2e9),))


def test_a_dataset_elsewhere_is_refused(tmp_path, foreign):
    path = foreign(tmp_path / "inner", encoded("cf32_le"), datatype="cf32_le")
    (tmp_path / "outside").write_bytes(encoded("cf32_le"))
    for name in ("../outside", "/etc/passwd", "..\\outside"):
        _edit(path, lambda metadata, name=name: metadata["global"].update({"core:dataset": name}))
        with pytest.raises(RecordingError, match="other.sigmf-meta cannot be read"):
            read_recording(path)


def test_numbers_count_from_the_offset(tmp_path, foreign):
    path = foreign(
        tmp_path, VALUES.tobytes(), datatype="cf32_le", offset=1000,
        captures=[{"sample_start": 1000, "frequency": 1e9}, {"sample_start": 1001, "frequency": 2e9}],
        annotations=[{"core:sample_start": 1002, "core:sample_count": 1, "core:label": "gap"}],
    )  # fmt: skip
    capture = read_recording(path).capture
    assert (capture.retunes, capture.gaps) == ((Retune(1, 2e9),), (Gap(2, 1),))
    _edit(path, lambda metadata: metadata["captures"][0].update({"core:sample_start": 999}))
    with pytest.raises(RecordingError, match="before core:offset"):
        read_recording(path)


def _edit(path, change):
    metadata = json.loads(path.read_text())
    change(metadata)
    path.write_text(json.dumps(metadata))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda m: m["global"].pop("core:sample_rate"), "core:sample_rate"),
        (lambda m: m["global"].pop("core:sha512"), "core:sha512"),
        (lambda m: m["global"].pop("core:version"), "core:version"),
        (lambda m: m["global"].update({"core:datatype": "cf32"}), "core:datatype"),
        (lambda m: m["captures"][0].pop("core:frequency"), "core:frequency"),
        (lambda m: m["captures"][0].pop("core:datetime"), "core:datetime"),
        (lambda m: m["captures"][0].update({"core:datetime": "2026-01-02T03:04:05"}), "core:datetime"),
        (lambda m: m["captures"].append({"core:sample_start": 1}), "core:frequency"),
        (
            lambda m: m["captures"].append(
                {"core:sample_start": 1, "core:frequency": 915e6, "core:global_index": 500}
            ),
            "core:global_index",
        ),
        (
            lambda m: m["global"].update(
                {"core:extensions": [{"name": "secret", "version": "1.0.0", "optional": False}]}
            ),
            "core:extensions",
        ),
        (lambda m: m.pop("annotations"), "annotations"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(tmp_path, foreign, change, field):
    path = foreign(tmp_path, VALUES.tobytes(), datatype="cf32_le")
    _edit(path, change)
    recording = read_recording(path)
    np.testing.assert_array_equal(recording.capture.samples, VALUES)
    assert recording.missing == (field,)
    assert recording.notices[0].message


def test_nothing_but_the_type_is_needed(tmp_path, foreign):
    path = foreign(tmp_path, VALUES.tobytes(), datatype="cf32_le")
    path.write_text('{"global": {"core:datatype": "cf32_le"}}')
    recording = read_recording(path)
    assert recording.missing == (
        "captures", "annotations", "core:version", "core:sha512", "core:sample_rate", "core:frequency", "core:datetime",
    )  # fmt: skip
    assert (recording.capture.sample_rate_hz, recording.capture.start) == (1.0, None)
    assert read_recording(path, Given(sample_rate_hz=2e6)).capture.sample_rate_hz == 2e6


def test_a_rate_that_is_told_goes_before_the_metadata(tmp_path, foreign):
    recording = read_recording(foreign(tmp_path, VALUES.tobytes(), datatype="cf32_le"), Given(sample_rate_hz=2e6))
    assert recording.capture.sample_rate_hz == 2e6
    assert recording.missing == ("core:sample_rate",)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda meta, data: data.write_bytes(data.read_bytes()[:-8]), "SHA-512"),
        (lambda meta, data: meta.write_text("{" * 100_000), "JSON|recursion|Expecting"),
        (lambda meta, data: meta.write_text('{"a":' * 100_000), "recursion|Expecting"),
        (lambda meta, data: meta.write_text('{"global": []}'), "not an object"),
        (lambda meta, data: meta.write_text('{"global": {"core:datatype": 3}}'), "not of type 'string'"),
        (lambda meta, data: meta.write_text('{"global": {"core:datatype": "cf32_le"}, "captures": 3}'), "array"),
        (lambda meta, data: _edit(meta, lambda m: m["global"].update({"core:datatype": "cf16_le"})), "does not match"),
        (lambda meta, data: _edit(meta, lambda m: m["global"].update({"core:trailing_bytes": 999})), "whole number"),
        (lambda meta, data: _edit(meta, lambda m: m["global"].update({"core:trailing_bytes": 24})), "no samples"),
        (lambda meta, data: _edit(meta, lambda m: m["captures"][0].update({"core:header_bytes": 3})), "whole number"),
        (lambda meta, data: _edit(meta, lambda m: m["annotations"].append({"core:sample_start": 9})), "cut"),
        (
            lambda meta, data: _edit(meta, lambda m: m["captures"].insert(0, {"core:sample_start": 2})),
            "ordering",
        ),
    ],
)  # fmt: skip
def test_damage_is_told(tmp_path, foreign, damage, words):
    path = foreign(tmp_path, VALUES.tobytes(), datatype="cf32_le")
    damage(path, tmp_path / "other.sigmf-data")
    with pytest.raises(RecordingError, match=words):
        read_recording(path)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("sdr_gsc:clipped", None, "not a number of samples"),
        ("sdr_gsc:clipped", float("inf"), "not a number of samples"),
        ("sdr_gsc:clipped", -1, "not a number of samples"),
        ("sdr_gsc:settings", [], "not an object"),
        (FULL_SCALE, [2048], "not a number of counts"),
        (FULL_SCALE, 0, "does not fit its type"),
        ("core:num_channels", 2**62, "choose one"),
        ("core:offset", 2**62, "before core:offset"),
        ("core:sample_rate", float("nan"), "cannot be read"),
    ],
)
def test_values_that_make_no_sense(tmp_path, foreign, field, value, words):
    path = foreign(tmp_path, encoded("ci16_le"), datatype="ci16_le")
    _edit(path, lambda metadata: metadata["global"].update({field: value}))
    with pytest.raises(RecordingError, match=words):
        read_recording(path)


def test_null_stands_for_what_is_missing(tmp_path, foreign):
    path = foreign(tmp_path, encoded("ci16_le"), datatype="ci16_le")
    _edit(path, lambda metadata: metadata["global"].update({"core:num_channels": None, "core:offset": None}))
    np.testing.assert_array_equal(read_recording(path).capture.samples, VALUES)


def test_cut_data_without_a_hash_are_cut(tmp_path, foreign):
    path = foreign(tmp_path, VALUES.tobytes()[:-3], datatype="cf32_le", hashed=False)
    with pytest.raises(RecordingError, match="no whole number of samples"):
        read_recording(path)


def test_metadata_alone_are_no_recording(tmp_path, foreign):
    path = foreign(tmp_path, b"", datatype="cf32_le", metadata_only=True)
    (tmp_path / "other.sigmf-data").unlink()
    with pytest.raises(RecordingError, match="metadata only"):
        read_recording(path)


def test_numbers_beyond_float32_do_not_disturb(tmp_path, foreign):
    data = np.array([1e300, 0.5, np.nan, -np.inf], "<f8").tobytes()
    samples = read_recording(foreign(tmp_path, data, datatype="cf64_le")).capture.samples
    assert samples[0].real == np.inf
    assert samples[0].imag == 0.5
