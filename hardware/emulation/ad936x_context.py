"""What an AD936x radio shows: the devices, channels and attributes of an ADALM-PLUTO, or of its 2x2 relatives."""

from __future__ import annotations

from .iio_tree import IioChannel, IioContext, IioDevice

__all__ = [
    "DEBUG_REGISTER",
    "DEFAULT_TEMPERATURE_C",
    "LO_RANGES_HZ",
    "PHY",
    "RECEIVER",
    "RX_LO",
    "TRANSMITTER",
    "TX_LO",
    "ad936x_context",
]

PHY, TRANSMITTER, RECEIVER = "iio:device0", "iio:device2", "iio:device3"
RX_LO, TX_LO = "altvoltage0", "altvoltage1"
DEBUG_REGISTER = "direct_reg_access"
LO_RANGES_HZ = {RX_LO: (70_000_000, 6_000_000_000), TX_LO: (46_875_001, 6_000_000_000)}

DEFAULT_TEMPERATURE_C = 36.0
_START_RATE = "30720000"
_START_LO = "2400000000"


def _oscillator(channel: str, label: str) -> IioChannel:
    low, high = LO_RANGES_HZ[channel]
    attributes = {
        "external": "0",
        "frequency": _START_LO,
        "frequency_available": f"[{low} 1 {high}]",
        "powerdown": "0",
    }
    return IioChannel(id=channel, output=True, label=label, attributes=attributes)


def _receive_path(index: int) -> IioChannel:
    attributes = {
        "bb_dc_offset_tracking_en": "1",
        "filter_fir_en": "0",
        "gain_control_mode": "slow_attack",
        "gain_control_mode_available": "manual fast_attack slow_attack hybrid",
        "hardwaregain": "71.000000 dB",
        "hardwaregain_available": "[-3 1 71]",
        "quadrature_tracking_en": "1",
        "rf_bandwidth": "18000000",
        "rf_bandwidth_available": "[200000 1 56000000]",
        "rf_dc_offset_tracking_en": "1",
        "rf_port_select": "A_BALANCED",
        "rf_port_select_available": "A_BALANCED B_BALANCED C_BALANCED A_N A_P B_N B_P C_N C_P TX_MONITOR1 TX_MONITOR2",
        "rssi": "100.00 dB",
        "sampling_frequency": _START_RATE,
        "sampling_frequency_available": "[2083333 1 61440000]",
    }
    return IioChannel(id=f"voltage{index}", output=False, attributes=attributes)


def _transmit_path(index: int) -> IioChannel:
    attributes = {
        "filter_fir_en": "0",
        "hardwaregain": "-10.000000 dB",
        "hardwaregain_available": "[-89.750000 0.250000 0.000000]",
        "rf_bandwidth": "18000000",
        "rf_bandwidth_available": "[200000 1 40000000]",
        "rf_port_select": "A",
        "rf_port_select_available": "A B",
        "rssi": "0.00 dB",
        "sampling_frequency": _START_RATE,
        "sampling_frequency_available": "[2083333 1 61440000]",
    }
    return IioChannel(id=f"voltage{index}", output=True, attributes=attributes)


def _phy(n_channels: int, temperature_c: float) -> IioDevice:
    channels = (
        _oscillator(RX_LO, "RX_LO"),
        _oscillator(TX_LO, "TX_LO"),
        *(_receive_path(index) for index in range(n_channels)),
        *(_transmit_path(index) for index in range(n_channels)),
        IioChannel(id="out", output=False, attributes={"voltage_filter_fir_en": "0"}),
        IioChannel(id="temp0", output=False, attributes={"input": f"{1e3 * temperature_c:.0f}"}),
    )
    attributes = {
        "calib_mode": "auto",
        "calib_mode_available": "auto manual manual_tx_quad tx_quad rf_dc_offs rssi_gain_step",
        "ensm_mode": "fdd",
        "ensm_mode_available": "sleep wait alert fdd pinctrl pinctrl_fdd_indep",
        "filter_fir_config": "FIR Rx: 0,0 Tx: 0,0",
        "rx_path_rates": "",
        "trx_rate_governor": "nominal",
        "trx_rate_governor_available": "nominal highest_osr",
        "tx_path_rates": "",
        "xo_correction": "40000000",
        "xo_correction_available": "[39992000 1 40008000]",
    }
    debug = {"bist_prbs": "0", "bist_tone": "0 0 0 0", DEBUG_REGISTER: "0x0", "initialize": "0", "loopback": "0"}
    return IioDevice(id=PHY, name="ad9361-phy", channels=channels, attributes=attributes, debug_attributes=debug)


