from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from experiments.benchmarks.bootstrap import mean_band
from experiments.benchmarks.decode import DecodeFound, bench_decode
from experiments.benchmarks.decode_baselines import (
    CLASSICAL_FIXED,
    CLASSICAL_ORACLE,
    CODED_ORACLE,
    FIXED_MCS,
    Baselines,
    schemes_below,
)
from experiments.benchmarks.decode_page import render_page
from experiments.benchmarks.decode_plan import QUICK_EFFORT, plan_of
from experiments.benchmarks.decode_points import CHANNELS, Point, Sample, Samples, direct_reception, erased
from experiments.benchmarks.decode_quality import Quality, Reference
from experiments.benchmarks.decode_rows import figure_rows, points_table
from experiments.benchmarks.decode_speed import Cost, gpu_speed, matmul_peak, measure_cost
from experiments.benchmarks.decode_targets import judged_rows
from experiments.procedures.photographs import find_picture
from experiments.procedures.transmission import Bench
from sdr_gsc.diffusion.decoders import POSTERIOR_SOLVERS
from sdr_gsc.errors import SettingsError
from sdr_gsc.metrics.distortion import psnr_db
from sdr_gsc.metrics.measure import measure
from sdr_gsc.phy.coding.mcs import MCS_TABLE
from sdr_gsc.semantic.values import Reception

#: Every target, as the beginning of a metric that is judged.
TARGETS = (
    "codec: PSNR of direct and mmse, CBR 1/24",
    "codec: PSNR of direct and mmse, CBR 1/48",
    "codec: least gain in PSNR of mmse from one Es/N0",
    "codec: least gain in PSNR of mmse from one rate",
    "refine:4 against mmse, CBR 1/48: perceptual lower by, mean",
    "refine:4 against mmse, CBR 1/48: PSNR lost, mean",
    "refine:4 against mmse, CBR 1/24: perceptual lower by, mean",
    "refine:4 against mmse, CBR 1/24: PSNR lost, mean",
    "one step (",
    "posterior:cddb against refine:50, without erasures",
    "posterior:cddb against refine:50, 20 % erasures",
    "refine:4 against classical, oracle MCS, CBR 1/48: points of higher classifier agreement",
    "refine:4 against classical, oracle MCS, CBR 1/48: points of lower perceptual",
    "refine:4, CBR 1/48: steepest fall of PSNR",
    "90 % intervals of mmse cover",
    "90 % intervals of refine:4 cover",
    "90 % intervals of posterior:cddb cover",
    "refine:1: seconds",
    "refine:4: seconds",
    "posterior:cddb, 50 evaluations: seconds",
    "shipped models",
    "codec: PSNR below that of a codec trained for a single rate",
    "GPU: refine:4, the fastest way: latency",
    "GPU: refine:4, the fastest way: pictures per second",
    "GPU: posterior:cddb, 100 evaluations: seconds",
)
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")


def sample(series, point, picture, psnr, perceptual, agrees=1.0, **further) -> Sample:
    spread = np.random.default_rng(len(picture)).standard_normal((9, 4)).astype(np.float32)
    return Sample(series, point, picture, 0, Quality(psnr, 0.9, perceptual, agrees, spread), **further)


def found_of(psnr, perceptual, *, cover=0.9, agrees=lambda series, point: 1.0, effort=QUICK_EFFORT) -> DecodeFound:
    """A run whose figures are functions of series and point, plus a little of the photograph."""
    plan = plan_of(effort=effort)
    fast = ("mmse", "refine:1", "refine:4", CLASSICAL_ORACLE)
    samples = [
        sample(
            series, point, picture, psnr(series, point) + index, perceptual(series, point) + 0.01 * index,
            agrees(series, point), seconds=0.25, coverage=cover,
        )
        for names, points in ((fast, plan.points), ((*plan.slow, plan.refine_slow), plan.slow_points))
        for series in names
        for point in points
        if series != CLASSICAL_ORACLE or not CHANNELS[point.channel].erased
        for index, picture in enumerate(PHOTOGRAPHS)
    ]  # fmt: skip
    originals = {name: np.random.default_rng(9).standard_normal((9, 4)).astype(np.float32) for name in PHOTOGRAPHS}
    costs = {"mmse": Cost(0.2, 30.0)}
    return DecodeFound(
        plan, Samples(tuple(samples), originals), {}, {}, costs, None, {}, {}, (), 20.0, {24: -0.1, 48: 0.1}
    )


