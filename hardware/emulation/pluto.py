"""An emulated ADALM-PLUTO, or one of its 2x2 relatives, that the real libiio cannot tell from hardware."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .ad936x_context import DEFAULT_TEMPERATURE_C, RECEIVER, TRANSMITTER, ad936x_context
from .device_clock import DeviceClock, RealClock, VirtualClock
from .iio_faults import FaultDice, PlutoFaults
from .iiod import IiodServer
from .pluto_device import PlutoDevice
from .warming import warm_up

if TYPE_CHECKING:
    from .air import Antenna

__all__ = ["EmulatedPluto"]


class EmulatedPluto:
    """An ADALM-PLUTO, or a 2x2 AD9361, on 127.0.0.1; used as a context manager.

    What it does not have: filters of `rf_bandwidth`, a gain control that moves (the gain stays where it is in every
    mode), leakage of its oscillators while nothing is sent, tracking of its own errors, and loopback 2. A second client
    of a buffer finds it busy. A gain, frequency or rate that changes in the middle of a transmission starts a new
    emission, with offsets and a fading of its own.

    Args:
        antenna: on the air; with two ports for two channels.
        two_channels: 2x2 instead of 1x1.
        token: proof that it is emulated, shown as context attribute.
        port: to listen on; 0 takes a free one.
        realtime: converters run by the antenna's clock. False lets samples pass as fast as the host reads and writes,
            by a time of the radio's own that begins at 0: nothing received is stale or lost then, and everything
            depends on the order of requests alone.
        faults: asked for; a fresh set by default, to be changed at any time.
        serial: of the radio; made from the port by default.

    Attributes:
        faults: what goes wrong.
        port: that it listens on.
        uri: to open the radio by.
        token: as given.
    """

    def __init__(
        self,
        antenna: Antenna,
        *,
        two_channels: bool = False,
        token: str = "",
        port: int = 0,
        realtime: bool = True,
        faults: PlutoFaults | None = None,
        serial: str = "",
    ) -> None:
        self.faults = faults if faults is not None else PlutoFaults()
        self.token = token
        self._dice = FaultDice(self.faults)
        listener = socket.create_server(("127.0.0.1", port))
        self.port: int = listener.getsockname()[1]
        clock: DeviceClock = RealClock(antenna.now_s) if realtime else VirtualClock()
        context = ad936x_context(
            2 if two_channels else 1,
            serial=serial or f"emulated{self.port}",
            token=token,
            temperature_c=antenna.front_ends[0].temperature_c if antenna.front_ends else DEFAULT_TEMPERATURE_C,
        )
        self._device = PlutoDevice(antenna, context, clock)
        self._server = IiodServer(listener, self._device, self.faults, self._dice)
        scheme = "ad9361" if two_channels else "pluto"
        self.uri = f"{scheme}:ip:127.0.0.1:{self.port}"

    def state(self) -> dict[str, Any]:
        """What the radio is doing, beyond what its driver says.

        Returns:
            transmitting: samples of a buffer, or tones, are on their way to the antenna with the oscillator on.
            transmit_buffer, receive_buffer: open.
            tones: the core's tone generators are set to sound.
            tx_gain_db: the largest of all channels; tx_gains_db: each. rx_gains_db: likewise.
            tx_lo_on, rx_lo_on: oscillators powered.
            tx_center_frequency_hz, rx_center_frequency_hz, sample_rate_hz: as set.
            digital_loopback: the chip feeds transmitted samples back.
            overflowed, underflowed: bits that the host has not cleared.
            connections: clients' connections; faults_drawn: blocks that failed by chance.
        """
        device, chip = self._device, self._device.chip
        transmit, receive = chip.transmit_path, chip.receive_path
        buffer_open = device.is_open(TRANSMITTER)
        tones = chip.tones and not buffer_open
        return {
            "transmitting": device.transmitter.on_air or tones and transmit.on,
            "transmit_buffer": buffer_open,
            "receive_buffer": device.is_open(RECEIVER),
            "tones": chip.tones,
            "tx_gain_db": max(transmit.gains_db),
            "tx_gains_db": transmit.gains_db,
            "rx_gains_db": receive.gains_db,
            "tx_lo_on": transmit.on,
            "rx_lo_on": receive.on,
            "tx_center_frequency_hz": transmit.center_frequency_hz,
            "rx_center_frequency_hz": receive.center_frequency_hz,
            "sample_rate_hz": receive.sample_rate_hz,
            "digital_loopback": chip.digital_loopback,
            "overflowed": chip.overflowed,
            "underflowed": chip.underflowed,
            "connections": self._server.n_connections,
            "faults_drawn": self._dice.drawn,
        }

    def pull_cable(self) -> None:
        """Cut all connections, as a pulled cable does, and plug it in again: new connections are welcome."""
        self._server.drop_connections()

    def cycle_power(self) -> None:
        """Pull the cable of a radio that is powered by it: all attributes are back at their values after power-up."""
        self._server.drop_connections()
        self._device.chip.power_up()

    def __enter__(self) -> Self:
        warm_up()
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()
