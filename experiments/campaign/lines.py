"""What of a trial's line must be the same whenever it is run, and what tells how long it took."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["lasting", "leaves", "plain_json"]

#: Keys of wall-clock figures, at any depth.
_PASSING = frozenset({"timings_s", "elapsed_s"})


def lasting(value: object) -> Any:  # noqa: ANN401 (JSON in, JSON out)
    """JSON without its wall-clock figures.

    >>> lasting({"psnr_db": 27.5, "timings_s": {"network": 0.2}})
    {'psnr_db': 27.5}
    """
    if isinstance(value, Mapping):
        return {key: lasting(part) for key, part in value.items() if key not in _PASSING}
    return [lasting(part) for part in value] if isinstance(value, list) else value


def plain_json(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line as it comes back from disk, so that it is the same in whichever process its trial ran.

    Raises:
        ValueError: a number that JSON lacks, such as NaN.
        TypeError: something that is no JSON, such as an array.
    """
    found: dict[str, Any] = json.loads(json.dumps(line, allow_nan=False))
    return found


def leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in nested tables that is not a table, by its path.

    >>> dict(leaves({"a": {"b": 1}, "c": [2]}))
    {'a.b': 1, 'c': [2]}
    """
    for key, part in value.items():
        if isinstance(part, Mapping):
            yield from leaves(part, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", part
