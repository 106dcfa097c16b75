"""The air between emulated radios: one medium, any number of radios, each with its own clock and oscillator."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sdr_gsc.channel.front_end_faults import FrontEnd
from sdr_gsc.channel.profile import ChannelProfile
from sdr_gsc.channel.simulator import draw_offsets

from ._air_link import Emitted, Tuning
from ._air_port import Port
from ._air_source import Source
from ._air_way import Sender

__all__ = ["Air", "Antenna", "Emission"]

#: How far behind the newest reception samples are kept, in seconds, and how many of one emission at most.
_HISTORY_S, _HISTORY_SAMPLES = 3.0, 1 << 24
#: Receive gain at which the noise floor is what `noise_dbfs` says.
_FLOOR_GAIN_DB = 40.0


class Air:
    """A medium on which radios hear each other and themselves.

    Amplitude received = amplitude sent times 10^((tx gain + rx gain - loss_db) / 20). With `profile.esn0_db` the noise
    follows the signal, so that Es/N0 is what `sdr_gsc.channel.simulator.simulate` makes of it: the noise of the
    strongest emission on the air, afterwards that of the last one; before the first one, that of the next if it is
    queued, else the floor. An emission of zeros alone counts as none. Power is measured over what is queued of an
    emission, up to the first 2^20 samples.

    Every emission draws delay, offsets and phase once, as `simulate` does; emissions of one radio that begin together
    at one frequency share them and the phase noise, as ports of one radio do. Each pair of ports has a fading of its
    own, which goes on without a break as long as the emission lasts. Converters and gain control are the radios'
    business: `dac_bits`, `adc_bits`, `receive_level_dbfs`, `stale_samples` and `tail_samples` of the profile do nothing
    here. A receiver may run at another rate than the transmitter; an emission whose carrier lies further away than half
    the larger of the two rates is not heard.

    All methods of an air, its antennas and emissions are thread-safe.

    Args:
        profile: settings of every way.
        seed: of everything random.
        loss_db: between any two antennas.
        noise_dbfs: noise without `profile.esn0_db`, at a receive gain of 40 dB; it moves with the gain.
        cross_db: gain between ports of different numbers relative to ports of the same; -150 and less is no coupling.
        clock: true time in seconds.
    """

    def __init__(
        self,
        profile: ChannelProfile,
        *,
        seed: int = 0,
        loss_db: float = 30.0,
        noise_dbfs: float = -70.0,
        cross_db: float = -200.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.profile = replace(profile, dac_bits=None, adc_bits=None, receive_level_dbfs=None)
        self.loss_db = loss_db
        self.noise_dbfs = noise_dbfs
        self.cross_db = cross_db
        self._seed = seed
        self._clock = clock
        self._epoch_s = clock()
        self._lock = threading.Lock()
        self._emissions: tuple[Emitted, ...] = ()
        self._antennas = self._drawn = 0
        self._newest_s = 0.0

    def antenna(
        self, name: str, *, n_ports: int = 1, clock_ppm: float = 0.0, front_ends: Sequence[FrontEnd] = ()
    ) -> Antenna:
        """Put a radio on the air.

        Args:
            name: for reports.
            n_ports: of each direction.
            clock_ppm: how much faster its clock and its oscillators run than they should.
            front_ends: imperfections of each port; none for a perfect radio. The first one's clock error comes on top
                of `clock_ppm`.

        Raises:
            ValueError: another number of front ends than of ports.
        """
        if front_ends and len(front_ends) != n_ports:
            raise ValueError(f"there are {len(front_ends)} front ends for {n_ports} ports")
        with self._lock:
            number = self._antennas
            self._antennas += 1
        return Antenna(self, number, name, n_ports, clock_ppm, front_ends)

    @property
    def emissions(self) -> int:
        """How many emissions are on the air, queued, or not yet forgotten."""
        return len(self._emissions)

    def true_s(self) -> float:
        """True time since the air began."""
        return self._clock() - self._epoch_s

    def seeds(self, *key: int) -> np.random.SeedSequence:
        """Entropy for one purpose."""
        return np.random.SeedSequence(self._seed, spawn_key=key)

    def emit(
        self,
        samples: np.ndarray,
        tuning: Tuning,
        first: int,
        gain_db: float,
        port: int,
        repeat: bool,
        front_end: FrontEnd | None = None,
        late_samples: float = 0.0,
    ) -> Emitted:
        """Put samples on the air; see `Antenna.transmit`."""
        sender = None
        if front_end is not None:
            gain_db = front_end.tx.gain.true_db(gain_db)
            sender = Sender(front_end, gain_db)
        source = Source(samples, repeat)
        with self._lock:
            together = [e for e in self._emissions if (e.tuning, e.first) == (tuning, first) and e.port != port]
            if together:
                seeds, offsets = together[-1].seeds, together[-1].offsets
            else:
                seeds = self.seeds(0, self._drawn)
                self._drawn += 1
                offsets = draw_offsets(self.profile, np.random.Generator(np.random.PCG64(seeds)))
            emitted = Emitted(source, tuning, first, gain_db, port, offsets, seeds, {}, sender, late_samples)
            self._emissions = (*self._emissions, emitted)
        return emitted

    def on_air(self) -> tuple[Emitted, ...]:
        """Emissions not yet forgotten."""
        return self._emissions

    def received(self, until_s: float) -> None:
        """Forget what lies too far behind a reception until this true time."""
        with self._lock:
            if until_s < self._newest_s + _HISTORY_S / 16:
                return
            self._newest_s = until_s
            kept = []
            for emitted in self._emissions:
                heard = int(until_s * emitted.tuning.rate_hz) - emitted.first
                history = int(_HISTORY_S * emitted.tuning.rate_hz)
                emitted.source.forget(heard - min(history, _HISTORY_SAMPLES))
                if emitted.source.end > heard - history:
                    kept.append(emitted)
            self._emissions = tuple(kept)


class Antenna:
    """One radio's side of the air.

    Its sample number k stands at k / rate on its own clock; starting times are rounded to that grid.

    Attributes:
        name: for reports.
        n_ports: of each direction.
        clock_ppm: how much faster its clock and its oscillators run than they should.
        front_ends: imperfections of each port, or none.
    """

    def __init__(
        self, air: Air, number: int, name: str, n_ports: int, clock_ppm: float, front_ends: Sequence[FrontEnd] = ()
    ) -> None:
        self.name = name
        self.n_ports = n_ports
        self.front_ends = tuple(front_ends)
        self.clock_ppm = clock_ppm = clock_ppm + (front_ends[0].clock_ppm if front_ends else 0.0)
        self._drift_ppm_s = front_ends[0].drift_ppm_s if front_ends else 0.0
        self._air = air
        self._pace = 1 + 1e-6 * clock_ppm
        self._lock = threading.Lock()
        self._ports = [
            Port(
                air.profile,
                (number, port),
                air.seeds(1, number, port),
                loss_db=air.loss_db,
                cross_db=air.cross_db,
                floor_db=air.noise_dbfs - _FLOOR_GAIN_DB,
                front_end=front_ends[port] if front_ends else None,
            )
            for port in range(n_ports)
        ]

    def now_s(self) -> float:
        """Time on this radio's clock."""
        return self._air.true_s() * self._pace

    def _tuning(self, sample_rate_hz: float, center_frequency_hz: float) -> Tuning:
        drift_hz_s = 1e-6 * self._drift_ppm_s * center_frequency_hz
        return Tuning(sample_rate_hz * self._pace, center_frequency_hz * self._pace, drift_hz_s)

    def _require_port(self, port: int) -> None:
        if not 0 <= port < self.n_ports:
            raise ValueError(f"port is {port}; {self.name} has ports 0 ... {self.n_ports - 1}")

    def transmit(
        self,
        port: int,
        samples: np.ndarray,
        *,
        start_s: float,
        sample_rate_hz: float,
        center_frequency_hz: float,
        gain_db: float,
        repeat: bool = False,
        late_samples: float = 0.0,
    ) -> Emission:
        """Put samples on the air.

        Args:
            port: that sends.
            samples: complex64 [n], full scale 1.0; none is allowed where more are appended.
            start_s: time of the first sample on this radio's clock.
            sample_rate_hz: nominal rate, on this radio's clock.
            center_frequency_hz: nominal frequency of the oscillator.
            gain_db: relative to the largest transmit gain, at most 0.
            repeat: over and over, back to back, until stopped.
            late_samples: by how much it begins after its place on the radio's grid of samples.

        Raises:
            ValueError: a port that is not there, or nothing to repeat.
        """
        self._require_port(port)
        if repeat and samples.size == 0:
            raise ValueError("there are no samples to repeat")
        first = round(start_s * sample_rate_hz)
        tuning = self._tuning(sample_rate_hz, center_frequency_hz)
        front_end = self.front_ends[port] if self.front_ends else None
        emitted = self._air.emit(samples, tuning, first, gain_db, port, repeat, front_end, late_samples)
        return Emission(self, emitted, sample_rate_hz)

    def receive(
        self,
        ports: Sequence[int],
        n_samples: int,
        *,
        start_s: float,
        sample_rate_hz: float,
        center_frequency_hz: float,
        gain_db: float | Sequence[float],
    ) -> np.ndarray:
        """What ports hear from a time on; calls that follow each other continue, whatever their lengths.

        What no emission has queued yet is silence: a radio reads when the time has come.

        Args:
            ports: that listen.
            n_samples: to receive.
            start_s: time of the first one on this radio's clock.
            sample_rate_hz: nominal rate, on this radio's clock.
            center_frequency_hz: nominal frequency of the oscillator.
            gain_db: on the device's scale, of all ports or of each.

        Returns:
            complex64 [ports, n_samples], full scale 1.0, neither clipped nor quantized.

        Raises:
            ValueError: a port that is not there, or gains that do not fit the ports.
        """
        gains = list(gain_db) if isinstance(gain_db, Sequence) else [gain_db] * len(ports)
        if len(gains) != len(ports):
            raise ValueError(f"there are {len(gains)} gains for {len(ports)} ports")
        number = round(start_s * sample_rate_hz)
        tuning = self._tuning(sample_rate_hz, center_frequency_hz)
        out = np.empty((len(ports), n_samples), np.complex64)
        emissions = self._air.on_air()
        with self._lock:
            for row, port in enumerate(ports):
                self._require_port(port)
                self._ports[port].receive(out[row], number, tuning, gains[row], emissions)
        self._air.received((number + n_samples) / tuning.rate_hz)
        return out


class Emission:
    """Samples on their way; made by `Antenna.transmit`."""

    def __init__(self, antenna: Antenna, emitted: Emitted, sample_rate_hz: float) -> None:
        self._antenna = antenna
        self._emitted = emitted
        self._rate_hz = sample_rate_hz

    @property
    def end_s(self) -> float:
        """Time behind the last sample queued so far, on the sending radio's clock; infinite for a repeated burst."""
        source = self._emitted.source
        return float("inf") if source.end > 1 << 60 else (self._emitted.first + source.end) / self._rate_hz

    def append(self, samples: np.ndarray) -> None:
        """Go on with samples, complex64 [n], where the last one ended; after `stop` they go nowhere.

        Raises:
            ValueError: the emission repeats itself.
        """
        if self._emitted.source.period:
            raise ValueError("a repeated emission takes no more samples")
        self._emitted.source.append(samples)

    def stop(self, at_s: float | None = None) -> None:
        """Leave out everything from a time on, by the sending radio's clock; None is now."""
        at = self._antenna.now_s() if at_s is None else at_s
        self._emitted.source.stop(round(at * self._rate_hz) - self._emitted.first)
