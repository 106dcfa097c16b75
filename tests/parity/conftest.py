"""Independent implementations of the same mathematics; what is not installed is skipped, in plain sight.

`pip install -c constraints.txt -e '.[oracle]'` brings all of them.
"""

from __future__ import annotations

import pytest

_MISSING = "{} is not installed: pip install -c constraints.txt -e '.[oracle]'"


@pytest.fixture(scope="session")
def sionna():
    """Sionna's physical layer with a fixed seed; it works in torch, on the CPU."""
    phy = pytest.importorskip("sionna.phy", reason=_MISSING.format("sionna-no-rt"))
    phy.config.device = "cpu"
    phy.config.seed = 1
    return phy


@pytest.fixture(scope="session")
def sdr():
    """The `sdr` package of M. Hostetter."""
    return pytest.importorskip("sdr", reason=_MISSING.format("sdr"))


@pytest.fixture(scope="session")
def commpy():
    """CommPy of V. Taranalli and B. Trotobas, which is `scikit-commpy`; another package has the same import name."""
    package = pytest.importorskip("commpy", reason=_MISSING.format("scikit-commpy"))
    pytest.importorskip("commpy.wifi80211", reason="the commpy here is not scikit-commpy")
    return package
