"""One channel, three ways through it: the simulated loop, the Pluto's libraries and the USRP's make the same errors."""

import math
from contextlib import contextmanager

import numpy as np
import pytest

from hardware.emulation.air import Air
from hardware.emulation.pluto import EmulatedPluto
from hardware.emulation.token import issue_token
from hardware.emulation.usrp import EmulatedUsrp
from hardware.registry import open_radio
from sdr_gsc.capture import Capture
from sdr_gsc.channel.profile import ChannelProfile
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter

UNCODED = 11
N_BLOCKS = 120
EXCHANGES = 4


def channel(esn0_db, delay_profile):
    return ChannelProfile(
        name="compared", esn0_db=esn0_db, delay_profile=delay_profile, delay_spread_s=300e-9, rician_k_db=12.0,
        random_phase=True, cfo_range_hz=2000.0, sfo_range_ppm=10.0, delay_samples=150.0, tail_samples=200,
    )  # fmt: skip


@contextmanager
def radio_over(way, profile):
    if way == "loopback":
        from hardware.loopback import LoopbackRadio

        with LoopbackRadio(profile, np.random.default_rng(3)) as radio:
            yield radio
        return
    token = issue_token()
    emulated = {"pluto": EmulatedPluto, "usrp": EmulatedUsrp}[way]
    antenna = Air(profile, seed=4).antenna(way, n_ports=1 if way == "pluto" else 2)
    try:
        with emulated(antenna, token=token.text) as device, open_radio(device.uri) as radio:
            yield radio
    finally:
        token.revoke()


def wrong_blocks(way, profile):
    """Blocks that did not arrive right, of `EXCHANGES` times `N_BLOCKS`; a lost frame loses all of its own."""
    rng = np.random.default_rng(5)
    transmitter, receiver = Transmitter(frame_symbols=8192), Receiver(frame_symbols=8192)
    wrong = 0
    with radio_over(way, profile) as radio:
        for seed in range(EXCHANGES):
            sent = transmitter.transmit_bytes(rng.bytes(64 * N_BLOCKS), UNCODED, b"curve", seed)
            capture = radio.exchange(Capture(sent.samples, radio.settings.sample_rate_hz))
            best = {}
            for frame in receiver.receive(capture).frames:
                if frame.header is not None and frame.blocks is not None:
                    best[frame.header.sequence] = frame.blocks.count(None)
            counts = {n: len(range(n, N_BLOCKS, sent.n_frames)) for n in range(sent.n_frames)}
            wrong += sum(best.get(sequence, count) for sequence, count in counts.items())
    return wrong


@pytest.mark.parametrize("esn0_db", [8.0, 10.0])
def test_white_noise_makes_the_same_errors_everywhere(esn0_db):
    profile = channel(esn0_db, "none")
    n = EXCHANGES * N_BLOCKS
    # A block of 544 bits is wrong with probability 1 - (1 - Q(sqrt(Es/N0)))^544; the receiver's own losses come on top.
    error_rate = 0.5 * math.erfc(math.sqrt(10 ** (esn0_db / 10) / 2))
    least = 1 - (1 - error_rate) ** 544
    for way in ("loopback", "pluto", "usrp"):
        share = wrong_blocks(way, profile) / n
        deviation = math.sqrt(max(least * (1 - least), 0.01) / n)
        assert least - 4 * deviation < share < least + 4 * deviation + 0.06, way


def test_fading_makes_the_same_errors_everywhere():
    profile = channel(13.0, "exponential")
    n = EXCHANGES * N_BLOCKS
    shares = {way: wrong_blocks(way, profile) / n for way in ("loopback", "pluto", "usrp")}
    # Four draws of the channel each: what they have in common is no better known than that.
    assert max(shares.values()) - min(shares.values()) < 0.5, shares
    assert 0 < min(shares.values()), shares
