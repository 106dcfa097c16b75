"""Statistics of the task vector: mean and spread of the features of training pictures, and how far to trust classes.

    python -m experiments.training.task corpus --out sdr_gsc/weights/task

A third of the pictures is kept apart: on them the temperature is chosen, and the figures of the card are measured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from sdr_gsc.errors import SettingsError
from sdr_gsc.metrics.features import load_eye
from sdr_gsc.semantic.quantizer import Quantizer
from sdr_gsc.semantic.task import ClassHead, TaskModel, TaskSpace
from sdr_gsc.semantic.task_evidence import TaskEvidence
from sdr_gsc.semantic.task_eye import eye_head, eye_model, eye_statistics
from sdr_gsc.semantic.task_receiver import answer_task
from sdr_gsc.units import from_db
from sdr_gsc.weights.cards import Card, write_card

from .shipping import describe_pictures

__all__ = ["fit_task", "heard_correctly", "main", "spaces_compared"]

_LEVELS = 16
_CROPS, _SIDE_PX = 8, 224
_IDENTITY = bytes(4)


def crops(paths: Sequence[Path], generator: np.random.Generator) -> Iterable[np.ndarray]:
    """Of each file, the whole picture's middle or corner and smaller squares, as float32 [8, 3, 224, 224]."""
    for path in paths:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        shorter = min(picture.size)
        found = []
        for index in range(_CROPS):
            side = shorter if index == 0 else max(int(shorter * generator.uniform(0.25, 1)), min(shorter, 128))
            left = int(generator.integers(picture.width - side + 1))
            top = int(generator.integers(picture.height - side + 1))
            square = picture.crop((left, top, left + side, top + side)).resize(
                (_SIDE_PX, _SIDE_PX), Image.Resampling.BICUBIC
            )
            found.append(np.asarray(square, np.float32).transpose(2, 0, 1) / 255)
        yield np.stack(found)


def heard_correctly(
    model: TaskModel, features: np.ndarray, n_values: int, esn0_db: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Send features, float [n, F], over white noise: bool [n] class as sent, and its claimed probability, float [n]."""
    if model.head is None:
        raise SettingsError(f"model {model.name!r} has no classes; needed a head")
    quantizer = Quantizer.of(_LEVELS)
    dimensions = model.space.dimensions(n_values)
    code = model.space.code(dimensions)
    # Two real values share a symbol of power 1, and the values have mean square 1.
    variance = np.full(n_values, 1 / from_db(esn0_db), np.float32)
    right, claimed = [], []
    for each in features:
        vector = (each - model.space.mean) @ model.space.basis[:, :dimensions] * model.space.amplitudes(dimensions)
        sent = quantizer.values(quantizer.indices(code.spread(vector, n_values)))
        noise = generator.standard_normal(n_values) * np.sqrt(variance)
        evidence = TaskEvidence((sent + noise).astype(np.float32), variance, quantizer.distortion, model.identity)
        answer = answer_task(model, evidence)
        truth = int(np.argmax(model.head.weight @ each + model.head.bias))
        right.append(answer.top(1) == (truth,))
        claimed.append(0.0 if answer.confidence is None else answer.confidence)
    return np.array(right), np.array(claimed)


def spaces_compared(model: TaskModel, features: np.ndarray) -> dict[str, TaskSpace]:
    """Other directions for the same features: random ones, and the principal components of training pictures."""
    count = model.space.basis.shape[1]
    components = np.linalg.svd(features - features.mean(0), full_matrices=False)[2].T[:, :count]
    random = TaskSpace.plain(features.shape[1]).basis
    return {
        name: TaskSpace.fitted(features, basis) for name, basis in {"principal": components, "random": random}.items()
    }


def _temperature(model: TaskModel, head: ClassHead, features: np.ndarray, seed: int) -> float:
    """The temperature at which mean confidence is mean accuracy, over budgets and noise."""
    low, high = 0.05, 5.0
    for _ in range(5):
        middle = float(np.sqrt(low * high))
        tried = replace(model, head=replace(head, temperature=middle))
        outcomes = [
            heard_correctly(tried, features, n_values, esn0_db, np.random.default_rng(seed))
            for n_values in (256, 1024)
            for esn0_db in (0.0, 10.0)
        ]
        right, claimed = (np.concatenate(each).mean() for each in zip(*outcomes, strict=True))
        # Hotter is less sure.
        low, high = (middle, high) if claimed > right else (low, middle)
    return float(np.sqrt(low * high))


def fit_task(folder: Path, out: Path, seed: int = 0) -> Mapping[str, float]:
    """Fit the statistics and write them with their card; returns the figures of the card.

    Args:
        folder: pictures to learn from.
        out: folder of the statistics.
        seed: of the crops, the split and the noise.

    Raises:
        SettingsError: the folder holds too few pictures.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".webp", ".jpg", ".jpeg", ".png"))
    if len(paths) < 6:
        raise SettingsError(f"{folder} holds {len(paths)} pictures; needed at least 6, and better hundreds")
    generator = np.random.default_rng(seed)
    eye = load_eye()
    with torch.inference_mode():
        found = [eye.pooled(torch.from_numpy(each)).double().numpy() for each in crops(paths, generator)]
    apart = np.arange(len(paths)) % 3 == 0
    fitting = np.concatenate([each for each, kept in zip(found, apart, strict=True) if not kept])
    kept = np.concatenate([each[:1] for each, kept in zip(found, apart, strict=True) if kept])
    head = eye_head(eye)
    basis = head.directions()
    space = TaskSpace.fitted(fitting, basis)
    model = eye_model(eye, space, 1.0, _IDENTITY, "cpu")
    temperature = round(_temperature(model, head, kept, seed), 3)
    model = eye_model(eye, space, temperature, _IDENTITY, "cpu")
    figures: dict[str, float] = {}
    for name, tried in {"head": space, **spaces_compared(model, fitting)}.items():
        candidate = eye_model(eye, tried, temperature, _IDENTITY, "cpu")
        for esn0_db in (0, 10):
            right, _ = heard_correctly(candidate, kept, 1024, esn0_db, np.random.default_rng(seed))
            figures[f"top1_{name}_512symbols_{esn0_db}db"] = round(float(right.mean()), 3)
    data = eye_statistics(TaskSpace.fitted(np.concatenate(found), basis))
    out.mkdir(parents=True, exist_ok=True)
    (out / "task.safetensors").write_bytes(data)
    card = Card(
        name="task",
        file="task.safetensors",
        sha256=sha256(data).hexdigest(),
        parameters=sum(basis.shape),
        description="Mean and spread of EfficientNet-Lite0's features along its classes' directions (task vector).",
        trained_on=describe_pictures(folder, len(paths)),
        trained_with=f"python -m experiments.training.task PICTURES --seed {seed}",
        codec_sha256="",
        license="Apache-2.0",
        settings={"temperature": temperature},
        metrics=figures,
    )
    write_card(card, out)
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit from the command line."""
    parser = argparse.ArgumentParser(description="Fit the statistics of the task vector.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    for name, value in fit_task(given.folder, given.out, given.seed).items():
        print(f"{name} {value}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
