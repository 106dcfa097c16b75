"""Faults that an emulated USRP commits on request."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

__all__ = ["UsrpFaults"]


@dataclass
class UsrpFaults:
    """Set any of these while the device runs, from any thread; counters fall back to 0 as they are used up.

    Attributes:
        rx_dropped_packets: of the next received packets this many are lost on the way.
        rx_overruns: this many of the next pieces received end in an overrun.
        rx_late_captures: this many of the next timed captures are refused as late.
        tx_underruns: this many of the next bursts end in an underrun.
        tx_late_bursts: this many of the next bursts are refused as late.
        no_samples: nothing received is sent to the host.
        no_registers: register accesses are not answered.
        frozen: nothing is answered or sent at all.
        reference_unlocked: the sensor says so.
        oscillators_unlocked: the sensors say so.
        claim_busy: every claim is refused, as if another host held it.
        rpc_errors: message of the error that a management method raises, by method.
        rpc_delay_s: every management method takes this much longer.
        fault_rate: probability that a burst or a capture fails, each in one of the ways above.
        seed: of the draws for `fault_rate`.
    """

    rx_dropped_packets: int = 0
    rx_overruns: int = 0
    rx_late_captures: int = 0
    tx_underruns: int = 0
    tx_late_bursts: int = 0
    no_samples: bool = False
    no_registers: bool = False
    frozen: bool = False
    reference_unlocked: bool = False
    oscillators_unlocked: bool = False
    claim_busy: bool = False
    rpc_errors: dict[str, str] = field(default_factory=dict)
    rpc_delay_s: float = 0.0
    fault_rate: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._generator = np.random.default_rng(self.seed)

    def take(self, counter: str) -> bool:
        """Whether a counted fault is due; uses one up."""
        if not getattr(self, counter):
            return False
        with self._lock:
            left = getattr(self, counter)
            setattr(self, counter, max(0, left - 1))
            return left > 0

    def draw(self, counters: tuple[str, ...]) -> None:
        """At the start of a burst or a capture: with probability `fault_rate`, make one of the faults due."""
        if not self.fault_rate:
            return
        with self._lock:
            if self._generator.random() < self.fault_rate:
                counter = counters[self._generator.integers(len(counters))]
                setattr(self, counter, getattr(self, counter) + 1)

    def update(self, values: dict[str, Any]) -> None:
        """Set several at once.

        Raises:
            ValueError: an unknown name.
        """
        known = {each.name for each in fields(self)}
        if unknown := set(values) - known:
            raise ValueError(f"no fault is called {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
        for name, value in values.items():
            setattr(self, name, value)
        if "seed" in values:
            with self._lock:
                self._generator = np.random.default_rng(self.seed)

    def clear(self) -> None:
        """No faults any more; the draws begin anew."""
        fresh = UsrpFaults(seed=self.seed)
        self.update({each.name: getattr(fresh, each.name) for each in fields(self)})
