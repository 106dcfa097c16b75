"""What a `diffusers` scheduler configuration says of a model: its noise levels and what it predicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import WeightsError
from .discrete import Prediction
from .files import read_json
from .levels import NoiseLevels, betas

__all__ = ["read_scheduler"]

#: Schedulers of variance-preserving models at discrete times: they sample differently, but the model behind them was
#: trained alike.
_KNOWN = (
    "DDPMScheduler",
    "DDPMParallelScheduler",
    "DDIMScheduler",
    "DDIMParallelScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSDEScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
)
_REMEDY = "save the whole pipeline with save_pretrained, so that the scheduler is in the folder"


def read_scheduler(folder: Path) -> tuple[NoiseLevels, Prediction]:
    """Read ``scheduler_config.json``; fields that are absent have the defaults of DDPMScheduler.

    Raises:
        WeightsError: missing, or a scheduler, schedule or prediction that is not known.
    """
    path = folder / "scheduler_config.json"
    found = read_json(path, _REMEDY)
    name = found.get("_class_name")
    if name not in _KNOWN:
        raise WeightsError(
            f"{path} describes the scheduler {name!r}; needed one of a variance-preserving model with discrete times: "
            f"{', '.join(_KNOWN)}"
        )
    # With flow sigmas the same classes serve models that were trained on straight lines.
    if found.get("use_flow_sigmas") or found.get("prediction_type") == "flow_prediction":
        raise WeightsError(f"{path} describes a flow-matching model; needed a diffusion model with betas")
    said = found.get("prediction_type", "epsilon")
    if said not in tuple(Prediction):
        raise WeightsError(f"{path} has prediction_type {said!r}; needed one of {', '.join(Prediction)}")
    return _levels(path, found), Prediction(str(said))


def _levels(path: Path, found: dict[str, object]) -> NoiseLevels:
    trained = found.get("trained_betas")
    schedule = found.get("beta_schedule", "linear")
    try:
        if trained is not None:
            values = np.asarray(trained, np.float64)
        else:
            steps = int(_number(found, "num_train_timesteps", 1000))
            values = betas(str(schedule), steps, _number(found, "beta_start", 1e-4), _number(found, "beta_end", 0.02))
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{path} has a noise schedule that is none: {error}") from error
    return NoiseLevels.of_betas(values, zero_terminal_snr=bool(found.get("rescale_betas_zero_snr", False)))


def _number(found: dict[str, object], name: str, default: float) -> float:
    value = found.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}; needed a number")
    return float(value)
