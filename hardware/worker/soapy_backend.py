"""SoapySDR through its own Python interface: any device that it has a driver for."""

from __future__ import annotations

import threading
import time

import numpy as np
import SoapySDR
from backend import Backend, Piece
from faults import FaultError
from packet_times import PacketTimes
from phrases import speaking
from soapy_description import describe, unlocked
from SoapySDR import (
    SOAPY_SDR_CF32,
    SOAPY_SDR_CORRUPTION,
    SOAPY_SDR_END_BURST,
    SOAPY_SDR_HAS_TIME,
    SOAPY_SDR_NOT_SUPPORTED,
    SOAPY_SDR_OVERFLOW,
    SOAPY_SDR_RX,
    SOAPY_SDR_STREAM_ERROR,
    SOAPY_SDR_TIME_ERROR,
    SOAPY_SDR_TIMEOUT,
    SOAPY_SDR_TX,
    SOAPY_SDR_UNDERFLOW,
)

__all__ = ["SoapyBackend"]

_RECEIVE_FAULTS = {
    SOAPY_SDR_TIMEOUT: "timeout",
    SOAPY_SDR_OVERFLOW: "overflow",
    SOAPY_SDR_CORRUPTION: "lost",
    SOAPY_SDR_TIME_ERROR: "late",
}
_EVENTS = {SOAPY_SDR_UNDERFLOW: "underflow", SOAPY_SDR_TIME_ERROR: "late", SOAPY_SDR_CORRUPTION: "lost"}


