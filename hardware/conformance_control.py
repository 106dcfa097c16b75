"""What every radio does about settings, wrong requests, and its end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import fields, replace
from typing import Any

import numpy as np

from sdr_gsc.capture import Capture

from .errors import BadValueError, ClippingError, DisconnectedError
from .probe_signal import probe
from .radio import Radio, RadioSettings, Range

__all__ = [
    "ConformanceError",
    "RadioFactory",
    "check_clipping_is_refused",
    "check_closed_radio_is_disconnected",
    "check_muted_whenever_left",
    "check_settings_out_of_range_are_refused",
    "check_settings_read_back",
    "check_wrong_requests_are_refused",
    "require",
]

#: Opens the radio under test anew each time, muted.
RadioFactory = Callable[[], Radio]

_SHORT = 1024
# Synthesizers hit a frequency by some hertz, converters a rate by a part in a million, attenuators by half a step.
_FREQUENCY_TOLERANCE_HZ, _RATE_TOLERANCE, _GAIN_TOLERANCE_DB = 100.0, 1e-6, 1.0


class ConformanceError(AssertionError):
    """A radio that does something else than the contract says."""


def require(holds: bool, message: str) -> None:
    """Raise ConformanceError with the message unless it holds."""
    if not holds:
        raise ConformanceError(message)


def _refused(kind: type[Exception], what: str, act: Callable[[], object]) -> None:
    try:
        act()
    except kind:
        return
    raise ConformanceError(f"{what} was accepted; {kind.__name__} was needed")


def _entered(block: Callable[[], AbstractContextManager[object]]) -> Callable[[], None]:
    def act() -> None:
        with block():
            pass

    return act


def _burst(radio: Radio) -> Capture:
    return Capture(probe(_SHORT, 1), radio.settings.sample_rate_hz)


def _other_values(radio: Radio) -> list[RadioSettings]:
    """Settings that differ from the present ones, inside the ranges."""
    now, can = radio.settings, radio.capabilities
    rates = [rate for rate in (2e6, 4e6, 5e6) if rate in can.sample_rate_hz and rate != now.sample_rate_hz]
    frequencies = [now.center_frequency_hz + step for step in (1e6, -1e6, 20e6)]
    rx_gains = [round((can.rx_gain_db.minimum + can.rx_gain_db.maximum) / 2), round(can.rx_gain_db.minimum) + 1]
    tx_gains = [round((can.tx_gain_db.minimum + now.tx_gain_db) / 2)]
    asked = [replace(now, sample_rate_hz=rate) for rate in rates]
    asked += [replace(now, center_frequency_hz=value) for value in frequencies if value in can.center_frequency_hz]
    asked += [replace(now, rx_gain_db=float(value)) for value in rx_gains if value in can.rx_gain_db]
    asked += [replace(now, tx_gain_db=float(value)) for value in tx_gains if value in can.tx_gain_db]
    offsets = [share * now.sample_rate_hz for share in (0.125, -0.25)]
    asked += [replace(now, tx_offset_hz=value) for value in offsets if value in can.tx_offset_hz]
    return asked


def check_settings_read_back(radio_factory: RadioFactory) -> None:
    """What is set is what is read back, within the tolerances, and what a capture says."""
    with radio_factory() as radio:
        start = radio.configure(radio.settings)
        for asked in [*_other_values(radio), start]:
            actual = radio.configure(asked)
            require(actual == radio.settings, f"configure() returned {actual}, settings are {radio.settings}")
            for name, tolerance in (
                ("center_frequency_hz", _FREQUENCY_TOLERANCE_HZ),
                ("tx_offset_hz", _FREQUENCY_TOLERANCE_HZ),
                ("sample_rate_hz", _RATE_TOLERANCE * asked.sample_rate_hz),
                ("tx_gain_db", _GAIN_TOLERANCE_DB),
                ("rx_gain_db", _GAIN_TOLERANCE_DB),
            ):
                wanted, got = getattr(asked, name), getattr(actual, name)
                require(abs(wanted - got) <= tolerance, f"{name} was set to {wanted:.9g} and reads {got:.9g}")
            require(actual.channels == asked.channels, f"channels were set to {asked.channels}, not {actual.channels}")
            captured = radio.capture(_SHORT)
            require(captured.samples.size == _SHORT, f"{captured.samples.size} of {_SHORT} samples were captured")
            require(
                (captured.sample_rate_hz, captured.center_frequency_hz)
                == (actual.sample_rate_hz, actual.center_frequency_hz),
                "the capture names another rate or frequency than the settings",
            )
            require(radio.muted, "the radio transmits though only its settings were changed")


def check_settings_out_of_range_are_refused(radio_factory: RadioFactory) -> None:
    """Outside the capabilities nothing is set; what was set stays."""
    with radio_factory() as radio:
        radio.configure(radio.settings)
        before, can = radio.settings, radio.capabilities
        wrong = [replace(before, channels=channels) for channels in ((), (0, 0), (can.n_channels,), (-1,))]
        wrong.append(replace(before, clock_source="a sundial"))
        for field in fields(before):
            limits = getattr(can, field.name, None)
            if isinstance(limits, Range):
                reach = 1 + abs(limits.maximum)
                beyond = (limits.minimum - reach, limits.maximum + reach, float("nan"))
                for value in beyond:
                    changed: dict[str, Any] = {field.name: value}
                    wrong.append(replace(before, **changed))
        for asked in wrong:
            _refused(BadValueError, f"{asked}", lambda asked=asked: radio.configure(asked))  # type: ignore[misc]
            require(radio.settings == before, f"the settings are {radio.settings} after a refused {asked}")
        require(radio.muted, "the radio transmits after a refused setting")


def check_clipping_is_refused(radio_factory: RadioFactory) -> None:
    """No sample beyond full scale, and none that is no number, reaches the radio; it works afterwards."""
    with radio_factory() as radio:
        radio.configure(radio.settings)
        good = _burst(radio)
        for value in (1.01, -1.5j, np.nan, np.inf):
            samples = good.samples.copy()
            samples[_SHORT // 2] = value
            burst = replace(good, samples=samples)
            _refused(ClippingError, f"a sample of {value}", lambda burst=burst: radio.exchange(burst))  # type: ignore[misc]
            _refused(ClippingError, f"a repeated {value}", _entered(lambda burst=burst: radio.repeat(burst)))  # type: ignore[misc]
            require(radio.muted, f"the radio transmits after a refused sample of {value}")
        with radio.transmit_stream() as stream:
            _refused(ClippingError, "a streamed sample beyond full scale", lambda: stream.write(burst.samples))
        full = replace(good, samples=np.full(_SHORT, 1 + 1j, np.complex64))
        radio.exchange(full)
        require(radio.muted, "the radio transmits after an exchange at full scale")


def check_wrong_requests_are_refused(radio_factory: RadioFactory) -> None:
    """Another rate, no samples, no time to listen: refused before anything is transmitted."""
    with radio_factory() as radio:
        radio.configure(radio.settings)
        burst = _burst(radio)
        other_rate = replace(burst, sample_rate_hz=1.5 * burst.sample_rate_hz)
        for name, act in {
            "another rate": lambda: radio.exchange(other_rate),
            "a repetition at another rate": _entered(lambda: radio.repeat(other_rate)),
            "an array": lambda: radio.exchange(burst.samples),  # type: ignore[arg-type]
            "an empty burst": lambda: radio.exchange(replace(burst, samples=burst.samples[:0])),
            "no time to listen": lambda: radio.exchange(burst, listen_s=0.0),
            "negative time to listen": lambda: radio.exchange(burst, listen_s=-1.0),
            "no burst": lambda: radio.exchange_channels([]),
            "a burst too many": lambda: radio.exchange_channels([burst] * (len(radio.settings.channels) + 1)),
            "a capture of nothing": lambda: radio.capture(0),
            "a stream of empty blocks": _entered(lambda: radio.receive_stream(0)),
        }.items():
            _refused(BadValueError, name, act)
            require(radio.muted, f"the radio transmits after {name}")
        require(radio.capture(_SHORT).samples.size == _SHORT, "a capture after refused requests is too short")


def check_muted_whenever_left(radio_factory: RadioFactory) -> None:
    """Muted after an exchange, a repetition, a stream, an exception in them, and `mute` in their middle."""
    with radio_factory() as radio:
        require(radio.muted, "the radio transmits as soon as it is open")
        radio.configure(radio.settings)
        burst = _burst(radio)
        radio.exchange(burst)
        require(radio.muted, "the radio transmits after an exchange")
        blocks: dict[str, Callable[[], AbstractContextManager[object]]] = {
            "repeat": lambda: radio.repeat(burst),
            "transmit_stream": radio.transmit_stream,
        }
        for name, block in blocks.items():
            with block():
                require(not radio.muted, f"the radio is muted within {name}()")
            require(radio.muted, f"the radio transmits after {name}()")
            _leave_by_exception(block)
            require(radio.muted, f"the radio transmits after an exception within {name}()")
            with block():
                radio.mute()
                require(radio.muted, f"mute() within {name}() leaves the radio transmitting")
            require(radio.muted, f"the radio transmits after {name}() that was muted")
            radio.exchange(burst)
    require(radio.muted, "the radio transmits after it was closed")
    radio = radio_factory()
    _leave_by_exception(lambda: _transmitting(radio))
    require(radio.muted, "the radio transmits after an exception ended its block")


class _Expected(Exception):  # noqa: N818 - nothing is wrong
    """Ends a block for the sake of a check."""


def _leave_by_exception(block: Callable[[], AbstractContextManager[object]]) -> None:
    try:
        with block():
            raise _Expected
    except _Expected:
        return
    raise ConformanceError("an exception did not come out of the block that it ended")


class _transmitting(AbstractContextManager[None]):  # noqa: N801 - used as a function
    """An opened radio within `repeat`, both left at once."""

    def __init__(self, radio: Radio) -> None:
        self._radio = radio

    def __enter__(self) -> None:
        radio = self._radio.__enter__()
        radio.configure(radio.settings)
        self._repeating = radio.repeat(_burst(radio))
        self._repeating.__enter__()

    def __exit__(self, *error: object) -> None:
        # Only the radio itself is left: as in a program that ends with its repetition forgotten.
        self._radio.__exit__(*error)  # type: ignore[arg-type]


def check_closed_radio_is_disconnected(radio_factory: RadioFactory) -> None:
    """A closed radio says so, whatever is asked; it can be closed again, and opened anew."""
    radio = radio_factory()
    with radio:
        radio.configure(radio.settings)
        settings, burst = radio.settings, _burst(radio)
    radio.close()
    require(radio.muted, "a closed radio transmits")
    for name, act in {
        "configure": lambda: radio.configure(settings),
        "exchange": lambda: radio.exchange(burst),
        "exchange_channels": lambda: radio.exchange_channels([burst]),
        "repeat": _entered(lambda: radio.repeat(burst)),
        "capture": lambda: radio.capture(16),
        "receive_stream": _entered(lambda: radio.receive_stream(16)),
        "transmit_stream": _entered(radio.transmit_stream),
        "entering": radio.__enter__,
    }.items():
        _refused(DisconnectedError, f"{name} on a closed radio", act)
    with radio_factory() as again:
        again.configure(settings)
        require(again.capture(_SHORT).samples.size == _SHORT, "the radio opened again captures nothing")
