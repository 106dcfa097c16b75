"""The likelihood of a received task vector: a picture should show what its sender's model saw in it.

log p(t|x) = -½ Σ_m (t_m - H_m v(x))² / (σ_m² + D) + const, with v(x) the task vector of the picture, of mean square 1,
and σ_m² the measured noise variance. It joins the likelihood of the picture's own symbols: given the picture, both
noises are independent. A picture decoded with it must not be judged by the network that the vector came from.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import DescriptorError, SettingsError
from ..semantic.evidence import Evidence
from ..semantic.task import TaskModel
from ..semantic.task_evidence import TaskEvidence
from .likelihood import ConfirmingLikelihood, Likelihood

__all__ = ["TaskGuidance", "TaskLikelihood", "guided_by_task", "is_guided", "joined", "open_task_guidance"]

_LEAST_POWER = 1e-12


@dataclass(frozen=True, slots=True)
class TaskGuidance:
    """How a task vector guides a picture.

    Attributes:
        model: the sender's.
        weight: of the term; 1 is the likelihood itself.
    """

    model: TaskModel
    weight: float = 1.0


class TaskLikelihood:
    """The likelihood of one task vector, for pictures in [-1, 1].

    Args:
        model: the sender's.
        evidence: what arrived of the vector.
        size: height and width of the picture; what pads it to whole blocks is cropped away.
        weight: of the term; 1 is the likelihood itself.

    Raises:
        DescriptorError: another model made the vector.
        SettingsError: a weight that is not above 0.
    """

    def __init__(self, model: TaskModel, evidence: TaskEvidence, size: tuple[int, int], weight: float = 1.0) -> None:
        if not weight > 0:
            raise SettingsError(f"weight of the task vector is {weight}; needed above 0")
        if evidence.identity != model.identity:
            raise DescriptorError(
                f"the task vector was made by model {evidence.identity.hex()}; this is {model.name!r} "
                f"({model.identity.hex()}): load the sender's model"
            )
        self._model, self._size = model, size
        space = model.space
        dimensions = space.dimensions(evidence.values.size)
        code = space.code(dimensions)
        values, variance = code.combine(evidence.values, evidence.variance, evidence.distortion)

        def on_device(array: object) -> Tensor:
            return torch.as_tensor(array, dtype=torch.float32, device=model.device)

        self._values = on_device(values)
        variances = on_device(variance)
        self._whitening = torch.where(torch.isfinite(variances), (weight / variances).sqrt(), 0.0)
        self._mean = on_device(space.mean)
        self._analysis = on_device(space.basis[:, :dimensions] * space.amplitudes(dimensions))
        self._rows = on_device(code.rows(values.size).copy())

    def residual(self, pictures: Tensor) -> Tensor:
        """(t - H v(x))/σ, float [B, n], differentiable in `pictures` [B, 3, H, W]; exactly 0 where lost."""
        height, width = self._size
        seen = self._model.features(pictures[:, :, :height, :width] / 2 + 0.5)
        vector = (seen - self._mean) @ self._analysis
        unit = vector / vector.square().mean(1, keepdim=True).clamp(min=_LEAST_POWER).sqrt()
        return self._whitening * (self._values - unit @ self._rows.T)


class _Joint:
    """Two independent pieces of evidence about one picture."""

    def __init__(self, first: Likelihood, second: Likelihood) -> None:
        self._first, self._second = first, second

    def residual(self, pictures: Tensor) -> Tensor:
        parts = [each.residual(pictures).flatten(1) for each in (self._first, self._second)]
        return torch.cat(parts, 1)


class _ConfirmingJoint(_Joint):
    """The same where the first can be read behind the deterministic decoder."""

    def __init__(self, first: ConfirmingLikelihood, second: Likelihood) -> None:
        super().__init__(first, second)
        self._confirming = first

    def confirmation(self, pictures: Tensor) -> Tensor:
        return self._confirming.confirmation(pictures)


def joined(picture: Likelihood, task: Likelihood) -> Likelihood:
    """The likelihood of a picture's symbols and of its task vector together: their residuals side by side."""
    return _ConfirmingJoint(picture, task) if isinstance(picture, ConfirmingLikelihood) else _Joint(picture, task)


def guided_by_task(picture: Likelihood, evidence: Evidence, task: TaskGuidance | None) -> Likelihood:
    """The likelihood with that of the task vector, where guidance is asked for and any of a vector arrived.

    Raises:
        DescriptorError: another model made the vector.
    """
    if task is None or evidence.task is None or not is_guided(evidence, task):
        return picture
    size = (evidence.height, evidence.width)
    return joined(picture, TaskLikelihood(task.model, evidence.task, size, task.weight))


def is_guided(evidence: Evidence, task: TaskGuidance | None) -> bool:
    """Whether a task vector takes part: it is asked for, and some of it arrived."""
    return task is not None and evidence.task is not None and evidence.task.heard


def open_task_guidance(weight: float, device: torch.device) -> TaskGuidance | None:
    """Guidance by the default task model; None for weight 0.

    Raises:
        WeightsError: the model's file is missing or is not the known one.
    """
    if weight == 0:
        return None
    from ..semantic.task_eye import open_eye_task  # loads a network

    return TaskGuidance(open_eye_task(str(device)), weight)