def _monitor() -> IioDevice:
    channel = IioChannel(
        id="temp0", output=False, attributes={"offset": "-2219", "raw": "2587", "scale": "123.040771484"}
    )
    return IioDevice(id="iio:device1", name="xadc", channels=(channel,))


_LANE = {"sampling_frequency": _START_RATE, "sampling_frequency_available": f"{_START_RATE} {int(_START_RATE) // 8} "}
_CORE_DEBUG = {DEBUG_REGISTER: "0x0"}
_CORE_BUFFER = {"data_available": "0", "length_align_bytes": "8", "watermark": "2048"}


def _converter_to_air(n_channels: int) -> IioDevice:
    lanes = [
        IioChannel(
            id=f"voltage{lane}", output=True, attributes=dict(_LANE), scan_index=lane, scan_format="le:S16/16>>0"
        )
        for lane in range(2 * n_channels)
    ]
    tones = [
        IioChannel(
            id=f"altvoltage{tone}",
            output=True,
            label=f"TX{tone // 4 + 1}_{'IQ'[tone // 2 % 2]}_F{tone % 2 + 1}",
            attributes={
                "frequency": "1000000",
                "phase": "90000" if tone // 2 % 2 == 0 else "0",
                "raw": "1",
                "sampling_frequency": _START_RATE,
                "scale": "0.000000",
            },
        )
        for tone in range(4 * n_channels)
    ]
    return IioDevice(
        id=TRANSMITTER,
        name="cf-ad9361-dds-core-lpc",
        channels=(*lanes, *tones),
        debug_attributes=dict(_CORE_DEBUG),
        buffer_attributes=dict(_CORE_BUFFER),
    )


def _converter_from_air(n_channels: int) -> IioDevice:
    lanes = [
        IioChannel(
            id=f"voltage{lane}",
            output=False,
            attributes={**_LANE, "calibbias": "0", "calibphase": "0.000000", "calibscale": "1.000000"},
            scan_index=lane,
            scan_format="le:S12/16>>0",
        )
        for lane in range(2 * n_channels)
    ]
    return IioDevice(
        id=RECEIVER,
        name="cf-ad9361-lpc",
        channels=tuple(lanes),
        debug_attributes=dict(_CORE_DEBUG),
        buffer_attributes=dict(_CORE_BUFFER),
    )


def ad936x_context(
    n_channels: int, *, serial: str, token: str = "", temperature_c: float = DEFAULT_TEMPERATURE_C
) -> IioContext:
    """The context of an ADALM-PLUTO (one channel) or of its 2x2 relatives, as after power-up.

    Args:
        n_channels: 1 or 2, of each direction.
        serial: of the radio.
        token: proof that it is emulated; "" shows none.
        temperature_c: of the chip.

    Returns:
        The tree with the values that a radio starts with.
    """
    chip = "ad9364" if n_channels == 1 else "ad9361"
    attributes = {
        "hw_model": f"Analog Devices PlutoSDR Rev.C (Z7010-{chip.upper()})",
        "hw_model_variant": str(n_channels - 1),
        "hw_serial": serial,
        "fw_version": "v0.38",
        "ad9361-phy,xo_correction": "40000000",
        "ad9361-phy,model": chip,
        "local,kernel": "5.15.0",
    }
    if token:
        attributes["sdr_gsc_token"] = token
    return IioContext(
        description="Linux (none) 5.15.0 armv7l",
        attributes=attributes,
        devices=(
            _phy(n_channels, temperature_c),
            _monitor(),
            _converter_to_air(n_channels),
            _converter_from_air(n_channels),
        ),
    )
