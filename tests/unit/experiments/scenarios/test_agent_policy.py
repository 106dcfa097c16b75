"""The pendulum, its expert, and policies that imitate it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from experiments.scenarios.agent.controllers import ByPolicy, Clean
from experiments.scenarios.agent.episode import Agent, open_environment, run_episode
from experiments.scenarios.agent.expert import expert_torque, regulator_gain
from experiments.scenarios.agent.kalman import ByFilter, StateFilter
from experiments.scenarios.agent.observation import ObservationCode
from experiments.scenarios.agent.pendulum import advance, reward, state_of, wrapped
from experiments.scenarios.agent.policy import PolicyNet, draw, load_policies, save_policies
from experiments.scenarios.agent.settings import PolicySettings
from experiments.scenarios.agent.training import train_policies, training_key
from experiments.scenarios.agent.uplink import Arrived
from sdr_gsc.errors import RecordingError

TINY = PolicySettings(history=3, width=16, rounds=2, batches=2, batch=16, episodes=4)


def seen(state: np.ndarray) -> np.ndarray:
    return np.array([np.cos(state[0]), np.sin(state[0]), state[1]])


@pytest.fixture
def environment():
    found = open_environment(200)
    yield found
    found.close()


def test_the_model_is_the_environment(environment):
    generator = np.random.default_rng(0)
    observation, _ = environment.reset(seed=3)
    state = state_of(observation)
    for _ in range(100):
        torque = generator.uniform(-3, 3)
        gained = reward(state, np.array(torque))
        state = advance(state, np.array(torque))
        observation, found, *_ = environment.step(np.array([torque], np.float32))
        assert found == pytest.approx(gained, abs=1e-3)
        np.testing.assert_allclose(np.cos(state_of(observation)[0] - state[0]), 1, atol=1e-6)
        state = state_of(observation)


def test_the_expert_swings_up_and_balances(environment):
    returns = []
    for seed in range(20):
        agent = Agent.begin(environment, Clean(), 0, seed)
        returns.append(run_episode(agent, None, 200))
        # It stands upright at the end.
        assert agent.observation[0] > 0.999
    # The best that is known for this environment is about -150 on average.
    assert np.mean(returns) > -200
    assert min(returns) > -450


def test_the_regulator_is_stable_and_its_torque_within_limits():
    gain = regulator_gain()
    closed = np.array([[1 + 15 * 0.0025, 0.05], [0.75, 1]]) - np.outer([0.0075, 0.15], gain)
    assert np.abs(np.linalg.eigvals(closed)).max() < 1
    states = np.random.default_rng(0).uniform([-np.pi, -8], [np.pi, 8], (500, 2))
    assert np.abs(expert_torque(states)).max() <= 2
    assert expert_torque(np.array([0.0, 0.0])) == 0


def test_a_filter_is_as_wrong_as_it_says_and_better_than_the_news():
    code = ObservationCode(6)
    error, said, news = [], [], []
    for seed in range(4):
        generator = np.random.default_rng(seed)
        followed, state = StateFilter(), np.array([2.0, 0.0])
        for step in range(120):
            noise = generator.standard_normal((6, 2)) @ np.array([1, 1j]) * np.sqrt(0.025)
            received = (code.points(seen(state), step) + noise).astype(np.complex64)
            belief = code.belief(received, np.full(6, 0.05, np.float32), step)
            followed.correct(belief)
            if step > 20:
                error.append((followed.state - state)[1])
                news.append((belief.state() - state)[1])
                said.append(followed.covariance[1, 1])
            torque = expert_torque(state)
            state = advance(state, torque)
            followed.predict(float(torque))
    assert np.mean(np.square(error)) == pytest.approx(np.mean(said), rel=0.3)
    assert np.mean(np.square(error)) < 0.25 * np.mean(np.square(news))


@pytest.mark.parametrize("latency_steps", [0, 2])
def test_late_news_are_brought_up_to_date(latency_steps):
    """Without noise the expert on the filter does what it does on the true state, once there is any news."""
    code = ObservationCode(48)
    controller = ByFilter(code, latency_steps)
    state, waiting, wanted, acted = np.array([2.5, 0.5]), [None] * latency_steps, [], []
    for step in range(60):
        waiting.append(Arrived(code.points(seen(state), step), np.full(48, 1e-4, np.float32), 40.0, step))
        acted.append(controller.act(seen(state), waiting.pop(0)))
        wanted.append(float(expert_torque(state)))
        state = advance(state, np.array(acted[-1]))
    assert acted[:latency_steps] == [0.0] * latency_steps
    assert np.median(np.abs(np.subtract(wanted, acted))) < 0.1


def test_a_filter_without_noise_is_exact_from_its_first_news():
    code = ObservationCode(48)
    followed = StateFilter()
    followed.predict(1.0)
    assert followed.state is None
    state = np.array([3.1, -2.0])
    for step in range(30):
        followed.correct(code.belief(code.points(seen(state), step), np.zeros(48, np.float32), step))
        error = followed.state - state
        assert abs(wrapped(error[0])) < 0.05
        assert abs(error[1]) < 0.3
        state = advance(state, np.array(1.5))
        followed.predict(1.5)
    followed.correct(code.nothing())
    assert abs(wrapped((followed.state - state)[0])) < 0.03


@pytest.mark.parametrize("steps", [1, 2, 4, 64])
def test_drawing_from_a_gaussian(steps):
    """For a ~ N(m, s^2) the denoiser is linear, and so is the whole draw: n -> m + g n with g known in closed form."""
    mean, deviation = 0.3, 0.2

    def denoise(x, time):
        gain = (1 - time) * deviation**2 / ((1 - time) ** 2 * deviation**2 + time**2)
        return mean + gain * (x - (1 - time) * mean)

    noise = torch.randn(4000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn = draw(denoise, noise, steps, limit=None)
    factor = 1.0
    for index in range(steps):
        now, then = 1 - index / steps, 1 - (index + 1) / steps
        gain = (1 - now) * deviation**2 / ((1 - now) ** 2 * deviation**2 + now**2)
        factor *= (1 - then) * gain + then * (1 - (1 - now) * gain) / now
    np.testing.assert_allclose(drawn.numpy(), mean + factor * noise.numpy(), atol=1e-9)
    assert float(drawn.mean()) == pytest.approx(mean, abs=4 * deviation / math.sqrt(noise.numel()))
    # Few steps draw too narrowly; many draw the distribution itself.
    assert float(drawn.std()) < deviation * 1.03
    if steps == 64:
        assert float(drawn.std()) == pytest.approx(deviation, rel=0.06)


def test_predictions_are_kept_within_limits():
    drawn = draw(lambda x, time: 10 * torch.ones_like(x), torch.zeros(3), 4)
    assert drawn.tolist() == [1.0, 1.0, 1.0]


def policy(*, seed: int = 0, with_variances: bool = True) -> ByPolicy:
    net = PolicyNet(3, 16).initialize(torch.Generator().manual_seed(1)).eval()
    return ByPolicy(
        net,
        ObservationCode(4),
        latency_steps=0,
        steps=2,
        draws=5,
        generator=torch.Generator().manual_seed(seed),
        with_variances=with_variances,
    )


@pytest.mark.parametrize("with_variances", [True, False])
def test_what_was_lost_does_not_matter(with_variances):
    """Symbols of infinite variance change no action, whatever their values; nor does the true observation."""
    generator = np.random.default_rng(0)
    torques = []
    for value in (0, 1e6, -3 + 4j):
        controller = policy(with_variances=with_variances)
        good = ObservationCode(4).points(np.array([1.0, 0.0, 2.0]), 0)
        heard = Arrived(good, np.full(4, 0.1, np.float32), 10.0, 0)
        lost = Arrived(np.full(4, value, np.complex64), np.full(4, np.inf, np.float32), None, 0)
        here = [controller.act(generator.standard_normal(3), each) for each in (heard, lost, None, heard, lost)]
        torques.append(here)
    assert torques[0] == torques[1] == torques[2]
    assert len(set(torques[0])) > 1


def test_variances_matter_to_the_policy_that_knows_them():
    points = ObservationCode(4).points(np.array([1.0, 0.0, 2.0]), 0)
    sure, unsure = (Arrived(points, np.full(4, level, np.float32), None, 0) for level in (0.01, 1.0))
    assert policy().act(points, sure) != policy().act(points, unsure)
    ignoring = [policy(with_variances=False).act(points, each) for each in (sure, unsure)]
    assert ignoring[0] == ignoring[1]


def test_training_is_the_same_twice_and_survives_the_disk(tmp_path):
    first, second = (train_policies(TINY, 32, 5) for _ in range(2))
    other = train_policies(TINY, 32, 6)
    for name, net in first.items():
        for key, value in net.state_dict().items():
            assert torch.equal(value, second[name].state_dict()[key])
    assert not torch.equal(first["policy"].layers[0].weight, other["policy"].layers[0].weight)
    path = tmp_path / "policy.safetensors"
    key = training_key(TINY, 32, 5)
    assert load_policies(path, key) is None
    save_policies(path, first, key)
    loaded = load_policies(path, key)
    for name, net in first.items():
        for entry, value in net.state_dict().items():
            assert torch.equal(value, loaded[name].state_dict()[entry])
    assert load_policies(path, training_key(TINY, 32, 6)) is None
    assert [each.name for each in tmp_path.iterdir()] == ["policy.safetensors"]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RecordingError, match="remove it"):
        load_policies(path, key)


def test_training_learns():
    losses = []
    settings = PolicySettings(width=48, rounds=1, batches=150, batch=256, episodes=64)
    train_policies(settings, 32, 0, on_batch=lambda batch, loss: losses.append(loss))
    assert len(losses) == 150
    assert np.mean(losses[-20:]) < 0.75 * np.mean(losses[:5])
