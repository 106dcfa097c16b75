"""Training of the policies: imitation of the expert from uncertain observations.

The expert is asked what it would do in the true state; the policy learns the distribution of the answer given what was
received. Later rounds add episodes in which the policy itself acted, so that it knows the states that its own mistakes
lead to (DAgger: Ross, Gordon and Bagnell, AISTATS 2011). Both policies, with and without variances, see the same
moments.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from sdr_gsc.seeding import TrialSeeds

from .expert import expert_torque
from .observation import FEATURES, ObservationCode
from .pendulum import MAX_TORQUE, advance, initial_states
from .policy import PAST_ACTIONS, PolicyNet, condition, draw
from .settings import PolicySettings
from .simulated_link import SimulatedLink

__all__ = ["FLAT", "POLICY", "train_policies", "training_key"]

POLICY, FLAT = "policy", "policy_flat"
#: Steps of a training episode: twice the time of a swing-up.
_HORIZON = 100


@dataclass(frozen=True, slots=True, eq=False)
class _Episodes:
    """States float64 [E, T, 2] and the actions done in them, float32 [E, T], in units of the largest torque."""

    states: np.ndarray
    actions: np.ndarray


def training_key(settings: PolicySettings, levels: int, seed: int) -> str:
    """Names everything that decides about the weights."""
    text = json.dumps([settings.model_dump(), levels, seed, _HORIZON], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def train_policies(
    settings: PolicySettings,
    levels: int,
    seed: int,
    *,
    device: torch.device | str = "cpu",
    on_batch: Callable[[int, float], None] = lambda batch, loss: None,
) -> dict[str, PolicyNet]:
    """Networks `policy` and `policy_flat`; the same for the same arguments, whatever the thread count.

    Args:
        settings: of training.
        levels: quantizer levels of the observation code.
        seed: of everything random.
        device: where the networks are trained.
        on_batch: told the number of batches done and the policy's loss.
    """
    threads = torch.get_num_threads()
    # Sums of several threads come out differently; the networks are too small to gain from them anyway.
    torch.set_num_threads(1)
    try:
        return _trained(settings, levels, seed, torch.device(device), on_batch)
    finally:
        torch.set_num_threads(threads)


def _trained(
    settings: PolicySettings, levels: int, seed: int, device: torch.device, on_batch: Callable[[int, float], None]
) -> dict[str, PolicyNet]:
    seeds = TrialSeeds(seed, "training")
    generator = seeds.generator("moments")
    weights = torch.Generator().manual_seed(seeds.integer("weights"))
    noise = torch.Generator(device).manual_seed(seeds.integer("noise"))
    code = ObservationCode(1, levels)
    nets = {name: PolicyNet(settings.history, settings.width).initialize(weights).to(device) for name in (POLICY, FLAT)}
    collected = [_expert_episodes(settings.episodes, generator)]
    done = 0
    for number in range(settings.rounds):
        if number:
            collected.append(_own_episodes(nets[POLICY], settings, code, generator, noise))
        optimizers = {name: torch.optim.Adam(net.parameters(), lr=settings.learning_rate) for name, net in nets.items()}
        states = np.concatenate([each.states for each in collected])
        actions = np.concatenate([each.actions for each in collected])
        for batch in range(settings.batches):
            given, target = _moments(_Episodes(states, actions), settings, code, generator)
            rate = settings.learning_rate * 0.1 ** (batch / settings.batches)
            # Both learn from the same noise, more of much of it: a draw's first steps decide where it goes.
            mixing = torch.rand(settings.batch, generator=noise, device=device).sqrt()
            added = torch.randn(settings.batch, generator=noise, device=device)
            wanted = torch.from_numpy(target).to(device)
            noisy = (1 - mixing) * wanted + mixing * added
            for name, net in nets.items():
                optimizers[name].param_groups[0]["lr"] = rate
                found = net(noisy, mixing, torch.from_numpy(given[name]).to(device))
                loss = torch.mean((found - wanted) ** 2)
                optimizers[name].zero_grad(set_to_none=True)
                loss.backward()
                optimizers[name].step()
                if name == POLICY:
                    on_batch(done, float(loss.detach()))
            done += 1
    return {name: net.eval().requires_grad_(False) for name, net in nets.items()}


def _expert_episodes(count: int, generator: np.random.Generator) -> _Episodes:
    """The expert at work, disturbed from not at all to entirely, so that it shows how it mends mistakes."""
    state = initial_states(count, generator)
    disturbance = MAX_TORQUE * generator.uniform(0, 2, count) * (generator.random(count) < 0.8)
    states, actions = [], []
    push = np.zeros(count)
    for _ in range(_HORIZON):
        # Disturbances last for a few steps: fresh ones every step would cancel.
        push = np.where(generator.random(count) < 0.3, disturbance * generator.standard_normal(count), push)
        torque = np.clip(expert_torque(state) + push, -MAX_TORQUE, MAX_TORQUE)
        states.append(state)
        actions.append(torque / MAX_TORQUE)
        state = advance(state, torque)
    return _Episodes(np.stack(states, 1), np.stack(actions, 1).astype(np.float32))


def _own_episodes(
    net: PolicyNet,
    settings: PolicySettings,
    code: ObservationCode,
    generator: np.random.Generator,
    noise: torch.Generator,
) -> _Episodes:
    """The policy at work over simulated links."""
    count, history = settings.episodes, settings.history
    link = SimulatedLink.drawn(count, settings.esn0_low_db, settings.esn0_high_db, generator)
    state = initial_states(count, generator)
    # Receptions are kept by the step of their observation, behind as many empty places as a policy may look back.
    empty = history + int(link.latency_steps.max())
    heard = np.zeros((count, empty + _HORIZON, FEATURES), np.float32)
    done = np.zeros((count, PAST_ACTIONS + _HORIZON), np.float32)
    states = np.empty((count, _HORIZON, 2))
    episode = np.arange(count)[:, None]

    def acted(given: torch.Tensor) -> np.ndarray:
        start = torch.randn(count, generator=noise, device=noise.device)
        with torch.no_grad():
            return draw(lambda x, time: net(x, time, given), start, settings.steps).cpu().numpy()

    for step in range(_HORIZON):
        at = np.full((count, 1), step)
        belief, _ = link.beliefs(_observation(state)[:, None], at, code, generator)
        heard[:, empty + step] = belief.features()[:, 0]
        places = empty + step - link.latency_steps[:, None] - np.arange(history)
        past = done[:, step : step + PAST_ACTIONS][:, ::-1]
        given = torch.from_numpy(condition(heard[episode, places], past, link.latency_steps)).to(noise.device)
        action = acted(given)
        states[:, step] = state
        done[:, PAST_ACTIONS + step] = action
        state = advance(state, MAX_TORQUE * action.astype(np.float64))
    return _Episodes(states, done[:, PAST_ACTIONS:])


def _moments(
    episodes: _Episodes, settings: PolicySettings, code: ObservationCode, generator: np.random.Generator
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Conditions of both policies, float32 [B, C], and the expert's actions, float32 [B]."""
    count, history = settings.batch, settings.history
    link = SimulatedLink.drawn(count, settings.esn0_low_db, settings.esn0_high_db, generator)
    episode = generator.integers(0, episodes.states.shape[0], count)
    now = generator.integers(0, _HORIZON, count)
    at = now[:, None] - link.latency_steps[:, None] - np.arange(history)
    seen = episodes.states[episode[:, None], np.maximum(at, 0)]
    belief, flat = link.beliefs(_observation(seen), at, code, generator)
    before = now[:, None] - 1 - np.arange(PAST_ACTIONS)
    past = np.where(before >= 0, episodes.actions[episode[:, None], np.maximum(before, 0)], 0)
    target = expert_torque(episodes.states[episode, now]) / MAX_TORQUE
    given = {
        POLICY: condition(belief.features(), past, link.latency_steps),
        FLAT: condition(flat.features_without_variances(), past, link.latency_steps),
    }
    return given, target.astype(np.float32)


def _observation(state: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(state[..., 0]), np.sin(state[..., 0]), state[..., 1]], -1)
