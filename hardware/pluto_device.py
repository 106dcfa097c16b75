"""An opened AD936x radio: its settings, its silence, and its buffers; what is done with them is in `pluto`."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Self

import numpy as np

from .ad936x_control import Ad936xControl, check_settings
from .ad936x_samples import load_kernels, to_lanes
from .errors import BadValueError, DisconnectedError, RadioBusyError, RadioError, SampleOverflowError
from .iio_buffers import CoreStatus, ReceiveBuffer, TransmitBuffer
from .iio_link import IioLink, vendor_modules
from .limits import Bench
from .radio import RadioSettings
from .session import RadioSession

__all__ = ["PlutoDevice", "whole_units"]

_START_FREQUENCY_HZ, _START_RATE_HZ, _START_RX_GAIN_DB, _EMULATED_TX_GAIN_DB = 2.45e9, 4e6, 40.0, -10.0
# What a transfer of the radio's memory can hold, over all lanes.
_MOST_BYTES = 16 << 20
# Blocks of long captures: an interrupted program waits for the end of one.
_BLOCK_S, _LEAST_BLOCK_SAMPLES = 0.5, 1 << 16
# How long the host may be busy with other things in the middle of a capture.
_AWAY_S = 0.03
# Transmit memory comes in units of 8 bytes; this many samples fill whole ones for any number of lanes.
_UNIT_SAMPLES = 16


class PlutoDevice(RadioSession):
    """Life of an AD936x radio; use `open`.

    `muted` means that no buffer is open, all transmit gains are at their floor and the transmit oscillator is powered
    down. `settings` keeps the transmit gain that was asked for and verified; it is applied when a transmission starts.

    Args:
        link: open link, which the radio takes over.
        control: its attributes.
        uri: address for people.
        bench: what may be transmitted.
    """

    def __init__(self, link: IioLink, control: Ad936xControl, *, uri: str, bench: Bench) -> None:
        super().__init__(bench.permission(uri=uri, serial=control.serial, token=control.token))
        self.uri = uri
        self.muted = False  # nobody knows what the program before has left
        self._link = link
        self._control = control
        self._lock = threading.RLock()
        self._transmit_buffer: TransmitBuffer | None = None
        self._receiving = False
        self._tracking: dict[str, bool] = {}
        self._overflow = CoreStatus(link, control.receiver, receiving=True)
        self._underflow = CoreStatus(link, control.transmitter, receiving=False)

    @classmethod
    def open(cls, address: str, *, uri: str, bench: Bench, two_channels: bool = False) -> Self:
        """Open a radio, muted, with settings that are safe: a real one's transmit gain is at its floor.

        Args:
            address: as libiio takes it: ``ip:192.168.2.1``, ``usb:1.2.5``.
            uri: address for people.
            bench: what may be transmitted.
            two_channels: it is a 2x2 radio.

        Raises:
            DriverMissingError: a library is not installed; names the command.
            RadioNotFoundError, RadioBusyError, RadioTimeoutError: no such radio answers.
        """
        adi, iio = vendor_modules()
        load_kernels()
        link = IioLink(iio, address)
        try:
            # Before anything is written: another program may be in the middle of a transmission.
            link.claim()
            control = Ad936xControl(link, adi, two_channels=two_channels)
            radio = cls(link, control, uri=uri, bench=bench)
        except BaseException:
            link.close()
            raise
        try:
            radio._begin()  # noqa: SLF001 - of this class
        except BaseException as error:
            try:
                radio.close()
            except RadioError as failure:
                error.add_note(f"closing the radio failed too: {failure}")
            raise
        return radio

    def _begin(self) -> None:
        self.mute()
        self._control.silence_tones()
        self.capabilities = self._control.capabilities()
        exempt = self.permission is not None and self.permission.is_exempt
        self.settings = self._asked = RadioSettings(
            center_frequency_hz=_START_FREQUENCY_HZ,
            sample_rate_hz=_START_RATE_HZ,
            tx_gain_db=_EMULATED_TX_GAIN_DB if exempt else self.capabilities.tx_gain_db.minimum,
            rx_gain_db=_START_RX_GAIN_DB,
        )
        # Written with the first use, or by `configure` with what is wanted instead: it takes some tenths of a second.
        self._settled = False

    def configure(self, settings: RadioSettings) -> RadioSettings:
        """Apply settings; see `Radio.configure`. During a transmission only the receive gain can change.

        A bandwidth of None opens the filters for the rate and stays None; captures name the filters' own.

        Raises:
            RadioBusyError: during a transmission or a reception.
        """
        self.require_open()
        check_settings(settings, self.capabilities)
        with self._lock:
            if self._transmit_buffer is not None:
                return self._change_receive_gain(settings)
            if self._receiving:
                raise RadioBusyError("the radio is receiving", "leave receive_stream() before configure()")
            try:
                self.settings = self._apply(settings)
            except BadValueError:
                # Back to what was; if that fails too, it is tried again with the next use.
                with contextlib.suppress(RadioError):
                    self._apply(self._asked)
                raise
            self._asked = settings
        return self.settings

    def _apply(self, settings: RadioSettings) -> RadioSettings:
        self._settled = False
        if not self.muted:
            self.mute()
        actual = self._control.apply(settings, self.capabilities)
        self.capabilities = self._control.capabilities()  # every band has receive gains of its own
        self._tracking = self._control.tracking()
        self._settled = True
        return actual

    def _change_receive_gain(self, settings: RadioSettings) -> RadioSettings:
        same = [replace(one, rx_gain_db=settings.rx_gain_db) for one in (self.settings, self._asked)]
        if settings not in same:
            raise RadioBusyError("the radio is transmitting", "end the transmission before configure()")
        self.settings = replace(self.settings, rx_gain_db=self._control.set_receive_gains(settings))
        self._asked = replace(self._asked, rx_gain_db=settings.rx_gain_db)
        return self.settings

    def temperature_c(self) -> float | None:
        """Temperature of the chip; see `Radio.temperature_c`."""
        self.require_open()
        return self._control.temperature_c()

    def mute(self) -> None:
        """Stop transmitting: buffer destroyed, gains at their floor, oscillator down."""
        with self._lock:
            buffer, self._transmit_buffer = self._transmit_buffer, None
            if self.muted or self._closed:
                return
            try:
                if buffer is not None:
                    buffer.close()
            finally:
                self._keep_in()
                self.muted = True

    def _keep_in(self) -> None:
        """Gains to the floor, oscillator down; through another connection where this one broke.

        With a connection, the radio's server ends its samples, but nothing else.

        Raises:
            RadioError: it failed, so the radio may still transmit.
        """
        try:
            if not self._link.gone:
                self._control.keep_in()
                return
        except RadioError as error:
            if not self._link.gone:
                raise _still_transmits(error) from error
            self._keep_in_anew()
            self.muted = True
            raise
        self._keep_in_anew()

    def _keep_in_anew(self) -> None:
        try:
            link = IioLink(self._link.iio, self._link.address)
            try:
                link.claim()
                self._control.on(link)
            finally:
                link.close()
        except RadioBusyError:
            pass  # whoever uses it now has muted it first, and transmits what is theirs
        except RadioError as error:
            gone = DisconnectedError(f"muting failed: {self._link.address} does not answer any more")
            raise _still_transmits(gone) from error

    def release(self) -> None:
        """Destroy the buffers, then the context; mute once more, over a new connection, where that failed."""
        with self._lock:
            # Over one that was gone it has just been tried.
            again = not self.muted and not self._link.gone
            self._link.close()
            if again:
                self._keep_in_anew()
                self.muted = True

    def _require_settled(self) -> None:
        """The radio is open, and set as `settings` says."""
        self.require_open()
        if not self._settled:
            self.configure(self._asked)

    def _require_silent(self) -> None:
        """The radio could start a transmission."""
        self._require_settled()
        if self._transmit_buffer is not None:
            raise RadioBusyError("the radio is transmitting", "end that transmission first")
        # An earlier attempt may have failed.
        self.mute()

    def _require_not_receiving(self) -> None:
        if self._receiving:
            raise RadioBusyError("the radio is receiving already", "leave receive_stream() first")

    def _require_room(self, n_samples: int) -> None:
        most = _MOST_BYTES // (4 * len(self.settings.channels))
        if n_samples > most:
            raise BadValueError(
                f"a transmission of {n_samples} samples is too long for the radio, which holds {most}",
                "send shorter bursts, listen for a shorter time, or use transmit_stream()",
            )

    def _start(self, block_samples: int, *, cyclic: bool) -> TransmitBuffer:
        """Let the radio transmit, and open a transmit buffer."""
        with self._lock:
            self.require_time_left()
            self.muted = False
            self._control.let_out(self.settings)
            self._transmit_buffer = TransmitBuffer(
                self._link,
                self._control.transmitter,
                tuple(sorted(self.settings.channels)),
                block_samples,
                self.settings.sample_rate_hz,
                cyclic=cyclic,
            )
            # What cuts it short from now on waits for the lock, and finds a transmission to end.
            self.require_time_left()
            return self._transmit_buffer

    def _start_repeating(self, periods: Sequence[np.ndarray]) -> None:
        """Repeat one period on every channel in use: complex64 [n] each, checked already."""
        codes = np.zeros((periods[0].size, 2 * len(periods)), np.int16)
        for channel, period in zip(self.settings.channels, periods, strict=True):
            to_lanes(period, codes, self._place(channel))
        with self._lock:
            self._start(len(codes), cyclic=True).write(codes)
            self.require_time_left()

    def _contiguous(self, n_samples: int) -> tuple[np.ndarray, datetime]:
        """Receive contiguous codes, int16 [n_samples, lanes], none older than the call; and the time they began."""
        most = max(_LEAST_BLOCK_SAMPLES, round(_BLOCK_S * self.settings.sample_rate_hz))
        n_blocks = math.ceil(n_samples / min(most, _MOST_BYTES // (4 * len(self.settings.channels))))
        block = whole_units(math.ceil(n_samples / n_blocks))
        with self._receiving_in_blocks(block, _AWAY_S) as buffer:
            start = datetime.now(UTC)
            # The buffer is new, so nothing in it is old; what was lost before it does not matter.
            self._overflow.clear()
            blocks = [buffer.read() for _ in range(n_blocks)]
            if self._overflow.lost():
                raise SampleOverflowError("the radio lost samples in the middle of a capture")
        codes = blocks[0] if n_blocks == 1 else np.concatenate(blocks)
        return codes[:n_samples], start

    @contextmanager
    def _receiving_in_blocks(self, block_samples: int, away_s: float) -> Iterator[ReceiveBuffer]:
        self._require_settled()
        self._require_not_receiving()
        self._receiving = True
        try:
            buffer = ReceiveBuffer(
                self._link,
                self._control.receiver,
                tuple(sorted(self.settings.channels)),
                block_samples,
                self.settings.sample_rate_hz,
                away_s=away_s,
            )
            try:
                yield buffer
            finally:
                buffer.close()
        finally:
            self._receiving = False

    def _place(self, channel: int) -> int:
        """Place of a channel's lanes: those of the channels in use are packed in ascending order."""
        return sorted(self.settings.channels).index(channel)


def _still_transmits(error: RadioError) -> RadioError:
    return type(error)(error.problem, f"{error.remedy}; switch the radio off: it may still transmit")


def whole_units(n_samples: int) -> int:
    """The next length that fills whole units of the radio's memory."""
    return math.ceil(n_samples / _UNIT_SAMPLES) * _UNIT_SAMPLES
