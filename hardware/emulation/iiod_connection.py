"""One client's connection to an IIO server: lines of text that ask, numbers and blocks of samples that answer."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable

import numpy as np

from .ad936x_context import RECEIVER, TRANSMITTER
from .iio_faults import BlockFault, FaultDice, PlutoFaults
from .iio_tree import AttributeKey, IioRefusalError
from .iiod_device import IiodDevice, ReceiveBuffer, TransmitBuffer

__all__ = ["IiodConnection"]

_VERSION = b"0.24.v0.24  \n"
_LONGEST_LINE = 4096
_LONGEST_TEXT = 1 << 16
_SOCKET_BUFFER_BYTES = 1 << 21
_FROZEN_NAP_S = 0.02


class IiodConnection:
    """One connection.

    Args:
        peer: connected socket; closed at the end.
        device: what it talks to.
        faults: asked for.
        dice: decides about blocks.
        pull_cable: cuts all connections, this one too.
    """

    def __init__(
        self,
        peer: socket.socket,
        device: IiodDevice,
        faults: PlutoFaults,
        dice: FaultDice,
        pull_cable: Callable[[], None],
    ) -> None:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER_BYTES)
        self._peer, self._device, self._faults, self._dice = peer, device, faults, dice
        self._pull_cable = pull_cable
        self._input = peer.makefile("rb", buffering=1 << 16)
        self._gone = threading.Event()
        self._receiver: tuple[int, ReceiveBuffer] | None = None
        self._transmitter: TransmitBuffer | None = None
        self._blocks_read = 0
        self._commands = {
            b"PRINT": self._print,
            b"VERSION": self._version,
            b"TIMEOUT": self._timeout,
            b"GETTRIG": self._trigger,
            b"SETTRIG": self._trigger,
            b"SET": self._set,
            b"READ": self._read,
            b"WRITE": self._write,
            b"OPEN": self._open,
            b"CLOSE": self._close,
            b"READBUF": self._read_buffer,
            b"WRITEBUF": self._write_buffer,
        }

    def cut(self) -> None:
        """End it at once; from any thread."""
        self._gone.set()
        try:
            self._peer.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the client was faster

    def serve(self) -> None:
        """Answer until either side ends it; then its buffers are closed."""
        try:
            while not self._gone.is_set() and (line := self._input.readline(_LONGEST_LINE)):
                while self._faults.frozen and not self._gone.wait(_FROZEN_NAP_S):
                    pass
                words = line.split()
                if not words:
                    continue
                if words[0] == b"EXIT":
                    break
                self._answer(words)
        except OSError:
            pass  # the client is gone, or the cable
        finally:
            self._close_receiver()
            self._close_transmitter()
            self._input.close()
            self._peer.close()

    def _answer(self, words: list[bytes]) -> None:
        try:
            command = self._commands.get(words[0])
            if command is None:
                raise IioRefusalError(errno.EINVAL)
            try:
                command([word.decode("latin1") for word in words[1:]])
            except (IndexError, ValueError):  # too few words, or no number where one belongs
                raise IioRefusalError(errno.EINVAL) from None
        except IioRefusalError as refusal:
            self._number(-refusal.number)

    def _number(self, value: int) -> None:
        self._peer.sendall(b"%d\n" % value)

    def _pause(self, delay_s: float) -> None:
        if delay_s > 0:
            self._gone.wait(delay_s)

    # Context

    def _print(self, words: list[str]) -> None:
        xml = self._device.context_xml()
        if self._faults.context == "truncated":
            xml = xml[: len(xml) // 2]
        elif self._faults.context == "garbage":
            xml = bytes((7 * k + 13) % 256 for k in range(len(xml)))
        self._peer.sendall(b"%d\n" % len(xml) + xml + b"\n")

    def _version(self, words: list[str]) -> None:
        self._peer.sendall(_VERSION)

    def _timeout(self, words: list[str]) -> None:
        self._device.set_timeout(max(0, int(words[0])) / 1e3)
        self._number(0)

    def _trigger(self, words: list[str]) -> None:
        self._device.device_id(words[0])
        raise IioRefusalError(errno.ENOENT)

    def _set(self, words: list[str]) -> None:
        if words[1] != "BUFFERS_COUNT":
            raise IioRefusalError(errno.EINVAL)
        self._device.set_block_count(self._device.device_id(words[0]), int(words[2]))
        self._number(0)

    # Attributes

    def _key(self, words: list[str]) -> AttributeKey:
        device, *rest = words
        device = self._device.device_id(device)
        if rest[0] in ("INPUT", "OUTPUT"):
            kind, channel, name = rest
            return AttributeKey(device, kind, channel, name)
        if rest[0] in ("DEBUG", "BUFFER"):
            kind, name = rest
            return AttributeKey(device, kind, "", name)
        (name,) = rest
        return AttributeKey(device, "", "", name)

    def _read(self, words: list[str]) -> None:
        self._pause(self._faults.attribute_delay_s)
        text = self._device.read_attribute(self._key(words)).encode() + b"\0"
        self._peer.sendall(b"%d\n" % len(text) + text + b"\n")

    def _write(self, words: list[str]) -> None:
        *where, length = words
        if int(length) > _LONGEST_TEXT:
            raise ConnectionError("nobody writes an attribute of that length")
        # The text follows in any case; an answer before it is read would leave it standing as the next command.
        data = self._take(int(length)).tobytes()
        self._pause(self._faults.attribute_delay_s)
        key = self._key(where)
        if number := self._faults.attribute_errno.get(key.name, 0):
            raise IioRefusalError(number)
        self._device.write_attribute(key, data.rstrip(b"\0\n").decode("latin1"))
        self._number(len(data))

    def _take(self, n_bytes: int) -> memoryview:
        """Read that many bytes from the client."""
        data = memoryview(bytearray(n_bytes))
        filled = 0
        while filled < n_bytes:
            count = self._input.readinto(data[filled:])  # type: ignore[attr-defined] # a BufferedReader
            if not count:
                raise ConnectionError("the client left in the middle of its data")
            filled += count
        return data

    # Buffers

    def _open(self, words: list[str]) -> None:
        device = self._device.device_id(words[0])
        samples, mask, cyclic = int(words[1]), int(words[2], 16), "CYCLIC" in words[3:]
        if self._faults.busy:
            raise IioRefusalError(errno.EBUSY)
        if device == RECEIVER:
            self._receiver = (mask, self._device.open_receiver(samples, mask))
            self._blocks_read = 0
        elif device == TRANSMITTER:
            self._transmitter = self._device.open_transmitter(samples, mask, cyclic=cyclic)
        else:
            raise IioRefusalError(errno.EINVAL)
        self._number(0)

    def _close(self, words: list[str]) -> None:
        device = self._device.device_id(words[0])
        if not (device == RECEIVER and self._close_receiver() or device == TRANSMITTER and self._close_transmitter()):
            raise IioRefusalError(errno.EBADF)
        self._number(0)

    def _close_receiver(self) -> bool:
        if self._receiver is None:
            return False
        self._receiver[1].close()
        self._receiver = None
        return True

    def _close_transmitter(self) -> bool:
        if self._transmitter is None:
            return False
        self._transmitter.close()
        self._transmitter = None
        return True

    def _read_buffer(self, words: list[str]) -> None:
        device, n_bytes = self._device.device_id(words[0]), int(words[1])
        if device != RECEIVER or self._receiver is None:
            raise IioRefusalError(errno.EBADF)
        mask, buffer = self._receiver
        if n_bytes <= 0 or n_bytes % buffer.block_bytes:
            raise IioRefusalError(errno.EINVAL)
        for part in range(n_bytes // buffer.block_bytes):
            fault = self._dice.read(self._blocks_read)
            self._blocks_read += 1
            self._pause(fault.delay_s)
            if fault.number:
                raise IioRefusalError(fault.number)
            block = buffer.read(
                timeout_s=self._device.timeout_s, lost_samples=fault.lost_samples, interrupted=self._gone
            )
            if not self._send_block(block, b"%08x\n" % mask if part == 0 else b"", fault):
                break

    def _send_block(self, block: memoryview, mask: bytes, fault: BlockFault) -> bool:
        """Send a block; False if it was cut short."""
        if self._gone.is_set():
            raise ConnectionError("the cable was pulled")
        # Whole samples; and one at least, for a block of none means something else.
        n_sent = max(1, int(len(block) * fault.part) // 16) * 16 if fault.part < 1 else len(block)
        header = b"%d\n" % n_sent + mask
        if fault.cut:
            self._peer.sendall(header)
            self._peer.sendall(block[: len(block) // 2])
            self._pull_cable()
            raise ConnectionError("the cable was pulled in the middle of a block")
        # One segment for the short ones.
        sent = self._peer.sendmsg([header, block[:n_sent]]) - len(header)
        if sent < 0:
            self._peer.sendall(header[sent:])
        if sent < n_sent:
            self._peer.sendall(block[max(0, sent) : n_sent])
        if n_sent < len(block):
            self._number(0)
        return n_sent == len(block)

    def _write_buffer(self, words: list[str]) -> None:
        device, n_bytes = self._device.device_id(words[0]), int(words[1])
        buffer = self._transmitter
        if device != TRANSMITTER or buffer is None:
            raise IioRefusalError(errno.EBADF)
        if not 0 < n_bytes <= buffer.block_bytes:
            raise IioRefusalError(errno.EINVAL)
        fault = self._dice.write()
        if fault.number:
            raise IioRefusalError(fault.number)
        self._number(0)
        if fault.cut:
            self._take(n_bytes // 2)
            self._pull_cable()
            raise ConnectionError("the cable was pulled in the middle of a block")
        block = np.frombuffer(self._take(n_bytes), "<i2")
        self._pause(fault.delay_s)
        buffer.write(block, timeout_s=self._device.timeout_s, interrupted=self._gone)
        if fault.underflow:
            self._device.mark_underflow()
        self._number(n_bytes)
