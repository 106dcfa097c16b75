"""Compile what the air and the converters need before a client waits for it: its timeouts know nothing of compilers."""

from __future__ import annotations

from functools import cache

import numpy as np

from sdr_gsc.channel.front_end_faults import FrontEnd
from sdr_gsc.channel.profile import PROFILE_NAMES, ChannelProfile, profile

from .air import Air
from .pluto_converters import codes_to_levels, levels_to_codes

__all__ = ["warm_up"]

_N_SAMPLES = 1 << 13


@cache
def warm_up() -> None:
    """Pass a few samples through every kind of air and converter; once in a process."""
    profiles = [ChannelProfile(name="flat"), *(profile(name) for name in PROFILE_NAMES)]
    for settings in profiles:
        air = Air(settings, clock=lambda: 0.0)
        here, there = air.antenna("here", n_ports=2), air.antenna("there", n_ports=2, clock_ppm=1.0)
        if settings.name == "flat":
            there = air.antenna("there", n_ports=2, front_ends=[FrontEnd.draw(0), FrontEnd.draw(0, 1)])
        samples = np.full(_N_SAMPLES // 4, 0.1, np.complex64)
        for port, repeat in ((0, True), (1, False)):
            here.transmit(
                port,
                samples,
                start_s=0.0,
                sample_rate_hz=4e6,
                center_frequency_hz=1e9,
                gain_db=-10.0,
                repeat=repeat,
            )
        for antenna in (here, there):
            levels = antenna.receive(
                (0, 1), _N_SAMPLES, start_s=0.0, sample_rate_hz=4e6, center_frequency_hz=1e9, gain_db=40.0
            )
    codes = np.zeros((_N_SAMPLES, 2), np.int16)
    levels_to_codes(levels, (0, 1), codes)
    codes_to_levels(codes, 0)
    levels_to_codes(levels, (0, 1, 2, 3), np.zeros((_N_SAMPLES, 4), np.int16))
