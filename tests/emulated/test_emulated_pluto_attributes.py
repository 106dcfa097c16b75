"""pyadi-iio sets and reads the attributes of an emulated Pluto: the kernel driver's rules."""

from __future__ import annotations

import errno

import numpy as np
import pytest


@pytest.fixture
def radio(emulated_pluto):
    return emulated_pluto(realtime=False)


@pytest.fixture
def client(radio, iio_client):
    return iio_client(radio)


def channel(client, name, output):
    return client.context.find_device("ad9361-phy").find_channel(name, output)


def filter_switch(client):
    return channel(client, "out", False).attrs["voltage_filter_fir_en"]


def errno_of(action):
    with pytest.raises(OSError) as caught:  # noqa: PT011 -- the number is what is asked for
        action()
    return caught.value.errno


def test_context_describes_a_pluto(client):
    names = [device.name for device in client.context.devices]
    assert names == ["ad9361-phy", "xadc", "cf-ad9361-dds-core-lpc", "cf-ad9361-lpc"]
    assert client.context.attrs["hw_model"].startswith("Analog Devices PlutoSDR")
    assert client.context.attrs["ad9361-phy,model"] == "ad9364"
    assert "sdr_gsc_token" not in client.context.attrs


def test_token_and_serial_are_context_attributes(emulated_pluto, iio_client):
    client = iio_client(emulated_pluto(token="a <secret> & more", serial="0123"))
    assert client.context.attrs["sdr_gsc_token"] == "a <secret> & more"
    assert client.context.attrs["hw_serial"] == "0123"


def test_two_radios_have_their_own_serials(emulated_pluto, iio_client):
    serials = {iio_client(emulated_pluto()).context.attrs["hw_serial"] for _ in range(2)}
    assert len(serials) == 2


@pytest.mark.parametrize("rate", [522_000, 1_000_000, 2_083_334, 4_000_000, 20_000_000, 30_720_000, 61_440_000])
def test_rates_come_close_and_so_does_what_was_read(client, radio, rate):
    client.sdr.sample_rate = rate
    assert abs(client.sdr.sample_rate - rate) <= 2
    assert radio.state()["sample_rate_hz"] == client.sdr.sample_rate
    again = client.sdr.sample_rate
    client.sdr.sample_rate = again
    assert abs(client.sdr.sample_rate - again) <= 2


def test_a_slow_rate_needs_the_filter(client):
    client.sdr.sample_rate = 1_000_000
    assert errno_of(lambda: setattr(filter_switch(client), "value", "0")) == errno.EINVAL
    assert client.sdr.sample_rate == 1_000_000
    client.sdr.sample_rate = 4_000_000
    filter_switch(client).value = "0"
    write = channel(client, "voltage0", False).attrs["sampling_frequency"]
    assert errno_of(lambda: setattr(write, "value", "1000000")) == errno.EINVAL
    assert write.value == "4000000"


def test_no_rate_beyond_the_converters(client):
    write = channel(client, "voltage0", False).attrs["sampling_frequency"]
    for rate in ("61440001", "0", "-4000000", "fast", ""):
        assert errno_of(lambda rate=rate: setattr(write, "value", rate)) == errno.EINVAL


@pytest.mark.parametrize("n_taps", [0, 8, 144])
def test_filters_have_a_multiple_of_16_taps(client, n_taps):
    text = "RX 3 GAIN -6 DEC 2\nTX 3 GAIN 0 INT 2\n" + "1,1\n" * n_taps
    device = client.context.find_device("ad9361-phy")
    assert errno_of(lambda: setattr(device.attrs["filter_fir_config"], "value", text)) == errno.EINVAL


def test_a_filter_too_long_for_its_rate_is_refused(client):
    client.sdr.sample_rate = 61_440_000
    filter_switch(client).value = "0"
    device = client.context.find_device("ad9361-phy")
    device.attrs["filter_fir_config"].value = "RX 3 GAIN -6 DEC 2\nTX 3 GAIN 0 INT 2\n" + "1,1\n" * 128
    assert device.attrs["filter_fir_config"].value == "FIR Rx: 128,2 Tx: 128,2"
    assert errno_of(lambda: setattr(filter_switch(client), "value", "1")) == errno.EINVAL


@pytest.mark.parametrize("frequency", [70_000_000, 915_000_000, 2_450_000_000, 5_800_000_000, 6_000_000_000])
def test_oscillators_come_close(client, radio, frequency):
    client.sdr.rx_lo = client.sdr.tx_lo = frequency
    assert client.sdr.rx_lo == client.sdr.tx_lo
    assert 0 <= frequency - client.sdr.rx_lo <= 10
    assert radio.state()["tx_center_frequency_hz"] == client.sdr.tx_lo


def test_oscillators_refuse_what_is_out_of_range(client):
    for frequency in (10_000_000_000, 69_000_000, -1):
        assert errno_of(lambda frequency=frequency: setattr(client.sdr, "rx_lo", frequency)) == errno.EINVAL
    assert errno_of(lambda: setattr(client.sdr, "tx_lo", 46_000_000)) == errno.EINVAL


