"""Two Plutos as one radio: one sends, the other listens, each by its own clock."""

from dataclasses import replace

import numpy as np
import pytest

from hardware.conformance import CHECKS
from hardware.emulation.air import Air
from hardware.errors import BadValueError, DisconnectedError, SampleOverflowError
from hardware.pair import RadioPair
from hardware.radio import Radio
from hardware.registry import open_radio
from sdr_gsc.capture import Capture
from sdr_gsc.channel.profile import ChannelProfile

pytestmark = pytest.mark.timeout(120)

BURST = Capture(np.full(2000, 0.1, np.complex64), 4e6)


@pytest.fixture
def devices(libiio, flat_air, emulated_pluto, may_transmit):
    """The sender and the listener, 7 ppm apart."""
    return [emulated_pluto(flat_air, token=may_transmit, clock_ppm=ppm) for ppm in (4.0, -3.0)]


@pytest.fixture
def pair(devices, open_uri):
    with RadioPair(*(open_uri(device.uri) for device in devices)) as opened:
        yield opened


def assert_muted(devices):
    for device in devices:
        state = device.state()
        assert (state["transmitting"], state["tx_lo_on"], state["tx_gain_db"]) == (False, False, -89.75)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_it_conforms(devices, own_folders, check):
    check(lambda: RadioPair(*(open_radio(device.uri) for device in devices)))
    assert_muted(devices)


def test_it_is_a_radio_of_two(devices, pair):
    assert isinstance(pair, Radio)
    assert pair.uri == f"{devices[0].uri} -> {devices[1].uri}"
    settings = pair.configure(replace(pair.settings, tx_gain_db=-13.0, rx_gain_db=37.0, center_frequency_hz=2.43e9))
    assert (settings.tx_gain_db, settings.rx_gain_db) == (-13.0, 37.0)
    assert devices[1].state()["rx_gains_db"] == (37.0,)
    assert devices[0].state()["rx_gains_db"] == (40.0,)
    with pair.repeat(BURST):
        assert devices[0].state()["tx_gain_db"] == -13.0
        assert not pair.muted
        assert not devices[1].state()["tx_lo_on"]
    assert pair.muted


def test_one_burst_arrives_once_in_a_noisy_office(emulated_pluto, may_transmit, open_uri, generator):
    profile = ChannelProfile(esn0_db=8.0, cfo_hz=2e3, delay_profile="exponential", delay_spread_s=500e-9)
    air = Air(profile, seed=3)
    uris = [emulated_pluto(air, token=may_transmit, clock_ppm=ppm).uri for ppm in (20.0, -20.0)]
    samples = (0.15 * (generator.standard_normal(20_000) + 1j * generator.standard_normal(20_000))).astype(np.complex64)
    with RadioPair(*(open_uri(uri) for uri in uris)) as pair:
        for listen_s in (None, 0.012):
            received = pair.exchange(Capture(samples, 4e6), listen_s=listen_s).samples
            power = np.abs(received) ** 2
            inside = power[600:20_400].mean()
            outside = np.concatenate([power[:450], power[20_650:]]).mean()
            assert outside < 0.4 * inside


def test_radios_that_are_set_differently_are_no_pair(devices, open_uri):
    radios = [open_uri(device.uri) for device in devices]
    radios[0].configure(replace(radios[0].settings, sample_rate_hz=5e6))
    with pytest.raises(BadValueError, match="sample_rate_hz was set to 5000000 .* the same sample_rate_hz"):
        RadioPair(*radios)


def test_a_failing_listener_leaves_the_sender_muted(devices, pair):
    devices[1].faults.lost_samples = 50
    with pytest.raises(SampleOverflowError):
        pair.exchange(BURST)
    assert_muted(devices)
    devices[1].faults.lost_samples = 0
    np.testing.assert_allclose(np.abs(pair.exchange(BURST).samples[600:2400]), 0.1, atol=0.01)


def test_the_listener_is_closed_though_the_sender_is_gone(devices, open_uri):
    radios = [open_uri(device.uri) for device in devices]

    def lose_the_sender():
        with RadioPair(*radios) as pair, pair.repeat(BURST):
            devices[0].pull_cable()

    with pytest.raises(DisconnectedError):
        lose_the_sender()
    with pytest.raises(DisconnectedError, match="is closed"):
        radios[1].capture(1)
    assert_muted(devices)


def test_one_channel_only(pair):
    with pytest.raises(BadValueError, match="2 bursts for a pair"):
        pair.exchange_channels([BURST, BURST])
