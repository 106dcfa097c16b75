"""What a decoder is asked for beyond its name."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import SettingsError
from ..semantic.evidence import check_weighting
from .early_start import START_RULES
from .ode import sampler_by_name
from .runtime import PRECISIONS

__all__ = ["DecoderOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderOptions:
    """Options of the decoders; each uses those that mean something to it.

    Attributes:
        steps: estimates of the network; None takes the name's own, or the decoder's default.
        samples: pictures to draw; a bridge draws them beside the reconstruction.
        realism: of the decoders with a bridge, 0 (the codec's estimate) ... 1 (the walk's end); None takes the card's.
        weighting: how received symbols are weighted, see `Evidence.weighted`; anything but ``measured`` is an ablation.
        start: where `posterior:SOLVER` starts, see `early_start.START_RULES`; None takes the solver's own.
        guidance: of `refine`, how much the evidence counts beyond the estimate, >= 0; None is 1, one evaluation a step.
            Of a `prior` that knows texts, see `plugins.conditioning.Conditioning`.
        sampler: of a bridge, one of `ode.SAMPLERS`; None takes ``ddim``.
        early_exit: of a bridge, stop when the estimate changes by less than this share of the
            predicted deviation; None walks to the end.
        precision: of the networks, ``float32`` or ``bfloat16``.
        compile: compile the networks and record CUDA graphs; refused on a CPU, see `runtime`.
        prior: of `posterior:SOLVER` and `blind`: address of another than the shipped one, see
            `plugins.opening.open_prior`.
        label: class that such a prior is told, where it knows classes.
        prompt: text that such a prior is told, or the file of its embeddings, where it knows texts.
        task_guidance: of `posterior:SOLVER`, weight of the received task vector's likelihood, 1 is the likelihood
            itself; 0 leaves it out. Pictures made with it are not to be judged by the network that the vector came
            from.
    """

    steps: int | None = None
    samples: int = 1
    realism: float | None = None
    weighting: str = "measured"
    start: str | None = None
    prior: str | None = None
    label: int | None = None
    prompt: str | None = None
    guidance: float | None = None
    sampler: str | None = None
    early_exit: float | None = None
    precision: str = "float32"
    compile: bool = False
    task_guidance: float = 0.0

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise SettingsError(f"samples is {self.samples}; needed at least 1")
        if self.steps is not None and self.steps < 1:
            raise SettingsError(f"steps is {self.steps}; needed at least 1")
        if self.realism is not None and not 0 <= self.realism <= 1:
            raise SettingsError(f"realism is {self.realism}; needed a number in 0…1")
        if self.prior is None and (self.label is not None or self.prompt is not None):
            raise SettingsError(
                "label and prompt are told to a prior; needed prior, the address of one that knows them"
            )
        check_weighting(self.weighting)
        if not 0 <= self.task_guidance < math.inf:
            raise SettingsError(f"task_guidance is {self.task_guidance}; needed a finite weight of at least 0")
        if self.start is not None and self.start not in START_RULES:
            raise SettingsError(f"start is {self.start!r}; needed one of {', '.join(START_RULES)}")
        if self.guidance is not None and not 0 <= self.guidance < math.inf:
            raise SettingsError(f"guidance is {self.guidance}; needed a finite number of at least 0")
        if self.sampler is not None:
            sampler_by_name(self.sampler)
        if self.early_exit is not None and not 0 < self.early_exit < math.inf:
            raise SettingsError(f"early_exit is {self.early_exit}; needed a share of the predicted deviation above 0")
        if self.precision not in PRECISIONS:
            raise SettingsError(f"precision is {self.precision!r}; needed one of {', '.join(PRECISIONS)}")
