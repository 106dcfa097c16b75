"""Pieces of the emulated USRP on their own: packets, flow control, converters, clock, management server."""

from __future__ import annotations

import socket
import threading

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.emulation.air import Air
from hardware.emulation.chdr import (
    END_OF_BURST,
    ControlMessage,
    Header,
    PacketKind,
    StreamCommand,
    StreamStatus,
    data_header_word,
    packet,
)
from hardware.emulation.chdr_link import answer_discovery
from hardware.emulation.msgpack_rpc import RpcServer, call
from hardware.emulation.rfnoc_management import ManagementGraph
from hardware.emulation.rfnoc_topology import topology_registers
from hardware.emulation.sample_clock import SampleClock
from hardware.emulation.stream_endpoint import InputFlow, OutputFlow
from hardware.emulation.usrp import EmulatedUsrp
from hardware.emulation.usrp_faults import UsrpFaults
from hardware.emulation.usrp_frontend import UsrpFrontend
from hardware.emulation.wire_samples import HEADER_BYTES, from_wire, packets
from sdr_gsc.channel.profile import ChannelProfile

WORD16, WORD32, WORD64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))


# --- packets


@given(st.sampled_from(list(PacketKind)), WORD16, st.binary(max_size=200), WORD16)
def test_a_packet_is_read_as_it_was_written(kind, destination, payload, sequence):
    data = packet(kind, destination, payload, sequence)
    header = Header.parse(data)
    if kind == PacketKind.TIMED_DATA and len(payload) < 8:
        return  # has no room for its time
    assert (header.kind, header.destination, header.sequence) == (kind, destination, sequence)
    assert header.length == len(data)
    if kind != PacketKind.TIMED_DATA:
        assert data[header.payload_start : header.length] == payload


@given(st.binary(max_size=100))
def test_a_header_never_points_outside_its_datagram(data):
    header = Header.parse(data)
    assert header is None or 8 <= header.payload_start <= header.length <= len(data)


@given(WORD16, st.integers(0, 2), st.integers(0, 2**40 - 1), WORD64)
def test_stream_command_round_trip(source, kind, n_packets, n_bytes):
    command = StreamCommand(source, kind, n_packets, n_bytes)
    assert StreamCommand.parse(command.pack()) == command


@given(WORD16, st.integers(0, 4), st.integers(0, 2**40 - 1), st.integers(0, 2**24 - 1), WORD32, WORD64)
def test_stream_status_round_trip(source, status, capacity, capacity_packets, n_packets, n_bytes):
    report = StreamStatus(source, status, capacity, capacity_packets, n_packets, n_bytes)
    assert StreamStatus.parse(report.pack()) == report


@given(st.integers(0, 1023), WORD16, st.integers(0, 2**20 - 1), st.lists(WORD32, max_size=15), st.none() | WORD64)
def test_control_message_round_trip(port, source, address, data, ticks):
    message = ControlMessage(port, 5, source, 33, 2, address, tuple(data), time_ticks=ticks)
    packed = message.pack()
    assert len(packed) % 8 == 0
    assert ControlMessage.parse(packed) == message
    answer = ControlMessage.parse(message.acknowledgement(7, (1, 2)).pack())
    assert (answer.acknowledges, answer.source, answer.data, answer.address) == (True, 7, (1, 2), address)


# --- network inside the device


class Registers:
    """An endpoint that remembers what was written."""

    def __init__(self):
        self.values = {}

    def read(self, address):
        return self.values.get(address, 0)

    def write(self, address, value):
        self.values[address] = value


def management(source, hops):
    """Datagram of hops; each is a list of (operation, argument)."""
    words = [
        argument << 16 | operation << 8 | len(hop) - 1 - k
        for hop in hops
        for k, (operation, argument) in enumerate(hop)
    ]
    first = source | len(hops) << 16
    data = packet(PacketKind.MANAGEMENT, 0, b"".join(word.to_bytes(8, "little") for word in (first, *words)))
    return Header.parse(data), data


