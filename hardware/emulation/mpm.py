"""Management of an emulated E320: the methods of MPM that libuhd calls, by name."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .mpm_claim import Claim
from .rfnoc_topology import PROTOCOL_VERSION
from .sample_clock import SampleClock
from .usrp_faults import UsrpFaults
from .usrp_frontend import UsrpFrontend

__all__ = ["TOKEN_SENSOR", "Identity", "Mpm"]

TOKEN_SENSOR = "sdr_gsc_token"
"""Motherboard sensor, and key of the discovery answer, that real radios do not have."""

_SOURCES = ("internal", "external", "gpsdo")
_DAUGHTERBOARD = "db_0_"
_UNCLAIMED = frozenset(
    "claim ping get_device_info get_dboard_info get_mpm_compat_num get_proto_ver get_chdr_width "
    "list_updateable_components get_last_error".split()
)
_REMEMBERED_CALLS = 1000
_CHATTER = frozenset(("ping", "reclaim", "get_log_buf"))


@dataclass(frozen=True, slots=True)
class Identity:
    """What a device says of itself.

    Attributes:
        serial: seven hexadecimal digits: libuhd compares serials as 31-bit numbers.
        name: for people.
        token: secret of an emulated radio; empty on a real one.
        temperature_c: of its transceiver.
    """

    serial: str
    name: str
    token: str
    temperature_c: float = 37.0

    def discovery(self, *, claimed: bool) -> dict[str, str]:
        """Entries of the discovery answer."""
        entries = {
            "type": "e3xx",
            "product": "e320",
            "serial": self.serial,
            "name": self.name,
            "fpga": "1G",
            "claimed": str(claimed),
        }
        return entries | ({TOKEN_SENSOR: self.token} if self.token else {})

    def device_info(self, *, claimed: bool) -> dict[str, str]:
        """Answer of `get_device_info`; libuhd takes strings only."""
        return self.discovery(claimed=claimed) | {
            "pid": "58144",
            "rev": "0",
            "description": "E320 (emulated)",
            "mpm_version": "4.2",
            "mpm_sw_version": "emulated",
            "fpga_version": "0.0",
            "connection": "remote",
            "addr": "127.0.0.1",
        }


class Mpm:
    """Methods of the motherboard and of its one daughterboard.

    Args:
        identity: of the device.
        clock: device time; setting it is a method.
        frontend: gains and oscillators.
        claim: of the device.
        faults: to commit.
        chdr_port: UDP port of the sample link, announced to libuhd.
        set_rate: changes the sample rate of the whole device and returns the rate that it has then.
        set_device_id: gives the device its number in libuhd's network.
    """

    def __init__(
        self,
        identity: Identity,
        clock: SampleClock,
        frontend: UsrpFrontend,
        claim: Claim,
        faults: UsrpFaults,
        chdr_port: int,
        set_rate: Callable[[float], float],
        set_device_id: Callable[[int], None],
    ) -> None:
        self.calls: deque[tuple[str, tuple[Any, ...]]] = deque(maxlen=_REMEMBERED_CALLS)
        self.sources = {"clock": "internal", "time": "internal"}
        self._identity = identity
        self._clock = clock
        self._claim = claim
        self._faults = faults
        self._chdr_port = chdr_port
        self._last_error = ""
        self._stopping = threading.Event()
        self._methods = self._motherboard(set_device_id) | {
            _DAUGHTERBOARD + name: method for name, method in self._daughterboard(frontend, set_rate).items()
        }

    def stop(self) -> None:
        """Let go of callers that wait in a frozen device."""
        self._stopping.set()

    def handle(self, method: str, parameters: list[Any]) -> object:
        """Execute a call.

        Raises:
            RuntimeError: its text is the answer.
        """
        while self._faults.frozen and not self._stopping.wait(0.02):
            pass
        if method not in _UNCLAIMED:
            self._claim.check(parameters.pop(0) if parameters else None)
        if method not in _CHATTER:
            self.calls.append((method, tuple(parameters)))
        if self._faults.rpc_delay_s:
            self._stopping.wait(self._faults.rpc_delay_s)
        try:
            if method in self._faults.rpc_errors:
                raise RuntimeError(self._faults.rpc_errors[method])
            if method not in self._methods:
                raise RuntimeError(f"this device has no method {method}")
            return self._methods[method](*parameters)
        except Exception as error:
            self._last_error = str(error)
            raise

    def _motherboard(self, set_device_id: Callable[[int], None]) -> dict[str, Callable[..., object]]:
        identity, claim = self._identity, self._claim
        return {
            "ping": lambda data=None: data,
            "claim": self._take_claim,
            "reclaim": lambda: True,
            "unclaim": self._release_claim,
            "init": lambda arguments: True,
            "set_device_id": set_device_id,
            "get_last_error": lambda: self._last_error,
            "get_init_status": lambda: ["true", "No errors"],
            "get_log_buf": list,
            "get_device_info": lambda: identity.device_info(claimed=claim.held),
            "get_dboard_info": lambda: [{"pid": "272", "serial": identity.serial, "rev": "1"}],
            "get_mpm_compat_num": lambda: [4, 2],
            "get_proto_ver": lambda: PROTOCOL_VERSION,
            "get_chdr_width": lambda: 64,
            "get_chdr_link_types": lambda: ["udp"],
            "get_chdr_link_options": lambda kind: [self._link()],
            "list_updateable_components": list,
            "get_num_timekeepers": lambda: 1,
            "set_tick_period": lambda timekeeper, period_ns: None,
            "get_timekeeper_time": lambda timekeeper, last_pulse: self._time(last_pulse),
            "set_timekeeper_time": lambda timekeeper, ticks, next_pulse: (
                self._clock.set_ticks_at_next_pulse(ticks) if next_pulse else self._clock.set_ticks(ticks)
            ),
            "get_clocks": self._clocks,
            "get_clock_sources": lambda: list(_SOURCES),
            "get_time_sources": lambda: list(_SOURCES),
            "get_clock_source": lambda: self.sources["clock"],
            "get_time_source": lambda: self.sources["time"],
            "get_sync_source": lambda: {f"{name}_source": source for name, source in self.sources.items()},
            "get_sync_sources": lambda: [{"clock_source": each, "time_source": each} for each in _SOURCES],
            "set_clock_source": lambda source: self._set_source("clock", source),
            "set_time_source": lambda source: self._set_source("time", source),
            "set_sync_source": lambda source: self._set_source("clock", source),
            "get_mb_sensors": lambda: ["ref_locked", "gps_locked"] + [TOKEN_SENSOR] * bool(identity.token),
            "get_mb_sensor": self._motherboard_sensor,
            "get_mb_eeprom": lambda: {"serial": identity.serial},
            "get_db_eeprom": lambda slot: {},
            "get_gpio_banks": list,
            "supports_feature": lambda feature: False,
            "set_channel_mode": lambda mode: None,
        }

    def _daughterboard(
        self, frontend: UsrpFrontend, set_rate: Callable[[float], float]
    ) -> dict[str, Callable[..., object]]:
        return {
            "get_master_clock_rate": lambda: self._clock.rate_hz,
            "set_catalina_clock_rate": lambda rate: set_rate(float(rate)),
            "catalina_tune": lambda port, frequency: frontend.tune(port, float(frequency)),
            "set_gain": lambda port, gain: frontend.set_gain(port, float(gain)),
            "set_bw_filter": lambda port, bandwidth: frontend.set_bandwidth(port, float(bandwidth)),
            "get_freq": frontend.frequency,
            "get_sensors": lambda direction: ["lo_locked", "ad9361_temperature"],
            "get_sensor": self._daughterboard_sensor,
            "get_filter_names": lambda port: [],
            "set_agc": lambda port, enable: None,
            "set_agc_mode": lambda port, mode: None,
            "set_active_chains": lambda tx1, tx2, rx1, rx2: None,
            "set_timing_mode": lambda mode: None,
            "set_dc_offset_auto": lambda port, enable: None,
            "set_iq_balance_auto": lambda port, enable: None,
            # libuhd's self-test of the converter's wires, which the radio block's registers answer
            "data_port_loopback": lambda enable: None,
            "output_digital_test_tone": lambda enable: None,
            "get_temperature": lambda: self._daughterboard_sensor("RX", "ad9361_temperature"),
        }

    def _take_claim(self, session: str) -> str:
        if self._faults.claim_busy:
            raise RuntimeError("Device is already claimed by another host")
        return self._claim.take()

    def _release_claim(self) -> bool:
        self._claim.release()
        return True

    def _link(self) -> dict[str, str]:
        # libuhd asks its kernel for buffers of 20 ms at the link's rate: 4 MB here. At exactly 1 or 10 Gbit/s it would
        # choose the packet length itself instead of probing for it.
        return {
            "iface": "lo",
            "ipv4": "127.0.0.1",
            "port": str(self._chdr_port),
            "link_rate": "200000000",
            "type": "sfp",
            "mtu": "8000",
        }

    def _time(self, last_pulse: bool) -> int:
        clock = self._clock
        return clock.ticks_at_last_pulse() if last_pulse else clock.ticks(clock.now())

    def _clocks(self) -> list[dict[str, str]]:
        return [
            {"name": "radio_clk", "freq": str(self._clock.rate_hz), "mutable": "true"},
            {"name": "bus_clk", "freq": "200000000.0"},
            {"name": "ctrl_clk", "freq": "40000000.0"},
        ]

    def _set_source(self, name: str, source: str | dict[str, str]) -> None:
        # libuhd 4.3 sends both sources together to the method for one of them.
        wanted = source if isinstance(source, dict) else {f"{name}_source": source}
        for key, each in wanted.items():
            known = key.removesuffix("_source")
            if known not in self.sources or each not in _SOURCES:
                raise RuntimeError(f"no {known} source {each!r}; there are {', '.join(_SOURCES)}")
            self.sources[known] = each

    def _motherboard_sensor(self, name: str) -> dict[str, str]:
        if name == TOKEN_SENSOR and self._identity.token:
            return {"name": name, "type": "STRING", "unit": "", "value": self._identity.token}
        if name == "gps_locked":
            return _lock_sensor(name, self.sources["clock"] == "gpsdo" and not self._faults.reference_unlocked)
        if name == "ref_locked":
            return _lock_sensor(name, not self._faults.reference_unlocked)
        raise RuntimeError(f"no sensor {name!r}")

    def _daughterboard_sensor(self, direction: str, name: str, channel: int = 0) -> dict[str, str]:
        if name == "lo_locked":
            return _lock_sensor(name, not self._faults.oscillators_unlocked)
        if name == "ad9361_temperature":
            return {"name": name, "type": "REALNUM", "unit": "C", "value": f"{self._identity.temperature_c:.1f}"}
        raise RuntimeError(f"no sensor {name!r} of {direction} channel {channel}")


def _lock_sensor(name: str, locked: bool) -> dict[str, str]:
    return {"name": name, "type": "BOOLEAN", "unit": "locked", "value": str(locked).lower()}
