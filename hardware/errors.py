"""What can go wrong with a radio. Every message says what was found and ends with what mends it."""

from __future__ import annotations

from typing import ClassVar

from sdr_gsc.errors import ClippingError, SdrGscError

__all__ = [
    "BadValueError",
    "ClippingError",
    "DisconnectedError",
    "DriverMissingError",
    "ForbiddenError",
    "LateBurstError",
    "RadioBusyError",
    "RadioError",
    "RadioNotFoundError",
    "RadioTimeoutError",
    "SampleOverflowError",
    "SampleUnderflowError",
    "UnlockedError",
]


class RadioError(SdrGscError):
    """Base of the radio errors.

    Args:
        problem: what was found and what was needed.
        remedy: what mends it; None uses the usual remedy of the error's kind.
    """

    usual_remedy: ClassVar[str] = "read the message above, correct the request and try again"

    def __init__(self, problem: str, remedy: str | None = None) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy or self.usual_remedy

    def __str__(self) -> str:
        return f"{self.problem}; {self.remedy}"


class DriverMissingError(RadioError):
    """The radio's driver is not part of this installation."""

    usual_remedy = "install the driver, or use a simulated radio such as loopback:office"


class RadioNotFoundError(RadioError):
    """No radio, or no recording, answers at the address."""

    usual_remedy = "check the address, the cable and the power supply"


class RadioBusyError(RadioError):
    """Another program, or another exchange, owns the radio."""

    usual_remedy = "close the other program that uses the radio"


class RadioTimeoutError(RadioError):
    """The radio did not deliver in time."""

    usual_remedy = "check that the radio is still connected, then lower the sample rate or listen for a shorter time"


class SampleOverflowError(RadioError):
    """Received samples were lost because the host did not take them in time."""

    usual_remedy = "lower the sample rate, or listen for a shorter time"


class SampleUnderflowError(RadioError):
    """The host did not deliver transmit samples in time."""

    usual_remedy = "lower the sample rate, or send shorter bursts"


class LateBurstError(RadioError):
    """A timed burst reached the radio after its time."""

    usual_remedy = "schedule the burst later"


class DisconnectedError(RadioError):
    """The radio is closed or gone."""

    usual_remedy = "open the radio again"


class BadValueError(RadioError, ValueError):
    """A setting or an argument that this radio cannot accept."""

    usual_remedy = "choose a value inside the radio's capabilities"


class UnlockedError(RadioError):
    """A local oscillator or reference did not lock."""

    usual_remedy = "check the reference clock, and choose another frequency"


class ForbiddenError(RadioError):
    """A transmission that bench.toml does not allow."""

    usual_remedy = "allow it in bench.toml, if it is allowed where the antenna stands"
