"""Pictures and task vectors as one run of symbols: the picture's first, the task vector's behind them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .codec import CODEC_ID, Codec
from .descriptor import NO_MCS, Descriptor, Mapping
from .objective import NO_PICTURE, Budget
from .picture import as_tensor
from .quantizer import Quantizer
from .rate import RATES
from .task import TaskModel
from .task_evidence import task_symbols_of
from .values import SemanticSymbols

__all__ = ["encode_again", "encode_with_task"]


def encode_with_task(
    picture: np.ndarray, budget: Budget, levels: int, codec: Codec, task: TaskModel, **description: int | float
) -> SemanticSymbols:
    """Encode a picture, or none, and its task vector for the `direct` mapping.

    Both are quantized alike; one gain makes the mean power of all symbols together 1. The scale is the picture's: the
    task vector has mean square 1 and needs none.

    Args:
        picture: float [H, W, 3] in [0, 1].
        budget: with task symbols.
        levels: L per real dimension.
        codec: of the picture.
        task: makes the vector.
        **description: passed on to the descriptor: picture_id, interleaver_seed, design_esn0_db.

    Raises:
        PictureError: no usable picture.
        SettingsError: levels that the quantizer does not have, or a task model that does not fit its space.
    """
    quantizer = Quantizer.of(levels)
    behind = quantizer.indices(task.values(picture, budget.task_symbols)).reshape(-1, 2)
    if budget.rate is None:
        as_tensor(picture)
        indices = behind
        descriptor = _without_picture(picture, levels, codec, description)
    else:
        symbols = codec.encode(picture, budget.rate, levels, **description)  # type: ignore[arg-type]
        indices = np.concatenate([symbols.indices, behind])
        descriptor = symbols.descriptor
    power = 2 * float(np.mean(quantizer.values(indices) ** 2))
    descriptor = replace(
        descriptor,
        n_symbols=indices.shape[0],
        n_bytes=int.from_bytes(task.identity, "little"),
        gain=float(np.float16(power**-0.5)),
    )
    return SemanticSymbols(indices, descriptor)


def encode_again(
    picture: np.ndarray, descriptor: Descriptor, codec: Codec, task: TaskModel | None
) -> SemanticSymbols | None:
    """The symbols that a sender of `direct` made of a picture, for measuring only; None where that cannot be told.

    Args:
        picture: float [H, W, 3] in [0, 1].
        descriptor: the sender's.
        codec: the sender's.
        task: the sender's task model, where there is one.
    """
    if descriptor.mapping is not Mapping.DIRECT:
        return None
    if descriptor.rate_index != NO_PICTURE and descriptor.rate_index >= len(RATES):
        return None
    rate = None if descriptor.rate_index == NO_PICTURE else RATES[descriptor.rate_index]
    count = task_symbols_of(descriptor)
    if count == 0:
        return None if rate is None else codec.encode(picture, rate, descriptor.levels)
    if task is None or task.identity != descriptor.task_identity:
        return None
    budget = Budget(rate, descriptor.n_symbols - count, count)
    return encode_with_task(picture, budget, descriptor.levels, codec, task)


def _without_picture(picture: np.ndarray, levels: int, codec: Codec, description: dict[str, int | float]) -> Descriptor:
    return Descriptor(
        picture_id=int(description.get("picture_id", 0)),
        codec_id=CODEC_ID,
        weights_prefix=codec.card.prefix,
        height=picture.shape[0],
        width=picture.shape[1],
        mapping=Mapping.DIRECT,
        levels=levels,
        rate_index=NO_PICTURE,
        n_symbols=1,
        n_bytes=0,
        mcs=NO_MCS,
        n_frames=1,
        scale=1.0,
        gain=1.0,
        interleaver_seed=int(description.get("interleaver_seed", 0)),
        design_esn0_db=float(description.get("design_esn0_db", 10.0)),
    )
