"""Whether metadata are SigMF, by the schema that comes with sigmf."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any

from jsonschema.exceptions import ValidationError, best_match  # type: ignore[import-untyped]
from jsonschema.validators import validator_for  # type: ignore[import-untyped]
from sigmf.schema import get_schema

__all__ = ["require_valid"]


def require_valid(metadata: Mapping[str, Any]) -> None:
    """What `sigmf.SigMFFile.validate` asks for, without checking the schema itself each time, which takes far longer.

    Args:
        metadata: the objects ``global``, ``captures`` and ``annotations``.

    Raises:
        jsonschema.exceptions.ValidationError: it is not.
    """
    error = best_match(_validator().iter_errors(metadata))
    if error is not None:
        raise error
    for part in ("captures", "annotations"):
        starts = [each["core:sample_start"] for each in metadata[part]]
        if any(after < before for before, after in pairwise(starts)):
            raise ValidationError(f"{part} has incorrect sample start ordering.")


@lru_cache(maxsize=1)
def _validator() -> Any:  # noqa: ANN401 (jsonschema has no types)
    schema = get_schema()
    found = validator_for(schema)
    found.check_schema(schema)
    return found(schema)
