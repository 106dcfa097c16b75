"""What every radio does whose transmitter can run beside its receiver, and what every radio says of its temperature."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.channel.impairments import frequency_shift

from .conformance_control import RadioFactory, require
from .probe_signal import PRESENT, find, probe

__all__ = ["check_temperature", "check_transmit_offset"]

_PROBE = 4096
_TEMPERATURES_C = (-60.0, 150.0)


def check_transmit_offset(radio_factory: RadioFactory) -> None:
    """A burst arrives as far from the middle as the transmitter's oscillator lies above the receiver's, on either side.

    Radios whose directions share an oscillator say so by a range of 0 alone; others are tried at an eighth of the rate.
    """
    with radio_factory() as radio:
        start = radio.configure(radio.settings)
        if not radio.capabilities.has_tx_offset:
            return
        burst = Capture(probe(_PROBE, 21), start.sample_rate_hz)
        # The probe is 0.6 of the band wide: filters leave at least half of it on the far side.
        for wanted_hz in (0.125 * start.sample_rate_hz, -0.125 * start.sample_rate_hz):
            actual = radio.configure(replace(start, tx_offset_hz=wanted_hz))
            require(
                abs(actual.tx_frequency_hz - actual.center_frequency_hz - actual.tx_offset_hz) < 1e-3,
                "tx_frequency_hz is not center_frequency_hz + tx_offset_hz",
            )
            captured = radio.exchange(burst)
            middle = frequency_shift(captured.samples, -actual.tx_offset_hz, start.sample_rate_hz)
            match = find(middle, burst.samples).match
            require(
                match >= PRESENT, f"no burst was found {wanted_hz:g} Hz from the middle: the best match is {match:.3f}"
            )
            match = find(captured.samples, burst.samples).match
            require(match < PRESENT / 3, f"the burst lies in the middle in spite of an offset of {wanted_hz:g} Hz")
        radio.configure(start)
        captured = radio.exchange(burst)
        require(find(captured.samples, burst.samples).match >= PRESENT, "no burst was found with the offset taken back")
        require(radio.muted, "the radio transmits after an exchange")


def check_temperature(radio_factory: RadioFactory) -> None:
    """None, or degrees Celsius as electronics survive them; asking disturbs nothing."""
    with radio_factory() as radio:
        radio.configure(radio.settings)
        burst = Capture(probe(_PROBE, 21), radio.settings.sample_rate_hz)
        found = [radio.temperature_c()]
        with radio.repeat(burst):
            found.append(radio.temperature_c())
            heard = radio.capture(4 * _PROBE).samples
        low, high = _TEMPERATURES_C
        for temperature in found:
            require(temperature is None or low <= temperature <= high, f"the radio is at {temperature} degrees Celsius")
        require(bool(np.any(heard)), "nothing was received after the temperature was read")
