"""Radios behind SoapySDR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from .errors import BadValueError
from .limits import Bench
from .vendor.address import parse_address, require_uhd_target
from .vendor.device import Device
from .vendor.opening import open_vendor_radio
from .vendor.radio import VendorRadio

__all__ = ["SoapyRadio"]

#: Drivers that search the network unless one of these keys names the device; others look at USB only.
_ON_NETWORK: Mapping[str, tuple[str, ...]] = {
    "iris": ("remote", "addr"),
    "netsdr": ("netsdr",),
    "plutosdr": ("hostname", "uri"),
    "redpitaya": ("addr",),
    "remote": ("remote",),
}


class SoapyRadio(VendorRadio):
    """A radio over SoapySDR, which runs in a worker of its own.

    Drivers whose hardware keeps no time, or keeps it badly (``timed=no`` in the address), exchange bursts by repeating
    them and finding them in a capture by correlation.
    """

    @classmethod
    def open(cls, address: str, *, uri: str, bench: Bench) -> Self:
        """Open a radio, muted.

        Args:
            address: SoapySDR's device arguments: ``driver=lime``, ``driver=uhd,addr=192.168.10.2``; and ``timed=no``.
            uri: for messages and reports.
            bench: says what it may transmit.

        Raises:
            BadValueError: an address that is none, or that names no device.
            DriverMissingError: SoapySDR is not installed; says the command that installs it.
            RadioNotFoundError: nothing answers there.
            RadioBusyError: another program has it.
            DisconnectedError: it stopped answering.
        """
        pairs = parse_address(address, uri)
        driver = pairs.get("driver", "")
        if not driver:
            raise BadValueError(f"{uri!r} names no driver, and SoapySDR would try all of them", "add driver=NAME")
        if pairs.get("timed", "yes") not in ("yes", "no"):
            raise BadValueError(f"timed is {pairs['timed']!r} in {uri!r}", "write timed=yes or timed=no")
        if driver == "uhd":
            require_uhd_target(pairs, uri)
        keys = _ON_NETWORK.get(driver, ())
        if keys and not any(pairs.get(key) for key in keys):
            raise BadValueError(
                f"{uri!r} names no device, and the driver would search the network for one",
                f"add {' or '.join(f'{key}=ADDRESS' for key in keys)}",
            )
        return open_vendor_radio(cls, Device("soapy", pairs, uri), bench)
