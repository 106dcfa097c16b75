"""The suite of all radios on the drivers, their vendors' libraries and emulated radios."""

from contextlib import ExitStack

import pytest

from hardware.conformance import CHECKS, check_burst_round_trip, check_two_channels
from hardware.emulation.air import Air
from hardware.emulation.pluto import EmulatedPluto
from hardware.emulation.token import issue_token
from hardware.emulation.usrp import EmulatedUsrp
from hardware.registry import open_radio
from sdr_gsc.channel.profile import ChannelProfile, profile

KINDS = ("pluto", "ad9361", "usrp", "soapy")


@pytest.fixture(scope="module")
def opener():
    """Opens a radio of a kind; each is emulated once, on a cabled way of its own."""
    with ExitStack() as stack:
        token = issue_token()
        stack.callback(token.revoke)
        uris = {}

        def start(kind, channel):
            air = Air(channel, seed=3)
            if kind == "usrp":
                return stack.enter_context(EmulatedUsrp(air.antenna(kind, n_ports=2), token=token.text)).uri
            two = kind == "ad9361"
            antenna = air.antenna(kind, n_ports=2 if two else 1)
            return stack.enter_context(EmulatedPluto(antenna, two_channels=two, token=token.text)).uri

        def opener(kind, channel):
            device = "usrp" if kind == "soapy" else kind
            if (device, channel) not in uris:
                uris[device, channel] = start(device, channel)
            uri = uris[device, channel]
            if kind == "soapy":
                uri = uri.replace("usrp:", "soapy:driver=uhd,", 1)
            return lambda: open_radio(uri)

        yield opener


#: A Pluto has one channel: a check of two would pass without having looked.
CASES = [(kind, check) for kind in KINDS for check in CHECKS if (kind, check) != ("pluto", check_two_channels)]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "check"), CASES, ids=[f"{kind}-{check.__name__}" for kind, check in CASES])
def test_emulated_radios_conform(kind, check, opener):
    check(opener(kind, profile("cabled")))


@pytest.mark.parametrize("kind", KINDS)
def test_at_their_usual_gains_what_is_sent_is_received_as_strong(kind, opener):
    check_burst_round_trip(opener(kind, ChannelProfile(esn0_db=25.0)), gain_db=0.0)
