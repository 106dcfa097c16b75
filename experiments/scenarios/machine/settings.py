"""Settings of the pictures that machines look at."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ...fields import InverseCbr, Names
from ...procedures.photographs import PHOTOGRAPHS
from ...sweeps.settings import SeriesSettings
from ..points.settings import PointSettings
from .views import SETTLED, VIEWS

__all__ = ["MachineSettings", "MethodName"]

MethodName = Literal["mmse", "refine", "vector", "both"]
_TRANSMISSIONS: dict[str, dict[str, Any]] = {
    "picture": {"mapping": "direct", "objective": "human"},
    "vector": {"mapping": "direct", "objective": "machine"},
    "both": {"mapping": "direct", "objective": "agent", "decoders": ("mmse",)},
}


class MachineSettings(PointSettings):
    """The receiver names what it sees, in a decoded picture or in a task vector.

    Attributes:
        kind: tells configuration files apart.
        methods: ``mmse`` and ``refine`` look at the picture that these decode; ``vector`` sends the task vector alone;
            ``both`` sends it beside a picture of half the symbols. The classical baseline is there by `mcs`.
        wanted: agreement for which the headline says what bandwidth it takes.
    """

    picture_names: ClassVar[tuple[str, ...]] = tuple(dict.fromkeys((*PHOTOGRAPHS, *VIEWS)))

    kind: Literal["machine"] = "machine"
    methods: Annotated[tuple[MethodName, ...], Field(min_length=1)] = ("mmse", "refine", "vector", "both")
    pictures: Names = SETTLED
    cbr: Annotated[tuple[InverseCbr, ...], Field(min_length=1)] = (384, 192, 96, 48, 24)
    wanted: Annotated[float, Field(gt=0, le=1)] = 0.8

    @model_validator(mode="after")
    def _methods(self) -> Self:
        if len(set(self.methods)) < len(self.methods):
            raise ValueError(f"methods is {', '.join(self.methods)}; name each once")
        return self

    def curves(self) -> tuple[SeriesSettings, ...]:
        """The transmissions that the methods need, and the baseline on as many air samples."""
        looks = tuple(method for method in self.methods if method in ("mmse", "refine"))
        wanted = ("picture",) * bool(looks) + tuple(method for method in self.methods if method in ("vector", "both"))
        chosen = [{"name": name, **_TRANSMISSIONS[name]} for name in wanted]
        if looks:
            chosen[0]["decoders"] = looks
        return (*map(SeriesSettings.model_validate, chosen), *self.classical())
