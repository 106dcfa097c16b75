from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdr_gsc.diffusion.schedule import BridgeSchedule, NoiseSchedule
from sdr_gsc.errors import SettingsError


@given(st.floats(0.1, 80), st.integers(2, 60), st.floats(1, 9))
def test_noise_falls_from_start_to_end_to_nothing(start: float, steps: int, rho: float) -> None:
    levels = NoiseSchedule(start=start, end=0.02, steps=steps, rho=rho).levels()
    assert levels.size == steps + 1
    assert levels[0] == pytest.approx(start)
    assert levels[-2] == pytest.approx(0.02)
    assert levels[-1] == 0
    assert (np.diff(levels) < 0).all()
    # Evenly spaced in σ^(1/ρ): the definition.
    assert np.diff(levels[:-1] ** (1 / rho)) == pytest.approx(np.diff(levels[:-1] ** (1 / rho))[0])


def test_impossible_schedules_are_refused() -> None:
    for start, end, steps in ((0.01, 0.02, 5), (1.0, 0.0, 5), (1.0, 0.1, 0)):
        with pytest.raises(SettingsError):
            NoiseSchedule(start=start, end=end, steps=steps)
    for steps in (0, 257):
        with pytest.raises(SettingsError):
            BridgeSchedule(steps)


def test_bridge_times_run_from_one_to_zero() -> None:
    assert BridgeSchedule(4).times().tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]
