"""Driver of the ADALM-PLUTO and other AD936x radios, through libiio and pyadi-iio.

Such a radio has no clock that the host could schedule by, and no bursts. A burst is therefore repeated from a cyclic
buffer with silence around it, at least two periods are received in one contiguous block, and the burst is found in them
by its power.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.channel.converters import require_full_scale

from .ad936x_samples import fold_power, from_lanes
from .burst_alignment import RepeatedBurst
from .errors import BadValueError, SampleUnderflowError
from .pluto_device import PlutoDevice, whole_units
from .pluto_streams import PlutoReceiveStream, PlutoTransmitStream

__all__ = ["PlutoRadio"]

# The first samples after a start: what is left in the way's memories, and oscillators and gains that settle.
_SETTLING_SAMPLES, _SETTLING_S = 4096, 1e-3
# Shorter cyclic buffers keep the radio's memory controller busier than need be.
_LEAST_PERIOD_SAMPLES = 4096
_STREAM_BLOCK_S = 0.008
# How long the host may be busy with other things while a stream arrives.
_STREAM_AWAY_S = 0.1


class PlutoRadio(PlutoDevice):
    """An ADALM-PLUTO, or another AD936x radio; see `Radio`, and `open` of the base."""

    def exchange(self, burst: Capture, *, listen_s: float | None = None) -> Capture:
        """Transmit one burst and receive around it; see `Radio.exchange`. Other channels in use are silent."""
        silence = Capture(np.zeros_like(burst.samples), burst.sample_rate_hz) if isinstance(burst, Capture) else burst
        others = [silence] * (len(self.settings.channels) - 1)
        return self.exchange_channels([burst, *others], listen_s=listen_s)[0]

    def exchange_channels(self, bursts: Sequence[Capture], *, listen_s: float | None = None) -> tuple[Capture, ...]:
        """Transmit a burst on every channel in use; see `Radio.exchange_channels`."""
        self._require_silent()
        self._require_not_receiving()
        rate_hz, channels = self.settings.sample_rate_hz, self.settings.channels
        if len(bursts) != len(channels):
            raise BadValueError(f"{len(bursts)} bursts for {len(channels)} channels in use", "give one for each")
        listen = [self.listen_samples(burst, rate_hz, listen_s) for burst in bursts][0]
        if len({burst.samples.size for burst in bursts}) > 1:
            raise BadValueError("the bursts differ in length", "fill the shorter ones with zeros")
        for burst in bursts:
            require_full_scale(burst.samples)
        plan = RepeatedBurst.plan(bursts[0].samples.size, listen)
        self._require_room(plan.period_samples)
        settling = self._settling_samples()
        n_samples = whole_units(settling + plan.least_capture_samples)
        with self.open_ended_transmission(n_samples / rate_hz):
            self._start_repeating([plan.padded(burst.samples) for burst in bursts])
            # Some firmware reports an underflow whenever nothing is transmitted: forget what was before.
            self._underflow.clear()
            codes, start = self._contiguous(n_samples)
            if self._underflow.lost():
                raise SampleUnderflowError("the radio ran out of transmit samples in the middle of a burst")
        codes = codes[settling : settling + plan.least_capture_samples]
        window = plan.window([burst.samples for burst in bursts], fold_power(codes, plan.period_samples))
        start += timedelta(seconds=(settling + window.start) / rate_hz)
        return tuple(self._captured(codes[window], channel, start) for channel in channels)

    @contextmanager
    def repeat(self, burst: Capture) -> Iterator[None]:
        """Transmit a burst over and over; see `Radio.repeat`. Other channels in use are silent."""
        self._require_silent()
        self.listen_samples(burst, self.settings.sample_rate_hz, None)
        require_full_scale(burst.samples)
        # As often as makes whole units of the radio's memory, and a buffer of some length.
        times = math.lcm(burst.samples.size, whole_units(1)) // burst.samples.size
        times *= math.ceil(_LEAST_PERIOD_SAMPLES / (times * burst.samples.size))
        self._require_room(times * burst.samples.size)
        period = np.tile(burst.samples, times)
        with self.open_ended_transmission():
            self._start_repeating([period, *[np.zeros_like(period)] * (len(self.settings.channels) - 1)])
            yield

    def capture(self, n_samples: int) -> Capture:
        """Receive contiguous samples; see `Radio.capture`."""
        self._require_settled()
        if not isinstance(n_samples, int | np.integer) or isinstance(n_samples, bool):
            raise BadValueError(f"n_samples is {n_samples!r}", "give a whole number")
        if n_samples < 1:
            raise BadValueError(f"n_samples is {n_samples}", "receive at least one sample")
        settling = self._settling_samples()
        codes, start = self._contiguous(whole_units(settling + n_samples))
        start += timedelta(seconds=settling / self.settings.sample_rate_hz)
        return self._captured(codes[settling : settling + n_samples], self.settings.channels[0], start)

    @contextmanager
    def receive_stream(self, block_samples: int) -> Iterator[PlutoReceiveStream]:
        """Receive without end; see `Radio.receive_stream` and `PlutoReceiveStream`."""
        if block_samples < 1:
            raise BadValueError(f"block_samples is {block_samples}", "receive at least one sample at a time")
        with self._receiving_in_blocks(block_samples, _STREAM_AWAY_S) as buffer:
            self._overflow.clear()
            lane_channel = self._place(self.settings.channels[0])
            yield PlutoReceiveStream(buffer, self._overflow, lane_channel, self.settings.sample_rate_hz)

    @contextmanager
    def transmit_stream(self) -> Iterator[PlutoTransmitStream]:
        """Transmit without end; see `Radio.transmit_stream`. Leaving it waits until all is sent, then mutes."""
        self._require_silent()
        rate_hz = self.settings.sample_rate_hz
        block = whole_units(max(_LEAST_PERIOD_SAMPLES, round(_STREAM_BLOCK_S * rate_hz)))
        with self.open_ended_transmission():
            buffer = self._start(block, cyclic=False)
            lane_channel = self._place(self.settings.channels[0])
            stream = PlutoTransmitStream(buffer, self._underflow, lane_channel, rate_hz, lambda: self.muted)
            yield stream
            stream.finish()

    @contextmanager
    def digital_loopback(self) -> Iterator[None]:
        """Receive what is transmitted, bit for bit, inside the chip: a test of everything but the radio frequency.

        Nothing leaves the radio meanwhile, so nothing needs permission.
        """
        self._require_silent()
        permission = self.permission
        try:
            self._control.set_digital_loopback(True)
            self.permission = None if permission is None else permission.exempt()
            yield
        finally:
            self.permission = permission
            try:
                self.mute()
            finally:
                self._control.set_digital_loopback(False)

    def _settling_samples(self) -> int:
        return max(_SETTLING_SAMPLES, math.ceil(_SETTLING_S * self.settings.sample_rate_hz))

    def _captured(self, codes: np.ndarray, channel: int, start: datetime) -> Capture:
        samples, clipped = from_lanes(codes, self._place(channel))
        snapshot = {
            "uri": self.uri,
            "radio": asdict(self.settings),
            "channel": channel,
            "bandwidth_hz": self._control.bandwidth_hz,
            "serial": self._control.serial,
            "firmware": self._control.firmware,
            "tracking": dict(self._tracking),
        }
        return Capture(
            samples,
            self.settings.sample_rate_hz,
            center_frequency_hz=self.settings.center_frequency_hz,
            start=start,
            clipped=clipped,
            settings=snapshot,
        )
