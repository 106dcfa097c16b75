"""What the settings of every campaign have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, ValidationError, model_validator

from ..checking import one_line
from ..decoding_settings import StrictSettings
from ..fields import Name, Seed

__all__ = ["CampaignSettings", "StopSettings", "merged"]


class StopSettings(StrictSettings):
    """When a cell of the plan has been repeated often enough; without any, all its repetitions are run.

    Attributes:
        errors: lost transmissions after which a cell is done.
        metric: figure whose mean is to be known, a path of keys such as ``decoders.mmse.psnr_db``.
        half_width: of the 95 % confidence interval of the mean of `metric` at which a cell is done.
        at_least: repetitions before any rule is looked at.
    """

    errors: Annotated[int, Field(ge=1)] | None = None
    metric: str | None = None
    half_width: Annotated[float, Field(gt=0)] | None = None
    at_least: Annotated[int, Field(ge=2)] = 3

    @model_validator(mode="after")
    def _complete(self) -> StopSettings:
        if (self.metric is None) != (self.half_width is None):
            raise ValueError("metric and half_width go together")
        if self.errors is None and self.metric is None:
            raise ValueError("give errors, or metric and half_width")
        return self


class CampaignSettings(StrictSettings):
    """A plan of trials.

    Attributes:
        name: heading of the report, and folder under ``runs`` where none is named.
        seed: run seed; a trial draws from it and its own id alone.
        attempts: how often a trial is tried before it is recorded as failed.
        trial_limit_s: time after which a trial counts as hanging: its worker process is ended and replaced. Of worker
            processes of this machine (--engine local) alone; a worker's first trial includes the loading of models.
        stop: when a cell has been repeated often enough.
        quick: values that replace those above with ``--quick``.
    """

    #: Settings that hold a path, or a tuple of paths, and start at the configuration's own folder.
    path_fields: ClassVar[tuple[str, ...]] = ()

    name: Name
    seed: Seed = 0
    attempts: Annotated[int, Field(ge=1, le=100)] = 2
    trial_limit_s: Annotated[float, Field(gt=0)] | None = None
    stop: StopSettings | None = None
    quick: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _quick_values(self) -> Self:
        if self.quick is not None:
            # A mistake in the quick values is told before anything is run, whether they are asked for or not.
            try:
                self.resolved(quick=True)
            except ValidationError as error:
                raise ValueError(f"with the values of quick: {one_line(error, type(self))}") from error
        return self

    def resolved(self, *, quick: bool) -> Self:
        """The settings that are run: with `quick`, with the quick values in their places.

        Raises:
            ValueError: the quick values do not fit.
        """
        values = self.model_dump(exclude={"quick"}, exclude_none=True)
        return type(self).model_validate(merged(values, self.quick) if quick and self.quick else values)

    def located(self, folder: Path) -> Self:
        """The same with absolute paths, those of the quick values too; relative ones start at `folder`."""
        found = {name: getattr(self, name) for name in self.path_fields}
        update = {name: _placed(value, folder) for name, value in found.items() if value is not None}
        if self.quick is not None:
            quick = {name: self.quick[name] for name in self.path_fields if name in self.quick}
            update["quick"] = self.quick | {name: _placed(value, folder) for name, value in quick.items()}
        return self.model_copy(update=update)


def _placed(value: object, folder: Path) -> object:
    if isinstance(value, tuple | list):
        return tuple(_placed(item, folder) for item in value)
    return str((folder / str(value)).resolve())


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Values with some replaced; tables are merged, everything else is put in the place of what was there.

    >>> merged({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 4}})
    {'a': 1, 'b': {'c': 4, 'd': 3}}
    """
    found = dict(values)
    for name, change in changes.items():
        inner = found.get(name)
        found[name] = merged(inner, change) if isinstance(inner, dict) and isinstance(change, dict) else change
    return found
