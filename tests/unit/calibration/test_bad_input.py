"""What can go wrong on a bench: each gives one clear error, mutes the radio, and leaves old records as they were."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from calibration import running
from calibration.errors import (
    CalibrationError,
    ClippedSignalError,
    ClockError,
    InterferenceError,
    NoSignalError,
    StorageError,
    UnsupportedError,
    WeakSignalError,
    WrongRadioError,
)
from calibration.outcome import Plan
from calibration.procedures import delay, frequency, iq_balance, noise, snr
from calibration.procedures.catalogue import ordered
from calibration.running import run
from calibration.store import Store
from hardware.errors import UnlockedError
from hardware.loopback import LoopbackRadio
from sdr_gsc.channel.front_end_faults import FrontEnd, with_ideal_front_ends
from sdr_gsc.channel.profile import profile


class SpoiltRadio(LoopbackRadio):
    """A simulated radio with something in its way.

    Args:
        spoil: what happens to received samples; told their number since the radio was opened.
    """

    def __init__(self, spoil=lambda samples, first: samples, **changes):
        fronts = [replace(FrontEnd.draw(1), **changes)] * 2
        super().__init__(
            with_ideal_front_ends(profile("ideal")), np.random.default_rng(1), front_ends=fronts, serial="bench-1",
            noise_dbfs=-42.0,
        )  # fmt: skip
        self.spoil, self.heard = spoil, 0

    def capture(self, n_samples):
        return self._spoilt(super().capture(n_samples))

    def exchange(self, burst, *, listen_s=None):
        return self._spoilt(super().exchange(burst, listen_s=listen_s))

    @contextmanager
    def receive_stream(self, block_samples):
        with super().receive_stream(block_samples) as stream:
            yield (self._spoilt(block) for block in stream)

    def _spoilt(self, capture):
        samples = np.asarray(self.spoil(capture.samples, self.heard), np.complex64)
        self.heard += samples.size
        clipped = int(np.count_nonzero(np.maximum(abs(samples.real), abs(samples.imag)) > 1))
        return replace(capture, samples=samples, clipped=clipped)


def plan_of(radio, **changes):
    return Plan(settings=radio.settings, n_samples=1 << 16, repetitions=2, **changes)


def floor(samples):
    generator = np.random.default_rng(samples.size)
    return 0.0056 * (generator.standard_normal((samples.size, 2)) @ [1, 1j])


def cable_off(samples, _first):
    return floor(samples)


def too_weak(samples, _first):
    return 10**-1.5 * samples + floor(samples)


def too_strong(samples, _first):
    return 10 * samples


def interferer(samples, first):
    return samples + 0.1 * np.exp(2j * np.pi * 0.2107 * (first + np.arange(samples.size)))


def jump(samples, first):
    place = first + np.arange(samples.size)
    return samples * np.exp(2j * np.pi * 3e-4 * np.maximum(place - 40_000, 0))


@pytest.mark.parametrize(
    ("spoil", "procedure", "error", "message"),
    [
        (cable_off, iq_balance, NoSignalError, "check cable"),
        (cable_off, frequency, NoSignalError, "check cable"),
        (cable_off, delay, NoSignalError, "check cable"),
        (cable_off, snr, NoSignalError, "check cable"),
        (too_weak, iq_balance, WeakSignalError, "raise tx_gain_db"),
        (too_strong, iq_balance, ClippedSignalError, "attenuator"),
        (too_strong, frequency, ClippedSignalError, "lower rx_gain_db"),
        (interferer, iq_balance, InterferenceError, r"\+0\.21"),
        (interferer, noise, InterferenceError, r"\+84\d\.\d kHz"),
        (jump, iq_balance, ClockError, "measure again"),
        (lambda samples, first: jump(samples, first - 2_000_000), frequency, ClockError, "jumped"),
    ],
)
def test_what_says_nothing_is_refused_and_the_radio_muted(tmp_path, spoil, procedure, error, message):
    store = Store(tmp_path)
    with SpoiltRadio() as radio:
        plan = plan_of(radio)
        name = procedure.__name__.rpartition(".")[2]
        assert [step.skipped for step in run(radio, ["dc_offset"], plan, store)] == [None]
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        radio.spoil, radio.heard = spoil, 0
        with pytest.raises(error, match=message):
            procedure.measure(radio, plan)
        assert radio.muted
        radio.heard = 0
        (step,) = run(radio, [name], plan, store)
        assert isinstance(step.failure, error)
        assert radio.muted
        assert radio.settings == plan.settings
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_radio_that_is_swapped_is_noticed(tmp_path):
    with SpoiltRadio() as radio:
        plan = plan_of(radio)

        def swap(stage, share):
            if share == 0.5:
                radio.capabilities = replace(radio.capabilities, serial="bench-2")

        with pytest.raises(WrongRadioError, match="bench-2"):
            list(run(radio, ["dc_offset"], replace(plan, progress=swap), Store(tmp_path)))
        assert not list(tmp_path.rglob("*.toml"))


def test_a_clock_that_is_not_locked_ends_the_run(tmp_path, monkeypatch):
    def unlocked(_self, _settings):
        raise UnlockedError("the reference clock is not locked")

    with SpoiltRadio() as radio:
        plan = plan_of(radio)
        monkeypatch.setattr(SpoiltRadio, "configure", unlocked)
        with pytest.raises(UnlockedError, match="check the reference"):
            list(run(radio, ["dc_offset"], plan, Store(tmp_path)))


def test_a_damaged_record_is_named_before_anything_is_sent(tmp_path):
    store = Store(tmp_path)
    with SpoiltRadio() as radio:
        plan = plan_of(radio)
        list(run(radio, ["dc_offset"], plan, store))
        path = next(tmp_path.rglob("*.toml"))
        path.write_text(path.read_text()[:100])
        radio.heard = 0
        with pytest.raises(CalibrationError, match=path.name):
            list(run(radio, ["iq_balance"], plan, store))
        assert radio.heard == 0


@pytest.mark.parametrize("place", ["calibration.store.os.fsync", "calibration.keeping.write_capture"])
def test_a_full_disk_leaves_old_records_and_no_half_ones(tmp_path, monkeypatch, place):
    store = Store(tmp_path)
    with SpoiltRadio() as radio:
        plan = plan_of(radio)
        list(run(radio, ["dc_offset"], plan, store))
        before = {path: path.read_bytes() for path in tmp_path.rglob("*.toml")}

        def full(*_arguments, **_more):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(place, full)
        with pytest.raises(StorageError, match="No space.*untouched.*make room"):
            list(run(radio, ["iq_balance"], plan, store))
        assert radio.muted
        assert {path: path.read_bytes() for path in tmp_path.rglob("*.toml")} == before
        assert not list(tmp_path.rglob(".partial-*"))


@pytest.mark.parametrize("when", range(6))
def test_an_interruption_anywhere_leaves_whole_records_only(tmp_path, when):
    store, told = Store(tmp_path), []
    with SpoiltRadio() as radio:

        def interrupt(stage, share):
            told.append(stage)
            if len(told) == when + 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            list(run(radio, ["dc_offset", "iq_balance"], plan_of(radio, progress=interrupt), store))
        assert radio.muted
    kept = list(store.records("bench-1"))
    assert len(kept) == (2 if when >= 3 else 0)


def test_a_receiver_alone_skips_what_it_cannot_do(tmp_path):
    with SpoiltRadio() as radio:
        radio.capabilities = replace(radio.capabilities, transmits=False)
        steps = {step.procedure.name: step for step in run(radio, [], plan_of(radio), Store(tmp_path))}
        assert steps["noise"].outcome is not None
        assert "does not transmit" in steps["iq_balance"].skipped
        with pytest.raises(UnsupportedError, match="iq_balance is not possible"):
            list(run(radio, ["iq_balance"], plan_of(radio), Store(tmp_path)))
        with pytest.raises(UnsupportedError, match="external tone"):
            frequency.measure(radio, plan_of(radio))


def test_what_builds_on_a_failure_is_left_out_and_the_rest_goes_on(tmp_path, monkeypatch):
    def broken(radio, plan):
        raise NoSignalError("nothing was received; check the cable")

    chosen = [
        replace(one, measure=broken) if one.name == "iq_balance" else one
        for one in ordered(("dc_offset", "iq_balance", "response", "noise", "clip"))
    ]
    monkeypatch.setattr(running, "ordered", lambda names: tuple(chosen))
    with SpoiltRadio() as radio:
        steps = {step.procedure.name: step for step in run(radio, [], plan_of(radio), Store(tmp_path))}
        assert radio.muted
    assert isinstance(steps["iq_balance"].failure, NoSignalError)
    assert "iq_balance, which failed" in steps["response"].skipped
    assert "iq_balance, response, which failed" in steps["clip"].skipped
    assert {name for name, step in steps.items() if step.files} == {"dc_offset", "noise"}
