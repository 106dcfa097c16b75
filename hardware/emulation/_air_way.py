"""The way of one emission to one port of a receiver, on the transmitter's clock."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sdr_gsc.channel.fading import FadingFilter, FadingRealization, draw_fading
from sdr_gsc.channel.front_end_faults import FrontEnd
from sdr_gsc.channel.front_end_stages import rippled, transmit_stages
from sdr_gsc.channel.front_ends import Stage, transmitter_stages
from sdr_gsc.channel.impairments import PhaseNoise
from sdr_gsc.channel.levels import count_nonzero, energy
from sdr_gsc.channel.profile import ChannelProfile

from ._air_kernels import phasor_table, turn
from ._air_source import ENDLESS, Source

__all__ = ["GRAIN", "PIECE", "Carrier", "Fading", "Sender", "Way"]

#: Samples that pass in one call, at most.
PIECE = 1 << 14
#: Pieces that stay are multiples of this: phase noise and moving taps then do not depend on how the way was cut.
GRAIN = 512
#: Where a way may begin in the middle of an emission.
_START = 4096
#: Samples over which one table of fading reaches.
_STRETCH = 1 << 17


@dataclass(frozen=True, slots=True)
class Sender:
    """The imperfect front end that an emission comes from.

    Attributes:
        front_end: the radio's.
        gain_db: true transmit gain, relative to the largest.
    """

    front_end: FrontEnd
    gain_db: float


@dataclass(frozen=True, slots=True)
class Carrier:
    """The offset of a carrier, whose phase at sample n is phase + 2 pi (cycles n + chirp n^2 / 2).

    Attributes:
        cycles: offset in cycles per sample, at sample 0.
        phase_rad: at sample 0.
        chirp: how fast the offset moves, in cycles per sample and sample.
    """

    cycles: float = 0.0
    phase_rad: float = 0.0
    chirp: float = 0.0


@dataclass(frozen=True, slots=True)
class Fading:
    """The drawn channel of a pair of ports, continuous in time however long it lasts.

    Attributes:
        profile: settings.
        rate_hz: of the transmitter.
        seeds: entropy of this pair.
        sender: whose ripple filter counts as part of the channel; None has none.
    """

    profile: ChannelProfile
    rate_hz: float
    seeds: np.random.SeedSequence
    sender: Sender | None = None

    def stretch(self, number: int) -> FadingRealization:
        """Taps of one stretch; a channel at rest is the same in all."""
        channel = self._drawn(number)
        return channel if self.sender is None else rippled(channel, self.sender.front_end.tx)

    def _drawn(self, number: int) -> FadingRealization:
        return draw_fading(
            self.profile.power_delay_profile(),
            n_samples=_STRETCH,
            sample_rate_hz=self.rate_hz,
            doppler_hz=self.profile.doppler_hz,
            generator=np.random.Generator(np.random.PCG64(self.seeds)),
            first_sample=number * _STRETCH,
        )


class Way:
    """Transmitter, fading and carrier offset that the samples of an emission pass in order.

    Args:
        profile: settings.
        source: the samples.
        fading: the channel.
        oscillators: entropy of the phase noise.
        carrier: its offset.
        start: sample to begin near; the way begins at a grid point at or before it.
    """

    def __init__(
        self,
        profile: ChannelProfile,
        source: Source,
        fading: Fading,
        oscillators: np.random.SeedSequence,
        carrier: Carrier = Carrier(),
        start: int = 0,
    ) -> None:
        self._start = self.at = max(0, start) // _START * _START
        self.channel = fading.stretch(self.at // _STRETCH)
        self._profile = replace(profile, linewidth_hz=0.0)
        self._source = source
        self._fading = fading
        self._filter = FadingFilter(self.channel, PIECE, self.at % _STRETCH)
        self._phase_noise: PhaseNoise | None = None
        if profile.linewidth_hz > 0:
            # A way that begins later continues no oscillator: its phase starts anew, the same for all that begin there.
            seeds = np.random.SeedSequence(oscillators.entropy, spawn_key=(*oscillators.spawn_key, self.at))
            generator = np.random.Generator(np.random.PCG64(seeds))
            self._phase_noise = PhaseNoise(profile.linewidth_hz, fading.rate_hz, generator)
        self._drive = -1.0
        self._stages: list[Stage] = []
        self._carrier = carrier
        self._step_rad = 2 * math.pi * carrier.cycles
        self._table = None if carrier == Carrier() else phasor_table(self._step_rad)

    @property
    def echo_samples(self) -> int:
        """Samples by which what arrives outlasts what was sent."""
        return self.channel.taps.shape[1] - 1

    def _transmitter(self) -> list[Stage]:
        drive = self._source.mean_power
        if drive != self._drive:
            self._drive = drive
            unused = np.random.default_rng(0)  # phase noise has an oscillator of its own
            self._stages = transmitter_stages(self._profile, drive, self._fading.rate_hz, unused)
            if (sender := self._fading.sender) is not None:
                self._stages += transmit_stages(sender.front_end, sender.gain_db)
        return self._stages

    def advance(self, out: np.ndarray) -> None:
        """Let the next samples pass to `out`, complex64 [n]; n is a multiple of GRAIN, unless a `restore` follows."""
        done = 0
        while done < out.size:
            self._cross()
            n = min(out.size - done, PIECE - self.at % PIECE)
            self._pass(out[done : done + n])
            self.at += n
            done += n

    def _cross(self) -> None:
        """Go over to the next stretch of the channel where the last one is at its end."""
        if self.at % _STRETCH == 0 and self.at > self._start:
            if self._profile.doppler_hz > 0:
                self.channel = self._fading.stretch(self.at // _STRETCH)
            self._filter.proceed(self.channel)

    def _inlet(self, n: int, end: int = ENDLESS) -> np.ndarray:
        """The next n samples before `end`, where the filter takes them; it finds zeros behind them."""
        inlet = self._filter.inlet[:n]
        known = max(0, min(self._source.read(self.at, inlet), end - self.at))
        inlet[known:] = 0
        return inlet[:known]

    def _pass(self, target: np.ndarray) -> None:
        sent = self._inlet(target.size)
        if sent.size:
            for stage in self._transmitter():
                stage(sent)
            if self._phase_noise is not None:
                self._phase_noise(sent)
        self._filter(target)
        if self._table is not None:
            self._turn(target, self._table)

    def _turn(self, target: np.ndarray, table: np.ndarray) -> None:
        carrier, begin = self._carrier, self.at // PIECE * PIECE
        # Whole turns up to this piece are left out before the phase becomes a float: no drift, however late.
        turns = math.fmod(carrier.cycles * begin, 1.0)
        step_rad = self._step_rad
        if carrier.chirp:
            # Within a piece the frequency is that in its middle; the phase is right where pieces meet.
            turns += math.fmod(carrier.chirp * begin * begin / 2, 1.0)
            step_rad += 2 * math.pi * carrier.chirp * (begin + PIECE / 2)
            table = phasor_table(step_rad)
        base = 2 * math.pi * turns + carrier.phase_rad
        turn(target.view(np.float32), table, step_rad, base, self.at % PIECE)

    def measure(self, n_samples: int) -> tuple[float, float, int]:
        """Let the samples up to `n_samples` pass for good, without the offset of the carrier.

        Returns:
            Energies before the channel and, echoes included, behind it; and the number of samples that were not zero.
        """
        sent_energy = arriving_energy = 0.0
        nonzero = 0
        out = np.empty(PIECE, np.complex64)
        while self.at < n_samples + self.echo_samples:
            self._cross()
            target = out[: min(PIECE - self.at % PIECE, n_samples + self.echo_samples - self.at)]
            sent = self._inlet(target.size, n_samples)
            nonzero += count_nonzero(sent)
            for stage in self._transmitter():
                stage(sent)
            sent_energy += energy(sent)
            self._filter(target)
            arriving_energy += energy(target)
            self.at += target.size
        return sent_energy, arriving_energy, nonzero

    def save(self) -> tuple[object, ...]:
        """Where the signal stands, for `restore`."""
        noise = self._phase_noise
        return self.at, self.channel, self._filter.save(), None if noise is None else noise.save()

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Forget what has passed since `save`."""
        self.at, self.channel, of_filter, of_noise = saved
        self._filter.restore(of_filter)
        if self._phase_noise is not None:
            self._phase_noise.restore(of_noise)
