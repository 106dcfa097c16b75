from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdr_gsc.errors import SettingsError
from sdr_gsc.semantic.objective import NO_PICTURE, Objective, default_task_share, split_budget
from sdr_gsc.semantic.rate import RATES, rate_by_cbr, symbols_per_picture

_shares = st.floats(0, 1)
_sides = st.integers(16, 700)


@given(_sides, _sides, st.sampled_from(RATES), st.sampled_from((Objective.MACHINE, Objective.AGENT)), _shares)
def test_the_symbols_stay_those_of_the_rate(height, width, rate, objective, share):
    budget = split_budget(height, width, rate, objective, share)
    assert budget.total == symbols_per_picture(height, width, rate)
    assert budget.task_share >= share - 1e-12
    if budget.rate is None:
        assert budget.rate_index == NO_PICTURE
        assert budget.picture_symbols == 0
    else:
        assert budget.picture_symbols == symbols_per_picture(height, width, budget.rate)
        # The next higher rate would leave the task too little.
        if budget.rate.index < rate.index:
            higher = symbols_per_picture(height, width, RATES[budget.rate.index + 1])
            assert budget.total - higher < share * budget.total


def test_the_defaults():
    assert [default_task_share(objective) for objective in Objective] == [0, 1, 0.5]
    rate = rate_by_cbr(48)
    human = split_budget(256, 256, rate)
    assert (human.rate, human.task_symbols) == (rate, 0)
    agent = split_budget(256, 256, rate, Objective.AGENT)
    assert (agent.rate, agent.task_symbols) == (rate_by_cbr(96), 2048)
    machine = split_budget(256, 256, rate, Objective.MACHINE)
    assert (machine.rate, machine.task_symbols) == (None, 4096)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf")])
def test_shares_out_of_range_are_refused(share):
    with pytest.raises(SettingsError, match="task_share"):
        split_budget(64, 64, RATES[0], Objective.AGENT, share)


def test_people_get_no_task_vector():
    with pytest.raises(SettingsError, match="objective human"):
        split_budget(64, 64, RATES[0], Objective.HUMAN, 0.5)
    assert split_budget(64, 64, RATES[0], Objective.HUMAN, 0.0).task_symbols == 0
