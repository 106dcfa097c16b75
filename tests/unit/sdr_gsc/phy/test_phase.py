"""Common phase of a frame: its walk against the dense solution of the same equations."""

import numpy as np
import pytest

from sdr_gsc.phy._phase_kernel import _add_walk


@pytest.mark.parametrize("size", [2, 3, 4, 5, 64, 101])
def test_the_walk_solves_its_normal_equations(size: int) -> None:
    rng = np.random.default_rng(size)
    gain = rng.uniform(0.5, 2.0, size)
    gain[rng.random(size) < 0.3] = 0.0
    gain[rng.integers(size)] = 1.0
    noise = np.where(gain > 0, 0.01 / np.maximum(gain, 0.1), 0.0)
    deviation = rng.standard_normal(size) * 0.1
    step = 0.003
    # Posterior mean of a walk with independent steps of variance `step`, seen in noise where anything was heard.
    differences = np.diff(np.eye(size), axis=0)
    heard = np.divide(1.0, noise, out=np.zeros(size), where=gain > 0)
    expected = np.linalg.solve(np.diag(heard) + differences.T @ differences / step, heard * deviation)
    phase = np.ones(size)
    _add_walk(deviation, gain, noise, step, phase)
    np.testing.assert_allclose(phase - 1.0, expected, rtol=1e-9, atol=1e-12)
