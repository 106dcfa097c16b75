"""One emission as one port of one receiver hears it: read at that receiver's instants, whatever the block sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from sdr_gsc.channel.levels import receive_levels
from sdr_gsc.channel.profile import ChannelProfile
from sdr_gsc.channel.resampling import HALF_LENGTH, interpolation_kernel, resample
from sdr_gsc.channel.simulator import Offsets

from ._air_kernels import change_rate, phasor_table, turn
from ._air_source import Source
from ._air_way import GRAIN, PIECE, Carrier, Fading, Sender, Way

__all__ = ["CHUNK", "Emitted", "Link", "Tuning"]

#: Received samples that are interpolated together, counted from the start of the receiver's clock.
_GROUP = 4096
#: Received samples between two looks at what is on the air.
CHUNK = 4 * _GROUP
#: Largest clock offset that the short interpolator follows.
_SMALL_OFFSET = 2e-3
_PER_SAMPLE = 512
#: Samples from the start of an emission whose power Es/N0 relates to: all of an ordinary burst.
_MEASURED = 1 << 20
#: A shorter burst that repeats is measured over at least so many samples.
_MEASURED_REPEATED = 1 << 14
#: Up to here the power is measured again whenever samples were appended; beyond, when they have doubled.
_MEASURED_ALWAYS = 1 << 16


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a radio's converters and oscillators of one direction run.

    Attributes:
        rate_hz: true sampling rate.
        frequency_hz: true frequency of the oscillator, when the air began.
        drift_hz_s: by how much it grows in a second.
    """

    rate_hz: float
    frequency_hz: float
    drift_hz_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Emitted:
    """What is known of an emission when it begins.

    Attributes:
        source: its samples.
        tuning: of the transmitter.
        first: number of its first sample on the transmitter's clock.
        gain_db: below the transmitter's largest gain; the true one.
        port: of the transmitter.
        offsets: drawn once.
        seeds: entropy of its oscillators and of its fading.
        noise: antenna noise per receiving port, and how many samples it was measured over.
        sender: the imperfect front end that it comes from, if any.
        late_samples: by how much it begins after its first sample's place.
    """

    source: Source
    tuning: Tuning
    first: int
    gain_db: float
    port: int
    offsets: Offsets
    seeds: np.random.SeedSequence
    noise: dict[tuple[int, int], tuple[float, int]]
    sender: Sender | None = None
    late_samples: float = 0.0


@cache
def _half_kernel() -> np.ndarray:
    """float64: right half of the interpolator, `_PER_SAMPLE` values per sample, for rates far apart."""
    return interpolation_kernel(np.arange(HALF_LENGTH * _PER_SAMPLE + 2) / _PER_SAMPLE)


