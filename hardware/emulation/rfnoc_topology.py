"""What is inside the FPGA: the read-only registers from which libuhd learns of blocks and their connections."""

from __future__ import annotations

__all__ = ["PROTOCOL_VERSION", "RADIO_PORT", "topology_registers"]

PROTOCOL_VERSION = 0x100
"""RFNoC protocol 1.0."""

RADIO_PORT = 2
"""Control port of the first block; 0 is this table, 1 the control endpoint."""

_E320 = 0xE320
_RADIO_ID = 0x12AD1000
_MTU_LOG2 = 13  # 8192 bytes
_EDGES = 0x10000
_SLOT = 0x40


def topology_registers(n_channels: int) -> dict[int, int]:
    """Registers of a device with one radio block whose channels are wired to one stream endpoint each.

    Args:
        n_channels: of the radio, and of stream endpoints.

    Returns:
        Values by address; what is not there reads 0.
    """
    radio = 1 + n_channels  # slot 0 is this table itself, then the endpoints, then the blocks
    edges = [(1 + channel, 0, radio, channel) for channel in range(n_channels)]
    edges += [(radio, channel, 1 + channel, 0) for channel in range(n_channels)]
    n_blocks = n_transports = n_control_endpoints = has_crossbar = 1
    registers = {
        0x00: PROTOCOL_VERSION,
        0x04: n_channels | n_blocks << 10 | n_transports << 20 | has_crossbar << 31,
        0x08: len(edges),
        0x0C: _E320 << 16,
        0x10: n_control_endpoints,
        # protocol, inputs, outputs, control FIFO, asynchronous messages at a time
        _SLOT * radio: 1 | n_channels << 6 | n_channels << 12 | 32 << 18 | 1 << 24,
        _SLOT * radio + 4: _RADIO_ID,
        _SLOT * radio + 8: 2 | _MTU_LOG2 << 2,  # flushed
        _EDGES: len(edges),
    }
    for k, (source, source_port, destination, destination_port) in enumerate(edges, 1):
        registers[_EDGES + 4 * k] = source << 22 | source_port << 16 | destination << 6 | destination_port
    return registers
