"""One port of a receiver: everything on the air together, with noise and the imperfections of the receiver."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sdr_gsc.channel._normals import add_normals, seed_lanes
from sdr_gsc.channel.front_end_faults import FILTER_REACH, FrontEnd
from sdr_gsc.channel.front_end_stages import RippleFilter, mixer_stage
from sdr_gsc.channel.front_ends import receiver_stages
from sdr_gsc.channel.profile import ChannelProfile
from sdr_gsc.units import from_db

from ._air_kernels import add_scaled
from ._air_link import CHUNK, Emitted, Link, Tuning

__all__ = ["Port"]

_NOISE_SAMPLES = 1 << 14
#: Ports coupled more weakly than this do not hear each other at all.
_UNCOUPLED_DB = -150.0


class Port:
    """What one port of a receiver hears, call after call.

    Args:
        profile: settings.
        listener: numbers of the radio and of this port.
        seeds: entropy of its noise.
        loss_db: of every way.
        cross_db: of ways between ports of different numbers, in addition.
        floor_db: noise at the antenna while nothing else says how strong it is.
        front_end: imperfections of the receiver beside the profile's.
    """

    def __init__(
        self,
        profile: ChannelProfile,
        listener: tuple[int, int],
        seeds: np.random.SeedSequence,
        *,
        loss_db: float,
        cross_db: float,
        floor_db: float,
        front_end: FrontEnd | None = None,
    ) -> None:
        self._profile = profile
        self._listener = listener
        self._loss_db, self._cross_db = loss_db, cross_db
        self._floor = from_db(floor_db)
        self._stages, _ = receiver_stages(profile)
        self._front_end = front_end
        self._lead = 0
        self._next: int | None = None
        if front_end is not None:
            self._ripple = RippleFilter(front_end.rx)
            self._stages = [self._ripple, mixer_stage(front_end.rx), *self._stages]
            self._lead = FILTER_REACH
        self._lanes = seed_lanes(np.random.Generator(np.random.PCG64(seeds)))
        self._normals = np.empty(2 * _NOISE_SAMPLES, np.float32)
        self._drawn = self._normals.size  # rails of the normals that were used
        self._tuning: Tuning | None = None
        self._links: dict[Emitted, Link] = {}
        self._level: float | None = None
        self._level_until = -math.inf

    def receive(
        self, out: np.ndarray, number: int, tuning: Tuning, gain_db: float, emissions: Sequence[Emitted]
    ) -> None:
        """Write what is heard from the receiver's sample `number` on to `out`, complex64 [n]."""
        links = self._listen(tuning, emissions)
        if self._front_end is not None:
            gain_db = self._front_end.rx.gain.true_db(gain_db)
            if number != self._next:
                self._ripple.forget()
            self._next = number + out.size
        gain = 10 ** (gain_db / 20)
        out[:] = 0
        done = 0
        while done < out.size:
            n = min(out.size - done, CHUNK - (number + done) % CHUNK)
            part = out[done : done + n]
            for link in links:
                link.add(number + done, part, gain)
            self._add_noise(part, number + done, gain, links)
            done += n
        for stage in self._stages:
            stage(out)

    def _listen(self, tuning: Tuning, emissions: Sequence[Emitted]) -> list[Link]:
        if tuning != self._tuning:
            # Sample numbers mean other instants at another rate, so levels of the past have no place in time.
            self._links, self._tuning, self._level_until, self._next = {}, tuning, -math.inf, None
        links = {}
        for emitted in emissions:
            link = self._links.get(emitted)
            if link is None:
                if emitted.port != self._listener[1] and self._cross_db <= _UNCOUPLED_DB:
                    continue
                gain_db = emitted.gain_db - self._loss_db
                if emitted.port != self._listener[1]:
                    gain_db += self._cross_db
                link = Link(self._profile, emitted, tuning, self._listener, gain_db, self._lead)
            links[emitted] = link
        self._links = links
        return [link for link in links.values() if link.audible]

    def _add_noise(self, part: np.ndarray, number: int, gain: float, links: Sequence[Link]) -> None:
        end = number + part.size
        if self._profile.esn0_db is None:
            self._add_normals(part, math.sqrt(self._floor / 2) * gain)
            return
        spans = [(*link.on_air(), link) for link in links if not link.emitted.source.silent]
        edges = {math.ceil(edge) for first, last, _ in spans for edge in (first, last) if number < edge < end}
        cuts = [number, *sorted(edges - {number, end}), end]
        for first, last in zip(cuts, cuts[1:], strict=False):
            power = self._noise_power(first, spans)
            self._add_normals(part[first - number : last - number], math.sqrt(power / 2) * gain)

    def _noise_power(self, number: int, spans: Sequence[tuple[float, float, Link]]) -> float:
        """At the antenna: of the strongest emission on the air, else of the last one, else of the next one."""
        present = [link.noise() for first, last, link in spans if first <= number < last]
        if present:
            self._level, self._level_until = max(present), number
            return self._level
        past = [(last, link.noise()) for _, last, link in spans if self._level_until < last <= number]
        if past:
            self._level_until, self._level = max(past)
        if self._level is not None:
            return self._level
        future = [(first, link) for first, _, link in spans if first > number]
        return min(future, key=lambda span: span[0])[1].noise() if future else self._floor

    def _add_normals(self, part: np.ndarray, deviation: float) -> None:
        rails = part.view(np.float32)
        done = 0 if deviation > 0 else rails.size
        while done < rails.size:
            if self._drawn == self._normals.size:
                self._normals[:] = 0
                add_normals(self._lanes, self._normals, 1.0)
                self._drawn = 0
            n = min(rails.size - done, self._normals.size - self._drawn)
            add_scaled(rails[done : done + n], self._normals[self._drawn : self._drawn + n], deviation)
            self._drawn += n
            done += n
