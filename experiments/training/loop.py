"""The training loop: warm-up and cosine decay, averaged weights, checkpoints that resume exactly.

Exactly on a CPU: some kernels of CUDA add in any order.
"""

from __future__ import annotations

import math
import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from sdr_gsc.errors import SettingsError

__all__ = ["Draw", "LoopSettings", "Progress", "Rival", "build_seeded", "draw_of", "fit"]

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How long and how fast.

    Attributes:
        steps: optimizer steps in all.
        batch: crops per step.
        side_px: side of a crop, a multiple of 16.
        learning_rate: peak rate of AdamW.
        seed: everything random follows from it and the step number.
        average: decay of the exponential average of the weights.
        checkpoint_every: steps between checkpoints.
        device: torch device.
        threads: CPU threads of torch.
    """

    steps: int
    batch: int = 8
    side_px: int = 128
    learning_rate: float = 6e-4
    seed: int = 0
    average: float = 0.999
    checkpoint_every: int = 200
    device: str = "cpu"
    threads: int = 2


@dataclass(frozen=True, slots=True)
class Draw:
    """The random sources of one step; a resumed run draws what an unbroken one would have drawn."""

    step: int
    generator: np.random.Generator
    torch_generator: torch.Generator


@dataclass(frozen=True, slots=True)
class Progress:
    """One step's news."""

    step: int
    steps: int
    loss: float


@dataclass(frozen=True, slots=True)
class Rival:
    """A second network that learns against the first, one step each in turn; checkpoints hold it, too.

    Attributes:
        model: trained in place, with its latest weights.
        loss_of: its loss of one step, called after the first network's step with the same draw; None skips its turn.
        learning_rate: relative to that of the settings.
        betas: AdamW's of both networks; short memory of gradients, for each network is a moving target of the other.
    """

    model: nn.Module
    loss_of: Callable[[Draw], Tensor | None]
    learning_rate: float = 1.0
    betas: tuple[float, float] = (0.5, 0.99)


def build_seeded(build: Callable[[], Model], seed: int) -> Model:
    """Construct a model whose starting weights follow from `seed`, leaving torch's global generator as it was.

    Layers draw their weights from the global generator and accept no other.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed every GPU, too
        return build()


def draw_of(settings: LoopSettings, step: int) -> Draw:
    """The random sources of a step."""
    sequence = np.random.SeedSequence(settings.seed, spawn_key=(step,))
    torch_generator = torch.Generator(settings.device)
    torch_generator.manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return Draw(step, np.random.Generator(np.random.PCG64(sequence)), torch_generator)


def _save(path: Path, state: dict[str, object]) -> None:
    """Write beside and rename: a killed run leaves the old checkpoint whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def _load(path: Path) -> dict[str, Any]:
    """To the CPU: there the optimizer keeps its step counts, and on a GPU each would be waited for at every step."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise SettingsError(
            f"{path} is damaged ({error}); delete it to begin anew, or use another --out folder"
        ) from error
    return state


def _descend(model: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def fit(
    model: nn.Module,
    loss_of: Callable[[Draw], Tensor],
    groups: Sequence[dict[str, object]],
    settings: LoopSettings,
    checkpoint: Path,
    on_step: Callable[[Progress], None] = lambda progress: None,
    rival: Rival | None = None,
) -> dict[str, Tensor]:
    """Train, resuming from `checkpoint` when it exists.

    Args:
        model: trained in place.
        loss_of: loss of one step; it calls `model`.
        groups: AdamW parameter groups; a group's ``lr`` is relative to `settings.learning_rate`.
        settings: see there.
        checkpoint: file to write and resume from.
        on_step: called after each step.
        rival: a second network to train against the first.

    Returns:
        The averaged state of the model.

    Raises:
        SettingsError: the checkpoint is damaged or belongs to another run, or the loss stopped being finite.
    """
    torch.set_num_threads(settings.threads)
    relative = [float(group.get("lr", 1.0)) for group in groups]  # type: ignore[arg-type]
    betas = (0.9, 0.99) if rival is None else rival.betas
    optimizer = torch.optim.AdamW(list(groups), lr=settings.learning_rate, betas=betas, weight_decay=1e-4)
    other = None if rival is None else torch.optim.AdamW(rival.model.parameters(), betas=betas, weight_decay=1e-4)
    averaged = {name: value.detach().clone() for name, value in model.state_dict().items()}
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    start = 0
    if checkpoint.exists():
        state = _load(checkpoint)
        if state.get("trained", trained) != trained:
            raise SettingsError(
                f"{checkpoint} was made with other parts of the network in training; use another --out folder"
            )
        if state["seed"] != settings.seed or state["steps"] != settings.steps:
            raise SettingsError(
                f"{checkpoint} was made with seed {state['seed']} and {state['steps']} steps, asked were "
                f"{settings.seed} and {settings.steps}; use the same or another --out folder"
            )
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        averaged, start = {name: value.to(settings.device) for name, value in state["averaged"].items()}, state["step"]
        if rival is not None and other is not None:
            if "rival" not in state:
                raise SettingsError(f"{checkpoint} was made without a rival network; use another --out folder")
            rival.model.load_state_dict(state["rival"])
            other.load_state_dict(state["rival_optimizer"])
    warm_up = min(200, settings.steps // 10 + 1)
    for step in range(start, settings.steps):
        level = min(1.0, (step + 1) / warm_up) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / settings.steps)))
        for group, share in zip(optimizer.param_groups, relative, strict=True):
            group["lr"] = settings.learning_rate * share * level
        draw = draw_of(settings, step)
        loss = loss_of(draw)
        _descend(model, optimizer, loss)
        if not math.isfinite(value := float(loss.detach())):
            raise SettingsError(f"the loss is {value} at step {step}; resume from {checkpoint} with a lower rate")
        if rival is not None and other is not None:
            for group in other.param_groups:
                group["lr"] = settings.learning_rate * rival.learning_rate * level
            if (opposed := rival.loss_of(draw)) is not None:
                _descend(rival.model, other, opposed)
        decay = min(settings.average, (step + 1) / (step + 10))
        with torch.no_grad():
            for name, current in model.state_dict().items():
                averaged[name].lerp_(current, 1 - decay)
        on_step(Progress(step + 1, settings.steps, value))
        if (step + 1) % settings.checkpoint_every == 0 or step + 1 == settings.steps:
            state = {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "averaged": averaged,
                "step": step + 1,
                "seed": settings.seed,
                "steps": settings.steps,
                "trained": trained,
            }
            if rival is not None and other is not None:
                state |= {"rival": rival.model.state_dict(), "rival_optimizer": other.state_dict()}
            _save(checkpoint, state)
    return averaged
