"""USRPs: any radio that libuhd calls a MultiUSRP."""

from __future__ import annotations

from typing import Self

from .limits import Bench
from .vendor.address import parse_address, require_uhd_target
from .vendor.device import Device
from .vendor.opening import open_vendor_radio
from .vendor.radio import VendorRadio

__all__ = ["UsrpRadio"]


class UsrpRadio(VendorRadio):
    """A USRP over libuhd, which runs in a worker of its own."""

    @classmethod
    def open(cls, address: str, *, uri: str, bench: Bench) -> Self:
        """Open a USRP, muted.

        Args:
            address: libuhd's device arguments: ``type=b200``, ``addr=192.168.10.2``, ``type=e3xx,addr=10.0.0.2``.
            uri: for messages and reports.
            bench: says what it may transmit.

        Raises:
            BadValueError: an address that is none, or that names no device.
            DriverMissingError: libuhd is not installed; says the command that installs it.
            RadioNotFoundError: nothing answers there.
            RadioBusyError: another program has it.
            DisconnectedError: it stopped answering.
        """
        pairs = parse_address(address, uri)
        require_uhd_target(pairs, uri)
        return open_vendor_radio(cls, Device("uhd", pairs, uri), bench)
