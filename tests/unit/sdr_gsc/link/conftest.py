import pytest

from sdr_gsc.phy.receiver import Receiver


@pytest.fixture(scope="module")
def receiver() -> Receiver:
    return Receiver()
