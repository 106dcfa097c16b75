import numpy as np
import pytest

from hardware.errors import BadValueError
from hardware.registry import open_radio
from sdr_gsc.capture import Capture
from sdr_gsc.errors import RecordingError, SettingsError

BURST = Capture(np.full(400, 0.1, np.complex64), 4e6)


def samples(uri, **overrides):
    with open_radio(uri, **overrides) as radio:
        return radio.exchange(BURST).samples


@pytest.mark.parametrize("name", ["ideal", "cabled", "office", "mobile"])
def test_named_profiles_open(name):
    with open_radio(f"loopback:{name}") as radio:
        assert radio.exchange(BURST).settings["profile"]["name"] == name


def test_query_sets_profile_fields():
    with open_radio("loopback:ideal?esn0_db=10&cfo_range_hz=125000&adc_bits=none&seed=3") as radio:
        profile = radio.exchange(BURST).settings["profile"]
    assert (profile["esn0_db"], profile["cfo_range_hz"], profile["adc_bits"]) == (10.0, 125000.0, None)


def test_overrides_win_over_the_address():
    with open_radio("loopback:office?esn0_db=10", esn0_db=3.5, adc_bits=None) as radio:
        profile = radio.exchange(BURST).settings["profile"]
    assert (profile["esn0_db"], profile["adc_bits"]) == (3.5, None)


def test_seeds():
    np.testing.assert_array_equal(samples("loopback:office?seed=3"), samples("loopback:office", seed=3))
    np.testing.assert_array_equal(samples("loopback:"), samples("loopback:office?seed=0"))
    by_generator = samples("loopback:office", generator=np.random.Generator(np.random.PCG64(3)))
    np.testing.assert_array_equal(by_generator, samples("loopback:office?seed=3"))
    other = samples("loopback:office?seed=4")
    assert other.size != by_generator.size or np.any(other != by_generator)


@pytest.mark.parametrize("scheme", ["pluto", "ad9361", "usrp", "soapy"])
@pytest.mark.parametrize(
    ("rest", "kind", "message"),
    [
        ("", BadValueError, "names no device"),
        ("?tx_gain_db=1", BadValueError, "names no device"),
        ("x?tx_gain_db", BadValueError, "is not a query"),
        ("x?tx_gain_db=1&tx_gain_db=2", BadValueError, "twice"),
        ("x?volume=11", SettingsError, "volume is unknown; write some of center_frequency_hz"),
        ("x?tx_gain_db=loud", SettingsError, "tx_gain_db is 'loud'; write a number"),
        ("x?tx_gain_db=nan", SettingsError, "tx_gain_db is nan; write a number"),
        ("x?channels=a", SettingsError, "channels is 'a'; write numbers such as 0 or 0,1"),
    ],
)
def test_bad_addresses_of_real_radios_are_refused_before_anything_is_asked(scheme, rest, kind, message):
    with pytest.raises(kind, match=message):
        open_radio(f"{scheme}:{rest}")


def test_real_radios_take_no_generator():
    with pytest.raises(BadValueError, match="takes no generator"):
        open_radio("pluto:ip:127.0.0.1:1", generator=np.random.default_rng(0))


def test_a_bench_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match="there is no bench file"):
        open_radio("pluto:ip:127.0.0.1:1", bench=tmp_path / "bench.toml")


@pytest.mark.parametrize("uri", ["", "loopback", "pluto", "radio:1", "Loopback:office", ":office"])
def test_unknown_schemes_list_the_known(uri):
    with pytest.raises(BadValueError, match="loopback:PROFILE.*replay:RECORDING"):
        open_radio(uri)


@pytest.mark.parametrize(
    ("uri", "kind", "message"),
    [
        ("loopback:moon", SettingsError, "ideal, cabled, office, mobile"),
        ("loopback:office?volume=11", SettingsError, "volume"),
        ("loopback:office?esn0_db=loud", SettingsError, "esn0_db is 'loud'"),
        ("loopback:office?esn0_db", BadValueError, "is not a query"),
        ("loopback:office?seed=1&seed=2", BadValueError, "twice"),
        ("loopback:office?seed=-1", BadValueError, "seed is '-1'"),
        ("replay:/nowhere/x.sigmf-meta", RecordingError, "there is no"),
    ],
)
def test_bad_addresses(uri, kind, message):
    with pytest.raises(kind, match=message):
        open_radio(uri)


def test_generator_and_seed_exclude_each_other():
    with pytest.raises(BadValueError, match="generator and the seed"):
        open_radio("loopback:office?seed=1", generator=np.random.default_rng(0))


def test_recordings_take_no_settings():
    with pytest.raises(BadValueError, match="seed"):
        open_radio("replay:x", seed=1)
