"""Every target of the decoders as a row, worked out from what a run found."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .decode import DecodeFound
from .decode_ablation import WEIGHTINGS, ablation_name
from .decode_baselines import CLASSICAL_ORACLE
from .decode_judging import Judged, agrees, average, beats, least, perceptual, psnr, second, steepest
from .decode_points import CHANNELS, Point, Sample
from .decode_speed import GPU_NFE, GPU_REFINE, gpu_solver
from .rows import row

__all__ = ["judged_rows"]

#: Targets of the deterministic decoder's PSNR over white noise at 10 dB, by inverse rate: must and aim.
_CODEC_DB = {24: (27.0, 29.0), 48: (25.5, 27.0)}
_REFINE, _ONE_STEP = "refine:4", ("consistency", "refine:1")
#: An analogue link loses one decibel for each decibel of Es/N0; a cliff loses more.
_CLIFF_DB_PER_DB = 1.0


def judged_rows(found: DecodeFound) -> Judged:
    """All targets, met or not; what could not be measured has not been met."""
    judged = Judged()
    _codec(found, judged)
    _refine(found, judged)
    _posterior(found, judged)
    _classical(found, judged)
    _coverage(found, judged)
    _seconds(found, judged)
    _weights(found, judged)
    judged.add(row("shipped models", found.model_mebibytes, "MiB", target=25.0, better="lower"))
    _gpu(found, judged)
    return judged


def _codec(found: DecodeFound, judged: Judged) -> None:
    samples, points = found.samples, found.plan.points
    whole = found.plan.side_px == 256
    for cbr, (target, aim) in _CODEC_DB.items():
        value = samples.mean("mmse", Point(cbr, "awgn", 10.0), psnr) if whole else math.nan
        judged.add(
            row(f"codec: PSNR of direct and mmse, CBR 1/{cbr}, awgn, 10 dB", value, "dB", target=target, aim=aim),
            "needs mmse over awgn at 10 dB and this rate, with photographs of 256 pixels",
        )
    steps = []
    for first in points:
        higher = [each for each in points if (each.cbr, each.channel) == (first.cbr, first.channel)]
        later = [each for each in higher if each.esn0_db > first.esn0_db]
        if later:
            following = min(later, key=lambda each: each.esn0_db)
            steps.append(samples.mean("mmse", following, psnr) - samples.mean("mmse", first, psnr))
    judged.add(
        row("codec: least gain in PSNR of mmse from one Es/N0 to the next (monotone)", least(steps), "dB", target=0.0),
        "needs two Es/N0",
    )
    rises = [
        samples.mean("mmse", replace(each, cbr=richer), psnr) - samples.mean("mmse", each, psnr)
        for each in points
        for richer in found.plan.rates
        if richer < each.cbr and replace(each, cbr=richer) in points
    ]
    judged.add(
        row(
            "codec: least gain in PSNR of mmse from one rate to a higher one (monotone)",
            least(rises),
            "dB",
            target=0.0,
        ),
        "needs two rates",
    )
    # A codec for one rate is at its best at that rate, which its card does not tell.
    lost = max(found.single_rate_db.values(), default=math.nan)
    judged.add(
        row("codec: PSNR below that of a codec trained for a single rate, awgn, 10 dB", lost, "dB", target=0.5,
            better="lower"),
        "needs --single-rate FOLDER, a codec from `sdr-gsc train codec --rate`",
    )  # fmt: skip


def _refine(found: DecodeFound, judged: Judged) -> None:
    one_step = [name for name in _ONE_STEP if found.samples.points(name)]
    for cbr in (48, 24):
        for name, share in ((_REFINE, 0.35), *((each, None) for each in one_step)):
            _against_mmse(found, judged, name, cbr, share)
        lower = {name: _lower_by(found, name, cbr)[0] for name in one_step}
        best = max(lower, key=lambda name: lower[name], default=None)
        value = math.nan if best is None else lower[best]
        judged.add(
            row(
                f"one step ({best or 'none'}) against mmse, CBR 1/{cbr}: perceptual lower by",
                value,
                "share",
                target=0.25,
            ),
            "needs consistency or refine:1 beside mmse",
        )


def _against_mmse(found: DecodeFound, judged: Judged, name: str, cbr: int, share: float | None) -> None:
    """`perceptual` and PSNR beside those of mmse; the mean over the points is judged, the worst stands beside it."""
    mean, worst = _lower_by(found, name, cbr)
    judged.add(
        row(
            f"{name} against mmse, CBR 1/{cbr}: perceptual lower by, mean over awgn and office",
            mean,
            "share",
            target=share,
        ),
        f"needs {name} and mmse over awgn or office",
    )
    judged.add(row(f"{name} against mmse, CBR 1/{cbr}: perceptual lower by, least of all points", worst, "share"))
    other, _ = _lower_by(found, name, cbr, second)
    judged.add(
        row(f"{name} against mmse, CBR 1/{cbr}, awgn: perceptual by EfficientNet-Lite2 lower by", other, "share")
    )
    lost = [-found.samples.differences(name, "mmse", point, psnr)[0] for point in _plain(found, name, cbr)]
    judged.add(
        row(
            f"{name} against mmse, CBR 1/{cbr}: PSNR lost, mean over awgn and office", average(lost), "dB",
            target=None if share is None else 0.8, better="lower",
        ),
        f"needs {name} and mmse over awgn or office",
    )  # fmt: skip
    judged.add(row(f"{name} against mmse, CBR 1/{cbr}: PSNR lost, most of all points", -least(-x for x in lost), "dB"))


def _lower_by(
    found: DecodeFound, name: str, cbr: int, distance: Callable[[Sample], float] = perceptual
) -> tuple[float, float]:
    """By what share a distance is below that of mmse: of the means over all points that have it, and at the worst."""
    pairs = [
        (found.samples.mean(name, point, distance), found.samples.mean("mmse", point, distance))
        for point in _plain(found, name, cbr)
    ]
    pairs = [pair for pair in pairs if not any(map(math.isnan, pair))]
    if not pairs:
        return math.nan, math.nan
    whole = 1 - sum(ours for ours, _ in pairs) / sum(theirs for _, theirs in pairs)
    return whole, min(1 - ours / theirs for ours, theirs in pairs)


def _plain(found: DecodeFound, name: str, cbr: int) -> list[Point]:
    """Points without erasures where both a decoder and mmse were measured."""
    both = set(found.samples.points("mmse"))
    here = found.samples.points(name)
    return [point for point in here if point in both and point.cbr == cbr and not CHANNELS[point.channel].erased]


def _posterior(found: DecodeFound, judged: Judged) -> None:
    plan, samples = found.plan, found.samples
    slow, refine = (plan.slow[0] if plan.slow else "posterior"), plan.refine_slow
    points = [point for point in samples.points(slow) if samples.cell(refine, point)]
    smoke = plan.is_smoke
    reason = (
        "at this effort the solvers take too few evaluations to be judged" if smoke
        else f"needs {slow} and {refine} at a point"
    )  # fmt: skip
    for lost, title, clearly in ((False, "without erasures", False), (True, "20 % erasures", True)):
        here = [point for point in points if bool(CHANNELS[point.channel].erased) is lost]
        better = []
        for point in here:
            seen = samples.differences(slow, refine, point, perceptual)
            gained = samples.differences(slow, refine, point, psnr)
            better.append(beats(seen, gained, clearly=clearly))
            name = f"{slow} against {refine}, {point.name}"
            judged.add(row(f"{name}: perceptual lower by", -seen[0], "distance"))
            judged.add(row(f"{name}: PSNR gained", gained[0], "dB"))
        word = (
            "where it is clearly better (95 % band of perceptual or PSNR beyond zero, and the other not clearly worse)"
            if clearly
            else "of lower perceptual or higher PSNR"
        )
        value = math.nan if smoke else average(map(float, better))
        judged.add(
            row(f"{slow} against {refine}, {title}: share of {len(here)} points {word}", value, "share", target=1.0),
            reason,
        )


def _classical(found: DecodeFound, judged: Judged) -> None:
    samples = found.samples
    points = [point for point in samples.points(_REFINE) if point.cbr == 48 and samples.cell(CLASSICAL_ORACLE, point)]
    reason = f"needs {_REFINE} and the classical baseline at CBR 1/48"
    title = f"{_REFINE} against {CLASSICAL_ORACLE}, CBR 1/48"
    agreeing = [
        ours > theirs or ours == theirs == 1.0
        for ours, theirs in (
            (samples.mean(_REFINE, point, agrees), samples.mean(CLASSICAL_ORACLE, point, agrees)) for point in points
        )
    ]
    judged.add(
        row(
            f"{title}: points of higher classifier agreement (or both complete)", average(map(float, agreeing)),
            "share", target=1.0,
        ),
        reason,
    )  # fmt: skip
    nearer = [
        float(samples.mean(_REFINE, point, perceptual) < samples.mean(CLASSICAL_ORACLE, point, perceptual))
        for point in points
    ]
    judged.add(row(f"{title}: points of lower perceptual", average(nearer), "share", target=1.0), reason)
    for name, target in ((_REFINE, _CLIFF_DB_PER_DB), (CLASSICAL_ORACLE, None)):
        judged.add(
            row(
                f"{name}, CBR 1/48: steepest fall of PSNR per decibel of Es/N0 (no cliff)",
                steepest(samples, name, 48), "dB/dB", target=target, better="lower",
            ),
            reason,
        )  # fmt: skip


def _coverage(found: DecodeFound, judged: Judged) -> None:
    for name in ("mmse", _REFINE, *found.plan.slow):
        values = [
            found.samples.mean(name, point, lambda sample: sample.coverage) for point in found.samples.points(name)
        ]
        value = average(values)
        item = row(f"90 % intervals of {name} cover (85 % to 95 %)", value, "share", target=0.85, aim=0.9)
        judged.add(replace(item, met=0.85 <= value <= 0.95), f"needs {name}")
        for word, extreme in (("least", least(values)), ("most", -least(-each for each in values))):
            judged.add(row(f"90 % intervals of {name} cover, {word} of all points", extreme, "share"))


def _seconds(found: DecodeFound, judged: Judged) -> None:
    plan, gpu = found.plan, found.speed is not None
    whole = plan.side_px == 256
    limits = [("consistency", 0.5), ("refine:1", 0.5), (_REFINE, 1.5), *((name, 60.0) for name in plan.slow)]
    one_step = [name for name in _ONE_STEP if found.samples.points(name)][:1]
    for name, limit in limits:
        if name in _ONE_STEP and name not in (one_step or _ONE_STEP[-1:]):
            continue
        spent = [sample.seconds for sample in found.samples.every if sample.series == name and sample.received]
        slow = name in plan.slow
        value = float(np.median(spent)) if spent and not (slow and plan.is_smoke) else math.nan
        target = limit if whole and not gpu else None
        evaluations = f", {plan.nfe} evaluations" if slow else ""
        judged.add(
            row(f"{name}{evaluations}: seconds per picture", value, "s", target=target, better="lower"),
            "at this effort the solvers take too few evaluations" if slow and plan.is_smoke else f"needs {name}",
        )


def _gpu(found: DecodeFound, judged: Judged) -> None:
    """The targets are for one GPU of the H200's class; they are judged on whatever GPU there is."""
    speed = found.speed
    latency_s, posterior_s = (math.nan, math.nan) if speed is None else (speed.latency_s, speed.posterior_s)
    reason = "needs --device cuda" if speed is None else "it did not run, see what was left out"
    best = f"GPU: {GPU_REFINE}, the fastest way"
    solver = f"GPU: {gpu_solver(found.plan)}, {GPU_NFE} evaluations"
    for item in (
        row(f"{best}: latency", latency_s, "s", target=0.035, better="lower"),
        row(f"{best}: pictures per second", 1 / latency_s, "1/s", target=30.0),
        row(f"{solver}: seconds", posterior_s, "s", target=2.0, better="lower"),
    ):
        judged.add(item, reason)
    for item in () if speed is None else speed.rows:
        judged.add(item)


def _weights(found: DecodeFound, judged: Judged) -> None:
    """What the measured weights gain over poorer ones; shown, not judged."""
    samples, measured = found.samples, WEIGHTINGS[0]
    for name in found.plan.ablation:
        for point in found.plan.ablation_points:
            for weighting in WEIGHTINGS[1:]:
                pair = ablation_name(name, measured), ablation_name(name, weighting)
                if all(samples.cell(each, point) for each in pair):
                    gained = samples.differences(*pair, point, psnr)[0]
                    nearer = samples.differences(*pair, point, perceptual)[0]
                    title = f"{name}, {point.name}: measured weights over {weighting}"
                    judged.add(row(f"{title}: PSNR gained", gained, "dB"))
                    judged.add(row(f"{title}: perceptual lower by", -nearer, "distance"))
