"""A simulated radio on an air of its own, where time passes only as samples are received or wait to be sent."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdr_gsc.channel.converters import Converter
from sdr_gsc.channel.front_end_faults import FrontEnd
from sdr_gsc.channel.profile import ChannelProfile
from sdr_gsc.channel.resampling import HALF_LENGTH

from .emulation.air import Air, Emission

__all__ = ["Heard", "VirtualAir", "VirtualTuning"]

#: Samples that may wait to be sent, and samples that are received at a time.
_QUEUE, _PIECE = 1 << 20, 1 << 18
#: How long one side waits for the other, which another thread may keep busy, before it goes on alone.
_PATIENCE_S = 0.3
_LOSS_DB = 30.0


@dataclass(frozen=True, slots=True)
class Heard:
    """A reception.

    Attributes:
        samples: complex64 [ports, n].
        first: number of the first sample since the air began.
        clipped: for each port, samples with a rail at the converter's limit.
    """

    samples: np.ndarray
    first: int
    clipped: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class VirtualTuning:
    """How the radio is set.

    Attributes:
        sample_rate_hz: of both directions.
        tx_frequency_hz: transmit oscillator.
        rx_frequency_hz: receive oscillator.
        tx_gain_db: below the largest; with the receive gain as it is here, a signal arrives as strong as it was sent.
        rx_gain_db: on the emulated radios' scale.
    """

    sample_rate_hz: float
    tx_frequency_hz: float
    rx_frequency_hz: float
    tx_gain_db: float = -10.0
    rx_gain_db: float = 40.0


class VirtualAir:
    """One radio that hears itself; what it transmits is on its way at once. All methods are thread-safe.

    Without a stream to send, time goes on by what is received. With one, the receiving side waits for the sending side
    and, where somebody receives without end, the other way round: two threads exchange samples without loss at any
    speed. A side that does not come in time is left behind: the radio then ran out of samples, or lost some.

    Args:
        profile: the channel, with the bits of both converters; its receive level is not kept.
        seed: of the channel.
        tuning: rate, oscillators and gains.
        n_ports: of each direction.
        noise_dbfs: floor at a receive gain of 40 dB for a profile without Es/N0; -inf adds no noise.
        front_ends: imperfections of each port, or none. The transmitting side has them with its clock; the receiving
            side's clock is right.
        start_s: time that has passed already.
    """

    def __init__(
        self,
        profile: ChannelProfile,
        seed: int,
        tuning: VirtualTuning,
        *,
        n_ports: int,
        noise_dbfs: float = -math.inf,
        front_ends: Sequence[FrontEnd] = (),
        start_s: float = 0.0,
    ) -> None:
        self._profile = profile
        self._tuning = tuning
        self._rate_hz = tuning.sample_rate_hz
        self._front_ends = tuple(front_ends)
        air = Air(profile, seed=seed, loss_db=_LOSS_DB, noise_dbfs=noise_dbfs, clock=lambda: 0.0)
        self._antenna = self._sender = air.antenna("radio", n_ports=n_ports, front_ends=front_ends)
        if front_ends:
            right = [each.without_clock() for each in front_ends]
            self._antenna = air.antenna("receiver", n_ports=n_ports, front_ends=right)
        self._changed = threading.Condition()
        self._now = round(start_s * tuning.sample_rate_hz)
        self._listeners = 0
        self._emissions: list[Emission] = []
        self._streaming = False
        self._stream: Emission | None = None
        self._stream_end = 0
        self._underflows = 0

    @property
    def now_s(self) -> float:
        """Time that has passed."""
        return self._now / self._rate_hz

    @property
    def underflows(self) -> int:
        """Times that a stream ran out of samples so far."""
        return self._underflows

    @property
    def settling_samples(self) -> int:
        """Longest way through the channel, from the first sample sent to the last echo."""
        profile = self._profile
        spread = float(profile.power_delay_profile().delays_s.max()) * self._rate_hz
        spread += max((each.delay_s for each in self._front_ends), default=0.0) * self._rate_hz
        return math.ceil(profile.delay_samples + profile.delay_range_samples + spread) + 4 * HALF_LENGTH

    def settle(self) -> None:
        """Let the longest way through the channel pass unheard, unless somebody is listening."""
        with self._changed:
            if not self._listeners:
                self._now += self.settling_samples
            self._changed.notify_all()

    def transmit(self, bursts: Sequence[np.ndarray], ports: Sequence[int], *, repeat: bool) -> None:
        """Send bursts, complex64 [n], together."""
        with self._changed:
            for burst, port in zip(bursts, ports, strict=True):
                self._emissions.append(self._emit(self._converted(burst), port, repeat))

    def silence(self) -> None:
        """End all transmissions now; what waits to be sent is dropped."""
        with self._changed:
            ended, self._emissions = self._emissions, []
            self._streaming, self._stream = False, None
            for emission in ended:
                emission.stop(self._now * (1 + 1e-6 * self._sender.clock_ppm) / self._rate_hz)
            self._changed.notify_all()
        if ended:
            self.settle()

    def hear(self, ports: Sequence[int], n_samples: int) -> Heard:
        """Receive the next samples."""
        samples = np.empty((len(ports), n_samples), np.complex64)
        with self._changed:
            first = self._now
            for at in range(0, n_samples, _PIECE):
                piece = samples[:, at : at + _PIECE]
                self._await_writer(piece.shape[1])
                piece[:] = self._antenna.receive(
                    ports,
                    piece.shape[1],
                    start_s=self._now / self._rate_hz,
                    sample_rate_hz=self._rate_hz,
                    center_frequency_hz=self._tuning.rx_frequency_hz,
                    gain_db=self._tuning.rx_gain_db,
                )
                self._now += piece.shape[1]
                if self._stream is not None and self._now > self._stream_end:
                    self._underflows += 1
                    self._stream = None
                self._changed.notify_all()
        return Heard(samples, first, tuple(self._clip(row) for row in samples))

    def open_stream(self) -> None:
        """Begin to take what `write` brings."""
        with self._changed:
            self._streaming, self._underflows = True, 0

    def write(self, samples: np.ndarray, port: int) -> bool:
        """Queue samples, complex64 [n], behind those before; waits while the queue is full.

        Returns:
            False once the stream was ended.
        """
        sent = self._converted(samples)
        with self._changed:
            return all(self._queue(sent[at : at + _PIECE], port) for at in range(0, sent.size, _PIECE))

    def listen(self) -> None:
        """Announce a side that receives without end; the sending side waits for it."""
        with self._changed:
            self._listeners += 1

    def leave(self) -> None:
        """Take the announcement back."""
        with self._changed:
            self._listeners -= 1
            self._changed.notify_all()

    def _queue(self, sent: np.ndarray, port: int) -> bool:
        def has_place() -> bool:
            return self._stream is None or self._stream_end + sent.size <= self._now + _QUEUE

        if self._listeners:
            self._changed.wait_for(
                lambda: has_place() or not self._listeners or not self._streaming, timeout=_PATIENCE_S
            )
        if not self._streaming:
            return False
        if not has_place():
            self._now = self._stream_end + sent.size - _QUEUE
        if self._stream is None:
            self._stream = self._emit(sent, port, repeat=False)
            self._emissions = [self._stream]
            self._stream_end = self._now + sent.size
        else:
            self._stream.append(sent)
            self._stream_end += sent.size
        self._changed.notify_all()
        return True

    def _await_writer(self, n_samples: int) -> None:
        if self._stream is not None:
            # The interpolator looks a little ahead, and a channel that is late leaves time to write.
            needed = self._now + n_samples + 2 * HALF_LENGTH
            self._changed.wait_for(lambda: self._stream is None or self._stream_end >= needed, timeout=_PATIENCE_S)

    def _converted(self, samples: np.ndarray) -> np.ndarray:
        sent = np.array(samples, np.complex64)
        if self._profile.dac_bits is not None:
            Converter(self._profile.dac_bits)(sent)
        return sent

    def _clip(self, samples: np.ndarray) -> int:
        if self._profile.adc_bits is None:
            return 0
        converter = Converter(self._profile.adc_bits)
        converter(samples)
        return converter.clipped

    def _emit(self, sent: np.ndarray, port: int, repeat: bool) -> Emission:
        # Where the sender's clock is another one, its grid of samples lies anywhere beside the receiver's.
        start = self._now * (1 + 1e-6 * self._sender.clock_ppm)
        late_samples = start - round(start)
        return self._sender.transmit(
            port,
            sent,
            start_s=round(start) / self._rate_hz,
            sample_rate_hz=self._rate_hz,
            center_frequency_hz=self._tuning.tx_frequency_hz,
            gain_db=self._tuning.tx_gain_db,
            late_samples=late_samples,
            repeat=repeat,
        )