def good(series, point):
    return 20 + 0.4 * point.esn0_db + 100 / point.cbr - (0.3 if "refine" in series else 0)


def near(series, point):
    share = {"mmse": 1.0, CLASSICAL_ORACLE: 1.2, "refine:50": 0.62}.get(series, 0.5 if "posterior" in series else 0.6)
    return share * (4 - 0.1 * point.esn0_db)


def judged(found):
    rows = judged_rows(found)
    names = [item.metric for item in rows.rows]
    assert len(set(names)) == len(names)
    return rows, {item.metric: item for item in rows.rows}


def one(rows, start):
    (item,) = [item for name, item in rows.items() if name.startswith(start) and item.target is not None]
    return item


def test_every_target_has_its_row_and_its_verdict():
    rows, by_name = judged(found_of(good, near))
    for target in TARGETS:
        matching = [item for name, item in by_name.items() if name.startswith(target) and item.target is not None]
        assert matching, target
    elsewhere = {name for name in by_name if name.startswith(("codec: PSNR of", "GPU:"))}
    for name, item in by_name.items():
        if item.target is not None and name not in elsewhere:
            assert item.met is True, name
    assert one(by_name, "codec: PSNR of direct and mmse, CBR 1/24").value == pytest.approx(24 + 100 / 24 + 1.5)
    assert set(rows.reasons) == {name for name in by_name if name.startswith("GPU:")}
    assert set(rows.reasons.values()) == {"needs --device cuda"}


def test_shares_and_losses_are_those_of_the_figures():
    _, rows = judged(found_of(good, near))
    offsets = 0.015
    points = [level for level in (0.0, 5.0, 10.0, 15.0)]
    mmse = np.mean([4 - 0.1 * level + offsets for level in points])
    refine = np.mean([0.6 * (4 - 0.1 * level) + offsets for level in points])
    assert one(rows, "refine:4 against mmse, CBR 1/48: perceptual lower by, mean").value == pytest.approx(
        1 - refine / mmse
    )
    assert one(rows, "refine:4 against mmse, CBR 1/48: PSNR lost, mean").value == pytest.approx(0.3)
    assert one(rows, "codec: least gain in PSNR of mmse from one Es/N0").value == pytest.approx(2.0)
    assert one(rows, "codec: least gain in PSNR of mmse from one rate").value == pytest.approx(100 / 24 - 100 / 48)
    assert one(rows, "refine:4, CBR 1/48: steepest fall").value == pytest.approx(0.4)


def test_a_cliff_is_seen():
    def cliff(series, point):
        return good(series, point) - (12 if point.esn0_db < 5 else 0)

    _, rows = judged(found_of(cliff, near))
    item = one(rows, "refine:4, CBR 1/48: steepest fall")
    assert item.value == pytest.approx(0.4 + 12 / 5)
    assert item.met is False


@pytest.mark.parametrize(("cover", "met"), [(0.84, False), (0.85, True), (0.95, True), (0.96, False)])
def test_intervals_may_cover_neither_too_little_nor_too_much(cover, met):
    _, rows = judged(found_of(good, near, cover=cover))
    assert one(rows, "90 % intervals of mmse cover").met is met


def test_better_by_the_noise_is_not_clearly_better():
    generator = np.random.default_rng(0)
    found = found_of(good, near)
    noisy = []
    for each in found.samples.every:
        if each.series == "posterior:cddb":
            noise = generator.normal(0, 3)
            quality = Quality(each.quality.psnr_db - 0.3 + noise, 0.9, 2.5 - noise, 1.0, each.quality.patches)
            each = Sample(each.series, each.point, each.picture, 0, quality, seconds=1.0, coverage=0.9)
        noisy.append(each)
    samples = Samples(tuple(noisy), found.samples.originals)
    _, rows = judged(DecodeFound(found.plan, samples, {}, {}, {}, None, {}, {}, (), 20.0, {}))
    assert one(rows, "posterior:cddb against refine:50, 20 % erasures").met is False


