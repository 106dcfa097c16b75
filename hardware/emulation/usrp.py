"""An emulated USRP E320 on this machine that the real libuhd cannot tell from a device."""

from __future__ import annotations

import secrets
import struct
import threading
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self

from .air import Antenna
from .chdr import ControlMessage, Header, PacketKind, StreamCommand, StreamStatus, packet
from .chdr_link import UdpLink, answer_discovery
from .mpm import Identity, Mpm
from .mpm_claim import CLAIM_TIMEOUT_S, Claim
from .msgpack_rpc import RpcServer
from .radio_block import RadioBlock
from .rfnoc_management import ManagementGraph
from .rfnoc_topology import topology_registers
from .sample_clock import SampleClock
from .stream_endpoint import StreamEndpoint
from .usrp_control import ControlPort
from .usrp_faults import UsrpFaults
from .usrp_frontend import UsrpFrontend
from .usrp_receiver import UsrpReceiver
from .usrp_transmitter import UsrpTransmitter
from .warming import warm_up
from .wire_samples import prepare

__all__ = ["N_CHANNELS", "EmulatedUsrp"]

N_CHANNELS = 2
_FIRST_RATE_HZ = 30.72e6  # of an E320 that was just switched on
_INPUT_CAPACITY_BYTES = 1 << 20


