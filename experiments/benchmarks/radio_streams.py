"""Endless streams from and to a radio: what arrives per second of wall clock, and what is lost."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from hardware.registry import open_radio

from .emulated import cpu_seconds

__all__ = ["Sustained", "receive_rate", "transmit_rate", "with_rate"]

_BLOCK_S = 0.02
_LEAST_BLOCK = 16384
#: Samples that fill all queues on the way: before them the speed is that of memory.
_FILLING_S = 0.5


@dataclass(frozen=True, slots=True)
class Sustained:
    """A stream's figures.

    Attributes:
        rate_hz: samples per second of wall clock.
        losses: lost samples of a reception, underflows of a transmission.
        cpu_share: CPU seconds of this process and its worker per second.
    """

    rate_hz: float
    losses: int
    cpu_share: float


def with_rate(uri: str, rate_hz: float) -> str:
    """The address with a sample rate."""
    return f"{uri}{'&' if '?' in uri else '?'}sample_rate_hz={rate_hz:.0f}"


def receive_rate(uri: str, *, rate_hz: float, seconds: float) -> Sustained:
    """Receive for so long."""
    block_samples = max(round(_BLOCK_S * rate_hz), _LEAST_BLOCK)
    with open_radio(with_rate(uri, rate_hz)) as radio, radio.receive_stream(block_samples) as stream:
        began = cpu = 0.0
        taken = lost = 0
        for block in stream:
            if not began:
                began, cpu = time.perf_counter(), cpu_seconds()
                continue
            taken += block.samples.size
            lost += block.lost_before
            if taken >= seconds * rate_hz:
                break
        elapsed, cpu = time.perf_counter() - began, cpu_seconds() - cpu
    return Sustained(taken / elapsed, lost, cpu / elapsed)


def transmit_rate(uri: str, *, rate_hz: float, seconds: float) -> Sustained:
    """Transmit noise at -12 dBFS for so long; a radio that paces its host takes samples no faster than its rate."""
    generator = np.random.default_rng(1)
    block_samples = max(round(_BLOCK_S * rate_hz), _LEAST_BLOCK)
    rails = 0.25 * np.clip(generator.standard_normal((block_samples, 2)), -3, 3) / np.sqrt(2)
    block = rails.astype(np.float32).view(np.complex64)[:, 0]
    with open_radio(with_rate(uri, rate_hz)) as radio, radio.transmit_stream() as stream:
        given = 0
        while given < _FILLING_S * rate_hz:
            stream.write(block)
            given += block.size
        began, cpu, given = time.perf_counter(), cpu_seconds(), 0
        while given < seconds * rate_hz:
            stream.write(block)
            given += block.size
        elapsed, cpu = time.perf_counter() - began, cpu_seconds() - cpu
        underflows = stream.underflows
    return Sustained(given / elapsed, underflows, cpu / elapsed)
