"""From what somebody wrote to checked settings, or to one line that says what is wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar, get_args

from pydantic import BaseModel, ValidationError

from sdr_gsc.errors import SettingsError

from .decoding_settings import StrictSettings

__all__ = ["checked", "not_a_setting", "one_line"]

Model = TypeVar("Model", bound=StrictSettings)


def checked(model: type[Model], values: Mapping[str, object], source: str = "request") -> Model:
    """Validate values from flags or a file; None stands for what was not given. Mistakes become one SettingsError."""
    try:
        return model.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        raise SettingsError(f"{source}: {one_line(error, model)}") from error


def not_a_setting(place: str, name: str, known: Iterable[str]) -> str:
    """What to say of a name that means nothing: the nearest one that does, or all of them.

    >>> not_a_setting("grid.ensr_db", "ensr_db", ["esn0_db", "cbr"])
    'grid.ensr_db is not a setting; did you mean esn0_db?'
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"{place} is not a setting; did you mean {near[0]}?"
    return f"{place} is not a setting; needed some of {', '.join(names)}"


def one_line(error: ValidationError, model: type[BaseModel]) -> str:
    """All that is wrong, each with the name of its setting."""
    parts = []
    for item in error.errors(include_url=False):
        place = ".".join(map(str, item["loc"]))
        if item["type"] == "extra_forbidden":
            known = _table_at(model, item["loc"][:-1]).model_fields
            parts.append(not_a_setting(place, str(item["loc"][-1]), known))
        elif item["type"] == "missing":
            parts.append(f"{place} is missing")
        elif item["type"] == "tuple_type":
            table = isinstance(item["input"], dict)
            found = (
                f"one table; needed a list of them, written [[{place}]]"
                if table
                else f"{item['input']!r}; needed a list"
            )
            parts.append(f"{place} is {found}")
        else:
            given = "" if isinstance(item["input"], dict | list | BaseModel) else f" is {item['input']!r}"
            message = item["msg"].removeprefix("Value error, ")
            if message[1:2].islower():
                message = message[0].lower() + message[1:]
            parts.append(f"{place}{given}: {message}" if place else message)
    return "; ".join(parts)


def _table_at(model: type[BaseModel], place: Sequence[int | str]) -> type[BaseModel]:
    """The model of the table that a mistake stands in."""
    for name in place:
        field = model.model_fields.get(str(name))
        inner = None if field is None else _model_in(field.annotation)
        model = inner or model
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for found in map(_model_in, get_args(annotation)) if found is not None), None)
