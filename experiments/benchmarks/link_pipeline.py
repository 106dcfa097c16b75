"""Stages in threads of their own with bounded queues between them: the slowest one sets the pace of all."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sdr_gsc.errors import SdrGscError, SettingsError

__all__ = ["Channel", "Stage", "StoppedError", "run_pipeline", "stage"]

_Item = TypeVar("_Item")
_In = TypeVar("_In")
_Out = TypeVar("_Out")

#: A stage that was told to stop may take so long: no request to a radio waits longer.
_FAREWELL_S = 60.0


class StoppedError(SdrGscError):
    """The pipeline was broken off; a stage that meets this has nothing more to do."""


class Channel(Generic[_Item]):
    """A queue between two threads that holds so many items at most.

    Args:
        capacity: items, at least 1.

    Attributes:
        deepest: most items that it ever held.

    Raises:
        SettingsError: no room for an item.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise SettingsError(f"a queue holds {capacity} items; needed at least 1")
        self.deepest = 0
        self._capacity = capacity
        self._items: deque[_Item] = deque()
        self._changed = threading.Condition()
        self._ended = self._stopped = False

    @property
    def ended(self) -> bool:
        """Whether nothing comes any more and nothing is left."""
        with self._changed:
            return self._ended and not self._items

    def put(self, item: _Item) -> None:
        """Append an item; waits while the queue is full.

        Raises:
            StoppedError: the pipeline was broken off.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._items) < self._capacity)
            self._require_going()
            self._items.append(item)
            self.deepest = max(self.deepest, len(self._items))
            self._changed.notify_all()

    def take(self, most: int = 1, timeout_s: float | None = None) -> list[_Item]:
        """The items that are there, `most` at most, in their order; waits for the first one.

        Args:
            most: items to take.
            timeout_s: how long to wait; None waits without end.

        Returns:
            The items; none once the queue has ended, or when none came in time.

        Raises:
            StoppedError: the pipeline was broken off.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._ended or bool(self._items), timeout=timeout_s)
            self._require_going()
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._changed.notify_all()
            return taken

    def end(self) -> None:
        """Say that nothing follows."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Break off: whoever waits or comes later meets StoppedError."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def wait_until_stopped(self, timeout_s: float) -> None:
        """Sleep for so long, unless the pipeline is broken off meanwhile.

        Raises:
            StoppedError: it was.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._stopped, timeout=max(0.0, timeout_s))
            self._require_going()

    def _require_going(self) -> None:
        if self._stopped:
            raise StoppedError("the pipeline was broken off")


@dataclass(frozen=True, slots=True)
class Stage:
    """One thread of a pipeline.

    Attributes:
        name: for errors and figures.
        run: takes from the first queue and puts into the second until the first one ends. It need not end the second.
    """

    name: str
    run: Callable[[Channel[Any], Channel[Any]], None]


def stage(name: str, work: Callable[[list[_In]], Iterable[_Out]], batch: int = 1) -> Stage:
    """A stage that works on what waits for it, so many items at most at a time, and never waits for a batch to fill.

    Args:
        name: of the stage.
        work: makes any number of items of some.
        batch: most items at a time.
    """

    def run(inbox: Channel[_In], outbox: Channel[_Out]) -> None:
        while items := inbox.take(batch):
            for made in work(items):
                outbox.put(made)

    return Stage(name, run)


def run_pipeline(
    source: Callable[[Channel[Any]], None],
    stages: Sequence[Stage],
    deliver: Callable[[Any], None],
    *,
    capacity: int = 2,
    further: Sequence[Channel[Any]] = (),
) -> dict[str, int]:
    """Run stages until the source ends and everything has passed through them.

    Results are delivered in this thread. An exception in any stage or in `deliver`, and an interrupt, break all stages
    off, wait for their threads, and are raised here.

    Args:
        source: puts items into the first queue until it returns.
        stages: in the order of the way.
        deliver: takes each result.
        capacity: of each queue.
        further: other queues that stages wait on; they are broken off with the rest.

    Returns:
        The most items that waited in front of each stage, by its name, and behind the last one ("delivery").

    Raises:
        SdrGscError: a stage did not end after it was told to.
    """
    channels: list[Channel[Any]] = [Channel(capacity) for _ in range(len(stages) + 1)]
    failures: list[tuple[str, BaseException]] = []

    def stop() -> None:
        for channel in (*channels, *further):
            channel.stop()

    def guarded(name: str, work: Callable[[], None], outbox: Channel[Any]) -> Callable[[], None]:
        def run() -> None:
            try:
                work()
                outbox.end()
            except StoppedError:
                pass
            except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for all of them
                failures.append((name, error))
                stop()

        return run

    threads = [_thread("source", guarded("source", lambda: source(channels[0]), channels[0]))]
    for index, each in enumerate(stages):
        work = _bound(each, channels[index], channels[index + 1])
        threads.append(_thread(each.name, guarded(each.name, work, channels[index + 1])))
    try:
        for thread in threads:
            thread.start()
        while results := channels[-1].take():
            deliver(results[0])
    except StoppedError:
        pass
    finally:
        stop()
        left = _join(threads)
    if failures:
        name, error = failures[0]
        error.add_note(f"in the stage {name} of the link")
        raise error
    if left:
        raise SdrGscError(
            f"the stages {', '.join(left)} did not end within {_FAREWELL_S:.0f} s; see what they wait for"
        )
    names = [*(each.name for each in stages), "delivery"]
    return {name: channel.deepest for name, channel in zip(names, channels, strict=True)}


def _bound(each: Stage, inbox: Channel[Any], outbox: Channel[Any]) -> Callable[[], None]:
    return lambda: each.run(inbox, outbox)


def _thread(name: str, run: Callable[[], None]) -> threading.Thread:
    # A daemon: a radio's library that never comes back must not keep the program from ending.
    return threading.Thread(target=run, name=f"link {name}", daemon=True)


def _join(threads: Sequence[threading.Thread]) -> list[str]:
    deadline = time.monotonic() + _FAREWELL_S
    for thread in threads:
        if thread.ident is not None:
            thread.join(max(0.0, deadline - time.monotonic()))
    return [thread.name for thread in threads if thread.is_alive()]
