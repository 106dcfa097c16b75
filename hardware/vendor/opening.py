"""How a driver gets its radio: opened by a worker, described, permitted, with safe settings."""

from __future__ import annotations

from typing import TypeVar

from ..emulation.token import is_ours
from ..limits import Bench
from .device import Device
from .process import VendorWorker
from .radio import VendorRadio
from .settings import Description, safe_settings

__all__ = ["open_vendor_radio"]

_Driver = TypeVar("_Driver", bound=VendorRadio)


def open_vendor_radio(driver: type[_Driver], device: Device, bench: Bench) -> _Driver:
    """Open a radio, muted, with safe settings.

    Args:
        driver: class of the radio.
        device: where it is.
        bench: says what it may transmit.

    Raises:
        DriverMissingError, RadioNotFoundError, RadioBusyError, DisconnectedError: as they say.
    """
    worker = VendorWorker(device.vendor)
    try:
        description = Description.of(device.opened_by(worker))
        capabilities = description.capabilities
        permission = bench.permission(uri=device.uri, serial=capabilities.serial, token=description.token)
        radio = driver(worker, device, description, permission)
    except BaseException:
        worker.close()
        raise
    try:
        radio.configure(safe_settings(capabilities, emulated=is_ours(description.token)))
    except BaseException:
        radio.close()
        raise
    return radio
