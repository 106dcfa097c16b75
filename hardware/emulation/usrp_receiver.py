"""Receiving side of an emulated USRP: what the antenna hears goes to the host, in time and within its credit."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .air import Antenna
from .chdr import END_OF_BURST, data_header_word
from .radio_block import CaptureCommand, CaptureMode, RadioBlock, RxEvent
from .sample_clock import SampleClock
from .stream_endpoint import StreamEndpoint
from .usrp_faults import UsrpFaults
from .usrp_frontend import UsrpFrontend
from .wire_samples import BYTES_PER_SAMPLE, HEADER_BYTES, packets

__all__ = ["REACTION_S", "UsrpReceiver"]

REACTION_S = 0.02
"""Samples are taken from the air this long after they were on it: a transmitter that is late by less loses nothing."""

_PIECE_S = 0.004  # received at a time; fewer wake-ups at high rates
_LARGEST_PIECE = 1 << 17  # samples
_FIFO_S = 0.5  # the device holds samples this long for a host without credit, then overruns
_LONGEST_DELAY_S = 2.5  # a computer that is too slow for the device overruns, too; the air forgets after 3 s
_STALL_S = 0.02  # without credit this long, counts are compared: packets may have been lost
_IDLE_S = 0.05


@dataclass
class _Capture:
    position: int  # number of the next sample
    left: int | None  # None without end
    begun: bool = False


class _Channel:
    def __init__(self) -> None:
        self.commands: deque[CaptureCommand] = deque()
        self.capture: _Capture | None = None
        self.stalled_since: float | None = None


class UsrpReceiver:
    """One thread that serves all channels; channels that run side by side are taken from the air together.

    Args:
        antenna: the RF side.
        clock: the device's time.
        frontend: gains and oscillators.
        radio: registers, and who to report to.
        endpoints: one a channel.
        send: sends a datagram to an endpoint id.
        faults: to commit.
    """

    def __init__(
        self,
        antenna: Antenna,
        clock: SampleClock,
        frontend: UsrpFrontend,
        radio: RadioBlock,
        endpoints: Sequence[StreamEndpoint],
        send: Callable[[int, memoryview], None],
        faults: UsrpFaults,
    ) -> None:
        self.clipped = 0
        self.rx_samples = [0] * len(endpoints)
        self._antenna, self._clock, self._frontend, self._radio = antenna, clock, frontend, radio
        self._endpoints = tuple(endpoints)
        self._send = send
        self._faults = faults
        self._channels = [_Channel() for _ in endpoints]
        self._wake = threading.Condition()
        self._running = False
        self._thread: threading.Thread | None = None

    @property
    def receiving(self) -> bool:
        """Whether a capture runs or waits for its time."""
        return any(channel.capture is not None for channel in self._channels)

    def start(self) -> None:
        """Start the thread."""
        self._running = True
        self._thread = threading.Thread(target=self._run, name="usrp receiver", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        with self._wake:
            self._running = False
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def command(self, channel: int, command: CaptureCommand) -> None:
        """Take a receive command."""
        with self._wake:
            self._channels[channel].commands.append(command)
            self._wake.notify()

    def credit(self) -> None:
        """The host has taken samples."""
        if any(channel.stalled_since is not None for channel in self._channels):
            with self._wake:
                self._wake.notify()

    def abandon(self) -> None:
        """Forget all captures."""
        with self._wake:
            for channel in self._channels:
                channel.commands.clear()
                channel.capture = None
                channel.stalled_since = None

    def _run(self) -> None:
        while self._running:
            with self._wake:
                for k in range(len(self._channels)):
                    self._take_commands(k)
                wait_s = self._wait_s()
                if wait_s > 0 and self._running:
                    self._wake.wait(wait_s)
            if self._faults.frozen:
                time.sleep(_IDLE_S)
            else:
                self._receive_due()

    def _take_commands(self, k: int) -> None:
        channel = self._channels[k]
        while channel.commands and (channel.capture is None or channel.commands[0].mode == CaptureMode.STOP):
            command = channel.commands.popleft()
            if command.mode == CaptureMode.STOP:
                self._end(k, channel)
                continue
            timed = command.start is not None
            self._faults.draw(("rx_dropped_packets", "rx_overruns", "rx_late_captures")[: 2 + timed])
            start = command.arrival if command.start is None else command.start
            if start < command.arrival or (timed and self._faults.take("rx_late_captures")):
                self._radio.report_rx(k, RxEvent.LATE_COMMAND)
                continue
            channel.capture = _Capture(start, command.n_samples if command.mode == CaptureMode.FINITE else None)

    def _end(self, k: int, channel: _Channel) -> None:
        capture = channel.capture
        if capture is not None and not capture.begun:
            channel.capture = None
        elif capture is not None:  # the packet in the making is the last one
            whole = self._radio.samples_per_packet(k)
            capture.left = whole if capture.left is None else min(whole, capture.left)

    def _due(self, capture: _Capture) -> int:
        return self._clock.now() - int(REACTION_S * self._clock.rate_hz) - capture.position

    def _wanted(self, k: int, capture: _Capture) -> int:
        per_packet = self._radio.samples_per_packet(k)
        n_packets = max(1, int(_PIECE_S * self._clock.rate_hz) // per_packet)
        return n_packets * per_packet if capture.left is None else min(capture.left, n_packets * per_packet)

    def _wait_s(self) -> float:
        """Time until a channel has something to do."""
        waits = [_IDLE_S]
        for k, channel in enumerate(self._channels):
            if channel.capture is not None:
                missing = self._wanted(k, channel.capture) - self._due(channel.capture)
                waits.append(missing / self._clock.rate_hz)
                if channel.stalled_since is not None:
                    waits[-1] = max(waits[-1], 0.002)
        return min(waits)

    def _receive_due(self) -> None:
        groups: dict[tuple[int, int], dict[int, _Capture]] = {}
        for k, channel in enumerate(self._channels):
            capture = channel.capture
            if capture is not None and (n := self._ready(k, channel, capture)):
                groups.setdefault((capture.position, n), {})[k] = capture
        for (position, n_samples), captures in groups.items():
            self._receive(captures, position, n_samples)

    def _ready(self, k: int, channel: _Channel, capture: _Capture) -> int:
        """Samples of a channel that are due and that the host has room for."""
        per_packet = self._radio.samples_per_packet(k)
        due = min(self._due(capture), _LARGEST_PIECE)
        if capture.left is not None and due >= capture.left:
            n_packets, tail = divmod(capture.left, per_packet)
        else:
            n_packets, tail = max(0, due) // per_packet, 0
        if n_packets + bool(tail) == 0:
            return 0
        affordable = self._endpoints[k].output.affordable(HEADER_BYTES + BYTES_PER_SAMPLE * per_packet)
        limit_s = _FIFO_S if affordable == 0 else _LONGEST_DELAY_S
        if self._clock.seconds_until(capture.position) < -limit_s or self._faults.take("rx_overruns"):
            self._overrun(k, channel)
            return 0
        if affordable == 0:
            self._stall(k, channel)
            return 0
        channel.stalled_since = None
        return n_packets * per_packet + tail if affordable > n_packets else affordable * per_packet

    def _stall(self, k: int, channel: _Channel) -> None:
        now_s = self._antenna.now_s()
        if channel.stalled_since is None:
            channel.stalled_since = now_s
        elif now_s - channel.stalled_since > _STALL_S:
            channel.stalled_since = now_s
            self._endpoints[k].send_resynchronization()

    def _overrun(self, k: int, channel: _Channel) -> None:
        channel.capture = None
        channel.stalled_since = None
        self._radio.report_rx(k, RxEvent.OVERRUN)

    def _receive(self, captures: dict[int, _Capture], position: int, n_samples: int) -> None:
        settings = [self._frontend.settings("RX", k) for k in captures]
        samples = self._antenna.receive(
            list(captures),
            n_samples,
            start_s=self._clock.seconds(position),
            sample_rate_hz=self._clock.rate_hz,
            center_frequency_hz=settings[0].center_frequency_hz,
            gain_db=[each.gain_db for each in settings],
        )
        datagrams = []
        for row, (k, capture) in enumerate(captures.items()):
            if self._channels[k].capture is not capture:  # abandoned meanwhile
                continue
            if not self._faults.no_samples:
                datagrams.append((k, self._datagrams(k, samples[row], position, capture.left == n_samples)))
            capture.begun = True
            capture.position += n_samples
            if capture.left is not None:
                capture.left -= n_samples
                if capture.left == 0:
                    self._channels[k].capture = None
            self.rx_samples[k] += n_samples
        # Packets of channels that run side by side alternate, as the host expects them.
        for order in range(max((len(each) for _, each in datagrams), default=0)):
            for k, each in datagrams:
                if order < len(each):
                    self._deliver(self._endpoints[k], each[order])

    def _datagrams(self, k: int, samples: np.ndarray, position: int, last: bool) -> list[np.ndarray]:
        endpoint = self._endpoints[k]
        per_packet = self._radio.samples_per_packet(k)
        whole = samples.size // per_packet * per_packet
        ticks = self._clock.ticks(position)
        found: list[np.ndarray] = []
        for part, size in ((samples[:whole], per_packet), (samples[whole:], samples.size - whole)):
            if part.size:
                length = HEADER_BYTES + BYTES_PER_SAMPLE * size
                header = data_header_word(endpoint.destination, length)
                frames, clipped = packets(part, header, endpoint.sequence, ticks, size)
                endpoint.sequence += len(frames)
                ticks += part.size
                self.clipped += clipped
                found += list(frames)
        if last:
            found[-1][: HEADER_BYTES // 2].view("<u8")[0] |= np.uint64(END_OF_BURST)
        return found

    def _deliver(self, endpoint: StreamEndpoint, datagram: np.ndarray) -> None:
        endpoint.output.count(datagram.size)
        if self._faults.take("rx_dropped_packets"):
            endpoint.send_resynchronization()
        else:
            self._send(endpoint.destination, datagram.data)
