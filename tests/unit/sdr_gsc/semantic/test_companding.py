from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sdr_gsc.semantic.companding import compand, expand_gain


@given(st.floats(-3, 3), st.integers(0, 1000))
def test_the_receiver_undoes_what_the_sender_did(log_size: float, seed: int) -> None:
    columns = 10**log_size * torch.randn(5, 16, generator=torch.Generator().manual_seed(seed))
    companded = compand(columns)
    gain, energy = expand_gain(companded.square().mean(-1))
    assert torch.allclose(companded / gain[:, None], columns, rtol=1e-3, atol=1e-6)
    assert torch.allclose(energy, columns.square().mean(-1), rtol=2e-3, atol=1e-8)


def test_busy_columns_are_turned_down_and_quiet_ones_up() -> None:
    columns = torch.tensor([[0.1, 0.1], [1.0, 1.0], [10.0, 10.0]])
    gains = (compand(columns) / columns)[:, 0]
    assert gains[0] > 1 > gains[1] > gains[2]
    # Amplitudes far above δ shrink to their square root.
    assert float(compand(columns)[2, 0]) == pytest.approx(10.0**0.5, rel=1e-4)
