"""Procedures that listen to something from outside: a reference tone, a noise source."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import replace

import numpy as np
import pytest

from calibration.errors import NoSignalError
from calibration.outcome import NoiseSource, Plan
from calibration.procedures import frequency, noise
from calibration.record import Direction
from calibration.tone import make_tone
from hardware.loopback import LoopbackRadio
from sdr_gsc.capture import Capture
from sdr_gsc.channel.front_end_faults import FrontEnd, with_ideal_front_ends
from sdr_gsc.channel.profile import profile


class Beside:
    """A radio that hears something else than its own transmitter."""

    def __init__(self, radio):
        self._radio = radio

    def __getattr__(self, name):
        return getattr(self._radio, name)


class BesideATone(Beside):
    """Another radio's transmitter, in its own antenna: the tone stands wherever that one's clock puts it."""

    def _tone(self):
        rate_hz = self._radio.settings.sample_rate_hz
        return self._radio.repeat(Capture(make_tone(4096, rate_hz / 16, rate_hz, 0.25), rate_hz))

    def capture(self, n_samples):
        with self._tone():
            return self._radio.capture(n_samples)

    @contextmanager
    def receive_stream(self, block_samples):
        with self._tone(), self._radio.receive_stream(block_samples) as stream:
            yield stream


class Silent(Beside):
    """Its transmitter is not heard; the receiver's own constant is all there is."""

    def repeat(self, burst):
        return nullcontext()


class BesideADiode(Beside):
    """A noise source before a receiver of a known noise figure: hot, it adds ENR/F of what the receiver adds itself."""

    def __init__(self, radio, figure_db, enr_db):
        super().__init__(radio)
        self.hot = False
        self._share = 10 ** ((enr_db - figure_db) / 10)
        self._generator = np.random.default_rng(3)

    def switch(self, hot):
        self.hot = hot

    def capture(self, n_samples):
        heard = self._radio.capture(n_samples)
        if not self.hot:
            return heard
        deviation = np.sqrt(np.var(heard.samples) * self._share / 2)
        added = self._generator.standard_normal((heard.samples.size, 2)) @ [1, 1j] * deviation
        return replace(heard, samples=(heard.samples + added).astype(np.complex64))


def opened(seed, **changes):
    front = replace(FrontEnd.draw(seed), **changes)
    radio = LoopbackRadio(
        with_ideal_front_ends(profile("ideal")), np.random.default_rng(seed), front_ends=[front, front],
        serial=f"seed-{seed}", noise_dbfs=-50.0,
    )  # fmt: skip
    radio.configure(replace(radio.settings, center_frequency_hz=2.45e9))
    return radio


@pytest.mark.parametrize("seed", [61, 62])
def test_a_reference_that_seems_high_shows_a_receiver_that_is_low(seed):
    with opened(seed, drift_ppm_s=0.0) as radio:
        plan = Plan(settings=radio.settings, reference_hz=2.45e9 + radio.settings.sample_rate_hz / 16)
        outcome = frequency.measure(BesideATone(radio), plan)
        record = outcome.records[0]
        assert record.subject.direction is Direction.RECEIVE
        assert record.figure("offset_ppm") == pytest.approx(-radio.front_ends[0].clock_ppm, abs=0.02)
        row = outcome.rows[0]
        assert row.after == pytest.approx(abs(radio.front_ends[0].clock_ppm), abs=0.02)
        assert row.met is None, "nothing was undone, so nothing can have met a target"


def test_the_receivers_own_constant_is_no_tone():
    with opened(64) as radio:
        assert radio.front_ends[0].rx.dc_dbfs > -40, "strong enough to be taken for one"
        with pytest.raises(NoSignalError, match="no tone rises"):
            frequency.measure(Silent(radio), Plan(settings=radio.settings))


@pytest.mark.parametrize("figure_db", [3.0, 8.0])
def test_a_noise_source_tells_the_noise_figure(figure_db):
    with opened(63) as radio:
        bench = BesideADiode(radio, figure_db, 15.0)
        plan = Plan(settings=radio.settings, n_samples=1 << 17, noise_source=NoiseSource(15.0, bench.switch))
        outcome = noise.measure(bench, plan)
        row = {row.metric: row for row in outcome.rows}["noise figure"]
        assert not bench.hot
        assert row.after == pytest.approx(figure_db, abs=5 * row.bound)
        assert row.bound < 0.05
