"""All procedures, in the order in which they build on each other, and what each needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from hardware.radio import Radio

from ..errors import CalibrationError
from ..outcome import Outcome, Plan
from ..record import Direction, Quantity
from . import clip, dc_offset, delay, frequency, gain, iq_balance, noise, response, snr

__all__ = ["PROCEDURES", "Procedure", "ordered"]


@dataclass(frozen=True, slots=True)
class Procedure:
    """One thing that can be found out about a radio.

    Attributes:
        name: as in `sdr-gsc calibrate --what NAME`.
        summary: for people, one line.
        quantity: of its records.
        directions: of its records, under ordinary circumstances.
        measure: does it; leaves the radio muted and set as the plan says, whatever happens.
        missing: what the radio lacks for it, in words; None where it can be done.
        after: procedures whose records it is better done with.
        version: of its records.
    """

    name: str
    summary: str
    quantity: Quantity
    directions: tuple[Direction, ...]
    measure: Callable[[Radio, Plan], Outcome]
    missing: Callable[[Radio], str | None]
    after: tuple[str, ...] = ()
    version: int = 1


def _transmits(radio: Radio) -> str | None:
    return None if radio.capabilities.transmits else f"{radio.capabilities.model} does not transmit"


def _always(_radio: Radio) -> str | None:
    return None


_TX, _RX, _LOOP = Direction.TRANSMIT, Direction.RECEIVE, Direction.LOOP
_ALL = (
    Procedure(
        "frequency", "clock of the transmitter against that of the receiver, ppm, and its drift",
        Quantity.FREQUENCY, (_LOOP,), frequency.measure, _always, (), frequency.VERSION,
    ),
    Procedure(
        "dc_offset", "constants that transmitter and receiver add", Quantity.DC_OFFSET, (_TX, _RX),
        dc_offset.measure, _transmits, ("frequency",), dc_offset.VERSION,
    ),
    Procedure(
        "iq_balance", "images of the transmit and of the receive mixer", Quantity.IQ_BALANCE, (_TX, _RX),
        iq_balance.measure, _transmits, ("frequency", "dc_offset"), iq_balance.VERSION,
    ),
    Procedure(
        "response", "flatness over the band", Quantity.RESPONSE, (_LOOP,),
        response.measure, _transmits, ("frequency", "dc_offset", "iq_balance"), response.VERSION,
    ),
    Procedure(
        "gain", "true gain against the nominal one, and the 1 dB compression point", Quantity.GAIN, (_TX, _RX),
        gain.measure, _transmits, ("frequency", "dc_offset", "iq_balance"), gain.VERSION,
    ),
    Procedure(
        "noise", "noise floor and, with a noise source, noise figure", Quantity.NOISE, (_RX,),
        noise.measure, _always, ("dc_offset",), noise.VERSION,
    ),
    Procedure(
        "delay", "latency of the loop, its jitter, and samples that are older than the call", Quantity.DELAY, (_LOOP,),
        delay.measure, _transmits, ("frequency", "response"), delay.VERSION,
    ),
    Procedure(
        "clip", "drive level of least EVM", Quantity.CLIP, (_TX,), clip.measure, _transmits,
        ("frequency", "dc_offset", "iq_balance", "response"), clip.VERSION,
    ),
    Procedure(
        "snr", "drives the gain until a wanted Es/N0 is met", Quantity.SNR, (_LOOP,), snr.measure, _transmits,
        ("frequency", "dc_offset", "iq_balance", "response", "gain", "clip"), snr.VERSION,
    ),
)  # fmt: skip

#: Name -> procedure, in the right order.
PROCEDURES: Mapping[str, Procedure] = MappingProxyType({each.name: each for each in _ALL})


def ordered(names: Sequence[str]) -> tuple[Procedure, ...]:
    """The procedures of these names in the right order; all of them for none.

    Raises:
        CalibrationError: an unknown name.
    """
    unknown = sorted(set(names) - set(PROCEDURES))
    if unknown:
        raise CalibrationError(f"{', '.join(unknown)}: no such procedure; choose from {', '.join(PROCEDURES)}")
    return tuple(each for each in _ALL if not names or each.name in names)
