"""Faults that an emulated Pluto shows on request."""

from __future__ import annotations

import errno
import threading
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

__all__ = ["BlockFault", "FaultDice", "PlutoFaults"]

ReadFault = Literal["timeout", "error", "short", "lost", "cable"]
WriteFault = Literal["error", "underflow", "cable"]


@dataclass(slots=True)
class PlutoFaults:
    """What goes wrong; every field may be set at any time, from any thread, and takes effect with the next request.

    Attributes:
        refuse_connections: a new connection is closed at once.
        context: the description of the context ends in the middle, or is no XML.
        busy: opening a buffer answers EBUSY, as if another program owned it.
        frozen: connections are accepted and nothing is answered any more.
        attribute_errno: writing the attribute of that name answers that errno.
        attribute_delay_s: before each answer to an attribute that is read or written.
        read_delay_s: before each received block.
        write_delay_s: before the answer to each block to transmit.
        read_errno: receiving a block answers this errno; 0 for none.
        read_errno_from: number of the first block since its buffer was opened that does; blocks before it are good.
        short_block: part of each received block that is delivered, 0 ... 1.
        lost_samples: number of them lost before each received block, with the overflow bit.
        cut_read_at: the cable is pulled, once, in the middle of this received block, counted from 0 since its buffer
            was opened.
        cut_write: the cable is pulled, once, in the middle of the next block to transmit.
        write_errno: a block to transmit answers this errno; 0 for none.
        underflow: each block to transmit sets the underflow bit.
        fault_rate: probability that a block, received or to be transmitted, fails in one of the ways named below.
        fault_seed: of the draws.
        read_faults: ways in which received blocks fail then.
        write_faults: ways in which blocks to transmit fail then.
    """

    refuse_connections: bool = False
    context: Literal["", "truncated", "garbage"] = ""
    busy: bool = False
    frozen: bool = False
    attribute_errno: dict[str, int] = field(default_factory=dict)
    attribute_delay_s: float = 0.0
    read_delay_s: float = 0.0
    write_delay_s: float = 0.0
    read_errno: int = 0
    read_errno_from: int = 0
    short_block: float | None = None
    lost_samples: int = 0
    cut_read_at: int | None = None
    cut_write: bool = False
    write_errno: int = 0
    underflow: bool = False
    fault_rate: float = 0.0
    fault_seed: int = 0
    read_faults: tuple[ReadFault, ...] = ("timeout", "error", "short", "lost", "cable")
    write_faults: tuple[WriteFault, ...] = ("error", "underflow", "cable")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFault:
    """What happens to one block.

    Attributes:
        number: errno to answer, or 0.
        delay_s: before anything else.
        part: of the block that is delivered.
        lost_samples: in front of it.
        underflow: set the bit.
        cut: pull the cable in its middle.
    """

    number: int = 0
    delay_s: float = 0.0
    part: float = 1.0
    lost_samples: int = 0
    underflow: bool = False
    cut: bool = False


class FaultDice:
    """Decides about every block.

    Args:
        faults: what is asked for.

    Attributes:
        drawn: blocks that failed by chance so far.
    """

    # Enough to spoil any frame, and less than a block.
    _LOST_BY_CHANCE = 100

    def __init__(self, faults: PlutoFaults) -> None:
        self.drawn = 0
        self._faults = faults
        self._lock = threading.Lock()
        self._seed: int | None = None
        self._generator = np.random.default_rng()

    def _by_chance(self, ways: tuple[str, ...]) -> str:
        """One of the ways, or "" for a good block."""
        with self._lock:
            faults = self._faults
            if not faults.fault_rate or not ways:
                return ""
            if faults.fault_seed != self._seed:
                self._seed = faults.fault_seed
                self._generator = np.random.default_rng(self._seed)
            # Two draws for every block, so that the rate does not change where the next faults fall.
            fails, way = self._generator.random(2)
            if fails >= faults.fault_rate:
                return ""
            self.drawn += 1
            return ways[int(way * len(ways))]

    def read(self, index: int) -> BlockFault:
        """Fate of a received block; `index` counts from 0 since its buffer was opened."""
        faults = self._faults
        way = self._by_chance(faults.read_faults)
        cut = index == faults.cut_read_at
        if cut:
            faults.cut_read_at = None
        number = faults.read_errno if index >= faults.read_errno_from else 0
        number = {"timeout": errno.ETIMEDOUT, "error": errno.EIO}.get(way, number)
        part = 1.0 if faults.short_block is None else faults.short_block
        return BlockFault(
            number=number,
            delay_s=faults.read_delay_s,
            part=0.5 if way == "short" else part,
            lost_samples=faults.lost_samples + (self._LOST_BY_CHANCE if way == "lost" else 0),
            cut=way == "cable" or cut,
        )

    def write(self) -> BlockFault:
        """Fate of a block to transmit."""
        faults = self._faults
        way = self._by_chance(faults.write_faults)
        cut, faults.cut_write = faults.cut_write, False
        return BlockFault(
            number=errno.EIO if way == "error" else faults.write_errno,
            delay_s=faults.write_delay_s,
            underflow=faults.underflow or way == "underflow",
            cut=way == "cable" or cut,
        )