class EmulatedUsrp:
    """An E320 with two channels: discovery, MPM and CHDR on 127.0.0.1, its RF side on an antenna.

    Device time is the antenna's clock. Other processes steer it with methods of its management server:
    `emulation_state()`, `emulation_set_faults({name: value})` and `emulation_die()`.

    Args:
        antenna: the RF side, with two ports at least.
        serial: seven hexadecimal digits; empty draws one.
        token: secret that exempts it from the limits of real radios; empty for none.
        port: UDP port of the discovery; 0 chooses a free one, as for all others.
        name: for people.
        faults: to commit from the start.
        claim_timeout_s: a host that does not renew its claim for longer loses it, and the device is muted.

    Attributes:
        faults: may be set at any time.
    """

    def __init__(
        self,
        antenna: Antenna,
        *,
        serial: str = "",
        token: str = "",
        port: int = 0,
        name: str = "emulated",
        faults: UsrpFaults | None = None,
        claim_timeout_s: float = CLAIM_TIMEOUT_S,
    ) -> None:
        self.faults = UsrpFaults() if faults is None else faults
        # The first digit keeps it a number of seven digits below 2^31 for libuhd.
        self.identity = Identity(serial or f"3{secrets.token_hex(3).upper()}", name, token)
        if antenna.front_ends:
            self.identity = replace(self.identity, temperature_c=antenna.front_ends[0].temperature_c)
        self._running = self._stopped = False
        self._stop_lock = threading.Lock()

        self.claim = Claim(self.mute, claim_timeout_s)
        self._clock = SampleClock(antenna, _FIRST_RATE_HZ)
        self._frontend = UsrpFrontend(N_CHANNELS)
        self._link = UdpLink(self._on_datagram, "usrp link")
        capacity = min(_INPUT_CAPACITY_BYTES, self._link.capacity_bytes // 2)
        self._endpoints = [StreamEndpoint(k, self._send, capacity) for k in range(N_CHANNELS)]
        self._graph = ManagementGraph(self._endpoints)
        self._radio = RadioBlock(
            self._clock,
            N_CHANNELS,
            lambda: self._endpoints[0].own_id,
            self._send_control,
            lambda channel, command: self._receiver.command(channel, command),
        )
        self._control = ControlPort(self._clock, self._radio, topology_registers(N_CHANNELS), self._send_control)
        self._receiver = UsrpReceiver(
            antenna, self._clock, self._frontend, self._radio, self._endpoints, self._send, self.faults
        )
        self._transmitter = UsrpTransmitter(
            antenna, self._clock, self._frontend, self._radio, self._endpoints, self.faults
        )
        self._frontend.on_transmit_change = self._transmitter.retune
        for k, endpoint in enumerate(self._endpoints):
            endpoint.on_input_reset = partial(self._transmitter.abandon_channel, k)
        self._mpm = Mpm(
            self.identity,
            self._clock,
            self._frontend,
            self.claim,
            self.faults,
            self._link.port,
            self._set_rate,
            self._set_device_id,
        )
        self._rpc = RpcServer(self._on_call, self.claim.expire)
        self._discovery = UdpLink(self._on_discovery, "usrp discovery", port)

    @property
    def device_arguments(self) -> str:
        """Arguments for libuhd."""
        return f"type=e3xx,addr=127.0.0.1,discovery_port={self._discovery.port},rpc_port={self._rpc.port}"

    @property
    def uri(self) -> str:
        """Address for `open_radio`."""
        return f"usrp:{self.device_arguments}"

    @property
    def rpc_port(self) -> int:
        """TCP port of its management server."""
        return self._rpc.port

    @property
    def calls(self) -> list[tuple[str, tuple[Any, ...]]]:
        """The latest management calls with their parameters, claim token excepted."""
        return list(self._mpm.calls)

    def start(self) -> None:
        """Start all threads."""
        warm_up()
        prepare()
        self._running = True
        self._receiver.start()
        self._transmitter.start()
        for server in (self._link, self._rpc, self._discovery):
            server.start()

    def stop(self) -> None:
        """Leave the air, close all sockets and end all threads; a second call does nothing."""
        with self._stop_lock:
            if self._stopped:
                return
            self._running, self._stopped = False, True
        self._mpm.stop()
        for part in (self._discovery, self._rpc, self._link, self._control, self._transmitter, self._receiver):
            part.stop()

    die = stop
    """The device is gone from one moment to the next: no farewell, nobody listens at its ports."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def mute(self) -> None:
        """What happens when the claim ends: off the air, captures ended, transmit gains at their floor."""
        self._transmitter.abandon()
        self._receiver.abandon()
        self._frontend.mute()

    def state(self) -> dict[str, Any]:
        """What the device does now: plain values that cross a process border.

        Returns:
            `transmitting` (a burst is on the air or waits for its time), `receiving`, `claimed`, `running`, sample
            rate, per channel `tx_gain_db`, `rx_gain_db`, `tx_frequency_hz`, `rx_frequency_hz` and the number of
            samples sent and received; samples clipped by the receive converter, packets lost on the way here, and the
            sources of clock and time.
        """
        transmit = [self._frontend.settings("TX", k) for k in range(N_CHANNELS)]
        receive = [self._frontend.settings("RX", k) for k in range(N_CHANNELS)]
        return {
            "running": self._running,
            "claimed": self.claim.held,
            "transmitting": self._transmitter.transmitting,
            "receiving": self._receiver.receiving,
            "sample_rate_hz": self._clock.rate_hz,
            "tx_gain_db": [each.gain_db for each in transmit],
            "rx_gain_db": [each.gain_db for each in receive],
            "tx_frequency_hz": [each.center_frequency_hz for each in transmit],
            "rx_frequency_hz": [each.center_frequency_hz for each in receive],
            "tx_samples": list(self._transmitter.tx_samples),
            "rx_samples": list(self._receiver.rx_samples),
            "rx_clipped": self._receiver.clipped,
            "tx_sequence_errors": self._transmitter.sequence_errors,
            "clock_source": self._mpm.sources["clock"],
            "time_source": self._mpm.sources["time"],
        }

    def _set_rate(self, rate_hz: float) -> float:
        actual = self._frontend.nearest_rate(rate_hz)
        if actual != self._clock.rate_hz:
            self._transmitter.abandon()
            self._receiver.abandon()
            self._clock.set_rate(actual)
        return actual

    def _set_device_id(self, number: int) -> None:
        self._graph.device_id = number

    def _on_call(self, method: str, parameters: list[Any]) -> object:
        if method == "emulation_state":
            return self.state()
        if method == "emulation_set_faults":
            self.faults.update(*parameters)
            return None
        if method == "emulation_die":
            threading.Thread(target=self.die, name="usrp death").start()
            return None
        return self._mpm.handle(method, parameters)

    def _on_discovery(self, data: bytes, address: tuple[str, int]) -> None:
        claimed = self.claim.held or self.faults.claim_busy
        answer = answer_discovery(data, self.identity.discovery(claimed=claimed))
        if answer is not None and not self.faults.frozen:
            self._discovery.reply(answer, address)

    def _send(self, endpoint: int, datagram: bytes | memoryview) -> None:
        if not self.faults.frozen:
            self._link.send(endpoint, datagram)

    def _send_control(self, endpoint: int, message: ControlMessage) -> None:
        self._send(endpoint, packet(PacketKind.CONTROL, endpoint, message.pack()))

    def _on_datagram(self, data: bytes, address: tuple[str, int]) -> None:
        header = Header.parse(data)
        if header is None or self.faults.frozen:
            return
        try:
            if header.kind == PacketKind.MANAGEMENT:
                self._on_management(header, data, address)
                return
            for endpoint in self._endpoints:
                if endpoint.own_id == header.destination:
                    self._on_packet(endpoint, header, data)
                    return
        except struct.error:
            pass  # shorter than it says: the FPGA drops such packets too

    def _on_management(self, header: Header, data: bytes, address: tuple[str, int]) -> None:
        answer = self._graph.handle(header, data)
        if answer is None:
            return
        self._link.learn(answer.source, address)
        if answer.reply is not None:
            self._link.reply(answer.reply, address)
        for endpoint in self._endpoints:
            endpoint.send_setup()

    def _on_packet(self, endpoint: StreamEndpoint, header: Header, data: bytes) -> None:
        if header.kind in (PacketKind.DATA, PacketKind.TIMED_DATA):
            self._transmitter.data(endpoint.instance, header, data)
            return
        payload = data[header.payload_start : header.length]
        if header.kind == PacketKind.STREAM_STATUS:
            endpoint.output.on_status(StreamStatus.parse(payload))
            self._receiver.credit()
        elif header.kind == PacketKind.STREAM_COMMAND:
            self._transmitter.command(endpoint.instance, StreamCommand.parse(payload))
        elif header.kind == PacketKind.CONTROL and not self.faults.no_registers:
            self._control.handle(ControlMessage.parse(payload), endpoint.own_id)
