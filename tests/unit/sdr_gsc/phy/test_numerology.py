import pickle

import numpy as np
import pytest

from sdr_gsc.errors import SettingsError
from sdr_gsc.phy.numerology import FFT_SIZES, Numerology


def test_default_grid_is_the_64_point_one() -> None:
    grid = Numerology()
    np.testing.assert_array_equal(grid.signed(grid.pilots), [7, 21, -21, -7])
    np.testing.assert_array_equal(np.sort(grid.signed(grid.active)), np.r_[-26:0, 1:27])
    assert (grid.cp_length, grid.symbol_length, grid.data.size) == (16, 80, 48)


@pytest.mark.parametrize("size", FFT_SIZES)
def test_proportions_hold_for_every_size(size: int) -> None:
    grid = Numerology.of(size)
    scale = size // 64
    assert (grid.active.size, grid.pilots.size, grid.data.size) == (52 * scale, 4 * scale, 48 * scale)
    assert grid.cp_length == size // 4
    assert 0 not in grid.active
    assert grid.occupied_fraction == 52 / 64
    np.testing.assert_array_equal(np.union1d(grid.data, grid.pilots), grid.active)
    np.testing.assert_array_equal(grid.active[grid.positions(grid.pilots)], grid.pilots)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"fft_size": 96}, "fft_size"),
        ({"cp_length": 0}, "cp_length"),
        ({"cp_length": 33}, "cp_length"),
        ({"active": [0, 1, 2]}, "DC"),
        ({"active": [1, 1, 2], "pilots": [1, 2]}, "twice"),
        ({"active": [1, -63, 2], "pilots": [1, 2]}, "active"),
        ({"pilots": [7, 30]}, "pilots"),
        ({"pilots": [7]}, "pilots"),
        ({"active": [1, 2], "pilots": [1, 2]}, "data"),
        ({"active": []}, "active"),
    ],
)
def test_impossible_grids_are_refused(arguments: dict, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        Numerology(**arguments)


def test_a_grid_is_a_value() -> None:
    grid = Numerology(128)
    assert grid == Numerology.of(128)
    assert hash(grid) == hash(Numerology.of(128))
    assert grid != Numerology(128, cp_length=16)
    assert grid != "Numerology"
    assert pickle.loads(pickle.dumps(grid)) == grid
    with pytest.raises(AttributeError, match="immutable"):
        grid.fft_size = 64
    with pytest.raises(ValueError, match="read-only"):
        grid.active[0] = 3
