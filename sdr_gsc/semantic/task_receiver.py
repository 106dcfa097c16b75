"""The task at the receiver, from the vector alone: features, and how likely each class is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..errors import DescriptorError
from .task import ClassHead, TaskModel, TaskSpace
from .task_evidence import TaskEvidence

__all__ = ["TaskAnswer", "answer_task"]


@dataclass(frozen=True, slots=True, eq=False)
class TaskAnswer:
    """What the receiver knows of the task.

    Attributes:
        heard: whether anything of the vector arrived.
        features: float64 [F], conditional mean of the features; their mean over training pictures where nothing came.
        probabilities: float64 [classes], posterior; uniform where nothing came, None for a model without classes.
        dimensions: directions that the vector was sent in.
    """

    heard: bool
    features: np.ndarray
    probabilities: np.ndarray | None
    dimensions: int

    def top(self, count: int) -> tuple[int, ...]:
        """The most likely classes, the likeliest first; none where nothing came or there are no classes."""
        if self.probabilities is None or not self.heard:
            return ()
        return tuple(int(index) for index in np.argsort(-self.probabilities, kind="stable")[:count])

    @property
    def confidence(self) -> float | None:
        """Probability of the likeliest class."""
        return None if self.probabilities is None else float(self.probabilities.max())


def answer_task(model: TaskModel, evidence: TaskEvidence) -> TaskAnswer:
    """Do the task from the received vector.

    Raises:
        DescriptorError: another model made the vector.
    """
    if evidence.identity != model.identity:
        raise DescriptorError(
            f"the task vector was made by model {evidence.identity.hex()}; this is {model.name!r} "
            f"({model.identity.hex()}): load the sender's model"
        )
    space = model.space
    dimensions = space.dimensions(evidence.values.size)
    found = space.code(dimensions).estimate(evidence.values, evidence.variance, evidence.distortion)
    back = space.basis[:, :dimensions] / space.amplitudes(dimensions)
    features = space.mean + back @ found.mean
    probabilities = None
    if model.head is not None:
        probabilities = _classes(model.head, space, dimensions, features, found.covariance)
        if not found.heard:
            probabilities = np.full(model.head.bias.size, 1 / model.head.bias.size)
    return TaskAnswer(found.heard, features, probabilities, dimensions)


@lru_cache(maxsize=4)
def _seen(head: ClassHead, space: TaskSpace) -> np.ndarray:
    """What each direction does to the classes' logits, their mean taken off: float64 [classes, K]."""
    return np.asarray((head.weight - head.weight.mean(0)) @ space.basis)


def _classes(
    head: ClassHead, space: TaskSpace, dimensions: int, features: np.ndarray, covariance: np.ndarray
) -> np.ndarray:
    """E[softmax(logits)] for logits of known mean and variance: each is shrunk by 1/√(1 + πσ²/8) (MacKay, 1992)."""
    logits = head.weight @ features + head.bias
    seen = _seen(head, space)
    sent = seen[:, :dimensions] / space.amplitudes(dimensions)
    # Directions that were not sent keep their prior variance.
    variance = ((sent @ covariance) * sent).sum(1) + np.square(seen[:, dimensions:]) @ space.variance[dimensions:]
    shrunk = (logits - logits.mean()) / np.sqrt(1 + math.pi / 8 * np.maximum(variance, 0)) / head.temperature
    likelihood = np.exp(shrunk - shrunk.max())
    return np.asarray(likelihood / likelihood.sum())
