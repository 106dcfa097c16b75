"""A diffusion policy: actions are drawn by denoising, under the condition of what was received.

Chi et al., "Diffusion Policy" (RSS 2023), here for one action, conditioned on beliefs instead of observations. Between
an action a and noise n ~ N(0, 1) the bridge is x_t = (1 - t) a + t n. The network predicts a from (x_t, t, condition)
by least squares; `draw` walks from t = 1 to 0 by the deterministic step

    x_s = (1 - s) a' + s n',    a' = E[a | x_t],    n' = (x_t - (1 - t) a') / t .
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from sdr_gsc.diffusion.schedule import BridgeSchedule
from sdr_gsc.errors import RecordingError

from .observation import FEATURES

__all__ = ["PAST_ACTIONS", "PolicyNet", "condition", "condition_size", "draw", "load_policies", "save_policies"]

#: The policy's own actions that it is told, the latest first.
PAST_ACTIONS = 10
_LATENCY_SCALE = 8.0
_TIMES = 6


def condition_size(history: int) -> int:
    """Numbers in a condition of `history` receptions."""
    return history * FEATURES + PAST_ACTIONS + 1


def condition(features: np.ndarray, actions: np.ndarray, latency_steps: np.ndarray) -> np.ndarray:
    """What a policy acts on, float32 [..., C].

    Args:
        features: of the receptions, the latest first, float32 [..., H, 11]; zeros where nothing was heard.
        actions: those done before, the latest first, in units of the largest torque, float32 [..., PAST_ACTIONS].
        latency_steps: age of the latest reception's observation [...].
    """
    flat = features.reshape(*features.shape[:-2], -1)
    age = np.asarray(latency_steps, np.float32)[..., None] / _LATENCY_SCALE
    return np.concatenate([flat, actions, age], -1).astype(np.float32)


class PolicyNet(nn.Module):
    """Denoiser of actions: three hidden layers.

    Args:
        history: receptions in the condition.
        width: of the hidden layers.
    """

    def __init__(self, history: int, width: int) -> None:
        super().__init__()
        self.history, self.width = history, width
        sizes = [1 + _TIMES + condition_size(history), width, width, width]
        layers: list[nn.Module] = []
        for wide, narrow in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(wide, narrow), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, 1))

    def initialize(self, generator: torch.Generator) -> PolicyNet:
        """Fresh weights from a generator on the CPU; returns itself."""
        with torch.no_grad():
            for layer in self.layers:
                if isinstance(layer, nn.Linear):
                    bound = layer.in_features**-0.5
                    layer.weight.copy_((2 * torch.rand(layer.weight.shape, generator=generator) - 1) * bound)
                    layer.bias.zero_()
        return self

    def forward(self, noisy: Tensor, time: Tensor, given: Tensor) -> Tensor:
        """Predicted action [B] from noisy actions [B], times [B] in 0…1 and conditions [B, C]."""
        waves = torch.pi * time[:, None] * torch.arange(1, _TIMES // 2 + 1, device=time.device)
        inputs = torch.cat([noisy[:, None], torch.cos(waves), torch.sin(waves), given], 1)
        predicted: Tensor = self.layers(inputs)[:, 0]
        return predicted


def draw(
    denoise: Callable[[Tensor, Tensor], Tensor], noise: Tensor, steps: int, *, limit: float | None = 1.0
) -> Tensor:
    """Actions by denoising.

    Args:
        denoise: E[a | x_t] of x_t [B] and times [B].
        noise: float [B], n ~ N(0, 1); all randomness of the draw.
        steps: evaluations of `denoise`, 1…64.
        limit: predictions are clipped to ±limit; None leaves them.

    Returns:
        float [B].
    """
    x = noise
    times = BridgeSchedule(steps).times()
    for now, then in zip(times, times[1:], strict=False):
        clean = denoise(x, torch.full_like(x, float(now)))
        if limit is not None:
            clean = clean.clamp(-limit, limit)
        x = (1 - float(then)) * clean + float(then) * (x - (1 - float(now)) * clean) / float(now)
    return x


def save_policies(path: Path, nets: Mapping[str, PolicyNet], made_by: str) -> None:
    """Write networks into one safetensors file, whole or not at all; `made_by` tells how they were trained."""
    tensors = {
        f"{name}/{key}": value.detach().cpu().contiguous()
        for name, net in nets.items()
        for key, value in net.state_dict().items()
    }
    sizes = {name: [net.history, net.width] for name, net in nets.items()}
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    save_file(tensors, part, metadata={"made_by": made_by, "nets": json.dumps(sizes, sort_keys=True)})
    os.replace(part, path)


def load_policies(path: Path, made_by: str, device: torch.device | str = "cpu") -> dict[str, PolicyNet] | None:
    """Networks by name; None where there is no such file, or one that was trained otherwise.

    Raises:
        RecordingError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            if about.get("made_by") != made_by:
                return None
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        nets = {}
        for name, (history, width) in json.loads(about["nets"]).items():
            net = PolicyNet(history, width)
            own = {key.partition("/")[2]: value for key, value in tensors.items() if key.startswith(f"{name}/")}
            net.load_state_dict(own)
            nets[name] = net.to(device).eval().requires_grad_(False)
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise RecordingError(f"{path} is damaged ({error}); remove it, it is trained again") from error
    return nets
