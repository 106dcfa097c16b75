"""The attributes of an AD936x radio under the rules of its kernel driver."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from dataclasses import dataclass

from .ad936x_clocks import REFERENCE_HZ
from .ad936x_context import DEBUG_REGISTER, PHY, RECEIVER, RX_LO, TRANSMITTER, TX_LO
from .ad936x_rules import FirFilter, RuleBook
from .iio_tree import AttributeKey, IioContext, IioRefusalError

__all__ = ["Ad936x", "RfPath"]

_STATUS_REGISTER = 0x80000088
_OVERFLOW_BIT, _UNDERFLOW_BIT = 4, 1


@dataclass(frozen=True, slots=True)
class RfPath:
    """One direction of the radio as its attributes have set it.

    Attributes:
        on: oscillator powered and the chip in its working state.
        sample_rate_hz: between the converters' core and the host, by the radio's own clock.
        center_frequency_hz: of the oscillator, by the radio's own clock.
        gains_db: of each channel, in the device's own scale.
    """

    on: bool
    sample_rate_hz: float
    center_frequency_hz: float
    gains_db: tuple[float, ...]


class Ad936x:
    """Attribute store with the driver's rules; safe to use from several threads.

    Args:
        context: tree with the values after power-up.
        on_change: called after each attribute that was written, without any lock held.

    Attributes:
        overflowed: received samples were lost since the host last cleared the bit.
        underflowed: the transmitter ran dry since then.
    """

    def __init__(self, context: IioContext, on_change: Callable[[], None] = lambda: None) -> None:
        self.overflowed = False
        self.underflowed = False
        self._context = context
        self.on_change = on_change
        self._lock = threading.RLock()
        self._n_channels = context.device(RECEIVER).n_lanes // 2
        self.power_up()

    def power_up(self) -> None:
        """Back to the values after power-up."""
        with self._lock:
            self.overflowed = self.underflowed = False
            self._values = self._context.values()
            self._rules = RuleBook(self._values, self._n_channels)
            self._registers: dict[str, int] = {}
        self.on_change()

    def read(self, key: AttributeKey) -> str:
        """Text of an attribute.

        Raises:
            IioRefusalError: ENOENT where there is none.
        """
        with self._lock:
            if key not in self._values:
                raise IioRefusalError(errno.ENOENT)
            if key.name == DEBUG_REGISTER:
                return hex(self._register(key.device))
            return self._values[key]

    def write(self, key: AttributeKey, text: str) -> None:
        """Write an attribute as the driver would: refuse, round or limit it, and change what depends on it.

        Raises:
            IioRefusalError: with the driver's errno.
        """
        with self._lock:
            if key not in self._values:
                raise IioRefusalError(errno.ENOENT)
            if key.name == DEBUG_REGISTER:
                self._write_register(key.device, text)
            else:
                self._rules.write(key, text)
        self.on_change()

    def _register(self, device: str) -> int:
        if self._registers.get(device) != _STATUS_REGISTER:
            return 0
        if device == RECEIVER:
            return _OVERFLOW_BIT * self.overflowed
        return _UNDERFLOW_BIT * self.underflowed if device == TRANSMITTER else 0

    def _write_register(self, device: str, text: str) -> None:
        try:
            address, *values = (int(word, 0) for word in text.split())
        except ValueError:
            raise IioRefusalError(errno.EINVAL) from None
        self._registers[device] = address
        if values and address == _STATUS_REGISTER:
            if device == RECEIVER and values[0] & _OVERFLOW_BIT:
                self.overflowed = False
            if device == TRANSMITTER and values[0] & _UNDERFLOW_BIT:
                self.underflowed = False

    def _path(self, oscillator: str, direction: str, core: str) -> RfPath:
        with self._lock:
            values, number = self._values, self._rules.number
            # Everything hangs on the reference as the driver believes it to be; what it truly is stays.
            truth = REFERENCE_HZ / number(AttributeKey(PHY, "", "", "xo_correction"))
            return RfPath(
                on=values[AttributeKey(PHY, "OUTPUT", oscillator, "powerdown")] == "0"
                and values[AttributeKey(PHY, "", "", "ensm_mode")] == "fdd",
                sample_rate_hz=truth * number(AttributeKey(core, direction, "voltage0", "sampling_frequency")),
                center_frequency_hz=truth * number(AttributeKey(PHY, "OUTPUT", oscillator, "frequency")),
                gains_db=tuple(
                    number(AttributeKey(PHY, direction, f"voltage{index}", "hardwaregain"))
                    for index in range(self._n_channels)
                ),
            )

    @property
    def receive_path(self) -> RfPath:
        """The receiver as set."""
        return self._path(RX_LO, "INPUT", RECEIVER)

    @property
    def transmit_path(self) -> RfPath:
        """The transmitter as set; gains are relative to the largest."""
        return self._path(TX_LO, "OUTPUT", TRANSMITTER)

    @property
    def digital_loopback(self) -> bool:
        """Whether received samples are transmitted ones, inside the chip."""
        with self._lock:
            return self._values[AttributeKey(PHY, "DEBUG", "", "loopback")] == "1"

    @property
    def fir(self) -> FirFilter:
        """The filter that is loaded."""
        with self._lock:
            return self._rules.fir

    @property
    def tones(self) -> bool:
        """Whether the transmit core's tone generators would be on the air while no buffer is open."""
        with self._lock:
            for key, text in self._values.items():
                if key.device == TRANSMITTER and key.name == "scale" and float(text) > 0:
                    if self._values[AttributeKey(key.device, key.kind, key.channel, "raw")] == "1":
                        return True
            return False
