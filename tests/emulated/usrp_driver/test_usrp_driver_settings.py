"""Settings, addresses, locks, and who may have the radio."""

from dataclasses import replace

import pytest

from hardware.errors import BadValueError, DriverMissingError, RadioBusyError, RadioError, UnlockedError
from hardware.registry import open_radio
from hardware.vendor import device as vendor_device


def test_settings_are_what_the_device_has(pair):
    asked = replace(
        pair.radio.settings,
        center_frequency_hz=915e6,
        sample_rate_hz=2e6,
        tx_gain_db=51.25,
        rx_gain_db=33.0,
        bandwidth_hz=30e6,
        channels=(1, 0),
        clock_source="external",
    )
    assert pair.radio.configure(asked) == asked == pair.radio.settings
    state = pair.device.state()
    assert state["rx_frequency_hz"] == state["tx_frequency_hz"] == [915e6, 915e6]
    assert state["sample_rate_hz"] == 2e6
    assert state["rx_gain_db"] == [33.0, 33.0]
    assert state["clock_source"] == "external"
    assert state["tx_gain_db"] == [0.0, 0.0], "the transmit gain stays at its floor until a burst is sent"


def test_the_transmit_gain_is_up_during_a_burst_only(pair, burst):
    with pair.radio.repeat(burst()):
        assert pair.device.state()["tx_gain_db"] == [pair.radio.settings.tx_gain_db, 0.0]
    assert pair.device.state()["tx_gain_db"] == [0.0, 0.0]


def test_a_gain_between_two_steps_is_read_back_as_the_nearest_step(pair, with_settings):
    assert with_settings(pair.radio, tx_gain_db=40.1, rx_gain_db=30.4).tx_gain_db == pytest.approx(40.0)
    assert pair.radio.settings.rx_gain_db == pytest.approx(30.0)


@pytest.mark.parametrize(
    "changes",
    [{"sample_rate_hz": 100e6}, {"rx_gain_db": 200.0}, {"center_frequency_hz": 10e9}, {"channels": (2,)}],
    ids=lambda changes: next(iter(changes)),
)
def test_values_that_the_library_would_coerce_silently_are_refused(pair, with_settings, changes):
    before = pair.radio.settings
    with pytest.raises(BadValueError, match=next(iter(changes))):
        with_settings(pair.radio, **changes)
    assert pair.radio.settings == before


def test_after_a_setting_that_failed_the_radio_does_not_act_on_the_old_ones(pair, with_settings, burst):
    before = pair.radio.settings
    pair.device.faults.update({"rpc_errors": {"db_0_set_gain": "the attenuator does not answer"}})
    with pytest.raises(RadioError, match="the attenuator does not answer"):
        with_settings(pair.radio, rx_gain_db=20.0)
    pair.device.faults.clear()
    assert pair.radio.settings == before
    # It could not be put back while the fault lasted.
    with pytest.raises(BadValueError, match="settings are unknown"):
        pair.radio.exchange(burst())
    pair.radio.configure(before)
    assert pair.radio.exchange(burst()).samples.size > 3000


@pytest.mark.parametrize(
    ("scheme", "fault", "found"),
    [
        ("usrp", "oscillators_unlocked", "receive oscillator of channel 0"),
        ("soapy", "reference_unlocked", "reference"),
    ],
)
def test_what_did_not_lock_is_named(open_pairs, with_settings, scheme, fault, found):
    pair = open_pairs[scheme]
    pair.refresh()
    pair.device.faults.update({fault: True})
    with pytest.raises(UnlockedError, match=found):
        with_settings(pair.radio, center_frequency_hz=900e6)
    pair.device.faults.clear()
    assert with_settings(pair.radio, center_frequency_hz=900e6).center_frequency_hz == 900e6


def test_a_device_that_says_that_it_is_unlocked_is_understood(usrp, with_settings):
    usrp.device.faults.update({"rpc_errors": {"db_0_catalina_tune": "PLL did not lock"}})
    with pytest.raises(UnlockedError, match="PLL did not lock"):
        with_settings(usrp.radio, center_frequency_hz=900e6)


def test_a_radio_in_use_is_busy(usrp, at, monkeypatch):
    monkeypatch.setattr(vendor_device, "_GIVEN_BACK_S", 0.3)
    for scheme in ("usrp", "soapy"):
        with pytest.raises(RadioBusyError, match="close the other program"):
            open_radio(at(scheme, usrp.device))
    assert usrp.radio.capture(10).samples.size == 10


@pytest.mark.parametrize(
    "uri",
    [
        "usrp:type=e3xx",
        "usrp:serial=31234AB",
        "usrp:name=mine",
        "soapy:driver=uhd",
        "soapy:driver=uhd,type=x300",
        "soapy:addr=127.0.0.1",
        "soapy:driver=remote",
        "soapy:driver=plutosdr",
        "soapy:driver=uhd,addr=127.0.0.1,timed=maybe",
        "usrp:addr",
        "usrp:addr=127.0.0.1,addr=127.0.0.2",
    ],
)
def test_an_address_that_would_need_a_search_is_refused_before_any_library_loads(uri, monkeypatch):
    monkeypatch.setenv("SDR_GSC_VENDOR_PYTHON", "/nowhere/python3")
    with pytest.raises(BadValueError):
        open_radio(uri)


@pytest.mark.parametrize("uri", ["usrp:type=b200", "soapy:driver=uhd,type=b200", "soapy:driver=rtlsdr"])
def test_a_radio_on_usb_needs_no_address(uri, monkeypatch):
    monkeypatch.setenv("SDR_GSC_VENDOR_PYTHON", "/nowhere/python3")
    with pytest.raises(DriverMissingError, match="apt install"):
        open_radio(uri)
