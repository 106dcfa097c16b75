"""Settings of the trade-off between consistency and realism."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ...sweeps.settings import SeriesSettings
from ..points.settings import PointSettings

__all__ = ["DIRECT", "HumanSettings"]

#: Name of the transmission that all settings of the knob decode.
DIRECT = "direct"

Share = Annotated[float, Field(ge=0, le=1)]
Scale = Annotated[float, Field(ge=0, le=100)]


class HumanSettings(PointSettings):
    """One reception through a knob: from the least squared error to what looks most like a photograph.

    `mmse`, the end without any sampling, is always there.

    Attributes:
        kind: tells configuration files apart.
        decoders: those that have the knob.
        realism: settings of the knob, 0 (the codec's estimate) ... 1 (the end of the walk).
        guidance: further scales of `refine`'s evidence, at its card's realism; 1 counts it once.
        posterior_steps: steps of `posterior:diffpir` as a further point; None leaves it out.
        tolerated_db: loss of PSNR against `mmse` that is called small in the headline.
        expect_gain: least fall of the perceptual distance within `tolerated_db`, at every point, for exit status 0.
    """

    kind: Literal["human"] = "human"
    decoders: tuple[Literal["refine", "consistency"], ...] = ("refine", "consistency")
    realism: tuple[Share, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    guidance: tuple[Scale, ...] = ()
    posterior_steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    tolerated_db: Annotated[float, Field(ge=0)] = 0.5
    expect_gain: Annotated[float, Field(ge=0)] | None = None
    keep: tuple[Literal["captures", "pictures"], ...] = ("pictures",)

    @model_validator(mode="after")
    def _knob(self) -> Self:
        for name in ("decoders", "realism", "guidance"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} is {', '.join(map(str, values))}; name each once")
        if self.decoders and not self.realism:
            raise ValueError(f"realism is empty; needed settings of the knob of {', '.join(self.decoders)}")
        if not self.decoders and not self.guidance and self.posterior_steps is None:
            raise ValueError("nothing has a knob; name decoders, guidance or posterior_steps")
        return self

    def curves(self) -> tuple[SeriesSettings, ...]:
        """The semantic symbols, and the baseline on as many air samples."""
        return (SeriesSettings.model_validate({"name": DIRECT, "mapping": "direct"}), *self.classical())
