"""One suite that every radio passes: simulated, emulated, or on a bench with a way from its output to its input."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import ParamSpec

import numpy as np

from sdr_gsc.capture import Capture

from .conformance_control import (
    ConformanceError,
    RadioFactory,
    check_clipping_is_refused,
    check_closed_radio_is_disconnected,
    check_muted_whenever_left,
    check_settings_out_of_range_are_refused,
    check_settings_read_back,
    check_wrong_requests_are_refused,
    require,
)
from .conformance_offset import check_temperature, check_transmit_offset
from .errors import BadValueError, LateBurstError, SampleOverflowError, SampleUnderflowError
from .probe_signal import PRESENT, Found, find, probe
from .radio import Radio, StreamBlock

__all__ = [
    "CHECKS",
    "ConformanceError",
    "RadioFactory",
    "check_burst_round_trip",
    "check_receive_stream",
    "check_repeat_and_capture",
    "check_stale_samples_never_reach_the_user",
    "check_transmit_stream",
    "check_two_channels",
]

_PROBE = 4096
#: Phases along a probe of 4096 samples lie on a line that well, phase noise and a drifting clock included.
_COHERENT = 0.9
#: Quarters of a probe meet the same echoes; noise and a moving channel leave that much likeness.
_STEADY = 0.6
_FIRST, _SECOND = 11, 12
#: A transmission needs a moment to reach the antenna, and a busy computer may be late with the first samples.
_ATTEMPTS, _PATIENCE_S = 8, 3.0
_TRIALS = 3

_Given = ParamSpec("_Given")


def _tried_again(check: Callable[_Given, None]) -> Callable[_Given, None]:
    """A busy computer may come too late for a radio in real time: what a driver owns up to is no fault of its own."""

    @functools.wraps(check)
    def run(*args: _Given.args, **kwargs: _Given.kwargs) -> None:
        for _ in range(_TRIALS - 1):
            try:
                return check(*args, **kwargs)
            except (LateBurstError, SampleOverflowError, SampleUnderflowError):
                continue
        return check(*args, **kwargs)

    return run


def _burst(radio: Radio, seed: int = _FIRST) -> Capture:
    return Capture(probe(_PROBE, seed), radio.settings.sample_rate_hz)


def _require_whole(found: Found, where: str) -> None:
    require(found.match >= PRESENT, f"{where} holds no burst: its best match is {found.match:.3f}")
    require(found.coherence >= _COHERENT, f"the burst in {where} is broken: its coherence is {found.coherence:.3f}")
    require(found.steadiness >= _STEADY, f"the burst in {where} slips: its steadiness is {found.steadiness:.3f}")


def _require_none(samples: np.ndarray, unwanted: np.ndarray, where: str) -> None:
    match = find(samples, unwanted).match
    require(match < PRESENT / 3, f"{where} holds an earlier burst: match {match:.3f}")


@_tried_again
def check_burst_round_trip(radio_factory: RadioFactory, *, gain_db: float | None = None) -> None:
    """A burst comes back whole, its samples in order, as long as asked, and as strong as expected.

    Args:
        radio_factory: opens the radio.
        gain_db: from the burst's samples to the capture's, where it is known; half a decibel off is wrong.
    """
    with radio_factory() as radio:
        radio.configure(radio.settings)
        burst = _burst(radio)
        rate_hz = radio.settings.sample_rate_hz
        for listen_samples in (None, None, 3 * _PROBE):
            listen_s = None if listen_samples is None else listen_samples / rate_hz
            captured = radio.exchange(burst, listen_s=listen_s)
            require(radio.muted, "the radio transmits after an exchange")
            n = captured.samples.size
            require(listen_samples in (None, n), f"{listen_samples} samples were asked for and {n} received")
            require(bool(np.all(np.isfinite(captured.samples.view(np.float32)))), "a sample is not finite")
            found = find(captured.samples, burst.samples)
            _require_whole(found, "the capture")
            if gain_db is not None:
                difference = abs(found.gain_db - gain_db)
                require(difference <= 0.5, f"the gain is {found.gain_db:.2f} dB; {gain_db:.2f} dB were expected")


@_tried_again
def check_stale_samples_never_reach_the_user(radio_factory: RadioFactory) -> None:
    """What was sent before is in no later exchange, capture or stream."""
    with radio_factory() as radio:
        radio.configure(radio.settings)
        first, second = _burst(radio, _FIRST), _burst(radio, _SECOND)
        for ours, others in ((first, second), (second, first)) * 2:
            captured = radio.exchange(ours)
            _require_whole(find(captured.samples, ours.samples), "the capture")
            _require_none(captured.samples, others.samples, "the capture of another burst")
        with radio.repeat(second):
            _until_heard(radio, second.samples)
        _require_none(radio.capture(8 * _PROBE).samples, second.samples, "a capture after the transmission")
        with radio.repeat(second):
            _until_heard(radio, second.samples)
        with radio.receive_stream(_PROBE) as stream:
            blocks = [block.samples for block, _ in zip(stream, range(6), strict=False)]
        _require_none(np.concatenate(blocks), second.samples, "a stream after the transmission")


@_tried_again
def check_repeat_and_capture(radio_factory: RadioFactory) -> None:
    """A repeated burst fills a capture without a seam, and is gone when its block is left."""
    with radio_factory() as radio:
        radio.configure(radio.settings)
        burst = _burst(radio)
        odd = replace(burst, samples=burst.samples[: _PROBE - 7])
        for sent in (burst, odd):
            with radio.repeat(sent):
                _until_heard(radio, sent.samples)
                captured = radio.capture(4 * _PROBE)
                require(captured.samples.size == 4 * _PROBE, "the capture is too short")
            _require_periods(captured.samples, sent.samples, "the capture")
            require(radio.muted, "the radio transmits after repeat()")
            _require_none(radio.capture(4 * _PROBE).samples, burst.samples, "a capture after repeat()")


@_tried_again
def check_receive_stream(radio_factory: RadioFactory) -> None:
    """Every sample of a stream is delivered once or counted as lost."""
    with radio_factory() as radio:
        radio.configure(radio.settings)
        burst = _burst(radio)
        with radio.repeat(burst):
            _until_heard(radio, burst.samples)
            with radio.receive_stream(_PROBE) as stream:
                blocks = [block for block, _ in zip(stream, range(24), strict=False)]
        expected = 0
        for block in blocks:
            require(block.samples.dtype == np.complex64, f"a block is {block.samples.dtype}")
            require(block.samples.size == _PROBE, f"a block has {block.samples.size} of {_PROBE} samples")
            require(block.lost_before >= 0, f"{block.lost_before} samples were lost")
            require(
                block.first_sample == expected + block.lost_before,
                f"a block begins at {block.first_sample}; {expected} came before and {block.lost_before} were lost",
            )
            expected = block.first_sample + _PROBE
        stretch = _longest_stretch(blocks)
        require(stretch.size >= 4 * _PROBE, f"not more than {stretch.size} samples came in a row")
        _require_periods(stretch, burst.samples, "the stream")
        # The radio is free again for everything else.
        _require_whole(find(radio.exchange(burst).samples, burst.samples), "a capture after the stream")


@_tried_again
def check_transmit_stream(radio_factory: RadioFactory) -> None:
    """What is written piece by piece goes out as one, for as long as the writer keeps up."""
    with radio_factory() as radio:
        radio.configure(radio.settings)
        burst = _burst(radio)
        ended = threading.Event()
        failures: list[BaseException] = []

        def write(stream_write: Callable[[np.ndarray], None]) -> None:
            try:
                while not ended.is_set():
                    for at in range(0, _PROBE, 1000):
                        stream_write(burst.samples[at : at + 1000])
            except Exception as error:  # noqa: BLE001 - handed to the other thread
                failures.append(error)

        with radio.transmit_stream() as stream:
            require(not radio.muted, "the radio is muted within transmit_stream()")
            writer = threading.Thread(target=write, args=(stream.write,))
            writer.start()
            try:
                heard = _until_heard(radio, burst.samples)
            finally:
                ended.set()
                writer.join()
            require(stream.underflows >= 0, f"{stream.underflows} underflows were counted")
        if failures:
            raise failures[0]
        _require_whole(find(heard, burst.samples), "a capture during the stream")
        require(radio.muted, "the radio transmits after transmit_stream()")
        _require_none(radio.capture(4 * _PROBE).samples, burst.samples, "a capture after the stream")


@_tried_again
def check_two_channels(radio_factory: RadioFactory) -> None:
    """Bursts on two channels start together, and each arrives at its own channel; nothing to check with one channel."""
    with radio_factory() as radio:
        if radio.capabilities.n_channels < 2:
            return
        radio.configure(replace(radio.settings, channels=(0, 1)))
        bursts = [_burst(radio, seed) for seed in (_FIRST, _SECOND)]
        for listen_s in (None, 3 * _PROBE / radio.settings.sample_rate_hz):
            captures = radio.exchange_channels(bursts, listen_s=listen_s)
            require(len(captures) == 2, f"{len(captures)} captures came from two channels")
            require(captures[0].samples.size == captures[1].samples.size, "the captures differ in length")
            found = [find(one.samples, sent.samples) for one, sent in zip(captures, bursts, strict=True)]
            for number, one in enumerate(found):
                _require_whole(one, f"channel {number}")
            apart = abs(found[0].start - found[1].start)
            require(apart <= 16, f"the channels are {apart} samples apart")
        single = radio.exchange(bursts[0])
        _require_whole(find(single.samples, bursts[0].samples), "the first channel alone")
        short = replace(bursts[1], samples=bursts[1].samples[:100])
        for wrong in (bursts[:1], [bursts[0], short]):
            try:
                radio.exchange_channels(wrong)
            except BadValueError:
                require(radio.muted, "the radio transmits after refused bursts")
                continue
            raise ConformanceError(f"bursts of {[one.samples.size for one in wrong]} samples were accepted")
        require(radio.muted, "the radio transmits after exchange_channels()")


def _until_heard(radio: Radio, sent: np.ndarray) -> np.ndarray:
    """Capture until a transmission that has begun is there from one end to the other."""
    attempts, given_up_s = 0, time.monotonic() + _PATIENCE_S
    while attempts < _ATTEMPTS or time.monotonic() < given_up_s:
        samples = radio.capture(4 * _PROBE).samples
        whole = min(find(samples[: 2 * _PROBE], sent).match, find(samples[2 * _PROBE :], sent).match)
        if whole >= PRESENT:
            return samples
        attempts += 1
    raise ConformanceError(f"nothing of the transmission was heard in {attempts} captures")


def _require_periods(samples: np.ndarray, period: np.ndarray, where: str) -> None:
    """Whole periods follow each other from the first one found to the end."""
    start = find(samples[: 2 * _PROBE], period).start
    while start + period.size <= samples.size:
        # A period may drift by a sample against the next one, no more.
        margin = 2 if start >= 2 else 0
        piece = samples[start - margin : start + period.size + 2]
        found = find(piece, period)
        _require_whole(found, f"a period of {where}")
        start += found.start - margin + period.size


def _longest_stretch(blocks: list[StreamBlock]) -> np.ndarray:
    stretches: list[list[np.ndarray]] = []
    for block in blocks:
        if block.lost_before or not stretches:
            stretches.append([])
        stretches[-1].append(block.samples)
    return max((np.concatenate(parts) for parts in stretches), key=lambda samples: samples.size)


#: The whole suite, simplest first; each takes a function that opens the radio, and raises ConformanceError.
CHECKS: tuple[Callable[[RadioFactory], None], ...] = (
    check_settings_read_back,
    check_settings_out_of_range_are_refused,
    check_wrong_requests_are_refused,
    check_clipping_is_refused,
    check_burst_round_trip,
    check_stale_samples_never_reach_the_user,
    check_repeat_and_capture,
    check_receive_stream,
    check_transmit_stream,
    check_two_channels,
    check_transmit_offset,
    check_temperature,
    check_muted_whenever_left,
    check_closed_radio_is_disconnected,
)
