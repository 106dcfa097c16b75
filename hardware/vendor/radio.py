"""A radio behind a vendor library: the whole contract on top of a worker."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.channel.converters import require_full_scale

from ..burst_alignment import RepeatedBurst
from ..errors import BadValueError, RadioError, SampleUnderflowError
from ..limits import Permission
from ..radio import RadioSettings, require_within
from ..session import RadioSession
from .device import Device
from .directions import Directions
from .process import VendorWorker
from .settings import Description, checked, request_for
from .streams import BlockReader, BlockWriter, clipped_samples

__all__ = ["VendorRadio"]

#: Samples received before the burst's own time and after its end: the way through filters and air takes some.
_BEFORE = 256
_AFTER = 2048
_AFTER_S = 0.2e-3
#: What a request may take beside the samples' own time.
_REQUEST_S = 2.5
#: Setting up a radio calibrates it; changing its reference restarts its clocks.
_CONFIGURE_S = 4.5
_RECLOCK_S = 15.0


class VendorRadio(RadioSession):
    """Base of the drivers whose library runs in a worker.

    `Capture.settings["burst_start_sample"]` of an exchange says at which sample the burst left the antenna: exactly
    where the radio keeps time, as well as correlation finds it where it does not.

    Args:
        worker: has the radio open.
        device: where it is.
        description: of the radio.
        permission: what it may transmit.
    """

    def __init__(self, worker: VendorWorker, device: Device, description: Description, permission: Permission) -> None:
        super().__init__(permission)
        self.uri = device.uri
        self._device = device
        self.capabilities = description.capabilities
        self.settings = RadioSettings()
        self._description = description
        self._worker = worker
        self._muted = True
        self._unknown = "it was not configured yet"
        self._directions = Directions()
        # A repeated burst is read once, when it starts; captures then use the same memory. One at a time.
        self._memory_in_use = threading.Lock()
        self._writer: BlockWriter | None = None

    @property
    def muted(self) -> bool:
        """True while nothing is transmitted; a radio whose worker is gone has nothing to transmit any more."""
        return self._muted or not self._worker.alive

    def require_open(self) -> None:
        """Raise DisconnectedError once the radio is closed, or its worker gone."""
        super().require_open()
        self._worker.require_alive("using the radio")

    @property
    def worker(self) -> VendorWorker:
        """The process that holds the vendor's library."""
        return self._worker

    def configure(self, settings: RadioSettings) -> RadioSettings:
        """Apply settings, transmitter muted, and return what was read back; see `Radio.configure`.

        The reference of `clock_source` disciplines frequency; the radio's time is its own.
        """
        self.require_open()
        require_within(settings, self.capabilities)
        with self._directions.held("receive", "configure"), self._directions.held("transmit", "configure"):
            unknown_before, self._unknown = self._unknown, "the last configure() failed"
            try:
                self.settings = self._apply(settings)
            except RadioError:
                # The radio now does something else than `settings` says: back to what was.
                if not unknown_before and self._worker.alive:
                    with contextlib.suppress(RadioError):
                        self._apply(self.settings)
                raise
        return self.settings

    def exchange(self, burst: Capture, *, listen_s: float | None = None) -> Capture:
        """Send a burst on the first channel in use and return what was received around it; see `Radio.exchange`."""
        silence = replace(burst, samples=np.zeros_like(burst.samples)) if len(self.settings.channels) > 1 else burst
        return self.exchange_channels([burst, *[silence] * (len(self.settings.channels) - 1)], listen_s=listen_s)[0]

    def exchange_channels(self, bursts: Sequence[Capture], *, listen_s: float | None = None) -> tuple[Capture, ...]:
        """`exchange` on all channels in use, at the same samples of the radio's clock."""
        samples = self._stacked(bursts)
        rate_hz = self.settings.sample_rate_hz
        n_listen = self.listen_samples(bursts[0], rate_hz, listen_s)
        n_sent = samples.shape[1]
        if not self.capabilities.keeps_time:
            return self._exchange_by_repeating(samples, n_listen)
        if n_listen is None:
            n_listen = _BEFORE + n_sent + _AFTER + math.ceil(_AFTER_S * rate_hz)
        before = min(_BEFORE, max(0, n_listen - n_sent))
        with self._directions.held("receive", "exchange"), self._directions.held("transmit", "exchange"):
            self.permit_transmission(n_sent / rate_hz)
            self._muted = False
            try:
                received, result = self._receive(
                    "exchange", n_listen, max(n_sent, n_listen) / rate_hz, transmit=samples, before=before
                )
            finally:
                self._muted = True  # the worker puts the gain to its floor whatever happens
        return self._captures(received, result, burst_start_sample=before)

    @contextmanager
    def repeat(self, burst: Capture) -> Iterator[None]:
        """Transmit a burst over and over; see `Radio.repeat`.

        Raises:
            SampleUnderflowError: at the end, when the periods did not follow each other without a gap.
        """
        silence = replace(burst, samples=np.zeros_like(burst.samples))
        samples = self._stacked([burst, *[silence] * (len(self.settings.channels) - 1)])
        with self._repeating(samples):
            yield

    def capture(self, n_samples: int) -> Capture:
        """Receive contiguous samples; see `Radio.capture`. It is repeated when samples were lost on the way."""
        self.require_open()
        if n_samples < 1:
            raise BadValueError(f"n_samples is {n_samples}", "capture at least one sample")
        with self._directions.held("receive", "capture"):
            received, result = self._receive("capture", n_samples, n_samples / self.settings.sample_rate_hz)
        return self._captures(received, result)[0]

    @contextmanager
    def receive_stream(self, block_samples: int) -> Iterator[BlockReader]:
        """Receive without end on the first channel in use; see `Radio.receive_stream`."""
        self.require_open()
        self._require_known()
        if block_samples < 1:
            raise BadValueError(f"block_samples is {block_samples}", "take at least one sample at a time")
        rate_hz = self.settings.sample_rate_hz
        with self._directions.held("receive", "receive stream"):
            reader = BlockReader(self._worker, block_samples, rate_hz)
            n_channels = len(self.settings.channels)
            self._worker.request("receive_stream_start", _REQUEST_S, shape=list(reader.shape), channels=n_channels)
            try:
                yield reader
            finally:
                if self._worker.alive:
                    self._worker.request("receive_stream_stop", _REQUEST_S)

    @contextmanager
    def transmit_stream(self) -> Iterator[BlockWriter]:
        """Transmit without end on the first channel in use; see `Radio.transmit_stream`."""
        self.require_open()
        self._require_known()
        rate_hz = self.settings.sample_rate_hz
        n_channels = len(self.settings.channels)
        with self._directions.held("transmit", "transmit stream"), self.open_ended_transmission():
            writer = BlockWriter(self._worker, n_channels, rate_hz, _require_full_scale)
            self._muted = False
            self._writer = writer
            try:
                self._worker.request(
                    "transmit_stream_start", _REQUEST_S, shape=list(writer.shape), longest_s=self._longest_s()
                )
                yield writer
                if not writer.muted.is_set():
                    writer.end()
                    deadline_s = writer.longest_wait_s + _REQUEST_S
                    result = self._worker.request("transmit_stop", deadline_s, at_once=False)
                    writer.underflows = result["underflows"]
                    self._muted = True
            finally:
                self._writer = None

    @contextmanager
    def _repeating(self, samples: np.ndarray, at_least_s: float = 0.0) -> Iterator[None]:
        """Transmit complex64 [channels, n] over and over."""
        with self._directions.held("transmit", "repeat"), self.open_ended_transmission(at_least_s):
            with self._memory_in_use:
                self._muted = False
                self._worker.memory(self._worker.bursts, 0, samples.shape)[...] = samples
                self._worker.request(
                    "repeat_start", _REQUEST_S, transmit=[0, *samples.shape], longest_s=self._longest_s()
                )
            yield
            underflows = self._worker.request("transmit_stop", _REQUEST_S, at_once=True)["underflows"]
            self._muted = True
        if underflows:
            raise SampleUnderflowError(f"the repeated burst broke off {underflows} times")

    def _exchange_by_repeating(self, samples: np.ndarray, n_listen: int | None) -> tuple[Capture, ...]:
        """An exchange over a radio that keeps no time: the burst repeats and is found again in a capture."""
        plan = RepeatedBurst.plan(samples.shape[1], n_listen)
        period = plan.period_samples
        repeated = np.stack([plan.padded(row) for row in samples])
        lasts_s = 3 * period / self.settings.sample_rate_hz
        with self._directions.held("receive", "exchange"), self._repeating(repeated, at_least_s=lasts_s):
            received, result = self._receive("capture", 3 * period, lasts_s)
        # What left the antenna when the transmission began was still silence, perhaps: the first period does not count.
        received = received[:, period:]
        power = (received.real**2 + received.imag**2).sum(axis=0)
        window = plan.window(list(samples), power[:period] + power[period:])
        return self._captures(received[:, window].copy(), result, burst_start_sample=plan.lead_samples)

    def close(self) -> None:
        """Mute and release the radio; what another thread still receives is broken off."""
        self._worker.interrupt()
        super().close()

    def temperature_c(self) -> float | None:
        """Temperature of the radio's front end; see `Radio.temperature_c`."""
        self.require_open()
        found: float | None = self._worker.request("temperature", _REQUEST_S)["temperature_c"]
        return found

    def mute(self) -> None:
        """Stop transmitting: gain to its floor, then the streams are given up; allowed at any time."""
        if self._writer is not None:
            self._writer.muted.set()
        if self._worker.alive:
            if not self._muted:
                self._worker.interrupt()
            self._worker.request("mute", _REQUEST_S)
        self._muted = True

    def release(self) -> None:
        """End the worker, which gives the radio back; after the worker's death, see to it that the radio is mute."""
        died = self._worker.died
        self._worker.close()
        if died:
            self._device.mute_after_death()

    def _apply(self, settings: RadioSettings) -> RadioSettings:
        reclocked = settings.clock_source != self.settings.clock_source
        request = request_for(settings, self._description)
        actual: dict[str, Any] = self._worker.request(
            "configure", _RECLOCK_S if reclocked else _CONFIGURE_S, settings=request
        )
        found = checked(settings, actual, self._description)
        self._unknown = ""
        return found

    def _require_known(self) -> None:
        if self._unknown:
            raise BadValueError(f"the radio's settings are unknown: {self._unknown}", "configure() it")

    def _stacked(self, bursts: Sequence[Capture]) -> np.ndarray:
        """Samples of all channels, complex64 [channels, n], checked against full scale."""
        self.require_open()
        n_channels = len(self.settings.channels)
        if len(bursts) != n_channels:
            raise BadValueError(f"{len(bursts)} bursts for {n_channels} channels", "give one burst for each channel")
        for burst in bursts:
            self.listen_samples(burst, self.settings.sample_rate_hz, None)
            if burst.samples.size != bursts[0].samples.size:
                raise BadValueError("the bursts are not of one length", "append zeros to the shorter ones")
            _require_full_scale(burst.samples)
        self._require_known()
        return np.stack([burst.samples for burst in bursts])

    def _receive(
        self, operation: str, n_samples: int, lasts_s: float, *, transmit: np.ndarray | None = None, **arguments: object
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Let the worker fill memory; returns a copy, complex64 [channels, n], and what it said."""
        self._require_known()
        worker, area = self._worker, self._worker.bursts
        shape = (len(self.settings.channels), n_samples)
        sent_bytes = 0 if transmit is None else transmit.nbytes
        with self._memory_in_use:
            received = worker.memory(area, sent_bytes, shape)
            if transmit is not None:
                worker.memory(area, 0, transmit.shape)[...] = transmit
                arguments["transmit"] = [0, *transmit.shape]
            result = worker.request(operation, _REQUEST_S + lasts_s, receive=[sent_bytes, *shape], **arguments)
            return received.copy(), result

    def _longest_s(self) -> float | None:
        """What the worker may transmit at most, whatever becomes of this program; None where nothing is limited."""
        settings = self.settings
        longest_s = math.inf
        if self.permission is not None:
            longest_s = self.permission.longest_s(
                center_frequency_hz=settings.tx_frequency_hz,
                sample_rate_hz=settings.sample_rate_hz,
                tx_gain_db=settings.tx_gain_db,
            )
        return longest_s if math.isfinite(longest_s) else None

    def _captures(self, received: np.ndarray, result: dict[str, Any], **found: object) -> tuple[Capture, ...]:
        settings = {"uri": self.uri, "radio": asdict(self.settings), **found}
        start = datetime.fromtimestamp(result["start_unix_s"], UTC)
        return tuple(
            Capture(
                samples=row,
                sample_rate_hz=self.settings.sample_rate_hz,
                center_frequency_hz=self.settings.center_frequency_hz,
                start=start,
                clipped=clipped_samples(row),
                settings={**settings, "channel": channel},
            )
            for channel, row in zip(self.settings.channels, received, strict=True)
        )


def _require_full_scale(samples: np.ndarray) -> None:
    require_full_scale(np.ascontiguousarray(samples))