class Link:
    """The state between one emission and one port.

    Args:
        profile: settings.
        emitted: the emission.
        tuning: of the receiver.
        listener: numbers of the receiving radio and of its port.
        gain_db: of the transmitter and the way together.
        lead_samples: by how much what is read runs ahead of the receiver's samples, whose own filter is late by it.
    """

    def __init__(
        self,
        profile: ChannelProfile,
        emitted: Emitted,
        tuning: Tuning,
        listener: tuple[int, int],
        gain_db: float,
        lead_samples: int = 0,
    ) -> None:
        offsets, sender = emitted.offsets, emitted.tuning
        self.emitted = emitted
        self.gain = 10 ** (gain_db / 20)
        self._profile = profile
        self._listener = listener
        seeds = emitted.seeds
        pair = np.random.SeedSequence(seeds.entropy, spawn_key=(*seeds.spawn_key, 1, emitted.port, *listener))
        self._oscillators = np.random.SeedSequence(seeds.entropy, spawn_key=(*seeds.spawn_key, 2))
        self._fading = Fading(profile, sender.rate_hz, pair, emitted.sender)
        self._ratio = sender.rate_hz / tuning.rate_hz
        self._drift = 1 + 1e-6 * offsets.sfo_ppm
        self._step = self._ratio * self._drift
        self._late = emitted.first + offsets.delay_samples * self._ratio
        self._lead = lead_samples
        if lead_samples:
            self._late -= lead_samples * self._ratio
        self._late += emitted.late_samples
        if emitted.sender is not None:
            self._late += emitted.sender.front_end.delay_s * sender.rate_hz
        offset_hz = sender.frequency_hz - tuning.frequency_hz + offsets.cfo_hz
        chirp_hz_s = sender.drift_hz_s - tuning.drift_hz_s
        offset_hz += chirp_hz_s * emitted.first / sender.rate_hz
        self.audible = abs(offset_hz) < max(sender.rate_hz, tuning.rate_hz) / 2
        # The carrier turns where the rate is higher, so that nothing folds over the edge of the band.
        faster = self._ratio < 1 - _SMALL_OFFSET
        self._sent_carrier = Carrier()
        if not faster:
            chirp = chirp_hz_s / sender.rate_hz**2
            self._sent_carrier = Carrier(offset_hz / sender.rate_hz, offsets.phase_rad, chirp)
        self._turn_cycles = offset_hz / tuning.rate_hz if faster else 0.0
        self._turn_phase = offsets.phase_rad if faster else 0.0
        self._turn_table = phasor_table(2 * math.pi * self._turn_cycles) if faster else None
        self._short = abs(self._step - 1) < _SMALL_OFFSET
        self._margin = math.ceil(HALF_LENGTH * (1.0 if self._short else max(1.0, self._step))) + 4
        self._scratch = np.empty(_GROUP, np.complex64)
        taps = self._fading.stretch(0)
        self._bulk, self._echo = taps.bulk_delay_samples, taps.taps.shape[1] - 1
        # What has arrived: the sample `_origin` of the emission's clock first, `_filled` of them to stay.
        self._data = np.empty(0, np.complex64)
        self._origin = self._filled = 0
        self._way: Way | None = None

    def _position(self, number: int) -> float:
        """Where on the emission's clock the receiver's sample lies, as the filtered signal counts."""
        return self._bulk + (number * self._ratio - self._late) * self._drift

    def on_air(self) -> tuple[float, float]:
        """Numbers of the receiver's samples between which the emission is heard, as far as it is known."""
        first = self._late / self._ratio
        return first, first + (self.emitted.source.end + self._echo - self._bulk) / self._step

    def noise(self) -> float:
        """Noise power at the antenna that the profile's Es/N0 asks for next to this emission."""
        source, known = self.emitted.source, self.emitted.noise
        if source.period:
            n = min(max(-(-_MEASURED_REPEATED // source.period) * source.period, source.period), source.end)
            n = min(n, max(_MEASURED, _MEASURED_REPEATED))
        else:
            n = min(source.end, _MEASURED)
        power, measured = known.get(self._listener, (0.0, 0))
        stale = n > measured and (n <= _MEASURED_ALWAYS or n >= 2 * measured or n == _MEASURED)
        if stale and (measured == 0 or source.first_kept == 0):
            way = Way(self._profile, source, self._fading, self._oscillators, start=source.first_kept)
            sent, arriving, nonzero = way.measure(n)
            levels = receive_levels(self._leaking(), way.channel, n, nonzero, sent, arriving)
            power = levels.noise_power * self.gain**2
            known[self._listener] = power, n
        return power

    def _leaking(self) -> ChannelProfile:
        """The profile with all that leaks out of the transmitter, which counts for no power that Es/N0 relates to."""
        sender = self.emitted.sender
        if sender is None or not sender.front_end.tx.dc:
            return self._profile
        return replace(self._profile, tx_dc_dbfs=sender.front_end.tx.dc_dbfs)

    def add(self, number: int, out: np.ndarray, gain: float) -> None:
        """Add what is heard from the receiver's sample `number` on to `out`, complex64 [n] within one CHUNK."""
        offset = number % _GROUP
        start = number - offset
        instant = self._position(start)
        low = math.floor(instant) - self._margin
        high = math.ceil(self._position(number + out.size - 1)) + self._margin
        if high <= 0 or low >= self.emitted.source.end + self._echo:
            return
        self._fill(low, high)
        done = -offset
        while done < out.size:
            skip = max(0, -done)
            count = min(_GROUP, out.size - done)
            # The window begins at the same sample whatever was asked for before: floats then round alike.
            begin = math.floor(instant) - self._margin
            window = self._data[begin - self._origin : high - self._origin]
            read = self._scratch[:count]
            self._interpolate(window, instant - begin, read, gain * self.gain)
            if self._turn_table is not None:
                count_from = start + self._lead - self.emitted.first
                base = 2 * math.pi * math.fmod(self._turn_cycles * count_from, 1.0) + self._turn_phase
                turn(read.view(np.float32), self._turn_table, 2 * math.pi * self._turn_cycles, base, 0)
            target = out[done + skip : done + count]
            target += read[skip:]
            done += _GROUP
            start += _GROUP
            instant = self._position(start)

    def _interpolate(self, window: np.ndarray, first: float, out: np.ndarray, gain: float) -> None:
        if self._short:
            resample(window, first, self._step, out.size, gain=gain, out=out)
        else:
            rails, target = window.view(np.float32), out.view(np.float32)
            change_rate(rails, target, _half_kernel(), _PER_SAMPLE, first, self._step, gain)

    def _begin(self, low: int) -> Way:
        way = Way(
            self._profile, self.emitted.source, self._fading, self._oscillators, self._sent_carrier, low - self._echo
        )
        self._origin = min(low, way.at)
        self._filled = way.at - self._origin
        if self._data.size < self._filled:
            self._data = np.empty(self._filled, np.complex64)
        self._data[: self._filled] = 0
        return way

    def _fill(self, low: int, high: int) -> None:
        """Have what arrives between two samples of the emission's clock."""
        way, source = self._way, self.emitted.source
        if way is None or low < self._origin or low > way.at + 2 * PIECE:
            way = self._way = self._begin(low)
        end = source.end
        self._reserve(low, max(high, -(-high // GRAIN) * GRAIN))
        if end < way.at:  # stopped earlier than was foreseen
            self._data[max(0, end + self._echo - self._origin) : self._filled] = 0
        steady = min(-(-high // GRAIN), end // GRAIN) * GRAIN
        if steady > way.at:
            n = steady - way.at
            way.advance(self._data[self._filled : self._filled + n])
            self._filled += n
        arrived = max(0, min(high, end + self._echo) - way.at) if high > way.at else 0
        if arrived:
            # The rest of a grain is known so far; more may be appended, so that it is rendered again then.
            saved = way.save()
            way.advance(self._data[self._filled : self._filled + arrived])
            way.restore(saved)
        if high > way.at:
            self._data[self._filled + arrived : high - self._origin] = 0

    def _reserve(self, low: int, high: int) -> None:
        """Make place up to `high`, forgetting what lies before `low`."""
        if high - self._origin <= self._data.size:
            return
        gone = min(max(0, low - self._origin), self._filled)
        kept = self._data[gone : self._filled]
        needed = max(high, self._origin + self._filled) - (self._origin + gone)
        target = self._data
        if needed > self._data.size:
            target = np.empty(needed + 2 * PIECE, np.complex64)
            target[: kept.size] = kept
        else:
            target[: kept.size] = kept.copy()
        self._data = target
        self._origin += gone
        self._filled -= gone
