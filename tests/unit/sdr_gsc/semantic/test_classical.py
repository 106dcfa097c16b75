from __future__ import annotations

import numpy as np
import pytest

from sdr_gsc.errors import PictureError
from sdr_gsc.semantic.classical import decode_classical, encode_classical


def _picture() -> np.ndarray:
    rows, columns = np.mgrid[0:96, 0:112] / 96
    waves = np.stack([np.sin(9 * rows), np.cos(7 * columns), np.sin(5 * rows * columns)], -1)
    return (0.5 + 0.4 * waves).astype(np.float32)


def test_more_bytes_never_make_it_worse_and_the_budget_holds() -> None:
    results = [encode_classical(_picture(), budget) for budget in (250, 700, 3000)]
    assert all(len(result.data) <= budget for result, budget in zip(results, (250, 700, 3000), strict=True))
    errors = [result.mse for result in results]
    assert errors[0] >= errors[1] >= errors[2]
    for result in results:
        decoded = decode_classical(result.data, 96, 112)
        assert decoded.shape == (96, 112, 3)
        assert np.mean((decoded - _picture()) ** 2) == pytest.approx(result.mse, rel=1e-4)


def test_what_cannot_fit_says_so() -> None:
    with pytest.raises(PictureError, match="fits 20 bytes"):
        encode_classical(_picture(), 20)


def test_damaged_bytes_are_not_a_picture() -> None:
    with pytest.raises(PictureError, match="not a picture"):
        decode_classical(b"\x00" * 40, 96, 112)