class SoapyBackend(Backend):
    """One SoapySDR device with at most one stream in each direction."""

    def __init__(self) -> None:
        self._device: SoapySDR.Device | None = None
        self._channels: tuple[int, ...] = (0,)
        self._rate_hz = 0.0
        self._tx_gain_db: float | None = None
        self._clock_source = ""
        self._timed = False
        self._reports = True
        self._fresh = False
        self._receiving = self._sending = False
        self._receiver: object | None = None
        self._transmitter: object | None = None
        self._lock = threading.Lock()
        self._times = PacketTimes()

    def version(self) -> str:
        """Version of the library's interface."""
        return str(SoapySDR.getAPIVersion())

    def open(self, address: dict) -> dict:
        """Open the device and mute it before anything else."""
        address = dict(address)
        allowed = address.pop("timed", "yes") == "yes"
        with speaking("opening"):
            self._device = device = SoapySDR.Device(address)
        with speaking("reading what the radio can do"):
            self._n_channels = min(device.getNumChannels(SOAPY_SDR_RX), device.getNumChannels(SOAPY_SDR_TX))
            if self._n_channels == 0:
                raise FaultError("bad_value", "the radio does not transmit and receive")
            self.set_transmit_gain(False)
            self._timed = allowed and bool(device.hasHardwareTime())
            self._clock_source = device.getClockSource() if device.listClockSources() else "internal"
            return describe(device, address, self._n_channels, timed=self._timed)

    def configure(self, settings: dict) -> dict:
        """Apply settings in the order in which they depend on each other, and read all of them back."""
        device = self._opened()
        channels = tuple(settings["channels"])
        if channels != self._channels or settings["sample_rate_hz"] != self._rate_hz:
            self.drop_streams()
        self._channels = channels
        both = [(direction, channel) for channel in channels for direction in (SOAPY_SDR_RX, SOAPY_SDR_TX)]
        with speaking("setting the clock source"):
            if settings["clock_source"] != self._clock_source:
                device.setClockSource(settings["clock_source"])
                self._clock_source = device.getClockSource()
        with speaking("setting the sample rate"):
            for direction, channel in both:
                device.setSampleRate(direction, channel, settings["sample_rate_hz"])
        with speaking("setting frequency, bandwidth and gain"):
            for direction, channel in both:
                wanted = "tx_frequency_hz" if direction == SOAPY_SDR_TX else "center_frequency_hz"
                device.setFrequency(direction, channel, settings[wanted])
                if settings["bandwidth_hz"] is not None:
                    device.setBandwidth(direction, channel, settings["bandwidth_hz"])
            for channel in channels:
                if device.hasGainMode(SOAPY_SDR_RX, channel):
                    device.setGainMode(SOAPY_SDR_RX, channel, False)
                device.setGain(SOAPY_SDR_RX, channel, settings["rx_gain_db"])
                device.setGain(SOAPY_SDR_TX, channel, settings["tx_gain_db"])
            self._tx_gain_db = settings["tx_gain_db"]
            actual = {
                "center_frequency_hz": [device.getFrequency(SOAPY_SDR_RX, channel) for channel in channels],
                "tx_frequency_hz": [device.getFrequency(SOAPY_SDR_TX, channel) for channel in channels],
                "sample_rate_hz": [device.getSampleRate(*one) for one in both],
                "bandwidth_hz": [device.getBandwidth(*one) for one in both],
                "rx_gain_db": [device.getGain(SOAPY_SDR_RX, channel) for channel in channels],
                "tx_gain_db": [device.getGain(SOAPY_SDR_TX, channel) for channel in channels],
                "clock_source": self._clock_source,
            }
            self.set_transmit_gain(False)
            actual["unlocked"] = unlocked(device, both)
        self._rate_hz = actual["sample_rate_hz"][0]
        return actual

    def temperature_c(self) -> float | None:
        """Of the first sensor that tells a temperature."""
        device = self._opened()
        with speaking("reading the temperature"):
            for place in ((SOAPY_SDR_RX, self._channels[0]), ()):
                for name in device.listSensors(*place):
                    if "temp" in name:
                        return float(device.readSensor(*place, name))
        return None

    def set_transmit_gain(self, on: bool) -> None:
        """Transmit gain of the channels in use as configured, or of all channels at the floor."""
        device = self._opened()
        with speaking("setting the transmit gain"):
            if on and self._tx_gain_db is not None:
                for channel in self._channels:
                    device.setGain(SOAPY_SDR_TX, channel, self._tx_gain_db)
            else:
                for channel in range(self._n_channels):
                    device.setGain(SOAPY_SDR_TX, channel, device.getGainRange(SOAPY_SDR_TX, channel).minimum())

    def now(self) -> int | None:
        """The device's time in samples, where it keeps one."""
        with speaking("reading the time"):
            return self._samples(self._opened().getHardwareTime()) if self._timed else None

    def prepare(self) -> None:
        """Make the streams, which takes longer than a short lead."""
        self._receive_stream()
        self._transmit_stream()

    def start_receiving(self, count: int | None, at: int | None) -> None:
        """Activate the stream, by the device's time where it keeps one."""
        flags = (0 if at is None else SOAPY_SDR_HAS_TIME) | (0 if count is None else SOAPY_SDR_END_BURST)
        stream = self._receive_stream()
        self._require(
            self._opened().activateStream(stream, flags, 0 if at is None else self._nanoseconds(at), count or 0),
            "starting to receive",
        )
        self._fresh = self._receiving = True
        self._times.start(self.packet_samples())

    def packet_samples(self) -> int:
        """Samples of a packet, which one call had better not split."""
        return int(self._opened().getStreamMTU(self._receive_stream()))

    def stop_receiving(self) -> None:
        """Stop, then take what is still under way."""
        if self._receiver is None or not self._receiving:
            return
        with speaking("stopping to receive"):
            self._opened().deactivateStream(self._receiver)
            self._receiving = False
            rest = np.empty((len(self._channels), 1 << 16), np.complex64)
            deadline = time.monotonic() + 0.5
            while time.monotonic() < deadline:
                if self._opened().readStream(self._receiver, list(rest), rest.shape[1], timeoutUs=50_000).ret <= 0:
                    return

    def receive(self, samples: np.ndarray, timeout_s: float) -> Piece:
        """One call to readStream, which is given addresses and checks neither the type nor the layout behind them."""
        _require_layout(samples)
        with speaking("receiving"):
            got = self._opened().readStream(
                self._receiver, list(samples), samples.shape[1], timeoutUs=int(timeout_s * 1e6)
            )
        timed = self._timed and got.ret > 0 and bool(got.flags & SOAPY_SDR_HAS_TIME)
        first = self._samples(got.timeNs) if timed else None
        lost = got.ret < 0 and got.ret != SOAPY_SDR_TIMEOUT
        first = self._times.believed(first, max(got.ret, 0), faulty=lost)
        if got.ret < 0:
            # SoapyUHD reports a late command as a broken stream, before the first sample.
            other = "late" if got.ret == SOAPY_SDR_STREAM_ERROR and self._fresh else "vendor"
            return Piece(0, None, _RECEIVE_FAULTS.get(got.ret, other))
        self._fresh = self._fresh and got.ret == 0
        return Piece(got.ret, first, None if got.ret else "timeout")

    def transmit(self, samples: np.ndarray, at: int | None, first: bool, last: bool, timeout_s: float) -> int:
        """One call to writeStream."""
        _require_layout(samples)
        device, stream = self._opened(), self._transmit_stream()
        if first or not self._sending:
            self._require(device.activateStream(stream), "starting to transmit")
            self._sending = True
        flags = (0 if at is None else SOAPY_SDR_HAS_TIME) | (SOAPY_SDR_END_BURST if last else 0)
        time_ns = 0 if at is None else self._nanoseconds(at)
        with speaking("transmitting"):
            taken = device.writeStream(
                stream, list(samples), samples.shape[1], flags, time_ns, timeoutUs=int(timeout_s * 1e6)
            ).ret
        if taken == SOAPY_SDR_TIMEOUT:
            return 0
        if taken == SOAPY_SDR_UNDERFLOW:
            raise FaultError("underflow", "the radio ran out of transmit samples")
        return self._require(taken, "transmitting")

    def event(self, timeout_s: float) -> str | None:
        """The next message of the transmitter; never one from a driver that has none."""
        stream = self._transmit_stream()
        deadline = time.monotonic() + timeout_s
        while self._reports:
            left_s = max(0.0, deadline - time.monotonic())
            with speaking("reading the transmitter's reports"):
                status = self._opened().readStreamStatus(stream, timeoutUs=int(left_s * 1e6))
            if status.ret == SOAPY_SDR_NOT_SUPPORTED:
                self._reports = False
            elif status.ret in _EVENTS:
                return _EVENTS[status.ret]
            elif status.ret == 0 and status.flags & SOAPY_SDR_END_BURST:
                return "done"
            elif status.ret == SOAPY_SDR_TIMEOUT or left_s == 0:
                return None
        time.sleep(timeout_s)
        return None

    def reports_end(self) -> bool:
        """Whether the driver reports the end of bursts."""
        return self._reports

    def drop_streams(self) -> None:
        """Close both streams."""
        with self._lock, speaking("giving up the streams"):
            device = self._opened()
            for stream, active in ((self._receiver, self._receiving), (self._transmitter, self._sending)):
                if stream is not None:
                    if active:
                        device.deactivateStream(stream)
                    device.closeStream(stream)
            self._receiver = self._transmitter = None
            self._receiving = self._sending = False

    def close(self) -> None:
        """Release the device."""
        if self._device is not None:
            self.drop_streams()
            self._device.close()
            self._device = None

    def _opened(self) -> SoapySDR.Device:
        if self._device is None:
            raise FaultError("disconnected", "no radio is open")
        return self._device

    def _receive_stream(self) -> object:
        with self._lock, speaking("making a receive stream"):
            if self._receiver is None:
                self._receiver = self._opened().setupStream(SOAPY_SDR_RX, SOAPY_SDR_CF32, list(self._channels))
            return self._receiver

    def _transmit_stream(self) -> object:
        with self._lock, speaking("making a transmit stream"):
            if self._transmitter is None:
                self._transmitter = self._opened().setupStream(SOAPY_SDR_TX, SOAPY_SDR_CF32, list(self._channels))
            return self._transmitter

    def _samples(self, time_ns: int) -> int:
        # Whole seconds apart: a double does not hold nanoseconds for long.
        seconds, rest_ns = divmod(time_ns, 1_000_000_000)
        return round(seconds * self._rate_hz) + round(rest_ns * self._rate_hz / 1e9)

    def _nanoseconds(self, samples: int) -> int:
        return SoapySDR.ticksToTimeNs(samples, self._rate_hz)

    def _require(self, code: int, doing: str) -> int:
        """Pass a number of samples or 0 on; a negative one is an error."""
        if code < 0:
            raise FaultError("vendor", f"{doing}: {SoapySDR.errToStr(code)}")
        return code


def _require_layout(samples: np.ndarray) -> None:
    if samples.dtype != np.complex64 or not samples.flags.c_contiguous:
        raise TypeError(f"samples must be contiguous complex64, not {samples.dtype} {samples.strides}")
