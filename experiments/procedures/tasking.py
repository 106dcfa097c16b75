"""The task of a transmission as figures: what was read from the vector alone, and what another network says to it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sdr_gsc.metrics.agreement import judged_class, judges_agree
from sdr_gsc.metrics.features import EYE_NAME, JUDGE_NAME
from sdr_gsc.semantic.descriptor import Descriptor
from sdr_gsc.semantic.task import TaskModel
from sdr_gsc.semantic.task_evidence import task_evidence_of, task_symbols_of
from sdr_gsc.semantic.task_receiver import TaskAnswer, answer_task
from sdr_gsc.semantic.values import Reception, Reconstruction

__all__ = ["has_task", "task_json"]

_TOP = 5


def has_task(descriptor: Descriptor) -> bool:
    """Whether there is a task vector behind the picture, or instead of it."""
    return task_symbols_of(descriptor) > 0


def _answered(descriptor: Descriptor, reception: Reception, model: TaskModel) -> TaskAnswer | None:
    evidence = None if reception.descriptor is None else task_evidence_of(reception)
    # A vector of another model is refused, not read as this one's.
    return None if evidence is None else answer_task(model, evidence)


def task_json(
    descriptor: Descriptor,
    reception: Reception,
    model: TaskModel,
    sent: np.ndarray | None,
    reconstructions: Mapping[str, Reconstruction | None],
    objective: str | None = None,
) -> dict[str, object]:
    """The ``task`` block of ``send --json``; what is not available is None.

    The class read from the vector and the decoded pictures are judged by one network, which did not make the vector:
    its class of the sent picture is the reference.

    Args:
        descriptor: of the transmission.
        reception: what arrived of it; without a descriptor, nothing.
        model: made the vector.
        sent: the picture, float32 [H, W, 3] in [0, 1], where it is known.
        reconstructions: by decoder.
        objective: as asked for, where it is known.

    Raises:
        DescriptorError: another model made the vector.
    """
    answer = _answered(descriptor, reception, model)
    heard = answer is not None and answer.heard
    top = answer.top(_TOP) if answer is not None else ()
    symbols = task_symbols_of(descriptor)
    features = None if sent is None else model.features_of(sent)
    own = None
    if features is not None and model.head is not None:
        own = int(np.argmax(model.head.weight @ features + model.head.bias))
    result: dict[str, object] = {
        "objective": objective,
        "symbols": symbols,
        "share": symbols / descriptor.n_symbols,
        "dimensions": model.space.dimensions(2 * symbols),
        "model": model.name,
        "uses_task_vector": True,
        "heard": heard,
        "top1": top[0] if top else None,
        "top5": list(top) or None,
        "confidence": answer.confidence if heard and answer is not None else None,
        "feature_similarity": _similarity(model, features, answer) if heard else None,
        "models_own_top1": own,
        "judged_by": JUDGE_NAME if model.name == EYE_NAME else None,
        "judged_top1": None,
        "top1_agrees": None,
        "top5_agrees": None,
        "pictures_agree": {},
    }
    if sent is None or result["judged_by"] is None:
        return result
    judged = judged_class(sent)
    result |= {
        "judged_top1": judged,
        "top1_agrees": top[0] == judged if top else None,
        "top5_agrees": judged in top if top else None,
        "pictures_agree": {
            name: None if found is None else judges_agree(sent, found.picture)
            for name, found in reconstructions.items()
        },
    }
    return result


def _similarity(model: TaskModel, sent: np.ndarray | None, answer: TaskAnswer | None) -> float | None:
    """Cosine between sent and received features along the model's directions, their usual mean taken off."""
    if sent is None or answer is None:
        return None
    first, second = (
        (each - model.space.mean) @ model.space.basis[:, : answer.dimensions] for each in (sent, answer.features)
    )
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / length if length > 0 else 0.0
