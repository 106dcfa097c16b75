import contextlib

import numpy as np
import pytest

from hardware.errors import (
    BadValueError,
    ClippingError,
    DisconnectedError,
    ForbiddenError,
    LateBurstError,
    RadioBusyError,
    RadioNotFoundError,
    RadioTimeoutError,
    SampleOverflowError,
    SampleUnderflowError,
)
from hardware.retrying import exchange_with_retry
from sdr_gsc.capture import Capture

BURST = Capture(np.full(10, 0.1, np.complex64), 4e6)
PASSING = [DisconnectedError, LateBurstError, RadioTimeoutError, SampleOverflowError, SampleUnderflowError]
LASTING = [BadValueError, ClippingError, ForbiddenError, RadioBusyError]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("hardware.retrying._PAUSE_S", 0.0)


class Failing:
    """Opens; each exchange fails with the next error of a list, None meaning that it succeeds."""

    def __init__(self, errors, opening=()):
        self.errors, self.opening = list(errors), list(opening)
        self.opened = self.closed = 0

    @contextlib.contextmanager
    def open(self):
        if self.opening and (error := self.opening.pop(0)) is not None:
            raise error
        self.opened += 1
        try:
            yield self
        finally:
            self.closed += 1

    def exchange(self, burst, *, listen_s=None):
        self.heard = burst, listen_s
        if (error := self.errors.pop(0)) is not None:
            raise error
        return burst


@pytest.mark.parametrize("kind", PASSING)
def test_what_may_pass_is_tried_again_on_a_fresh_radio_and_reported(kind):
    radio = Failing([kind("first"), kind("second"), None])
    received, failed = exchange_with_retry(radio.open, BURST, listen_s=0.5, attempts=3)
    assert received is BURST
    assert radio.heard == (BURST, 0.5)
    assert (radio.opened, radio.closed) == (3, 3)
    assert [(one.number, one.kind) for one in failed] == [(1, kind.__name__), (2, kind.__name__)]
    assert failed[0].message == str(kind("first"))
    assert failed[0].elapsed_s >= 0


def test_success_at_once_reports_nothing():
    assert exchange_with_retry(Failing([None]).open, BURST) == (BURST, ())


@pytest.mark.parametrize("kind", LASTING)
def test_what_stays_wrong_is_raised_at_once(kind):
    radio = Failing([kind("no"), None])
    with pytest.raises(kind):
        exchange_with_retry(radio.open, BURST, attempts=5)
    assert (radio.opened, radio.closed) == (1, 1)


def test_the_last_error_carries_the_others():
    radio = Failing([RadioTimeoutError("slow"), SampleOverflowError("lost")])
    with pytest.raises(SampleOverflowError) as caught:
        exchange_with_retry(radio.open, BURST, attempts=2)
    assert "attempt 1 failed before" in caught.value.__notes__[0]
    assert "slow" in caught.value.__notes__[0]


def test_a_radio_that_is_not_back_yet_is_waited_for():
    radio = Failing([DisconnectedError("cable"), None], opening=[None, RadioNotFoundError("refused"), None])
    _, failed = exchange_with_retry(radio.open, BURST, attempts=3)
    assert [one.kind for one in failed] == ["DisconnectedError", "RadioNotFoundError"]


def test_a_radio_that_was_never_there_is_not_waited_for():
    radio = Failing([None], opening=[RadioNotFoundError("refused"), None])
    with pytest.raises(RadioNotFoundError):
        exchange_with_retry(radio.open, BURST, attempts=3)


def test_the_burst_may_depend_on_the_radio():
    received, _ = exchange_with_retry(Failing([None]).open, lambda radio: Capture(BURST.samples, 1e6 + radio.opened))
    assert received.sample_rate_hz == 1e6 + 1


def test_at_least_one_attempt():
    with pytest.raises(BadValueError, match="at least once"):
        exchange_with_retry(Failing([None]).open, BURST, attempts=0)
