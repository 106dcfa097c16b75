"""Relative paths in a configuration start at its own folder, so that a configuration can be run from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from ..campaign.settings import CampaignSettings
from ..configuration import DemoSettings, SendSettings
from .photographs import PHOTOGRAPHS

__all__ = ["located"]

Settings = TypeVar("Settings", bound=SendSettings | DemoSettings | CampaignSettings)


def located(settings: Settings, folder: Path) -> Settings:
    """Settings with absolute paths; names of photographs stay names unless the folder holds such a file."""
    if isinstance(settings, CampaignSettings):
        return settings.located(folder)
    path = folder / settings.image
    image = settings.image if settings.image in PHOTOGRAPHS and not path.exists() else str(path.resolve())
    update: dict[str, Any] = {"image": image}
    if settings.weights is not None:
        update["weights"] = str((folder / settings.weights).resolve())
    if isinstance(settings, SendSettings):
        update |= settings.relocated(folder)
        if settings.calibration is not None:
            update["calibration"] = str((folder / settings.calibration).resolve())
    # Narrowing by isinstance above makes the type checker forget that the model's own type comes back.
    return settings.model_copy(update=update)  # type: ignore[return-value]