def test_a_second_network_is_reported_beside_the_first_and_left_out_where_it_was_not_asked():
    title = "refine:4 against mmse, CBR 1/48, awgn: perceptual by EfficientNet-Lite2 lower by"
    found = found_of(good, near)
    _, rows = judged(found)
    assert title not in rows
    seen = {"mmse": 4.0, "refine:4": 3.0}
    asked = tuple(
        replace(each, quality=replace(each.quality, second=seen[each.series]))
        if each.series in seen and each.point.channel == "awgn"
        else each
        for each in found.samples.every
    )
    _, rows = judged(replace(found, samples=Samples(asked, found.samples.originals)))
    assert rows[title].value == pytest.approx(0.25)
    assert rows[title].target is None


def test_agreement_must_be_higher_or_complete():
    lost = {"awgn": 0.5, "office": 0.5}
    same = found_of(good, near, agrees=lambda series, point: lost.get(point.channel, 1.0))
    assert one(judged(same)[1], "refine:4 against classical, oracle MCS, CBR 1/48: points of higher").value == 0
    whole = found_of(good, near)
    assert one(judged(whole)[1], "refine:4 against classical, oracle MCS, CBR 1/48: points of higher").value == 1


def test_what_was_not_measured_is_missed_and_says_why():
    found = found_of(good, near, effort=0.01)
    rows, by_name = judged(found)
    item = one(by_name, "posterior:cddb against refine:2, without erasures")
    assert item.met is False
    assert math.isnan(item.value)
    assert "too few evaluations" in rows.reasons[item.metric]
    empty = Samples((), {})
    rows, by_name = judged(DecodeFound(found.plan, empty, {}, {}, {}, None, {}, {}, (), 20.0, {}))
    for name, item in by_name.items():
        if item.target is not None and name != "shipped models":
            assert item.met is False, name
            assert rows.reasons[name], name


def test_the_page_says_what_was_missed_and_nothing_else():
    found = found_of(good, near)
    rows = judged_rows(found)
    page = render_page(found, rows, {"cpu": "Some CPU", "cpu_count": 2}, (), "sdr-gsc bench decode", 120.0)
    missed = [item.metric for item in rows.rows if item.met is False]
    listed = re.findall(r"^- (.+): (?:no figure \(needs|[^:]+ (?:instead|off|above))", page, re.MULTILINE)
    assert listed == missed
    total = sum(item.target is not None for item in rows.rows)
    assert f"{total - len(missed)} of {total} targets are met." in page
    worse = found_of(lambda series, point: good(series, point) - 5, near)
    bad = judged_rows(worse)
    text = render_page(worse, bad, {}, (), "sdr-gsc bench decode", 120.0)
    for item in bad.rows:
        if item.met is False:
            assert f"- {item.metric}: " in text
    assert "| 1/48 | awgn | 10 | refine:4 |" in text


def test_figures_stand_in_rows_once():
    found = found_of(good, near)
    names = [item.metric for item in figure_rows(found)]
    assert len(set(names)) == len(names)
    assert "mmse, CBR 1/48, awgn, 10 dB: PSNR" in names
    assert f"{CLASSICAL_ORACLE}, CBR 1/48, awgn, 10 dB: perceptual" in names
    head, cells = points_table(found, ("mmse",), found.plan.points)
    assert len(cells) == len(found.plan.points)
    assert all(len(line) == len(head) for line in cells)