SELECT, RETURN, WRITE, READ = 2, 3, 6, 7


def test_management_reaches_the_endpoint_that_was_selected():
    endpoints = [Registers(), Registers()]
    graph = ManagementGraph(endpoints)
    answer = graph.handle(
        *management(9, [[(0, 0)], [(SELECT, 2)], [(WRITE, 0x0C | 77 << 16), (READ, 0x0C), (RETURN, 0)], [(0, 0)]])
    )
    assert endpoints[0].values == {}
    assert endpoints[1].values == {0x0C: 77}
    assert answer.source == 9
    assert Header.parse(answer.reply).destination == 9
    # The value read travels behind what was left of the packet.
    assert int.from_bytes(answer.reply[-8:], "little") >> 16 == 0x0C | 77 << 16


def test_nothing_answers_where_nothing_is_connected():
    graph = ManagementGraph([Registers()])
    answer = graph.handle(*management(9, [[(0, 0)], [(SELECT, 5)], [(READ, 0), (RETURN, 0)], [(0, 0)]]))
    assert answer.reply is None


def test_topology_wires_every_channel_to_an_endpoint():
    registers = topology_registers(2)
    n_edges = registers[0x10000]
    edges = {registers[0x10000 + 4 * k] for k in range(1, 1 + n_edges)}
    assert registers[0x08] == n_edges == len(edges) == 4
    assert {(edge >> 22, edge >> 6 & 0x3FF) for edge in edges} == {(1, 3), (2, 3), (3, 1), (3, 2)}


# --- flow control


def test_output_credit_is_what_the_host_has_left():
    flow = OutputFlow()
    assert flow.affordable(1000) > 1000  # no flow control asked for
    flow.on_status(StreamStatus(0, 0, 100_000, 0, 0, 0))
    room = flow.affordable(1000)
    assert 50 <= room <= 100
    flow.count(1000 * room, room)
    assert flow.affordable(1000) == 0
    flow.on_status(StreamStatus(0, 0, 100_000, 0, 10, 10_000))
    assert flow.affordable(1000) == 10


