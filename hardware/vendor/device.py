"""A device behind a vendor library: opened with patience, and muted by a second worker when the first one dies."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import DisconnectedError, RadioBusyError, RadioError
from .process import VendorWorker

__all__ = ["Device"]

#: A real radio may load firmware and calibrate itself; an emulated one on this computer is there at once.
_OPEN_S = 30.0
_OPEN_LOCAL_S = 4.5
#: A radio on the network notices only after seconds that the program before was killed, and is free then.
_GIVEN_BACK_S = 4.5
#: Families whose own computer ends a session that is not renewed any more, and mutes: a worker that dies leaves them
#: without samples at once and, a few seconds later, with their transmitters off.
_END_DEAD_SESSIONS = ("e3xx", "n3xx", "x4xx")


@dataclass(frozen=True, slots=True)
class Device:
    """Where a radio is.

    Attributes:
        vendor: of the worker.
        pairs: the library's address.
        uri: for people.
    """

    vendor: str
    pairs: Mapping[str, str]
    uri: str

    def opened_by(self, worker: VendorWorker) -> dict[str, Any]:
        """Let a worker open the device, which mutes it, and describe it.

        Raises:
            RadioBusyError: another program has it, and keeps it.
            RadioNotFoundError, DisconnectedError: as they say.
        """
        local = self.pairs.get("addr", "").startswith("127.")
        given_up = time.monotonic() + _GIVEN_BACK_S
        while True:
            try:
                return worker.request("open", _OPEN_LOCAL_S if local else _OPEN_S, address=dict(self.pairs))
            except RadioBusyError:
                if time.monotonic() > given_up:
                    raise
                time.sleep(0.2)

    def mute_after_death(self) -> None:
        """Mute the device whose worker died, unless it does so itself.

        Raises:
            DisconnectedError: it cannot be reached, and may still transmit.
        """
        if self.pairs.get("type") in _END_DEAD_SESSIONS:
            return
        try:
            with VendorWorker(self.vendor) as worker:
                self.opened_by(worker)
        except RadioError as error:
            raise DisconnectedError(
                f"the worker of {self.uri} died, and another one cannot mute the radio ({error.problem})",
                "switch the radio off: it may still transmit",
            ) from error
