"""Points of the decoders' benchmark: one transmission each, shared by all decoders that are compared there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from sdr_gsc.diffusion.decoding import Decoder
from sdr_gsc.metrics.calibration import coverage
from sdr_gsc.metrics.frechet import GaussianFit, frechet_distance
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.values import Reception

from ..configuration import LinkSettings
from ..procedures.airing import Airing
from ..procedures.transmission import Bench, is_received, send_picture
from .bootstrap import mean_band
from .decode_quality import Quality, Reference

__all__ = [
    "CHANNELS",
    "Channel",
    "Point",
    "Sample",
    "Samples",
    "decode_point",
    "direct_reception",
    "erased",
    "seeds_of",
]


#: Series that a second network judges, too, over white noise: it takes as long as the first one and the rest together.
_SEEN_TWICE = ("mmse", "refine:4", "consistency")


@dataclass(frozen=True, slots=True)
class Channel:
    """A simulated link.

    Attributes:
        name: in rows and on the command line.
        radio: address of the simulated radio.
        erased: share of the symbols that are lost on top.
        text: what it is.
    """

    name: str
    radio: str
    erased: float
    text: str


CHANNELS = {
    each.name: each
    for each in (
        Channel("awgn", "loopback:ideal", 0.0, "white noise"),
        Channel("office", "loopback:office", 0.0, "eight fading taps, carrier and clock offsets, converters, noise"),
        Channel("office-erased", "loopback:office", 0.2, "as office, and a fifth of the symbols lost"),
    )
}


@dataclass(frozen=True, slots=True)
class Point:
    """Where decoders are compared.

    Attributes:
        cbr: inverse payload channel bandwidth ratio.
        channel: name of one of CHANNELS.
        esn0_db: mean Es/N0 of each realization.
    """

    cbr: int
    channel: str
    esn0_db: float

    @property
    def name(self) -> str:
        """For rows."""
        return f"CBR 1/{self.cbr}, {self.channel}, {self.esn0_db:g} dB"


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture through one decoder, or by one other way.

    Attributes:
        series: name of the decoder or of the other way.
        point: where.
        picture: name of the photograph.
        repetition: number of the realization.
        quality: of the received picture; of mid-grey where nothing was received.
        received: whether anything was.
        nfe: evaluations of the denoiser.
        seconds: of decoding; NaN where that is not of interest.
        coverage: share of values inside the decoder's 90 % intervals; NaN where it predicts none.
        choice: what an oracle chose, for example the scheme; empty where there is nothing to choose.
    """

    series: str
    point: Point
    picture: str
    repetition: int
    quality: Quality
    received: bool = True
    nfe: int = 0
    seconds: float = float("nan")
    coverage: float = float("nan")
    choice: str = ""