@given(st.lists(st.integers(1, 9000), min_size=1, max_size=50), st.integers(1, 20_000))
def test_input_is_reported_as_often_as_asked(lengths, every):
    flow = InputFlow(1 << 20)
    flow.initialize(StreamCommand(3, 0, 0, every))
    unreported = 0
    for n in lengths:
        due = flow.consume(n)
        unreported += -(-n // 8) * 8
        assert due == (unreported >= every)
        if due:
            report = flow.report(4)
            assert StreamStatus.parse(report[8:]).consumed_bytes >= unreported
            unreported = 0
    total = sum(-(-n // 8) * 8 for n in lengths)
    assert StreamStatus.parse(flow.report(4)[8:])[4:] == (len(lengths), total)


def test_input_takes_over_the_counts_of_the_host():
    flow = InputFlow(1 << 20)
    flow.initialize(StreamCommand(3, 0, 0, 1000))
    flow.consume(800)
    flow.resynchronize(StreamCommand(3, 2, 5, 4000), 24)
    assert StreamStatus.parse(flow.report(4)[8:])[4:] == (6, 4024)


# --- converters


def test_received_samples_are_rounded_to_twelve_bits_and_packed(generator):
    n = 7 * 5
    x = (generator.uniform(-1, 1, n) + 1j * generator.uniform(-1, 1, n)).astype(np.complex64) * np.float32(0.999)
    header = data_header_word(21, HEADER_BYTES + 4 * 5)
    frames, clipped = packets(x, header, 0xFFFE, 1000, 5)
    assert clipped == 0
    codes = np.concatenate([np.frombuffer(frame[HEADER_BYTES:].tobytes(), "<i2") for frame in frames])
    assert not np.any(codes % 16)
    assert np.max(np.abs(codes / 32768 - x.view(np.float32))) <= 0.5001 / 2048
    parsed = [Header.parse(frame.tobytes()) for frame in frames]
    assert [each.sequence for each in parsed] == [0xFFFE, 0xFFFF, 0, 1, 2, 3, 4]
    assert [each.time_ticks for each in parsed] == [1000 + 5 * k for k in range(7)]
    assert {(each.destination, each.length, each.end_of_burst) for each in parsed} == {(21, 36, False)}


def test_receive_converter_clips_and_counts():
    x = np.array([2 + 0j, 0 - 3j, 0.5 + 0.5j, 1 - 1j], np.complex64)
    (frame,), clipped = packets(x, data_header_word(1, 32), 0, 0, 4)
    codes = frame[HEADER_BYTES:].view("<i2") // 16
    assert clipped == 2
    assert codes.tolist() == [2047, 0, 0, -2048, 1024, 1024, 2047, -2048]


def test_transmit_converter_rounds_and_never_exceeds_full_scale():
    words = np.arange(-32768, 32768, dtype="<i2")
    rails = from_wire([words.tobytes()[:65536], words.tobytes()[65536:]]).view(np.float32)
    assert np.max(np.abs(rails - words / 32768)) <= 1 / 2048
    assert rails[32768] == 0.0
    assert rails.min() == -1.0
    assert rails.max() == 2047 / 2048
    assert np.all(np.diff(rails) >= 0)


def test_end_of_burst_is_read_back():
    data = bytearray(packet(PacketKind.DATA, 1, b""))
    data[:8] = (int.from_bytes(data[:8], "little") | END_OF_BURST).to_bytes(8, "little")
    assert Header.parse(bytes(data)).end_of_burst


# --- clock and settings


class Antenna:
    """Only time."""

    def __init__(self):
        self.time_s = 0.0

    def now_s(self):
        return self.time_s


def test_setting_the_time_moves_no_sample():
    antenna = Antenna()
    clock = SampleClock(antenna, 1e6)
    antenna.time_s = 2.5
    sample = clock.now()
    clock.set_ticks(70_000_000)
    assert clock.now() == sample == 2_500_000
    assert clock.ticks(sample) == 70_000_000
    assert clock.sample(70_000_000) == sample
    assert clock.seconds(sample) == 2.5


def test_time_changes_at_the_pulse_and_not_before():
    antenna = Antenna()
    clock = SampleClock(antenna, 1e6)
    antenna.time_s = 2.5
    clock.set_ticks_at_next_pulse(50_000_000)
    assert clock.ticks(clock.now()) == 2_500_000
    antenna.time_s = 3.25
    assert clock.ticks(clock.now()) == 50_250_000
    assert clock.ticks_at_last_pulse() == 50_000_000


def test_time_goes_on_at_another_rate():
    antenna = Antenna()
    clock = SampleClock(antenna, 1e6)
    clock.set_ticks(5_000_000)
    antenna.time_s = 1.0
    clock.set_rate(4e6)
    assert clock.ticks(clock.now()) == 24_000_000


def test_frontend_coerces_shares_oscillators_and_mutes():
    frontend = UsrpFrontend(2)
    assert frontend.set_gain("TX1", 50.1) == 50.0
    assert frontend.set_gain("TX2", 99.0) == 89.75
    assert frontend.set_gain("RX2", 99.0) == 76.0
    assert frontend.tune("TX2", 1e3) == 70e6
    assert frontend.frequency("TX1") == 70e6
    assert frontend.frequency("RX1") == 2.4e9
    assert frontend.tx_gain_below_maximum_db(1) == 0.0
    frontend.mute()
    assert [frontend.settings("TX", k).gain_db for k in range(2)] == [0.0, 0.0]
    assert frontend.settings("RX", 1).gain_db == 76.0
    with pytest.raises(RuntimeError, match="no port 'TX3'"):
        frontend.set_gain("TX3", 1.0)


# --- faults


def test_counted_faults_are_used_up():
    faults = UsrpFaults(tx_underruns=2)
    assert [faults.take("tx_underruns") for _ in range(4)] == [True, True, False, False]


def test_faults_by_rate_are_seeded():
    def draws(seed):
        faults, found = UsrpFaults(fault_rate=0.2, seed=seed), []
        for _ in range(200):
            faults.draw(("tx_underruns", "tx_late_bursts"))
            found.append((faults.take("tx_underruns"), faults.take("tx_late_bursts")))
        return found

    assert draws(1) == draws(1) != draws(2)
    assert 20 < sum(any(each) for each in draws(1)) < 60


def test_cleared_faults_are_none():
    faults = UsrpFaults(frozen=True, rpc_errors={"a": "b"}, rx_overruns=3)
    faults.clear()
    assert faults == UsrpFaults()


# --- servers


@pytest.fixture
def server():
    def handle(method, parameters):
        if method == "fail":
            raise RuntimeError("it failed")
        return [method, parameters]

    server = RpcServer(handle)
    server.start()
    yield server
    server.stop()


def test_calls_and_their_errors(server):
    assert call(server.port, "add", 1, "two") == ["add", [1, "two"]]
    with pytest.raises(RuntimeError, match="it failed"):
        call(server.port, "fail")


@pytest.mark.parametrize("garbage", [b"\xc1" * 100, msgpack.packb([7]), msgpack.packb(5), msgpack.packb([0, 1, 2])])
def test_a_client_that_speaks_nonsense_is_left_and_others_are_served(server, garbage):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(garbage)
        assert client.recv(100) == b""
    assert call(server.port, "x") == ["x", []]


def test_notifications_are_not_answered(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(msgpack.packb([2, "note", []]) + msgpack.packb([0, 9, "ask", []]))
        unpacker = msgpack.Unpacker()
        unpacker.feed(client.recv(100))
        assert list(unpacker) == [[1, 9, None, ["ask", []]]]


def test_stopping_ends_connections_and_threads():
    before = set(threading.enumerate())
    server = RpcServer(lambda method, parameters: None)
    server.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(msgpack.packb([0, 1, "x", []]))
        assert client.recv(100)
        server.stop()
        assert client.recv(100) == b""
    assert set(threading.enumerate()) == before


def test_discovery_answers_only_what_it_knows():
    assert answer_discovery(b"MPM-DISC\0\0", {"a": "b"}) == b"USRP-MPM;a=b"
    assert answer_discovery(b"MPM-ECHO;0001", {}) == b"MPM-ECHO;0001"
    assert answer_discovery(b"MPM-ECHO" + bytes(9000), {}) is None
    assert answer_discovery(b"hello", {}) is None


def test_garbage_on_its_ports_does_not_hurt_the_device(generator):
    air = Air(ChannelProfile(name="wire"))
    with EmulatedUsrp(air.antenna("usrp", n_ports=2)) as device:
        (link,) = call(device.rpc_port, "get_chdr_link_options", call(device.rpc_port, "claim", "me"), "udp")
        port = int(link["port"])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for _ in range(300):
                body = generator.bytes(int(generator.integers(0, 200)))
                kind = int(generator.integers(0, 8))
                word = kind << 53 | len(body) + 8 << 16 | 0xFFF0 + int(generator.integers(0, 2))
                client.sendto(word.to_bytes(8, "little") + body, ("127.0.0.1", port))
                client.sendto(body, ("127.0.0.1", port))
            # It still answers: "who are you" to the transport, returned at once.
            client.settimeout(5)
            client.sendto(management(9, [[(4, 0), (RETURN, 0)], [(0, 0)]])[1], ("127.0.0.1", port))
            while (header := Header.parse(client.recv(9000))).destination != 9:
                pass
            assert header.kind == PacketKind.MANAGEMENT
        assert device.state()["running"]
