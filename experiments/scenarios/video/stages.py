"""Where the time of a video goes: collecting, encoding, on the air, receiving, decoding."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, get_args

__all__ = ["StageClock", "StageName", "Stages"]

StageName = Literal["encode", "air", "exchange", "receive", "decode"]


@dataclass(frozen=True, slots=True)
class Stages:
    """Seconds that a group of frames took, by stage.

    Attributes:
        encode_s: from frames to samples.
        air_s: on the air: air samples over sample rate, whatever the radio is.
        exchange_s: the radio's own work; of a simulated radio the cost of simulating, which is no latency.
        receive_s: from the capture to symbols or bytes.
        decode_s: from those to frames.
        frames: in the group.
        unit_frames: frames that are encoded together: the first of them waits for the last.
        rate_hz: frames per second of the camera.
    """

    encode_s: float
    air_s: float
    exchange_s: float
    receive_s: float
    decode_s: float
    frames: int
    unit_frames: int
    rate_hz: float

    @property
    def collect_s(self) -> float:
        """What the first frame of a unit waits for the last one."""
        return (self.unit_frames - 1) / self.rate_hz

    @property
    def work_s(self) -> float:
        """Per frame, encoding to decoding, the cost of simulating left out."""
        return (self.encode_s + self.air_s + self.receive_s + self.decode_s) / self.frames

    @property
    def latency_s(self) -> float:
        """From the camera to the screen for the first frame of a unit, whose stages follow each other."""
        return self.collect_s + self.unit_frames * self.work_s

    @property
    def frames_per_s(self) -> float:
        """Frames per second when each stage waits for the one before."""
        return 1 / self.work_s

    @property
    def pipelined_frames_per_s(self) -> float:
        """Frames per second when stages work side by side: the slowest decides."""
        return self.frames / max(self.encode_s, self.air_s, self.receive_s, self.decode_s)

    def timings_s(self) -> dict[str, float]:
        """For a trial's line: seconds per frame by stage, latency, and frames per second."""
        shares = {
            "encode": self.encode_s,
            "air": self.air_s,
            "receive": self.receive_s,
            "decode": self.decode_s,
            "exchange": self.exchange_s,
        }
        return {
            **{name: seconds / self.frames for name, seconds in shares.items()},
            "collect": self.collect_s,
            "latency": self.latency_s,
            "frames_per_s": self.frames_per_s,
            "pipelined_frames_per_s": self.pipelined_frames_per_s,
        }


@dataclass(slots=True)
class StageClock:
    """Adds up what stages take.

    >>> clock = StageClock()
    >>> clock.add("air", 0.25)
    >>> clock.stages(frames=5, unit_frames=1, rate_hz=25.0).timings_s()["air"]
    0.05
    """

    seconds: dict[StageName, float] = field(default_factory=lambda: dict.fromkeys(get_args(StageName), 0.0))

    @contextmanager
    def stage(self, name: StageName) -> Iterator[None]:
        """Time what is done inside."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - began)

    def add(self, name: StageName, seconds: float) -> None:
        """Add to a stage."""
        self.seconds[name] += seconds

    def stages(self, *, frames: int, unit_frames: int, rate_hz: float) -> Stages:
        """What was added up so far."""
        found = self.seconds
        return Stages(
            found["encode"], found["air"], found["exchange"], found["receive"], found["decode"], frames, unit_frames,
            rate_hz,
        )  # fmt: skip