@dataclass(frozen=True, slots=True)
class Samples:
    """All samples of a run, and how they are summed up.

    Attributes:
        every: in the order of measurement.
        originals: features of the patches of each photograph, by name.
        seed: of the bootstrap.
    """

    every: tuple[Sample, ...]
    originals: Mapping[str, np.ndarray]
    seed: int = 1
    _cells: dict[tuple[str, Point], tuple[Sample, ...]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for sample in self.every:
            key = (sample.series, sample.point)
            self._cells[key] = (*self._cells.get(key, ()), sample)

    def cell(self, series: str, point: Point) -> tuple[Sample, ...]:
        """Samples of one series at one point; empty where it was not measured."""
        return self._cells.get((series, point), ())

    @property
    def series(self) -> tuple[str, ...]:
        """Names in the order of measurement."""
        return tuple(dict.fromkeys(sample.series for sample in self.every))

    def points(self, series: str) -> tuple[Point, ...]:
        """Points of a series, by rate, channel and Es/N0."""
        found = {point for name, point in self._cells if name == series}
        order = {name: index for index, name in enumerate(CHANNELS)}
        return tuple(sorted(found, key=lambda point: (-point.cbr, order[point.channel], point.esn0_db)))

    def band(self, series: str, point: Point, of: Callable[[Sample], float]) -> tuple[float, float, float]:
        """Mean and 95 % band of a figure; NaN where the series was not measured there."""
        values: dict[str, list[float]] = {}
        for sample in self.cell(series, point):
            values.setdefault(sample.picture, []).append(of(sample))
        return mean_band(values, seed=self.seed)

    def mean(self, series: str, point: Point, of: Callable[[Sample], float]) -> float:
        """Mean of a figure over photographs and realizations; NaN where there is none."""
        values = [value for value in map(of, self.cell(series, point)) if value == value]
        return float(np.mean(values)) if values else float("nan")

    def differences(
        self, series: str, other: str, point: Point, of: Callable[[Sample], float]
    ) -> tuple[float, float, float]:
        """Mean and 95 % band of series minus other, picture by picture on the same receptions."""
        theirs = {(each.picture, each.repetition): of(each) for each in self.cell(other, point)}
        values: dict[str, list[float]] = {}
        for sample in self.cell(series, point):
            key = (sample.picture, sample.repetition)
            if key in theirs:
                values.setdefault(sample.picture, []).append(of(sample) - theirs[key])
        return mean_band(values, seed=self.seed)

    def frechet(self, series: str, point: Point) -> float:
        """Fréchet distance between the patches of the received pictures and those of the same photographs."""
        cell = self.cell(series, point)
        if not cell:
            return float("nan")
        received = np.concatenate([sample.quality.patches for sample in cell])
        sent = np.concatenate([self.originals[sample.picture] for sample in cell])
        if received.shape[0] < 2:
            return float("nan")
        return frechet_distance(GaussianFit.of(received), GaussianFit.of(sent))


def seeds_of(seed: int, channel: Channel, picture: str, repetition: int) -> TrialSeeds:
    """Seeds of a realization.

    They know neither rate nor Es/N0 nor erasures: points differ in these alone, not in the fading that was drawn.
    """
    return TrialSeeds(seed, f"{channel.radio}/{picture}/{repetition}")


def direct_reception(reference: Reference, point: Point, bench: Bench, seed: int, repetition: int) -> Reception:
    """Send a photograph by the `direct` mapping and receive it."""
    channel = CHANNELS[point.channel]
    seeds = seeds_of(seed, channel, reference.name, repetition)
    link = LinkSettings(cbr=point.cbr)
    airing = Airing(channel.radio, esn0_db=point.esn0_db)
    sent = send_picture(reference.picture, link, bench, {}, airing=airing, seeds=seeds)
    return erased(sent.reception, channel.erased, seeds.generator("erasures"))


def erased(reception: Reception, share: float, generator: np.random.Generator) -> Reception:
    """The reception without a share of its symbols, drawn at random: the interleaver makes lost frames look like it."""
    count = round(share * reception.symbols.size)
    if count == 0:
        return reception
    lost = generator.permutation(reception.symbols.size)[:count]
    symbols, variance = reception.symbols.copy(), reception.noise_variance.copy()
    symbols[lost], variance[lost] = 0, np.inf
    return replace(reception, symbols=symbols, noise_variance=variance)


def decode_point(
    reference: Reference,
    point: Point,
    decoders: Mapping[str, Decoder],
    bench: Bench,
    seed: int,
    repetitions: Sequence[int],
    change: Callable[[Reception], Reception] = lambda reception: reception,
    on_decoded: Callable[[str], None] = lambda name: None,
) -> Iterable[tuple[Sample, np.ndarray, np.ndarray | None]]:
    """One photograph at one point through all decoders.

    Args:
        reference: the photograph.
        point: where.
        decoders: by the name of their series.
        bench: codec and waveform.
        seed: of the run.
        repetitions: numbers of the realizations.
        change: of what was received, before anybody decodes.
        on_decoded: told the name of each decoder that is done.

    Yields:
        Sample, picture and predicted deviation, decoder by decoder.
    """
    for repetition in repetitions:
        reception = change(direct_reception(reference, point, bench, seed, repetition))
        drawn = seeds_of(seed, CHANNELS[point.channel], reference.name, repetition).integer("decoder")
        for name, decoder in decoders.items():
            if not is_received(reception):
                grey = np.full_like(reference.picture, 0.5)
                yield Sample(name, point, reference.name, repetition, reference.judge(grey), received=False), grey, None
                continue
            generator = torch.Generator(bench.codec.device)
            generator.manual_seed(drawn)
            began = time.perf_counter()
            found = decoder.decode(reception, generator=generator)
            seconds = time.perf_counter() - began
            deviation = found.standard_deviation
            inside = float("nan") if deviation is None else coverage(reference.picture, found.picture, deviation)
            picture = np.ascontiguousarray(found.picture)
            quality = reference.judge(picture, ask_second=name in _SEEN_TWICE and point.channel == "awgn")
            sample = Sample(name, point, reference.name, repetition, quality, True, found.nfe, seconds, inside)
            on_decoded(name)
            yield sample, picture, deviation
