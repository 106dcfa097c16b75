"""Everything that ``sdr-gsc bench decode`` measures: decoders over rates, Es/N0 and channels, beside other ways."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.diffusion.decoding import Decoder
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.errors import SdrGscError, SettingsError, WeightsError
from sdr_gsc.metrics.calibration import Reliability, reliability
from sdr_gsc.weights.cards import Card, load_card, shipped_folder

from ..procedures.photographs import find_picture
from ..procedures.transmission import Bench
from .decode_ablation import WEIGHTINGS, ablation_name, open_weighted
from .decode_baselines import CAPACITY, Baselines
from .decode_plan import Plan, is_slow, solver_name
from .decode_points import CHANNELS, Point, Sample, Samples, decode_point
from .decode_quality import Reference
from .decode_speed import Cost, Speed, gpu_speed, measure_cost

__all__ = ["DecodeFound", "bench_decode"]

_MEMORY_NFE = 2
OnStep = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class DecodeFound:
    """What a run found.

    Attributes:
        plan: what was measured where.
        samples: of all decoders and other ways.
        opta_db: PSNR of a Gaussian source like the photographs at capacity, by rate and Es/N0, over white noise.
        reliability: errors by predicted deviation, by decoder, over white noise.
        costs: time and memory, by decoder.
        speed: on a GPU; None on another device.
        grid: by point and series, the first photograph that grid shows.
        cards: of the models, by what they are here.
        notes: decoders left out, and why.
        model_mebibytes: of all model files together.
        single_rate_db: PSNR of a codec trained for one rate less that of the codec, by rate; empty without one.
    """

    plan: Plan
    samples: Samples
    opta_db: Mapping[tuple[int, float], float]
    reliability: Mapping[str, Reliability]
    costs: Mapping[str, Cost]
    speed: Speed | None
    grid: Mapping[Point, Mapping[str, np.ndarray]]
    cards: Mapping[str, Card]
    notes: tuple[tuple[str, str], ...]
    model_mebibytes: float
    single_rate_db: Mapping[int, float]


def bench_decode(
    plan: Plan,
    *,
    weights: str | None = None,
    device: str = "cpu",
    seed: int = 1,
    on_step: OnStep = lambda stage, done, count: None,
) -> DecodeFound:
    """Measure.

    Args:
        plan: see `plan_of`.
        weights: folder with other weights than the shipped ones.
        device: torch device.
        seed: of everything drawn.
        on_step: told of the stage, its finished steps and their number.

    Raises:
        WeightsError: the codec or the network that judges is missing or damaged.
    """
    run = _Run(plan, weights, device, seed, on_step)
    run.fast()
    run.slow()
    run.solvers()
    run.ablation()
    run.others()
    run.cost()
    run.single_rate(device)
    return run.found(weights)


class _Run:
    """One run: what it has opened, and what it has found so far."""

    def __init__(self, plan: Plan, weights: str | None, device: str, seed: int, on_step: OnStep) -> None:
        self._plan, self._seed, self._on_step = plan, seed, on_step
        self._bench = Bench.open(weights, device)
        self._references = [Reference.of(name, find_picture(name, plan.side_px), device) for name in plan.pictures]
        self._samples: list[Sample] = []
        self._maps: dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
        self._grid: dict[Point, dict[str, np.ndarray]] = {}
        self._opta: dict[tuple[int, float], float] = {}
        self._costs: dict[str, Cost] = {}
        self._speed: Speed | None = None
        self._notes: dict[str, str] = {}
        self._single: dict[int, float] = {}

    def fast(self) -> None:
        """Decoders that see every point."""
        decoders = self._open(self._plan.fast)
        self._sweep("points", self._plan.points, decoders, range(self._plan.repetitions))

    def slow(self) -> None:
        """Decoders of many evaluations, and `refine` with as many, on the first realization."""
        plan = self._plan
        if not plan.slow_points:
            return
        with_refine = (*plan.slow, plan.refine_slow)
        decoders = self._open(with_refine)
        for lost in (False, True):
            points = [point for point in plan.slow_points if bool(CHANNELS[point.channel].erased) is lost]
            few = None if lost else self._references[: plan.slow_pictures]
            self._sweep(f"{plan.nfe} evaluations", points, decoders, range(1), references=few)

    def solvers(self) -> None:
        """All solvers on the same receptions."""
        plan = self._plan
        decoders = {solver_name(name): decoder for name, decoder in self._open(plan.solvers, plan.solver_nfe).items()}
        few = self._references[: plan.slow_pictures]
        self._sweep("solvers", plan.solver_points, decoders, range(1), keep=False, references=few)

    def ablation(self) -> None:
        """The same decoders with what the receiver measured thrown away."""
        plan = self._plan
        for name in plan.ablation:
            decoders: dict[str, Decoder] = {}
            for weighting in WEIGHTINGS:
                opening = functools.partial(open_weighted, name, weighting, plan.nfe, self._bench)
                decoders.update(self._opened(ablation_name(name, weighting), opening))
            slow = name in plan.slow
            few = slow and plan.ablation_slow_pictures < len(self._references)
            self._sweep(
                f"weights, {name}", plan.ablation_points[:1] if few else plan.ablation_points, decoders, range(1),
                keep=False, references=self._references[: plan.ablation_slow_pictures] if few else None,
            )  # fmt: skip

    def others(self) -> None:
        """Picture files, coded symbols, and lines."""
        plan = self._plan
        wanted = [point for point in plan.points if not CHANNELS[point.channel].erased]
        count, done = len(self._references) * len(wanted), 0
        levels: dict[tuple[int, float], list[float]] = {}
        for reference in self._references:
            for cbr in plan.rates:
                ways = Baselines(reference, cbr, self._bench, self._seed)
                for point in (each for each in wanted if each.cbr == cbr):
                    for repetition in range(plan.repetitions):
                        for sample, picture in ways.at(point, repetition):
                            self._samples.append(sample)
                            self._show(sample, picture)
                    if point.channel == "awgn":
                        self._samples.append(self._at_capacity(ways, reference, point))
                        levels.setdefault((cbr, point.esn0_db), []).append(ways.opta_psnr_db(point.esn0_db))
                    done += 1
                    self._on_step("other ways", done, count)
        self._opta = {key: float(np.mean(values)) for key, values in levels.items()}

    def cost(self) -> None:
        """Time and memory, and what only a GPU tells."""
        reference, point = self._references[0], self._plan.points[-1]
        names = (*self._plan.fast, *self._plan.slow)
        # Memory does not grow with the evaluations, and seconds were taken before.
        for done, (name, decoder) in enumerate(self._open(names, _MEMORY_NFE).items(), 1):
            try:
                self._costs[name] = measure_cost(decoder, reference, point, self._bench, self._seed)
            except (SdrGscError, RuntimeError) as error:
                # Such as a point where nothing arrives, or a full GPU: what was measured before is worth keeping.
                self._notes[f"memory of {name}"] = f"not measured: {error}"
            self._on_step("memory", done, len(names))
        if self._bench.codec.device.type == "cuda":
            try:
                self._speed = gpu_speed(reference, point, self._bench, self._plan, self._seed)
            except (SdrGscError, RuntimeError) as error:
                self._notes["speed on the GPU"] = f"not measured: {error}"
            else:
                self._notes |= {title: f"did not run: {reason}" for title, reason in self._speed.failed.items()}

    def single_rate(self, device: str) -> None:
        """The codec beside one that was trained for a single rate."""
        if self._plan.single_rate is None:
            return
        other = Bench.open(self._plan.single_rate, device)
        decoders = {"mmse": open_decoder("mmse", other.codec, other.weights)}
        for cbr in self._plan.rates:
            point = Point(cbr, "awgn", 10.0)
            pairs = []
            for reference in self._references:
                ours = open_decoder("mmse", self._bench.codec, self._bench.weights)
                found = [
                    next(iter(decode_point(reference, point, used, bench, self._seed, range(1))))[0].quality.psnr_db
                    for used, bench in (({"mmse": ours}, self._bench), (decoders, other))
                ]
                pairs.append(found[1] - found[0])
            self._single[cbr] = float(np.mean(pairs))

    def found(self, weights: str | None) -> DecodeFound:
        """Everything."""
        folder = None if weights is None else Path(weights)
        cards = {}
        wanted = [(name, name, folder) for name in ("codec", "refine", "prior", "consistency")]
        if self._plan.single_rate is not None:
            wanted.append(("codec of a single rate", "codec", Path(self._plan.single_rate)))
        for title, name, place in wanted:
            try:
                cards[title], _ = load_card(name, place)
            except WeightsError as error:
                self._notes.setdefault(f"card {title}", str(error))
        return DecodeFound(
            plan=self._plan,
            samples=Samples(
                tuple(self._samples), {each.name: each.patches for each in self._references}, seed=self._seed
            ),
            opta_db=self._opta,
            reliability={name: reliability(maps) for name, maps in self._maps.items()},
            costs=self._costs,
            speed=self._speed,
            grid=self._grid,
            cards=cards,
            notes=tuple(self._notes.items()),
            model_mebibytes=_model_mebibytes(folder),
            single_rate_db=self._single,
        )

    def _sweep(
        self,
        stage: str,
        points: Sequence[Point],
        decoders: Mapping[str, Decoder],
        repetitions: range,
        keep: bool = True,
        references: Sequence[Reference] | None = None,
    ) -> None:
        seen = self._references if references is None else references
        count, done = len(points) * len(seen) * len(decoders) * len(repetitions), 0
        for point in points if decoders else ():
            for reference in seen:
                measured = decode_point(reference, point, decoders, self._bench, self._seed, repetitions)
                for sample, picture, deviation in measured:
                    self._samples.append(sample)
                    done += 1
                    self._on_step(stage, done, count)
                    if not keep:
                        continue
                    self._show(sample, picture, reference.picture)
                    if deviation is not None and point.channel == "awgn":
                        maps = self._maps.setdefault(sample.series, [])
                        maps.append((reference.picture, picture, deviation))

    def _show(self, sample: Sample, picture: np.ndarray, original: np.ndarray | None = None) -> None:
        """Keep the pictures of the points that the page shows: those where the slow decoders took part."""
        if sample.repetition or sample.picture != self._references[0].name:
            return
        if sample.point not in self._plan.slow_points:
            return
        shown = self._grid.setdefault(sample.point, {})
        if original is not None:
            shown.setdefault("original", original)
        shown[sample.series] = picture

    def _at_capacity(self, ways: Baselines, reference: Reference, point: Point) -> Sample:
        picture = ways.capacity_picture(point.esn0_db)
        quality = reference.judge_nothing() if picture is None else reference.judge(picture)
        return Sample(CAPACITY, point, reference.name, 0, quality, received=picture is not None)

    def _open(self, names: Sequence[str], slow_steps: int | None = None) -> dict[str, Decoder]:
        found: dict[str, Decoder] = {}
        for name in names:
            options = DecoderOptions(steps=(slow_steps or self._plan.nfe) if is_slow(name) else None)
            opening = functools.partial(open_decoder, name, self._bench.codec, self._bench.weights, options)
            found.update(self._opened(name, opening))
        return found

    def _opened(self, name: str, opening: Callable[[], Decoder]) -> dict[str, Decoder]:
        """The decoder by its name, or nothing and a note."""
        try:
            return {name: opening()}
        except (SettingsError, WeightsError) as error:
            self._notes[name] = f"left out: {error}"
            return {}


def _model_mebibytes(folder: Path | None) -> float:
    return sum(path.stat().st_size for path in (folder or shipped_folder()).rglob("*.safetensors")) / 2**20
