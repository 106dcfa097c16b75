"""Radios that can be opened: simulated ones, and those at addresses that somebody gave."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hardware.limits import Bench
from hardware.registry import open_radio
from hardware.vendor.interpreter import interpreter
from sdr_gsc.channel.profile import PROFILE_NAMES
from sdr_gsc.errors import SdrGscError

from .doctor_radios import ISOLATED

__all__ = ["Listed", "list_radios"]

_SCAN_S = 30.0
_SCAN = {
    "usrp": "import json, uhd; print(json.dumps([dict(d.to_dict()) for d in uhd.find('')]))",
    "soapy": "import json, SoapySDR; print(json.dumps([dict(d) for d in SoapySDR.Device.enumerate()]))",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """One address.

    Attributes:
        uri: for ``--radio``.
        what: model and serial number, or what kind of address it is.
        available: whether it could be opened.
        remedy: what to do where it could not.
    """

    uri: str
    what: str
    available: bool
    remedy: str = ""

    def as_json(self) -> dict[str, str | bool]:
        """All fields."""
        return {"uri": self.uri, "what": self.what, "available": self.available, "remedy": self.remedy}


def list_radios(given: Sequence[str] = (), bench: Path | None = None, *, scan: bool = False) -> list[Listed]:
    """Addresses of simulated radios, and what answers at the given ones and at those of the bench file.

    Args:
        given: addresses to ask.
        bench: the bench file; None looks in the usual places.
        scan: ask everybody on all interfaces too: broadcasts leave this machine.
    """
    found = [Listed(f"loopback:{name}", f"simulated, channel profile {name}", True) for name in PROFILE_NAMES]
    found.append(Listed("replay:FILE.sigmf-meta", "a recording", True))
    asked = list(dict.fromkeys([*given, *Bench.load(bench).uris()]))
    found += [_asked(uri, bench) for uri in asked]
    if scan:
        found += [each for each in _scanned() if each.uri not in asked]
    return found


def _asked(uri: str, bench: Path | None) -> Listed:
    try:
        with open_radio(uri, bench=bench) as radio:
            serial = radio.capabilities.serial
            return Listed(uri, radio.capabilities.model + (f", serial {serial}" if serial else ""), True)
    except SdrGscError as error:
        message, _, remedy = str(error).rpartition("; ")
        return Listed(uri, message or remedy, False, remedy)


def _scanned() -> Iterator[Listed]:
    try:
        import iio

        contexts: dict[str, str] = iio.scan_contexts()
    except (ImportError, OSError) as error:
        yield Listed("pluto:", f"could not be looked for: {error}", False, "see: sdr-gsc doctor")
    else:
        for address, text in contexts.items():
            yield Listed(f"pluto:{address}", text, True)
    python = interpreter()
    for scheme, program in _SCAN.items():
        try:
            done = subprocess.run(
                [python, *ISOLATED, "-c", program], capture_output=True, text=True, timeout=_SCAN_S, check=False
            )
            devices = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None
        except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
            devices = None
        if devices is None:
            yield Listed(f"{scheme}:", "could not be looked for", False, "see: sdr-gsc doctor")
            continue
        for device in devices:
            kept = {key: device[key] for key in ("driver", "type", "addr", "serial") if key in device}
            uri = f"{scheme}:" + ",".join(f"{key}={value}" for key, value in kept.items())
            yield Listed(uri, str(device.get("label") or device.get("product") or device.get("name") or scheme), True)
