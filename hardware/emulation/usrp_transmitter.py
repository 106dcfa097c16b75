"""Transmitting side of an emulated USRP: bursts from the host go on the air at their time, and are acknowledged."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from .air import Antenna
from .chdr import CommandKind, Header, StatusCode, StreamCommand
from .radio_block import RadioBlock, TxEvent
from .sample_clock import SampleClock
from .stream_endpoint import StreamEndpoint
from .usrp_emissions import ChannelEmissions
from .usrp_faults import UsrpFaults
from .usrp_frontend import UsrpFrontend
from .usrp_receiver import REACTION_S
from .wire_samples import BYTES_PER_SAMPLE, from_wire

__all__ = ["UsrpTransmitter"]

_FIFO_S = 0.1  # samples are taken from the host this long before they are on the air
_START_S = 0.005  # from the first packet of a burst without a time to its first sample on the air
_IDLE_S = 0.05
_LONGEST_DISCARD_S = 0.5  # of a burst that failed; then the packets are a stream without end, which begins anew
_CONFIRM_S = 0.01  # between the first sign of an underrun and the verdict
_BREATH_S = 0.001  # lets several packets come together
_COMMAND_BYTES = 24  # of a stream command packet


class _Packet(NamedTuple):
    payload: memoryview
    time_ticks: int | None
    end_of_burst: bool
    n_bytes: int
    arrival: int


class _State(Enum):
    IDLE = "idle"
    BURST = "burst"
    DISCARD = "discard"  # to the end of a burst that failed


class _Channel:
    """Queue and burst of one channel."""

    def __init__(self, emissions: ChannelEmissions) -> None:
        self.emissions = emissions
        self.queue: deque[_Packet | StreamCommand] = deque()
        self.state = _State.IDLE
        self.position = 0  # number of the sample that comes next
        self.discarded = 0
        self.overdue_since_s: float | None = None
        self.payloads: list[memoryview] = []  # up to `position`, not yet on the air
        self.acknowledgements: deque[int] = deque()  # last samples of bursts that are complete


class UsrpTransmitter:
    """One thread that serves all channels.

    Args:
        antenna: the RF side.
        clock: the device's time.
        frontend: gains and oscillators.
        radio: who to report to.
        endpoints: one a channel.
        faults: to commit.
    """

    def __init__(
        self,
        antenna: Antenna,
        clock: SampleClock,
        frontend: UsrpFrontend,
        radio: RadioBlock,
        endpoints: Sequence[StreamEndpoint],
        faults: UsrpFaults,
    ) -> None:
        self.tx_samples = [0] * len(endpoints)
        self.sequence_errors = 0
        self._antenna, self._clock, self._radio = antenna, clock, radio
        self._endpoints = tuple(endpoints)
        self._faults = faults
        self._channels = [_Channel(ChannelEmissions(antenna, clock, frontend, k)) for k in range(len(endpoints))]
        self._lock = threading.RLock()  # of the channels, their queues excepted
        self._wake = threading.Event()
        self._running = False
        self._thread: threading.Thread | None = None

    @property
    def transmitting(self) -> bool:
        """Whether a burst is on the air or waits for its time."""
        with self._lock:
            now = self._clock.now()
            return any(channel.state is _State.BURST or channel.emissions.end > now for channel in self._channels)

    def start(self) -> None:
        """Start the thread."""
        self._running = True
        self._thread = threading.Thread(target=self._run, name="usrp transmitter", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave the air and end the thread."""
        self._running = False
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self.abandon()

    def data(self, k: int, header: Header, packet: bytes) -> None:
        """Queue a data packet."""
        n_bytes = (header.length - header.payload_start) // BYTES_PER_SAMPLE * BYTES_PER_SAMPLE
        payload = memoryview(packet)[header.payload_start : header.payload_start + n_bytes]
        now = self._clock.now()
        self._put(k, _Packet(payload, header.time_ticks, header.end_of_burst, header.length, now), header)

    def command(self, k: int, command: StreamCommand) -> None:
        """Take a stream command: what starts a stream takes effect at once, all else in order with the data."""
        endpoint = self._endpoints[k]
        if command.kind == CommandKind.INITIALIZE:
            endpoint.input.initialize(command)
            endpoint.send_report()
        else:
            self._put(k, command, None)

    def abandon(self) -> None:
        """Leave the air at once and forget all that is queued."""
        for k in range(len(self._channels)):
            self.abandon_channel(k)

    def retune(self) -> None:
        """Gains or oscillators have changed."""
        for channel in self._channels:
            channel.emissions.retune()

    def abandon_channel(self, k: int) -> None:
        """`abandon` one channel."""
        with self._lock:
            channel, endpoint = self._channels[k], self._endpoints[k]
            channel.emissions.stop()
            channel.state = _State.IDLE
            channel.position = 0
            channel.payloads.clear()
            channel.acknowledgements.clear()
            while channel.queue:  # the host gets its credit back
                self._account(endpoint, channel.queue.popleft())

    def _put(self, k: int, item: _Packet | StreamCommand, header: Header | None) -> None:
        endpoint, lost = self._endpoints[k], False
        if header is not None:
            expected = endpoint.input.expected_sequence
            lost = expected is not None and header.sequence != expected
            endpoint.input.expected_sequence = header.sequence + 1 & 0xFFFF
        if lost:
            self.sequence_errors += 1
            endpoint.send_report(StatusCode.SEQUENCE_ERROR)
        queue = self._channels[k].queue
        queue.append(item)
        if len(queue) == 1:
            self._wake.set()

    def _run(self) -> None:
        while self._running:
            if self._faults.frozen:
                time.sleep(_IDLE_S)
                continue
            self._wake.clear()
            with self._lock:
                wait_s = min(self._serve(k, channel) for k, channel in enumerate(self._channels))
            if wait_s > 0 and self._running:
                self._wake.wait(wait_s)
            if any(channel.state is _State.BURST for channel in self._channels):
                time.sleep(_BREATH_S)

    def _serve(self, k: int, channel: _Channel) -> float:
        """Do what is due on a channel; returns the time until something else is."""
        self._take(k, channel)
        self._put_on_air(k, channel)
        wait_s = self._wait_for_burst(k, channel)
        while channel.acknowledgements:
            end = channel.acknowledgements[0]
            if (left_s := self._clock.seconds_until(end)) > 0:
                return min(wait_s, left_s)
            channel.acknowledgements.popleft()
            self._radio.report_tx(k, TxEvent.BURST_DONE, end)
        return wait_s

    def _wait_for_burst(self, k: int, channel: _Channel) -> float:
        if channel.state is not _State.BURST:
            return _IDLE_S if not channel.queue else 0.0
        left_s = self._clock.seconds_until(channel.position)
        if channel.queue or left_s > _CONFIRM_S - REACTION_S:
            channel.overdue_since_s = None
            return min(max(left_s - _FIFO_S if channel.queue else left_s + REACTION_S, _BREATH_S), _IDLE_S)
        # The samples are overdue; but where this thread was late itself, they may lie in the socket's queue.
        now_s = self._antenna.now_s()
        if channel.overdue_since_s is None:
            channel.overdue_since_s = now_s
        elif now_s - channel.overdue_since_s >= _CONFIRM_S:
            channel.overdue_since_s = None
            self._fail(k, channel, TxEvent.UNDERRUN, channel.position, _State.IDLE)
            return _IDLE_S
        return _CONFIRM_S

    def _take(self, k: int, channel: _Channel) -> None:
        endpoint = self._endpoints[k]
        report_due = False
        horizon = self._clock.now() + int(_FIFO_S * self._clock.rate_hz)
        while channel.queue and not (channel.state is _State.BURST and channel.position > horizon):
            item = channel.queue.popleft()
            if isinstance(item, _Packet):
                self._play(k, channel, item)
            report_due |= self._account(endpoint, item)
        if report_due:
            endpoint.send_report()

    @staticmethod
    def _account(endpoint: StreamEndpoint, item: _Packet | StreamCommand) -> bool:
        """Count what left the queue; whether the host should hear of it."""
        if isinstance(item, _Packet):
            return endpoint.input.consume(item.n_bytes)
        if item.kind == CommandKind.RESYNCHRONIZE:
            endpoint.input.resynchronize(item, _COMMAND_BYTES)
        return True

    def _play(self, k: int, channel: _Channel, item: _Packet) -> None:
        n_samples = len(item.payload) // BYTES_PER_SAMPLE
        if channel.state is _State.BURST and self._faults.take("tx_underruns"):
            self._put_on_air(k, channel)
            self._fail(k, channel, TxEvent.UNDERRUN, channel.position, _State.IDLE)
            return
        if channel.state is _State.DISCARD:
            channel.discarded += n_samples
            if channel.discarded > _LONGEST_DISCARD_S * self._clock.rate_hz:
                channel.state = _State.IDLE
        if channel.state is _State.IDLE:
            self._begin(k, channel, item)
        if channel.state is _State.BURST:
            channel.payloads.append(item.payload)
            channel.position += n_samples
        if item.end_of_burst:
            self._finish(k, channel)

    def _begin(self, k: int, channel: _Channel, first: _Packet) -> None:
        self._faults.draw(("tx_underruns", "tx_late_bursts"))
        if first.time_ticks is None:
            start = max(first.arrival + int(_START_S * self._clock.rate_hz), channel.position)
        else:
            start = self._clock.sample(first.time_ticks)
        if first.time_ticks is not None and start < max(first.arrival, channel.position):
            self._fail(k, channel, TxEvent.LATE_DATA, first.arrival, _State.DISCARD)
        elif self._faults.take("tx_late_bursts"):
            self._fail(k, channel, TxEvent.LATE_DATA, first.arrival, _State.DISCARD)
        elif self._faults.take("tx_underruns"):
            self._fail(k, channel, TxEvent.UNDERRUN, start, _State.DISCARD)
        else:
            channel.state = _State.BURST
            channel.emissions.separate()
            channel.position = start

    def _finish(self, k: int, channel: _Channel) -> None:
        if channel.state is _State.BURST:
            self._put_on_air(k, channel)
            channel.acknowledgements.append(channel.position)
        channel.state = _State.IDLE

    def _fail(self, k: int, channel: _Channel, event: TxEvent, sample: int, state: _State) -> None:
        channel.state = state
        channel.discarded = 0
        self._radio.report_tx(k, event, sample)

    def _put_on_air(self, k: int, channel: _Channel) -> None:
        if not channel.payloads:
            return
        samples = from_wire(channel.payloads)
        channel.payloads = []
        if samples.size:
            channel.emissions.play(channel.position - samples.size, samples)
            self.tx_samples[k] += samples.size