def test_transmit_gain_is_cut_to_quarters(client, radio):
    for asked, made in ((-10, -10), (-10.1, -10), (-10.3, -10.25), (-89.75, -89.75), (0, 0)):
        client.sdr.tx_hardwaregain_chan0 = asked
        assert client.sdr.tx_hardwaregain_chan0 == made == radio.state()["tx_gain_db"]
    for asked in (0.25, 10, -90):
        assert errno_of(lambda asked=asked: setattr(client.sdr, "tx_hardwaregain_chan0", asked)) == errno.EINVAL


def test_receive_gain_needs_manual_mode(client):
    assert client.sdr.gain_control_mode_chan0 == "slow_attack"
    client.sdr.rx_hardwaregain_chan0 = 20  # pyadi-iio says nothing, and does nothing
    assert client.sdr.rx_hardwaregain_chan0 == 71
    write = channel(client, "voltage0", False).attrs["hardwaregain"]
    assert errno_of(lambda: setattr(write, "value", "20")) == errno.EOPNOTSUPP
    client.sdr.gain_control_mode_chan0 = "manual"
    client.sdr.rx_hardwaregain_chan0 = 20.7
    assert client.sdr.rx_hardwaregain_chan0 == 20
    assert errno_of(lambda: setattr(client.sdr, "rx_hardwaregain_chan0", 100)) == errno.EINVAL
    assert errno_of(lambda: setattr(client.sdr, "gain_control_mode_chan0", "loud")) == errno.EINVAL


def test_receive_gain_range_follows_the_band(client):
    client.sdr.gain_control_mode_chan0 = "manual"
    client.sdr.rx_lo = 900_000_000
    client.sdr.rx_hardwaregain_chan0 = 73
    client.sdr.rx_lo = 5_800_000_000
    assert client.sdr.rx_hardwaregain_chan0 == 62
    assert channel(client, "voltage0", False).attrs["hardwaregain_available"].value == "[-10 1 62]"


def test_bandwidths_are_limited_not_refused(client):
    client.sdr.rx_rf_bandwidth = 100_000_000
    client.sdr.tx_rf_bandwidth = 1
    assert client.sdr.rx_rf_bandwidth == 56_000_000
    assert client.sdr.tx_rf_bandwidth == 200_000


def test_channels_of_a_direction_share_their_switches(emulated_pluto, iio_client):
    client = iio_client(emulated_pluto(two_channels=True, realtime=False))
    channel(client, "voltage0", False).attrs["quadrature_tracking_en"].value = "0"
    client.sdr.rx_rf_bandwidth = 5_000_000
    second = channel(client, "voltage1", False).attrs
    assert second["quadrature_tracking_en"].value == "0"
    assert second["rf_bandwidth"].value == "5000000"
    client.sdr.tx_hardwaregain_chan1 = -20
    assert client.sdr.tx_hardwaregain_chan0 == -10
    assert client.sdr.tx_hardwaregain_chan1 == -20


def test_read_only_attributes_stay(client):
    for name in ("rssi", "hardwaregain_available"):
        write = channel(client, "voltage0", False).attrs[name]
        assert errno_of(lambda write=write: setattr(write, "value", "1")) == errno.EACCES


def test_oscillator_powers_down(client, radio):
    oscillator = channel(client, "altvoltage1", True)
    assert oscillator.name == "TX_LO"
    oscillator.attrs["powerdown"].value = "1"
    assert not radio.state()["tx_lo_on"]
    assert radio.state()["rx_lo_on"]
    assert errno_of(lambda: setattr(oscillator.attrs["powerdown"], "value", "maybe")) == errno.EINVAL
    oscillator.attrs["powerdown"].value = "0"
    assert radio.state()["tx_lo_on"]


def test_loopback_of_the_fpga_is_refused(client):
    assert errno_of(lambda: setattr(client.sdr, "loopback", 2)) == errno.EOPNOTSUPP
    client.sdr.loopback = 1
    assert client.sdr.loopback == 1


def test_every_eighth_sample(client, radio):
    client.sdr.sample_rate = 4_000_000
    client.sdr.rx_dec8_filter_en = True
    assert client.sdr.rx_dec8_filter_en
    assert radio.state()["sample_rate_hz"] == 500_000
    client.sdr.rx_dec8_filter_en = False
    assert radio.state()["sample_rate_hz"] == 4_000_000


def test_reference_correction_moves_what_the_radio_makes(client, radio):
    client.tune(frequency=2_400_000_000)
    client.context.find_device("ad9361-phy").attrs["xo_correction"].value = "40000400"
    assert client.sdr.rx_lo == 2_400_000_000
    # Believed to be 10 ppm faster than it is, the reference is divided by too much.
    assert np.isclose(radio.state()["tx_center_frequency_hz"], 2.4e9 / (1 + 10e-6), rtol=1e-12)


def test_power_cycle_forgets_everything(radio, client, iio_client):
    client.tune(rate=10_000_000, tx_gain=-5)
    client.sdr.loopback = 1
    radio.cycle_power()
    fresh = iio_client(radio)
    assert fresh.sdr.loopback == 0
    assert fresh.sdr.sample_rate == 30_720_000
    assert fresh.sdr.tx_hardwaregain_chan0 == -10
    assert fresh.sdr.gain_control_mode_chan0 == "slow_attack"
