"""What became of every picture on its way: the receiver names it by its descriptor, and by nothing else."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from sdr_gsc.errors import SettingsError

__all__ = ["PERCENTILES", "Account", "Passage", "Tally", "percentiles"]

#: Picture ids are numbers of 16 bits.
_IDS = 1 << 16
PERCENTILES = (50, 95, 99)


@dataclass(slots=True)
class Passage:
    """One picture on its way; its stages write into it, one after the other.

    Attributes:
        serial: counts pictures from 0.
        picture_id: in its descriptor.
        born_s: when it was offered to the encoder, by `time.perf_counter`; None until then.
        times_s: seconds spent in each stage.
        frames: sent.
        failures: exchanges that failed before one succeeded.
        settled: whether it has made room for another one.
    """

    serial: int
    picture_id: int
    born_s: float | None = None
    times_s: dict[str, float] = field(default_factory=dict)
    frames: int = 0
    failures: int = 0
    settled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Pictures and frames counted.

    Attributes:
        offered: pictures given to the encoder.
        arrived: of them, decoded.
        lost: of them, never received.
        repeated: receptions of a picture that had been received before.
        out_of_order: pictures received after a later one.
        strangers: receptions of pictures that nobody sent here.
        retried: pictures whose exchange was tried again.
        retried_lost: of them, never received.
        frames_sent: frames of all pictures that the radio sent.
        frames_received: of them, with a good header.
        unaccounted: offered pictures that were neither delivered nor counted as lost: 0, or the books are wrong.
        longest_run: most pictures in a row, by their order of sending, without a loss.
    """

    offered: int
    arrived: int
    lost: int
    repeated: int
    out_of_order: int
    strangers: int
    retried: int
    retried_lost: int
    frames_sent: int
    frames_received: int
    unaccounted: int
    longest_run: int


class Account:
    """Books of one run; all methods are thread-safe.

    Args:
        first_id: picture id of the first picture, 0 ... 65535; a reception left over from another run has another one.
        most: pictures that may be on their way at once; ids come again after 65536.

    Raises:
        SettingsError: so many that ids could be confused.
    """

    def __init__(self, first_id: int = 0, most: int = _IDS // 2) -> None:
        if not 1 <= most <= _IDS // 2:
            raise SettingsError(f"{most} pictures on their way at once; needed 1…{_IDS // 2}")
        self._lock = threading.Lock()
        self._first_id, self._most = first_id % _IDS, most
        self._underway: dict[int, Passage] = {}
        self._serial = 0
        self._newest_arrived = -1
        self._lost: dict[int, Passage] = {}
        self._counts = dict.fromkeys(("arrived", "repeated", "out_of_order", "strangers"), 0)
        self._retried: set[int] = set()
        self._frames_sent = self._frames_received = 0

    def offer(self) -> Passage:
        """A new picture begins its way.

        Raises:
            SettingsError: more pictures are on their way than were announced.
        """
        with self._lock:
            if len(self._underway) >= self._most:
                raise SettingsError(f"more than {self._most} pictures are on their way; some are neither in nor lost")
            passage = Passage(self._serial, (self._first_id + self._serial) % _IDS)
            self._underway[self._serial] = passage
            self._serial += 1
            return passage

    def sent(self, passage: Passage, frames: int) -> None:
        """The radio has sent so many frames of it, perhaps not for the first time; none where it gave up."""
        with self._lock:
            self._frames_sent += max(0, frames - passage.frames)
            passage.frames = frames
            if passage.failures:
                self._retried.add(passage.serial)

    def arrive(self, picture_id: int, frames: int) -> Passage | None:
        """A picture was received.

        Args:
            picture_id: in its descriptor.
            frames: with a good header.

        Returns:
            Its passage; None where it was received before, or never sent.
        """
        with self._lock:
            # The latest picture of that id: the others are 65536 pictures and more ago.
            back = (self._first_id + self._serial - 1 - picture_id) % _IDS
            serial = self._serial - 1 - back
            if serial < 0:
                self._counts["strangers"] += 1
                return None
            passage = self._underway.pop(serial, None) or self._lost.pop(serial, None)
            if passage is None:
                self._counts["repeated"] += 1
                return None
            self._counts["arrived"] += 1
            self._frames_received += min(frames, passage.frames)
            self._counts["out_of_order"] += serial < self._newest_arrived
            self._newest_arrived = max(self._newest_arrived, serial)
            return passage

    def lose(self, passage: Passage) -> None:
        """It will not come any more; if it does all the same, it counts as received."""
        with self._lock:
            if self._underway.pop(passage.serial, None) is not None:
                self._lost[passage.serial] = passage

    def close(self, delivered: int) -> Tally:
        """What is still on its way is lost.

        Args:
            delivered: pictures that came out at the end, counted there.
        """
        for passage in list(self._underway.values()):
            self.lose(passage)
        with self._lock:
            losses = [-1, *sorted(self._lost), self._serial]
            return Tally(
                offered=self._serial,
                lost=len(self._lost),
                frames_sent=self._frames_sent,
                frames_received=self._frames_received,
                retried=len(self._retried),
                retried_lost=len(self._retried & self._lost.keys()),
                unaccounted=self._serial - delivered - len(self._lost),
                longest_run=max(after - before - 1 for before, after in zip(losses, losses[1:], strict=False)),
                **self._counts,
            )


def percentiles(seconds: Mapping[str, list[float]]) -> dict[str, dict[int, float]]:
    """Of each list the `PERCENTILES`, linearly interpolated between its values; NaN for an empty one."""
    return {
        name: {p: float(np.percentile(values, p)) if values else float("nan") for p in PERCENTILES}
        for name, values in seconds.items()
    }
