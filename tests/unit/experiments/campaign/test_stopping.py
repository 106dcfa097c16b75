from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from experiments.campaign.settings import StopSettings
from experiments.campaign.stopping import StopCount, figure_at, half_width, unknown_metric


def test_the_interval_is_students():
    values = np.random.default_rng(1).normal(3.0, 2.0, 12)
    low, high = stats.t.interval(0.95, 11, values.mean(), values.std(ddof=1) / math.sqrt(12))
    assert half_width(list(values)) == pytest.approx((high - low) / 2, rel=1e-9)
    assert half_width([1.0]) == math.inf


def test_the_interval_holds_the_mean_as_often_as_it_says():
    generator = np.random.default_rng(2)
    held = sum(abs(np.mean(values)) <= half_width(list(values)) for values in generator.standard_normal((2000, 5)))
    assert held / 2000 == pytest.approx(0.95, abs=0.015)


def test_figures_are_found_by_their_path_even_with_dots_in_names():
    line = {"decoders": {"refine:4": {"psnr_db": 27.5}, "a.b": {"x": 1}}, "esn0_db": None, "name": "x"}
    assert figure_at(line, "decoders.refine:4.psnr_db") == 27.5
    assert figure_at(line, "decoders.a.b.x") == 1.0
    for path in ("esn0_db", "name", "decoders", "decoders.mmse.psnr_db", "nothing"):
        assert figure_at(line, path) is None


def is_enough(lines, rule):
    count = StopCount(rule)
    for line in lines:
        count.add(line)
    return count.is_enough()


def test_what_is_enough_depends_on_the_trials_and_not_on_their_order():
    values = list(1e6 + np.random.default_rng(3).normal(0.0, 1e-3, 40))
    width = half_width(values)
    for order in (values, values[::-1], sorted(values)):
        lines = [{"x": value} for value in order]
        assert is_enough(lines, StopSettings(metric="x", half_width=width * (1 + 1e-6)))
        assert not is_enough(lines, StopSettings(metric="x", half_width=width * (1 - 1e-6)))


def test_enough_errors_or_a_narrow_interval_are_enough():
    lost, good = {"received": False, "x": 1.0}, {"received": True, "x": 1.0}
    by_errors = StopSettings(errors=2)
    assert not is_enough([lost, lost], by_errors)  # at_least
    assert is_enough([lost, lost, good], by_errors)
    assert not is_enough([lost, good, good], by_errors)
    by_width = StopSettings(metric="x", half_width=0.1)
    assert is_enough([good] * 3, by_width)
    assert not is_enough([good, good, {"x": 2.0}], by_width)
    assert not is_enough([good, good, good, {"received": False}], by_width)


@pytest.mark.parametrize("values", [{}, {"metric": "x"}, {"half_width": 1.0}, {"errors": 1, "metric": "x"}])
def test_half_a_rule_is_refused(values):
    with pytest.raises(ValueError, match="together|give errors"):
        StopSettings(**values)


def test_a_metric_that_nobody_measures_is_told():
    lines = [{"decoders": {"mmse": {"psnr_db": 20.0, "name": "x"}}, "received": True}] * 2
    rule = StopSettings(metric="decoders.mmse.psnr", half_width=1.0)
    assert "did you mean decoders.mmse.psnr_db?" in unknown_metric(rule, lines)
    assert unknown_metric(rule, []) is None
    assert unknown_metric(StopSettings(metric="decoders.mmse.psnr_db", half_width=1.0), lines) is None
    assert unknown_metric(StopSettings(errors=1), lines) is None
