"""A smaller picture: decoders run whole networks on it."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def soft_picture(soft_picture: np.ndarray) -> np.ndarray:
    """The corner of the picture of that name, float32 [56, 58, 3]; no side is a multiple of 16."""
    return soft_picture[:56, :58]
