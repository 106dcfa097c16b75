"""Where networks run, asked for by name."""

from __future__ import annotations

import torch

from sdr_gsc.errors import SettingsError

__all__ = ["require_device"]


def require_device(name: str) -> str:
    """Return a device's name if networks can run there.

    Raises:
        SettingsError: no such device, or none that torch can use.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingsError(f"{name!r} is no device; needed cpu, cuda, or cuda:NUMBER") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SettingsError(
            f"torch finds {torch.cuda.device_count()} GPUs, and {name} is asked for; use the device cpu, or install a "
            "build of torch for this machine's driver"
        )
    return name
