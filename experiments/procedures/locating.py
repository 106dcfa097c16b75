"""Relative paths in a configuration start at its own folder, so that a configuration can be run from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from ..configuration import DemoSettings, SendSettings, SweepSettings
from .photographs import PHOTOGRAPHS

__all__ = ["located"]

Settings = TypeVar("Settings", bound=SendSettings | DemoSettings | SweepSettings)


def located(settings: Settings, folder: Path) -> Settings:
    """Settings with absolute paths; names of photographs stay names unless the folder holds such a file."""

    def place(name: str) -> str:
        path = folder / name
        return name if name in PHOTOGRAPHS and not path.exists() else str(path.resolve())

    update: dict[str, object] = {}
    if settings.weights is not None:
        update["weights"] = str((folder / settings.weights).resolve())
    if not isinstance(settings, DemoSettings) and settings.calibration is not None:
        update["calibration"] = str((folder / settings.calibration).resolve())
    if not isinstance(settings, DemoSettings):
        update |= settings.relocated(folder)
    if isinstance(settings, SweepSettings):
        pictures = tuple(map(place, settings.grid.pictures))
        update["grid"] = settings.grid.model_copy(update={"pictures": pictures})
        if settings.quick is not None and settings.quick.pictures is not None:
            fewer = tuple(map(place, settings.quick.pictures))
            update["quick"] = settings.quick.model_copy(update={"pictures": fewer})
    else:
        update["image"] = place(settings.image)
    # Narrowing by isinstance above makes the type checker forget that the model's own type comes back.
    return settings.model_copy(update=update)  # type: ignore[return-value]
