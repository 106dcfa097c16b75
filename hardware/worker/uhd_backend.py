"""libuhd through its own Python interface: any MultiUSRP."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from pathlib import Path

import numpy as np
import uhd
from backend import Backend, Piece
from faults import FaultError
from packet_times import PacketTimes
from phrases import speaking

__all__ = ["UhdBackend"]

_types = uhd.types
#: The sensor with which an emulated radio shows whose it is.
_TOKEN_SENSOR = "sdr_gsc_token"
#: An oscillator or reference may take so long to lock.
_LOCK_S = 0.5

_RECEIVE_FAULTS = {
    "timeout": "timeout",
    "late": "late",
    "overflow": "overflow",
    "broken_chain": "lost",
    "alignment": "lost",
    "bad_packet": "lost",
}
_EVENTS = {
    "burst_ack": "done",
    "underflow": "underflow",
    "underflow_in_packet": "underflow",
    "time_error": "late",
    "seq_error": "lost",
    "seq_error_in_packet": "lost",
}


def _span(meta_range: object) -> list[float]:
    return [meta_range.start(), meta_range.stop()]


def _common(first: list[float], second: list[float]) -> list[float]:
    return [max(first[0], second[0]), min(first[1], second[1])]


class UhdBackend(Backend):
    """One MultiUSRP with at most one streamer in each direction."""

    def __init__(self) -> None:
        self._usrp: uhd.usrp.MultiUSRP | None = None
        self._channels: tuple[int, ...] = (0,)
        self._rate_hz = 0.0
        self._tx_gain_db: float | None = None
        self._clock_source = ""
        self._receiver: object | None = None
        self._transmitter: object | None = None
        self._lock = threading.Lock()
        self._times = PacketTimes()
        self._received = _types.RXMetadata()
        self._reported = _types.TXAsyncMetadata()

    def version(self) -> str:
        """Version of libuhd; 4.3 does not say it itself, but the name of its file does."""
        if hasattr(uhd, "get_version_string"):
            return str(uhd.get_version_string())
        found = re.search(r"libuhd\.so\.([\d.]+)", Path("/proc/self/maps").read_text())
        return found.group(1) if found else "unknown"

    def open(self, address: dict) -> dict:
        """Open the device at a libuhd address and mute it before anything else."""
        with speaking("opening"):
            self._usrp = usrp = uhd.usrp.MultiUSRP(",".join(f"{key}={value}" for key, value in address.items()))
        with speaking("reading what the radio can do"):
            self._n_channels = min(usrp.get_rx_num_channels(), usrp.get_tx_num_channels())
            self.set_transmit_gain(False)
            self._clock_source = usrp.get_clock_source(0)
            info = dict(usrp.get_usrp_rx_info(0))
            sensors = usrp.get_mboard_sensor_names(0)
            return {
                "model": f"USRP {info.get('mboard_id', usrp.get_mboard_name())}",
                "serial": info.get("mboard_serial", ""),
                "token": usrp.get_mboard_sensor(_TOKEN_SENSOR, 0).value if _TOKEN_SENSOR in sensors else "",
                "n_channels": self._n_channels,
                "keeps_time": True,
                "center_frequency_hz": _common(_span(usrp.get_rx_freq_range(0)), _span(usrp.get_tx_freq_range(0))),
                "sample_rate_hz": _common(_span(usrp.get_rx_rates(0)), _span(usrp.get_tx_rates(0))),
                "bandwidth_hz": _common(_span(usrp.get_rx_bandwidth_range(0)), _span(usrp.get_tx_bandwidth_range(0))),
                "rx_gain_db": _span(usrp.get_rx_gain_range(0)),
                "tx_gain_db": _span(usrp.get_tx_gain_range(0)),
                "rx_gain_step_db": usrp.get_rx_gain_range(0).step(),
                "tx_gain_step_db": usrp.get_tx_gain_range(0).step(),
                "clock_sources": list(usrp.get_clock_sources(0)),
            }

    def configure(self, settings: dict) -> dict:
        """Apply settings in the order in which they depend on each other, and read all of them back."""
        usrp = self._opened()
        channels = tuple(settings["channels"])
        if channels != self._channels or settings["sample_rate_hz"] != self._rate_hz:
            self.drop_streams()
        self._channels = channels
        with speaking("setting the clock source"):
            if settings["clock_source"] != self._clock_source:
                usrp.set_clock_source(settings["clock_source"], 0)
                self._clock_source = usrp.get_clock_source(0)
        with speaking("setting the sample rate"):
            for channel in channels:
                usrp.set_rx_rate(settings["sample_rate_hz"], channel)
                usrp.set_tx_rate(settings["sample_rate_hz"], channel)
        with speaking("setting frequency, bandwidth and gain"):
            for channel in channels:
                self._configure_channel(channel, settings)
            self._tx_gain_db = settings["tx_gain_db"]
            actual = self._read_back(channels)
            self.set_transmit_gain(False)
            actual["unlocked"] = self._unlocked(channels)
        self._rate_hz = actual["sample_rate_hz"][0]
        return actual

    def _configure_channel(self, channel: int, settings: dict) -> None:
        usrp = self._opened()
        usrp.set_rx_freq(_types.TuneRequest(settings["center_frequency_hz"]), channel)
        usrp.set_tx_freq(_types.TuneRequest(settings["tx_frequency_hz"]), channel)
        usrp.set_rx_bandwidth(settings["bandwidth_hz"], channel)
        usrp.set_tx_bandwidth(settings["bandwidth_hz"], channel)
        with contextlib.suppress(RuntimeError):  # most daughterboards have no automatic gain to switch off
            usrp.set_rx_agc(False, channel)
        usrp.set_rx_gain(settings["rx_gain_db"], channel)
        usrp.set_tx_gain(settings["tx_gain_db"], channel)

    def _read_back(self, channels: tuple[int, ...]) -> dict:
        """Every setting of every channel and direction; the one that lies farthest off is found by the program."""
        usrp = self._opened()
        return {
            "center_frequency_hz": [usrp.get_rx_freq(c) for c in channels],
            "tx_frequency_hz": [usrp.get_tx_freq(c) for c in channels],
            "sample_rate_hz": [get(c) for c in channels for get in (usrp.get_rx_rate, usrp.get_tx_rate)],
            "bandwidth_hz": [get(c) for c in channels for get in (usrp.get_rx_bandwidth, usrp.get_tx_bandwidth)],
            "rx_gain_db": [usrp.get_rx_gain(c) for c in channels],
            "tx_gain_db": [usrp.get_tx_gain(c) for c in channels],
            "clock_source": self._clock_source,
        }

    def _unlocked(self, channels: tuple[int, ...]) -> list[str]:
        """Names of what did not lock in time."""
        usrp = self._opened()
        checks = []
        if "ref_locked" in usrp.get_mboard_sensor_names(0):
            checks.append(("reference", lambda: usrp.get_mboard_sensor("ref_locked", 0).to_bool()))
        for c in channels:
            if "lo_locked" in usrp.get_rx_sensor_names(c):
                name = f"receive oscillator of channel {c}"
                checks.append((name, lambda c=c: usrp.get_rx_sensor("lo_locked", c).to_bool()))
            if "lo_locked" in usrp.get_tx_sensor_names(c):
                name = f"transmit oscillator of channel {c}"
                checks.append((name, lambda c=c: usrp.get_tx_sensor("lo_locked", c).to_bool()))
        deadline = time.monotonic() + _LOCK_S
        while checks := [check for check in checks if not check[1]()]:
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        return [name for name, _ in checks]

    def temperature_c(self) -> float | None:
        """Of the first sensor of the receiver, or else of the motherboard, that tells a temperature."""
        usrp = self._opened()
        with speaking("reading the temperature"):
            for name in usrp.get_rx_sensor_names(self._channels[0]):
                if "temp" in name:
                    return float(usrp.get_rx_sensor(name, self._channels[0]).to_real())
            for name in usrp.get_mboard_sensor_names(0):
                if "temp" in name:
                    return float(usrp.get_mboard_sensor(name, 0).to_real())
        return None

    def set_transmit_gain(self, on: bool) -> None:
        """Transmit gain of the channels in use as configured, or of all channels at the floor."""
        usrp = self._opened()
        with speaking("setting the transmit gain"):
            if on and self._tx_gain_db is not None:
                for channel in self._channels:
                    usrp.set_tx_gain(self._tx_gain_db, channel)
            else:
                for channel in range(self._n_channels):
                    usrp.set_tx_gain(usrp.get_tx_gain_range(channel).start(), channel)

    def now(self) -> int | None:
        """The device's time in samples."""
        with speaking("reading the time"):
            return int(self._opened().get_time_now(0).to_ticks(self._rate_hz))

    def prepare(self) -> None:
        """Make the streamers, which takes longer than a short lead."""
        self._receive_stream()
        self._transmit_stream()

    def start_receiving(self, count: int | None, at: int | None) -> None:
        """Timed always: two channels that start at once would not start together."""
        modes = _types.StreamMode
        command = _types.StreamCMD(modes.start_cont if count is None else modes.num_done)
        command.num_samps = count or 0
        command.stream_now = at is None
        if at is not None:
            command.time_spec = _types.TimeSpec.from_ticks(at, self._rate_hz)
        with speaking("starting to receive"):
            self._receive_stream().issue_stream_cmd(command)
        self._times.start(self.packet_samples())

    def packet_samples(self) -> int:
        """Samples of a packet, which one call had better not split."""
        return int(self._receive_stream().get_max_num_samps())

    def stop_receiving(self) -> None:
        """Stop, then take what is still under way."""
        if self._receiver is None:
            return
        with speaking("stopping to receive"):
            self._receiver.issue_stream_cmd(_types.StreamCMD(_types.StreamMode.stop_cont))
            rest = np.empty((len(self._channels), 1 << 16), np.complex64)
            deadline = time.monotonic() + 0.5
            while time.monotonic() < deadline:
                taken = self._receiver.recv(rest, self._received, 0.05)
                # The code is a view of the metadata: it is compared before the next call changes it.
                if taken == 0 and self._received.error_code == _types.RXMetadataErrorCode.timeout:
                    return

    def receive(self, samples: np.ndarray, timeout_s: float) -> Piece:
        """One call to recv. libuhd checks neither the array's type nor its layout, so they are checked here."""
        if samples.dtype != np.complex64 or not samples.flags.c_contiguous:
            raise TypeError(f"receive into contiguous complex64, not {samples.dtype} {samples.strides}")
        metadata = self._received
        with speaking("receiving"):
            count = self._receiver.recv(samples, metadata, timeout_s)
            # The code is a live view of the metadata, which the next call changes: keep its name.
            code = str(metadata.error_code.name)
        fault = None
        if code != "none":
            fault = "lost" if metadata.out_of_sequence else _RECEIVE_FAULTS.get(code, "vendor")
        timed = metadata.has_time_spec and count > 0
        first = int(metadata.time_spec.to_ticks(self._rate_hz)) if timed else None
        # A timeout in the middle is no loss: what follows is the rest of the same packet.
        return Piece(count, self._times.believed(first, count, faulty=fault not in (None, "timeout")), fault)

    def transmit(self, samples: np.ndarray, at: int | None, first: bool, last: bool, timeout_s: float) -> int:
        """One call to send, of an array whose type and layout libuhd does not check."""
        if samples.dtype != np.complex64 or not samples.flags.c_contiguous:
            raise TypeError(f"transmit contiguous complex64, not {samples.dtype} {samples.strides}")
        metadata = _types.TXMetadata()
        metadata.start_of_burst, metadata.end_of_burst = first, last
        metadata.has_time_spec = at is not None
        if at is not None:
            metadata.time_spec = _types.TimeSpec.from_ticks(at, self._rate_hz)
        with speaking("transmitting"):
            return int(self._transmit_stream().send(samples, metadata, timeout_s))

    def event(self, timeout_s: float) -> str | None:
        """The next asynchronous message; kinds that mean nothing here are passed over."""
        with speaking("reading the transmitter's reports"):
            while self._transmit_stream().recv_async_msg(self._reported, timeout_s):
                if (event := _EVENTS.get(str(self._reported.event_code.name))) is not None:
                    return event
        return None

    def drop_streams(self) -> None:
        """Streamers go before the device does."""
        with speaking("giving up the streams"):
            self._receiver = self._transmitter = None

    def close(self) -> None:
        """Release the device: its destructor does it."""
        self._receiver = self._transmitter = None
        self._usrp = None

    def _opened(self) -> uhd.usrp.MultiUSRP:
        if self._usrp is None:
            raise FaultError("disconnected", "no radio is open")
        return self._usrp

    def _stream_arguments(self) -> object:
        arguments = uhd.usrp.StreamArgs("fc32", "sc16")
        arguments.channels = list(self._channels)
        return arguments

    def _receive_stream(self) -> object:
        with self._lock, speaking("making a receive stream"):
            if self._receiver is None:
                self._receiver = self._opened().get_rx_stream(self._stream_arguments())
            return self._receiver

    def _transmit_stream(self) -> object:
        with self._lock, speaking("making a transmit stream"):
            if self._transmitter is None:
                self._transmitter = self._opened().get_tx_stream(self._stream_arguments())
            return self._transmitter
