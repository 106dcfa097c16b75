"""What the AD936x kernel driver does with a value that is written: refuse it, round it, limit it, pass it on."""

from __future__ import annotations

import errno
import math
from dataclasses import dataclass

from .ad936x_clocks import clock_chain, synthesized_hz
from .ad936x_context import LO_RANGES_HZ, PHY, RECEIVER, RX_LO, TRANSMITTER
from .iio_tree import AttributeKey, IioRefusalError

__all__ = ["FirFilter", "RuleBook"]

_READ_ONLY = frozenset({"rssi", "rx_path_rates", "tx_path_rates", "input", "offset", "data_available"})
_SWITCHES = frozenset(
    {
        "bb_dc_offset_tracking_en",
        "filter_fir_en",
        "powerdown",
        "quadrature_tracking_en",
        "rf_dc_offset_tracking_en",
        "voltage_filter_fir_en",
    }
)
_CHOICES = frozenset({"calib_mode", "ensm_mode", "gain_control_mode", "rf_port_select", "trx_rate_governor"})
# One register serves all channels of a direction.
_SHARED = frozenset({"bb_dc_offset_tracking_en", "quadrature_tracking_en", "rf_bandwidth", "rf_dc_offset_tracking_en"})
_TX_FLOOR_DB = -89.75
_FPGA_FACTOR = 8
# Largest carrier frequency of a receive gain table, and the table's range.
_GAIN_TABLES = ((1.3e9, (-1, 73)), (4e9, (-3, 71)), (math.inf, (-10, 62)))


def _refuse(number: int = errno.EINVAL) -> IioRefusalError:
    return IioRefusalError(number)


def _number(text: str) -> float:
    try:
        value = float(text.split()[0])
    except (ValueError, IndexError):
        raise _refuse() from None
    if not math.isfinite(value):
        raise _refuse()
    return value


def _switch(text: str) -> str:
    first = text[:1].lower()
    if first in ("1", "y", "t"):
        return "1"
    if first in ("0", "n", "f"):
        return "0"
    raise _refuse()


@dataclass(frozen=True, slots=True)
class FirFilter:
    """A loaded FIR.

    Attributes:
        n_taps: its length; 0 while there is none.
        factor: decimation and interpolation.
    """

    n_taps: int = 0
    factor: int = 1

    @classmethod
    def parse(cls, text: str) -> FirFilter:
        """From the text that is written to filter_fir_config.

        Raises:
            IioRefusalError: a length that is no multiple of 16, or another factor than 1, 2 or 4.
        """
        n_taps, factors = 0, {}
        for line in text.splitlines():
            words = line.split()
            if words and words[0] in ("RX", "TX"):
                factors[words[0]] = int(words[-1]) if words[-1].isdigit() else 0
            elif words and (words[0][0] in "-+" or words[0][0].isdigit()):
                n_taps += 1
        if not 0 < n_taps <= 128 or n_taps % 16 or factors.get("RX") != factors.get("TX"):
            raise _refuse()
        if factors.get("RX") not in (1, 2, 4):
            raise _refuse()
        return cls(n_taps, factors["RX"])


