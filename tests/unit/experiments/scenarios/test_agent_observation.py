"""Observations as symbols and as packets, and what is left of them on the way."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.procedures.airing import Airing
from experiments.scenarios.agent.observation import FEATURES, ObservationCode, direction_of, state_along
from experiments.scenarios.agent.packets import INFORMATION_BITS, PacketCode
from experiments.scenarios.agent.pendulum import state_of, wrapped
from experiments.scenarios.agent.simulated_link import SimulatedLink
from experiments.scenarios.agent.uplink import Uplink, Waveform
from sdr_gsc.errors import SettingsError


def observations(count: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    angle, speed = generator.uniform(-np.pi, np.pi, count), generator.uniform(-8, 8, count)
    return np.stack([np.cos(angle), np.sin(angle), speed], -1)


def noisy(points: np.ndarray, variance: float, generator: np.random.Generator) -> np.ndarray:
    noise = generator.standard_normal((points.size, 2)) @ np.array([1, 1j])
    return (points + np.sqrt(variance / 2) * noise).astype(np.complex64)


def test_a_direction_tells_angle_and_speed():
    seen = observations(200)
    np.testing.assert_allclose(np.mean(direction_of(seen) ** 2, -1), 1)
    # Any length will do: receivers shrink what they are not sure of.
    np.testing.assert_allclose(state_along(0.3 * direction_of(seen)), state_of(seen), atol=1e-9)


@pytest.mark.parametrize("symbols", [2, 3, 6, 25, 48])
def test_without_noise_only_the_quantizer_is_left(symbols):
    code = ObservationCode(symbols)
    step = code.step
    for number, seen in enumerate(observations(40)):
        points = code.points(seen, number)
        assert points.shape == (symbols,)
        values = points.view(np.float32) * np.sqrt(2)
        rows = code.vector_code.rows(2 * symbols)
        sent = np.resize(rows @ direction_of(seen), 2 * symbols)
        # Half a step of dither, half a step of rounding.
        assert np.abs(values - sent).max() <= step + 1e-5
        belief = code.belief(points, np.zeros(symbols, np.float32), number)
        error = rows @ belief.mean - rows @ direction_of(seen)
        if 2 * symbols % 3 == 0:
            assert np.abs(error).max() <= step / 2 * np.sqrt(3) + 0.01
        # Orthonormal rows keep the error's length, at most sqrt(3) times that of a value.
        assert np.abs(belief.mean - direction_of(seen)).max() < np.sqrt(3) * step / 2 + 0.01
        assert np.all(np.diagonal(belief.covariance) < 1.01 * code.distortion)


def test_errors_of_a_pendulum_at_rest_average_out():
    code = ObservationCode(6)
    seen = np.array([np.cos(0.22), np.sin(0.22), 0.0])
    silent = np.zeros(6, np.float32)
    error = [code.belief(code.points(seen, n), silent, n).mean - direction_of(seen) for n in range(400)]
    assert np.abs(np.mean(error, 0)).max() < 5 * np.sqrt(code.distortion / 4 / 400)
    assert np.mean(np.square(error)) == pytest.approx(code.distortion / 4, rel=0.15)


def test_the_belief_is_the_linear_estimate_of_the_vector_code():
    generator = np.random.default_rng(3)
    for symbols in (1, 4, 9, 30):
        code = ObservationCode(symbols)
        variance = generator.exponential(0.5, symbols).astype(np.float32)
        variance[generator.random(symbols) < 0.3] = np.inf
        seen = observations(1, symbols)[0]
        received = noisy(code.points(seen, 3), 0.3, generator)
        values = received.view(np.float32) * np.float32(np.sqrt(2)) - code.dither(3)
        known = code.vector_code.estimate(values, np.repeat(variance, 2), code.distortion)
        found = code.belief(received, variance, 3)
        np.testing.assert_allclose(found.mean, known.mean, atol=1e-9)
        np.testing.assert_allclose(found.covariance, known.covariance, atol=1e-9)
        assert found.heard == known.heard


def test_a_belief_is_as_wrong_as_it_says():
    code = ObservationCode(6)
    generator = np.random.default_rng(1)
    error, said = [], []
    for number, seen in enumerate(observations(400, 2)):
        level = 10 ** -generator.uniform(0, 2)
        belief = code.belief(noisy(code.points(seen, number), level, generator), np.full(6, level, np.float32), number)
        error.append(np.sum((belief.mean - direction_of(seen)) ** 2))
        said.append(np.trace(belief.covariance))
    assert np.mean(error) == pytest.approx(np.mean(said), rel=0.15)


def test_lost_symbols_are_no_evidence():
    code = ObservationCode(6)
    nothing = code.nothing()
    lost = np.full(6, np.inf, np.float32)
    for received in (np.zeros(6, np.complex64), np.full(6, 3 - 2j, np.complex64)):
        for belief in (code.belief(received, lost, 0), code.flat_belief(received, lost, 0)):
            np.testing.assert_array_equal(belief.mean, nothing.mean)
            np.testing.assert_array_equal(belief.covariance, nothing.covariance)
            assert not belief.heard
            np.testing.assert_array_equal(belief.features(), np.zeros(FEATURES))
            np.testing.assert_array_equal(belief.features_without_variances(), np.zeros(FEATURES))


def test_an_observation_needs_a_symbol():
    with pytest.raises(SettingsError, match="one or more"):
        ObservationCode(0)


@pytest.mark.parametrize("symbols", [3, 5, 12, 30, 90])
def test_packets_arrive_whole(symbols):
    code = PacketCode(symbols)
    for seen in observations(30):
        points = code.points(seen)
        assert points.shape == (symbols,)
        state = code.state(points, np.full(symbols, 1e-3, np.float32))
        angle, speed = state - state_of(seen)
        assert abs(wrapped(np.array(angle))) <= np.pi / 128 + 1e-9
        assert abs(speed) <= 8 / 128 + 1e-9


def test_packets_arrive_or_they_do_not():
    generator = np.random.default_rng(0)
    code = PacketCode(24)
    counts = {}
    for esn0_db in (-5.0, 5.0, 12.0):
        level = 10 ** (-esn0_db / 10)
        right = wrong = 0
        for seen in observations(60, 5):
            state = code.state(noisy(code.points(seen), level, generator), np.full(24, level, np.float32))
            if state is not None:
                near = np.abs(wrapped(state[0] - state_of(seen)[0])) < 0.03 and abs(state[1] - seen[2]) < 0.07
                right, wrong = right + near, wrong + (not near)
        counts[esn0_db] = (right, wrong)
    # 30 bits in 24 symbols need 1.4 dB by Shannon's limit for long codes.
    assert counts[-5.0] == (0, 0)
    assert counts[5.0][0] > 45
    assert counts[12.0] == (60, 0)


def test_a_lost_packet_is_none():
    code = PacketCode(12)
    assert code.state(np.ones(12, np.complex64), np.full(12, np.inf, np.float32)) is None
    assert not PacketCode.fits(2)
    assert PacketCode(3).order == 1024
    assert PacketCode(INFORMATION_BITS).order == 4
    with pytest.raises(SettingsError, match="needed 3 or more"):
        PacketCode(2)


def test_frames_cross_a_simulated_radio():
    code = ObservationCode(12)
    seen = observations(1)[0]
    waveform = Waveform()
    with Airing("loopback:ideal", esn0_db=30.0).open(np.random.default_rng(0)) as radio:
        uplink = Uplink(waveform, radio)
        arrived = uplink.carry(code.points(seen, 7), agent=1, step=7)
        assert not arrived.lost
        np.testing.assert_allclose(arrived.symbols, code.points(seen, 7), atol=0.2)
        belief = code.belief(arrived.symbols, arrived.variance, 7)
        np.testing.assert_allclose(belief.mean, direction_of(seen), atol=0.15)
        assert (uplink.sent, uplink.lost) == (1, 0)
        assert uplink.air_samples == waveform.transmitter.air_samples(12)
    with Airing("loopback:ideal", esn0_db=-15.0).open(np.random.default_rng(0)) as radio:
        uplink = Uplink(waveform, radio)
        arrived = uplink.carry(code.points(seen, 0), agent=0, step=0)
        assert arrived.lost
        assert not arrived.symbols.any()
        assert (uplink.sent, uplink.lost) == (1, 1)


class Delayed:
    """A radio that delivers the burst before this one."""

    def __init__(self, radio):
        self._radio, self._last, self.settings = radio, None, radio.settings

    def exchange(self, burst, *, listen_s=None):
        last, self._last = self._last, burst
        return self._radio.exchange(last or burst)


def test_an_old_frame_is_not_taken_for_a_new_one():
    code = ObservationCode(12)
    first, second = observations(2)
    with Airing("loopback:ideal", esn0_db=30.0).open(np.random.default_rng(0)) as radio:
        uplink = Uplink(Waveform(), Delayed(radio))
        assert not uplink.carry(code.points(first, 0), agent=0, step=0).lost
        assert uplink.carry(code.points(second, 1), agent=0, step=1).lost


def test_simulated_links_keep_to_what_they_are():
    generator = np.random.default_rng(0)
    code = ObservationCode(1)
    count = 300
    link = SimulatedLink.drawn(count, -5, 25, generator)
    assert set(np.unique(link.repeats.sum(1))) <= {2, 4, 6, 8, 12, 18, 24, 36, 48, 96, 192}
    seen = np.broadcast_to(observations(1)[0], (count, 2, 3))
    at = np.tile([-1, 4], (count, 1))
    belief, flat = link.beliefs(seen, at, code, generator)
    assert not belief.heard[:, 0].any()
    np.testing.assert_array_equal(belief.heard, flat.heard)
    # Who takes turns sends every second step.
    next_belief, _ = link.beliefs(seen, at + 1, code, generator)
    assert not (belief.heard[:, 1] & next_belief.heard[:, 1])[link.turns].any()
    steady = ~link.turns & (link.loss == 0)
    assert belief.heard[steady, 1].all()
    error = belief.mean[:, 1] - direction_of(seen[:, 1])
    scale = np.sqrt(np.einsum("bi,bij,bj->b", error, np.linalg.inv(belief.covariance[:, 1]), error))[belief.heard[:, 1]]
    # A chi distribution with three degrees of freedom has rms sqrt(3).
    assert np.sqrt(np.mean(scale**2)) == pytest.approx(np.sqrt(3), rel=0.15)