def test_the_quick_plan_touches_every_target_and_every_solver():
    quick, full = plan_of(effort=QUICK_EFFORT), plan_of(effort=1.0)
    assert {point.cbr for point in quick.points} == {48, 24}
    assert {point.esn0_db for point in quick.points if point.channel == "office"} == {0, 5, 10, 15}
    assert any(CHANNELS[point.channel].erased for point in quick.slow_points)
    assert any(not CHANNELS[point.channel].erased for point in quick.slow_points)
    assert quick.nfe == full.nfe == 50
    assert set(quick.slow_points) < set(full.slow_points)
    every = {f"posterior:{solver}" for solver in POSTERIOR_SOLVERS if not solver.endswith("-paper")}
    for plan, nfe in ((quick, 10), (full, 50)):
        assert set(plan.solvers) == {"mmse", "cddm", "blind", *every}
        assert plan.solver_nfe == nfe
        assert set(plan.solver_points) <= set(plan.slow_points)


def test_a_plan_keeps_to_what_is_asked_for():
    plan = plan_of(effort=0.1, decoders=("refine:2", "posterior:dps"), cbr=(12,), esn0_db=(3.0,), channels=("office",))
    assert plan.points == (Point(12, "office", 3.0),)
    assert plan.slow_points == plan.points
    assert (plan.fast, plan.slow) == (("refine:2",), ("posterior:dps",))
    assert plan.solvers == ()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"effort": 0.0}, "effort"),
        ({"effort": math.nan}, "effort"),
        ({"side_px": 512}, "side"),
        ({"cbr": (47,)}, "1/47"),
        ({"esn0_db": (math.inf,)}, "finite"),
        ({"channels": ("cave",)}, "cave"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(asked, said):
    with pytest.raises(SettingsError, match=said):
        plan_of(**({"effort": 0.1} | asked))


def test_bands_are_those_of_normal_means():
    values = np.random.default_rng(0).normal(5.0, 2.0, 400)
    mean, low, high = mean_band({str(index): [value] for index, value in enumerate(values)}, seed=1)
    assert mean == pytest.approx(values.mean())
    half = 1.96 * values.std() / 20
    assert (low, high) == (pytest.approx(mean - half, abs=0.03), pytest.approx(mean + half, abs=0.03))
    assert mean_band({str(index): [value] for index, value in enumerate(values)}, seed=1) == (mean, low, high)


def test_bands_know_photographs_from_seeds():
    # Many seeds of two photographs tell little about photographs.
    few = mean_band({"a": [0.0] * 50, "b": [1.0] * 50}, seed=1)
    assert few == (0.5, 0.0, 1.0)
    assert mean_band({"a": [3.0, math.nan], "b": [math.nan]}, seed=1) == (3.0, 3.0, 3.0)
    assert all(math.isnan(each) for each in mean_band({}, seed=1))


def test_quality_is_that_of_the_metrics():
    picture = np.ascontiguousarray(find_picture("chelsea", 192))
    reference = Reference.of("chelsea", picture)
    received = np.ascontiguousarray(picture[::-1])
    quality, wanted = reference.judge(received), measure(picture, received)
    assert quality.psnr_db == wanted.psnr_db
    assert quality.ms_ssim == wanted.ms_ssim
    assert quality.perceptual == pytest.approx(wanted.perceptual, rel=1e-5)
    assert quality.agrees == float(wanted.top1_agrees)
    same = reference.judge(picture)
    assert (same.perceptual, same.agrees) == (pytest.approx(0, abs=1e-5), 1.0)
    assert reference.judge_nothing().psnr_db == pytest.approx(psnr_db(picture, np.full_like(picture, 0.5)))


def test_a_fifth_of_the_symbols_is_lost_and_the_rest_is_untouched():
    symbols = np.arange(1, 501).astype(np.complex64)
    reception = Reception(None, symbols, np.full(500, 0.1, np.float32), None, ())
    found = erased(reception, 0.2, np.random.default_rng(0))
    lost = np.isinf(found.noise_variance)
    assert lost.sum() == 100
    assert (found.symbols[lost] == 0).all()
    np.testing.assert_array_equal(found.symbols[~lost], symbols[~lost])
    assert erased(reception, 0.0, np.random.default_rng(0)) is reception


def test_no_scheme_beats_capacity():
    for esn0_db in (0.0, 5.0, 10.0, 15.0, 40.0):
        limit = math.log2(1 + 10 ** (esn0_db / 10))
        schemes = schemes_below(esn0_db)
        assert all(MCS_TABLE[each].bits_per_symbol <= limit for each in schemes)
        faster = [each for each in MCS_TABLE if each.is_coded and each.index not in schemes]
        assert all(each.bits_per_symbol > limit for each in faster)
    assert schemes_below(-20.0) == ()


@pytest.fixture(scope="module")
def small(models):
    """A photograph of 64 pixels, and a bench with models that need no training."""
    return Reference.of("coffee", find_picture("coffee", 64)), Bench.open(models)


def test_realizations_do_not_depend_on_rate_or_erasures(small):
    reference, bench = small
    whole = direct_reception(reference, Point(24, "office", 10.0), bench, 3, 0)
    holed = direct_reception(reference, Point(24, "office-erased", 10.0), bench, 3, 0)
    kept = np.isfinite(holed.noise_variance)
    assert kept.sum() == round(0.8 * whole.symbols.size)
    np.testing.assert_array_equal(holed.symbols[kept], whole.symbols[kept])


def test_the_oracle_is_never_worse_than_a_fixed_scheme(small):
    reference, bench = small
    ways = Baselines(reference, 12, bench, 1)
    at = {}
    for level in (-5.0, 12.0, 30.0):
        found = {sample.series: sample for sample, _ in ways.at(Point(12, "awgn", level), 0)}
        assert set(found) == {CLASSICAL_FIXED, CLASSICAL_ORACLE, CODED_ORACLE}
        assert found[CLASSICAL_ORACLE].quality.psnr_db >= found[CLASSICAL_FIXED].quality.psnr_db
        assert found[CLASSICAL_FIXED].choice == MCS_TABLE[FIXED_MCS].name
        at[level] = found
    grey = reference.judge_nothing()
    assert not at[-5.0][CLASSICAL_ORACLE].received
    assert at[-5.0][CLASSICAL_ORACLE].quality.psnr_db == grey.psnr_db
    assert at[12.0][CLASSICAL_FIXED].received
    best = [at[level][CLASSICAL_ORACLE].quality.psnr_db for level in (12.0, 30.0)]
    assert best[1] > best[0] > grey.psnr_db
    assert at[30.0][CODED_ORACLE].quality.psnr_db > grey.psnr_db
    assert MCS_TABLE[FIXED_MCS].bits_per_symbol < math.log2(1 + 10**1.2)


def test_lines_rise_with_the_channel(small):
    reference, bench = small
    ways = Baselines(reference, 24, bench, 1)
    levels = [ways.opta_psnr_db(level) for level in (0.0, 10.0, 20.0)]
    assert levels == sorted(levels)
    assert ways.capacity_picture(-25.0) is None
    picture = ways.capacity_picture(25.0)
    assert psnr_db(reference.picture, picture) > reference.judge_nothing().psnr_db


def test_a_product_of_matrices_takes_time():
    rate = matmul_peak(torch.device("cpu"), torch.float32, side=64)
    assert math.isfinite(rate)
    assert rate > 0


def test_ways_of_running_are_timed_beside_the_peak(small):
    reference, bench = small
    plan = plan_of(effort=0.01, side_px=64)
    ways = {"eager float32": {}, "impossible": {"precision": "float13"}}
    speed = gpu_speed(
        reference, Point(48, "awgn", 10.0), bench, plan, 1, ways=ways, matmul_side=256, evaluations=1
    )  # fmt: skip
    found = {item.metric: item for item in speed.rows}
    assert found["GPU: refine:4, eager float32: latency"].value == speed.latency_s > 0
    assert found["GPU: refine:4, eager float32: share of the roofline"].value > 0
    assert speed.posterior_s > 0
    # What cannot run says why, and takes nothing else along.
    assert len(found) == 2
    assert "float13" in speed.failed["GPU: refine:4, impossible"]
    whole = replace(found_of(good, near), speed=speed)
    rows, by_name = judged(whole)
    assert one(by_name, "GPU: refine:4, the fastest way: latency").value == speed.latency_s
    assert one(by_name, "GPU: refine:4, the fastest way: pictures per second").value == 1 / speed.latency_s
    assert one(by_name, "GPU: posterior:cddb, 100 evaluations: seconds").value == speed.posterior_s
    assert "GPU: refine:4, eager float32: latency" in by_name
    assert "GPU: refine:4, eager float32: latency" in render_page(whole, rows, {}, (), "sdr-gsc bench decode", 1.0)
    nothing = replace(whole, speed=replace(speed, latency_s=math.nan))
    assert "did not run" in judged(nothing)[0].reasons["GPU: refine:4, the fastest way: latency"]


def test_memory_of_a_decoding_is_seen(small):
    reference, bench = small
    cost = measure_cost(bench.decoders(("mmse",))["mmse"], reference, Point(48, "awgn", 10.0), bench, 1)
    assert cost.seconds > 0
    # Nobody tells off Linux; on it a decoding takes some memory, and less than the machine has.
    assert math.isnan(cost.memory_mebibytes) or 0 <= cost.memory_mebibytes < 4096


@pytest.mark.slow
def test_decoders_are_measured(sdr_gsc, models, tmp_path):
    page = tmp_path / "decoders.md"
    outcome = sdr_gsc(
        "bench", "decode", "--effort", 0.01, "--side-px", 64, "--weights", models, "--cbr", "48", "--esn0-db", "10",
        "--channel", "awgn,office-erased", "--decoder", "mmse,refine:4,posterior:diffpir,unheard:of", "--page", page,
        "--json",
    )  # fmt: skip
    assert outcome.status == 1  # nothing here was trained
    found = {item["metric"]: item for item in outcome.json["rows"]}
    assert len(found) == len(outcome.json["rows"])
    assert found["refine:4, CBR 1/48, awgn, 10 dB: NFE"]["value"] == 4
    assert found["mmse, CBR 1/48, awgn, 10 dB: PSNR"]["value"] > 12
    assert found["posterior:diffpir, CBR 1/48, office-erased, 10 dB: NFE"]["value"] == 2
    assert found[f"{CLASSICAL_ORACLE}, CBR 1/48, awgn, 10 dB: PSNR"]["value"] > 0
    assert "mmse, among solvers, CBR 1/48, awgn, 10 dB: PSNR" not in found  # decoders were named
    assert found["mmse, weights: measured, CBR 1/48, office-erased, 10 dB: PSNR"]["value"] > 0
    seconds = found["refine:4: seconds per picture"]
    assert (seconds["value"] > 0, seconds["target"]) == (True, None)  # the targets hold for 256 pixels a side
    notes = outcome.json["environment"]["notes"]
    assert "unheard:of" in notes["unheard:of"]
    for item in found.values():
        if item["target"] is not None and item["value"] is None:
            assert item["met"] is False
            assert notes[item["metric"]]
    text = page.read_text("utf-8")
    pictures = re.findall(r"\]\((images/[^)]+)\)", text)
    assert len(pictures) == len(set(pictures)) >= 3
    assert all((tmp_path / name).stat().st_size > 0 for name in pictures)
    assert "noise" in text  # what the models say they were trained on
    assert json.dumps(outcome.json)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_figures(models):
    plan = plan_of(effort=0.01, side_px=64, decoders=("refine:2",), cbr=(96,), esn0_db=(8.0,), channels=("office",))
    runs = [bench_decode(plan, weights=models, seed=5) for _ in range(2)]
    figures = [
        [(each.series, each.picture, each.quality.psnr_db, each.quality.perceptual) for each in run.samples.every]
        for run in runs
    ]
    assert figures[0] == figures[1]


def test_quick_and_effort_exclude_each_other(sdr_gsc):
    assert "--quick" in sdr_gsc("bench", "decode", "--quick", "--effort", 0.5).refusal
    assert "1/47" in sdr_gsc("bench", "decode", "--cbr", "48,47").refusal
    assert "--esn0-db" in sdr_gsc("bench", "decode", "--esn0-db", "5,ten").refusal
