"""What the decoders' benchmark measures where, and how much of it at an effort."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from sdr_gsc.errors import SettingsError
from sdr_gsc.semantic.rate import rate_by_cbr

from ..procedures.photographs import PHOTOGRAPHS
from .decode_points import CHANNELS, Point

__all__ = ["FAST", "QUICK_EFFORT", "SLOW", "SOLVERS", "Plan", "is_slow", "plan_of", "solver_name"]

#: Decoders that are cheap enough for every point.
FAST = ("mmse", "refine:1", "refine:4", "consistency")
#: Cheap too, but in no target: at half of the full effort and more.
_FURTHER = ("cddm",)
#: The posterior decoder that takes part in the comparisons.
SLOW = ("posterior:cddb",)
#: All solvers, compared with each other at a few points, and what they have to beat.
SOLVERS = (
    "mmse", "cddm", "posterior:cddb", "posterior:diffpir", "posterior:daps", "posterior:mmps", "posterior:pigdm",
    "posterior:dps", "posterior:diffcom", "posterior:hifi-diffcom", "blind",
)  # fmt: skip
QUICK_EFFORT = 0.1
_NFE = 50
#: Evaluations of each of SOLVERS below full effort.
_FEWER_NFE = 10
#: Below this effort nothing is meant to be believed: a smoke test of the program.
_SMOKE_EFFORT = 0.05
_SMOKE_NFE = 2
_HALF = 0.5
_SLOW_FAMILIES = ("posterior", "blind")


def is_slow(decoder: str) -> bool:
    """Whether a decoder takes many evaluations, as many as it is told to."""
    return decoder.partition(":")[0] in _SLOW_FAMILIES


def solver_name(decoder: str) -> str:
    """Name of the series of a decoder among the solvers.

    >>> solver_name("posterior:dps")
    'posterior:dps, among solvers'
    """
    return f"{decoder}, among solvers"


@dataclass(frozen=True, slots=True)
class Plan:
    """Points, decoders and repetitions.

    Attributes:
        pictures: names of the photographs.
        side_px: of the photographs.
        points: where the fast decoders and the other ways are measured.
        fast: names of decoders.
        slow: names of decoders that take many evaluations.
        slow_points: where those are measured, beside `refine` at as many evaluations.
        slow_pictures: how many photographs they see where nothing is erased; where something is, all.
        solvers: names of decoders that are compared with each other, in a table of their own.
        solver_points: where, on `slow_pictures` photographs.
        solver_nfe: evaluations of each.
        ablation: names of decoders of the ablation of weights.
        ablation_points: see there.
        ablation_slow_pictures: of these, how many the slow decoders of the ablation see.
        repetitions: realizations per photograph of the fast decoders and the other ways; the slow ones take one.
        nfe: evaluations of slow decoders.
        speed_repetitions: of the decodings whose memory is measured, and of all on a GPU.
        single_rate: folder of a codec that was trained for one rate; None where there is none.
    """

    pictures: tuple[str, ...]
    side_px: int
    points: tuple[Point, ...]
    fast: tuple[str, ...]
    slow: tuple[str, ...]
    slow_points: tuple[Point, ...]
    slow_pictures: int = len(PHOTOGRAPHS)
    solvers: tuple[str, ...] = ()
    solver_points: tuple[Point, ...] = ()
    solver_nfe: int = _NFE
    ablation: tuple[str, ...] = ()
    ablation_points: tuple[Point, ...] = ()
    ablation_slow_pictures: int = 0
    repetitions: int = 1
    nfe: int = _NFE
    speed_repetitions: int = 3
    single_rate: str | None = None
    rates: tuple[int, ...] = field(default=(48, 24))

    @property
    def is_smoke(self) -> bool:
        """Whether the solvers are cut so short that their figures say nothing."""
        return self.nfe < _NFE

    @property
    def refine_slow(self) -> str:
        """`refine` at the evaluations of the slow decoders."""
        return f"refine:{self.nfe}"


def plan_of(
    *,
    effort: float,
    decoders: Sequence[str] | None = None,
    cbr: Sequence[int] | None = None,
    esn0_db: Sequence[float] | None = None,
    channels: Sequence[str] | None = None,
    side_px: int = 256,
    single_rate: str | None = None,
) -> Plan:
    """Lay out a run.

    Full effort takes two realizations per photograph, and the slow decoders at every channel and rate at two Es/N0.
    Below half of it there is one realization, and the slow ones see CBR 1/48 alone: white noise at 0 and 10 dB, and at
    10 dB fading with erasures; or the nearest asked for. All solvers meet over white noise at 10 dB.

    Args:
        effort: work spent; 0.1 gives the figures of the page.
        decoders: names; None takes all that are known.
        cbr: inverse payload channel bandwidth ratios; None takes 48 and 24.
        esn0_db: None takes 0, 5, 10 and 15 dB.
        channels: names out of CHANNELS; None takes all.
        side_px: of the photographs, 64…256.
        single_rate: folder of a codec that was trained for one rate.

    Raises:
        SettingsError: an effort out of (0, 100], or something that does not exist.
    """
    if not 0 < effort <= 100:
        raise SettingsError(f"effort is {effort}; needed more than 0 and at most 100, 0.1 for the figures of the page")
    if not 64 <= side_px <= 256:
        raise SettingsError(f"side is {side_px} px; needed 64 to 256, for the network that judges sees no more")
    rates = tuple(sorted({rate_by_cbr(each).inverse_cbr for each in cbr or (48, 24)}, reverse=True))
    levels = tuple(sorted(set(esn0_db or (0.0, 5.0, 10.0, 15.0))))
    if not all(math.isfinite(each) and -30 <= each <= 80 for each in levels):
        raise SettingsError(f"Es/N0 is {levels}; needed finite values from -30 to 80 dB")
    unknown = [name for name in channels or () if name not in CHANNELS]
    if unknown:
        raise SettingsError(f"there is no channel {unknown[0]!r}; needed one of {', '.join(CHANNELS)}")
    links = tuple(name for name in CHANNELS if channels is None or name in channels)
    full = effort >= _HALF
    named = tuple(decoders) if decoders is not None else FAST + (_FURTHER if full else ()) + SLOW
    slow = tuple(name for name in named if is_slow(name))
    middle = min(levels, key=lambda each: (abs(each - 10), each))
    every = itertools.product(rates, links, levels)
    points = tuple(Point(*each) for each in every if full or not CHANNELS[each[1]].erased or each[2] == middle)
    least = min(levels, key=lambda each: (abs(each), each))
    slow_links = [name for name in links if full or name != "office"] or list(links)
    slow_rates = rates if full else rates[:1]
    slow_points = tuple(
        Point(cbr, name, level)
        for cbr, name in itertools.product(slow_rates, slow_links)
        for level in dict.fromkeys((least, middle) if full or name == "awgn" else (middle,))
    )
    meeting = Point(rates[0], links[0], middle)
    fading = tuple(Point(rates[0], name, middle) for name in links if name != "awgn")
    # Where weights are worth most comes first, for the slow decoders of a quick run see that point alone.
    fading = tuple(sorted(fading, key=lambda point: -CHANNELS[point.channel].erased))
    return Plan(
        pictures=PHOTOGRAPHS,
        side_px=side_px,
        points=points,
        fast=tuple(name for name in named if name not in slow),
        slow=slow,
        slow_points=slow_points if slow else (),
        slow_pictures=len(PHOTOGRAPHS) if full else 2,
        solvers=SOLVERS if decoders is None else (),
        solver_points=tuple(point for point in slow_points if point.esn0_db == middle) if effort >= 1 else (meeting,),
        solver_nfe=_SMOKE_NFE if effort < _SMOKE_EFFORT else _NFE if full else _FEWER_NFE,
        ablation=("mmse", "refine:4", *slow[:1])
        if decoders is None
        else tuple(name for name in named if name == "mmse"),
        ablation_points=fading,
        ablation_slow_pictures=len(PHOTOGRAPHS) if full else 2,
        repetitions=max(1, round(2 * effort)),
        nfe=_SMOKE_NFE if effort < _SMOKE_EFFORT else _NFE,
        speed_repetitions=1 if effort < _SMOKE_EFFORT else max(3, round(5 * effort)),
        single_rate=single_rate,
        rates=rates,
    )
