"""The suite of all radios on simulated ones, and proof that it notices what is wrong."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from hardware.conformance import (
    CHECKS,
    ConformanceError,
    check_burst_round_trip,
    check_receive_stream,
    check_repeat_and_capture,
    check_stale_samples_never_reach_the_user,
    check_two_channels,
)
from hardware.conformance_control import (
    check_clipping_is_refused,
    check_closed_radio_is_disconnected,
    check_muted_whenever_left,
    check_settings_out_of_range_are_refused,
    check_settings_read_back,
    check_wrong_requests_are_refused,
)
from hardware.loopback import LoopbackRadio
from hardware.probe_signal import PRESENT, find, probe
from hardware.registry import open_radio
from sdr_gsc.channel.profile import profile

RADIOS = ("loopback:ideal", "loopback:cabled?seed=1", "loopback:office?seed=2", "loopback:mobile?seed=3")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("uri", RADIOS)
def test_simulated_radios_conform(uri, check):
    check(lambda: open_radio(uri))


def test_the_gain_of_an_ideal_loop_is_known():
    check_burst_round_trip(lambda: open_radio("loopback:ideal?esn0_db=20"), gain_db=0.0)
    with pytest.raises(ConformanceError, match="the gain is"):
        check_burst_round_trip(lambda: open_radio("loopback:ideal"), gain_db=3.0)


class Faulty(LoopbackRadio):
    def __init__(self):
        super().__init__(profile("ideal"), np.random.default_rng(0))


class Coercing(Faulty):
    def configure(self, settings):
        super().configure(settings)
        self.settings = replace(settings, sample_rate_hz=4.1e6)
        return self.settings


class Careless(Faulty):
    def configure(self, settings):
        self.settings = settings
        return settings


class Clipping(Faulty):
    def exchange(self, burst, *, listen_s=None):
        rails = np.nan_to_num(burst.samples).view(np.float32).clip(-1, 1)
        return super().exchange(replace(burst, samples=rails.view(np.complex64)), listen_s=listen_s)


class AnyRate(Faulty):
    def exchange(self, burst, *, listen_s=None):
        return super().exchange(replace(burst, sample_rate_hz=self.settings.sample_rate_hz), listen_s=listen_s)


class Slipping(Faulty):
    def exchange(self, burst, *, listen_s=None):
        received = super().exchange(burst, listen_s=listen_s)
        samples = received.samples.copy()
        samples[2000:-1] = samples[2001:]
        return replace(received, samples=samples)


class Stale(Faulty):
    kept = np.zeros(0, np.complex64)

    def exchange(self, burst, *, listen_s=None):
        received = super().exchange(burst, listen_s=listen_s)
        samples, self.kept = np.concatenate([self.kept, received.samples]), received.samples
        return replace(received, samples=samples)


class Stuttering(Faulty):
    def capture(self, n_samples):
        captured = super().capture(n_samples)
        samples = captured.samples.copy()
        samples[n_samples * 5 // 8 :] = samples[n_samples // 2 : -n_samples // 8]
        return replace(captured, samples=samples)


class LosingSilently(Faulty):
    @contextmanager
    def receive_stream(self, block_samples):
        with super().receive_stream(block_samples) as stream:

            def blocks():
                for number, block in enumerate(stream):
                    super(LosingSilently, self).capture(100 if number % 3 == 2 else 1)
                    yield replace(block, first_sample=number * block_samples, lost_before=0)

            yield blocks()


class Loud(Faulty):
    def mute(self):
        super().mute()
        self.muted = self._closed


class Immortal(Faulty):
    def require_open(self):
        pass


class Crossed(Faulty):
    def exchange_channels(self, bursts, *, listen_s=None):
        captures = super().exchange_channels(bursts, listen_s=listen_s)
        return captures[::-1]


@pytest.mark.parametrize(
    ("radio", "check"),
    [
        (Coercing, check_settings_read_back),
        (Careless, check_settings_out_of_range_are_refused),
        (Clipping, check_clipping_is_refused),
        (AnyRate, check_wrong_requests_are_refused),
        (Slipping, check_burst_round_trip),
        (Stale, check_stale_samples_never_reach_the_user),
        (Stuttering, check_repeat_and_capture),
        (LosingSilently, check_receive_stream),
        (Loud, check_muted_whenever_left),
        (Immortal, check_closed_radio_is_disconnected),
        (Crossed, check_two_channels),
    ],
    ids=lambda one: one.__name__,
)
def test_faults_are_noticed(radio, check):
    with pytest.raises(ConformanceError):
        check(radio)


@pytest.mark.parametrize("cfo", [0.0, 1e-3])
def test_a_probe_is_found_where_it_lies(cfo, generator):
    sent = probe(4096, 1)
    heard = (0.05 * generator.standard_normal((20_000, 2))).astype(np.float32).view(np.complex64)[:, 0]
    turned = sent * np.exp(2j * np.pi * cfo * np.arange(4096))
    heard[7003 : 7003 + 4096] += turned.astype(np.complex64) * 0.5
    found = find(heard, sent)
    assert found.start == 7003
    assert found.match > PRESENT
    assert found.coherence > 0.95
    assert found.gain_db == pytest.approx(20 * np.log10(0.5), abs=0.5)
    assert find(heard, probe(4096, 2)).match < PRESENT / 3


def test_a_probe_that_slips_or_lacks_a_part_is_broken():
    sent, silence = probe(4096, 1), np.zeros(50, np.complex64)
    whole = find(np.concatenate([silence, sent, silence]), sent)
    assert (whole.coherence, whole.steadiness) == (pytest.approx(1), pytest.approx(1, abs=0.01))
    lost = [np.delete(sent, slice(2000, 2000 + count)) for count in (1, 2, 7)]
    for slipped in (*lost, np.insert(sent, 2000, 0)):
        assert find(np.concatenate([silence, slipped, silence]), sent).steadiness < 0.55
    turned = np.concatenate([silence, sent[:2000], -sent[2000:]])
    assert find(turned, sent).coherence < 0.8


def test_a_capture_too_short_for_the_probe_holds_none():
    sent = probe(4096, 1)
    assert find(sent[:100], sent).match == 0
    assert np.abs(sent.view(np.float32)).max() < 1