class RuleBook:
    """Rules over a store of values, which it changes.

    Args:
        values: every attribute with its text; changed in place.
        n_channels: of each direction.
    """

    def __init__(self, values: dict[AttributeKey, str], n_channels: int) -> None:
        self.fir = FirFilter()
        self._values = values
        self._n_channels = n_channels
        self._fir_on = False
        self._set_rate(int(self.number(AttributeKey(PHY, "INPUT", "voltage0", "sampling_frequency"))), self.fir, False)

    def number(self, key: AttributeKey) -> float:
        """First number in an attribute's text."""
        return _number(self._values[key])

    def write(self, key: AttributeKey, text: str) -> None:
        """Apply a text.

        Raises:
            IioRefusalError: with the driver's errno.
        """
        if key.name.endswith("_available") or key.name in _READ_ONLY:
            raise _refuse(errno.EACCES)
        if key.device == PHY:
            self._write_phy(key, text)
        elif key.name == "sampling_frequency" and key.device in (RECEIVER, TRANSMITTER):
            self._set_core_rate(key, int(_number(text)))
        elif key.name in ("raw", "frequency", "phase", "scale"):
            self._values[key] = f"{_number(text):f}" if key.name == "scale" else str(int(_number(text)))
        else:
            self._values[key] = text

    def _write_phy(self, key: AttributeKey, text: str) -> None:
        name = key.name
        if name == "sampling_frequency":
            self._set_rate(int(_number(text)), self.fir, self._fir_on)
        elif name in ("filter_fir_en", "voltage_filter_fir_en"):
            self._switch_fir(_switch(text) == "1")
        elif name == "filter_fir_config":
            self._load_fir(FirFilter.parse(text))
        elif name == "frequency":
            self._tune(key, int(_number(text)))
        elif name == "hardwaregain":
            self._values[key] = f"{self._gain(key, _number(text)):f} dB"
        elif name == "loopback":
            # 2 would send received samples back out; a radio on the emulated air has no use for it.
            if text not in ("0", "1"):
                raise _refuse(errno.EOPNOTSUPP if text == "2" else errno.EINVAL)
            self._values[key] = text
        else:
            self._store(key, self._plain(key, text))

    def _plain(self, key: AttributeKey, text: str) -> str:
        """Text of an attribute that stands for itself."""
        if key.name in _SWITCHES:
            return _switch(text)
        if key.name in _CHOICES:
            if text not in self._available(key).split():
                raise _refuse()
            return text
        if key.name in ("rf_bandwidth", "xo_correction"):
            low, _, high = (int(word) for word in self._available(key).strip("[]").split())
            value = int(_number(text))
            if key.name == "xo_correction" and not low <= value <= high:
                raise _refuse()
            return str(min(max(value, low), high))
        return text

    def _available(self, key: AttributeKey) -> str:
        return self._values[AttributeKey(key.device, key.kind, key.channel, f"{key.name}_available")]

    def _store(self, key: AttributeKey, text: str) -> None:
        if key.name not in _SHARED:
            self._values[key] = text
            return
        for other in self._values:
            if (other.device, other.kind, other.name) == (key.device, key.kind, key.name):
                self._values[other] = text

    def _gain(self, key: AttributeKey, gain_db: float) -> float:
        if key.kind == "OUTPUT":
            if not _TX_FLOOR_DB <= gain_db <= 0:
                raise _refuse()
            # The attenuation is cut to quarters of a decibel.
            return -math.floor(-gain_db * 4) / 4
        if self._values[AttributeKey(PHY, "INPUT", key.channel, "gain_control_mode")] != "manual":
            raise _refuse(errno.EOPNOTSUPP)
        low, _, high = (int(word) for word in self._available(key).strip("[]").split())
        whole_db = int(gain_db)
        if not low <= whole_db <= high:
            raise _refuse()
        return float(whole_db)

    def _tune(self, key: AttributeKey, asked_hz: int) -> None:
        low, high = LO_RANGES_HZ[key.channel]
        if not low <= asked_hz <= high:
            raise _refuse()
        self._values[key] = str(synthesized_hz(asked_hz))
        if key.channel != RX_LO:
            return
        # Every band has a gain table of its own; a gain that the new one lacks moves to its end.
        bottom, top = next(table for limit_hz, table in _GAIN_TABLES if asked_hz <= limit_hz)
        for index in range(self._n_channels):
            gain = AttributeKey(PHY, "INPUT", f"voltage{index}", "hardwaregain")
            self._values[gain] = f"{min(max(self.number(gain), bottom), top):f} dB"
            self._values[AttributeKey(PHY, "INPUT", f"voltage{index}", "hardwaregain_available")] = (
                f"[{bottom} 1 {top}]"
            )

    def _load_fir(self, fir: FirFilter) -> None:
        if self._fir_on:
            self._set_rate(self._rate, fir, True)
        self.fir = fir
        key = AttributeKey(PHY, "", "", "filter_fir_config")
        self._values[key] = f"FIR Rx: {fir.n_taps},{fir.factor} Tx: {fir.n_taps},{fir.factor}"

    def _switch_fir(self, on: bool) -> None:
        if on and not self.fir.n_taps:
            raise _refuse()
        self._set_rate(self._rate, self.fir, on)

    def _set_rate(self, asked_hz: int, fir: FirFilter, fir_on: bool) -> None:
        """Change the clocks, or nothing where there are none for that rate."""
        chain = clock_chain(asked_hz, fir.factor if fir_on else 1)
        if chain is None or fir_on and fir.n_taps > chain.longest_fir:
            raise _refuse()
        self._rate, self._fir_on = chain.sample_rate_hz, fir_on
        # The slowest rate is 25 MHz over 12, and over the FIR's factor.
        slowest = 25_000_000 // (12 * (fir.factor if fir_on else 1))
        for key in self._values:
            if key.name == "sampling_frequency" and key.device in (PHY, RECEIVER, TRANSMITTER):
                self._values[key] = str(self._rate)
            elif key.name == "sampling_frequency_available":
                on_phy = key.device == PHY
                self._values[key] = (
                    f"[{slowest} 1 61440000]" if on_phy else f"{self._rate} {self._rate // _FPGA_FACTOR} "
                )
            elif key.name in ("filter_fir_en", "voltage_filter_fir_en"):
                self._values[key] = str(int(fir_on))
        self._values[AttributeKey(PHY, "", "", "rx_path_rates")] = chain.receive_text()
        self._values[AttributeKey(PHY, "", "", "tx_path_rates")] = chain.transmit_text()

    def _set_core_rate(self, key: AttributeKey, asked_hz: int) -> None:
        """The FPGA's own filters take or give every eighth sample, or all of them."""
        if asked_hz not in (self._rate, self._rate // _FPGA_FACTOR):
            raise _refuse()
        for other in self._values:
            if (other.device, other.name) == (key.device, key.name):
                self._values[other] = str(asked_hz)
