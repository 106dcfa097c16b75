"""What every driver passes on emulated radios, on the radios of a bench: pytest tests/on_device --radio URI."""

import pytest

from hardware.conformance import CHECKS
from hardware.registry import open_radio


@pytest.mark.on_device
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_real_radio_keeps_the_contract(check, radio_uris):
    for uri in radio_uris:
        check(lambda address=uri: open_radio(address))
