"""A radio that stays open from picture to picture, and is opened again when it is lost; every failure is counted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np

from hardware.errors import (
    DisconnectedError,
    LateBurstError,
    RadioBusyError,
    RadioError,
    RadioNotFoundError,
    RadioTimeoutError,
    SampleOverflowError,
    SampleUnderflowError,
)
from hardware.radio import Radio
from sdr_gsc.capture import Capture

from .link_pipeline import Channel

__all__ = ["FaultyAir", "Faults", "KeptRadio"]

#: What may go well the next time with the same connection, and what needs another one.
_PASSING = (LateBurstError, RadioTimeoutError, SampleOverflowError, SampleUnderflowError)
_GONE = (DisconnectedError, RadioNotFoundError, RadioBusyError)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0


@dataclass(slots=True)
class Faults:
    """What went wrong with a radio.

    Attributes:
        kinds: failures by the name of their error.
        recovered: failures after which the radio worked again.
        reopened: times that it was opened again.
        outages_s: from the first failure of a row of failures to the end of the next thing that worked.
        given_up: pictures that the radio did not send however often it was tried.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    recovered: int = 0
    reopened: int = 0
    outages_s: list[float] = field(default_factory=list)
    given_up: int = 0

    @property
    def count(self) -> int:
        """All failures."""
        return self.kinds.total()


class KeptRadio:
    """Opens a radio when it is needed, and again when it is lost; leaving the context closes it.

    Args:
        opened: opens the radio.
        attempts: how often something is tried, at least 1.
        faults: where failures are written down.
    """

    def __init__(self, opened: Callable[[], Radio], attempts: int, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self._opened, self._attempts = opened, attempts
        self._radio: Radio | None = None
        self._failing_since_s: float | None = None
        self._failing = 0
        self._unclosed: RadioError | None = None

    def __enter__(self) -> Self:
        # An address that is wrong from the start is no fault that passes.
        self._radio = self._opened()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if self._unclosed is not None and kind is None:
            raise self._unclosed

    @property
    def sample_rate_hz(self) -> float:
        """Of the radio as it is set; opens it where it was lost."""
        return self.radio().settings.sample_rate_hz

    def radio(self) -> Radio:
        """The open radio."""
        if self._radio is None:
            self._radio = self._opened()
            self._unclosed = None
            self.faults.reopened += 1
        return self._radio

    def exchange(self, samples: np.ndarray, waiting: Channel[Any]) -> tuple[Capture | None, int]:
        """Send a burst, complex64 [n], and return what was received, as often as it takes.

        Args:
            samples: of the burst, at the radio's rate.
            waiting: any queue of the pipeline: between attempts the end of the pipeline is heeded.

        Returns:
            The capture, None where the radio was given up on, and the attempts that failed before.

        Raises:
            RadioError: what no other attempt would mend.
            StoppedError: the pipeline was broken off.
        """
        for failures in range(self._attempts):
            try:
                radio = self.radio()
                found = radio.exchange(Capture(samples, radio.settings.sample_rate_hz))
            except RadioError as error:
                self.failed(error)
                waiting.wait_until_stopped(min(_FIRST_PAUSE_S * 2**failures, _LONGEST_PAUSE_S))
            else:
                self.worked()
                return found, failures
        self.faults.given_up += 1
        return None, self._attempts

    def failed(self, error: RadioError) -> None:
        """Write a failure down, and close a radio that is lost.

        Raises:
            RadioError: the failure itself, where another attempt would not mend it.
        """
        if not isinstance(error, (*_PASSING, *_GONE)):
            raise error
        self.faults.kinds[type(error).__name__] += 1
        self._failing += 1
        if self._failing_since_s is None:
            self._failing_since_s = time.perf_counter()
        if isinstance(error, _GONE):
            # It mutes itself when it is opened again; until then this is what is known of it.
            try:
                self.close()
            except RadioError as unclosed:
                self._unclosed = unclosed

    @property
    def exhausted(self) -> bool:
        """Whether it has failed as often in a row as it may."""
        return self._failing >= self._attempts

    def worked(self) -> None:
        """The radio works; whatever failed before has passed."""
        if self._failing_since_s is not None:
            self.faults.outages_s.append(time.perf_counter() - self._failing_since_s)
            self.faults.recovered += self._failing
            self._failing_since_s, self._failing = None, 0

    def close(self) -> None:
        """Close the radio, if it is open."""
        radio, self._radio = self._radio, None
        if radio is not None:
            radio.close()


class FaultyAir:
    """A simulated radio whose exchanges fail by chance as those of real ones do.

    Everything else is the radio's own. One in four failures is a lost connection, after which the radio is closed.

    Args:
        radio: that really transmits.
        rate: probability that an exchange fails.
        generator: of the draws.
    """

    _WAYS = (DisconnectedError, RadioTimeoutError, SampleOverflowError, SampleUnderflowError)

    def __init__(self, radio: Radio, rate: float, generator: np.random.Generator) -> None:
        self._radio, self._rate, self._generator = radio, rate, generator

    def __getattr__(self, name: str) -> object:
        return getattr(self._radio, name)

    def exchange(self, burst: Capture, *, listen_s: float | None = None) -> Capture:
        """See `Radio.exchange`."""
        fails, way = self._generator.random(2)
        if fails >= self._rate:
            return self._radio.exchange(burst, listen_s=listen_s)
        error = self._WAYS[int(way * len(self._WAYS))]
        if error is DisconnectedError:
            self._radio.close()
        raise error("a fault was asked for (--fault-rate)")
