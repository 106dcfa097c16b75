"""What a machine has for real radios: vendor libraries, cables, kernel settings, permission to transmit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from hardware.vendor.interpreter import interpreter
from sdr_gsc.errors import SdrGscError

from .checks import Check, State

__all__ = ["examine_radios"]

_USB_DEVICES = Path("/sys/bus/usb/devices")
#: Vendor and product id of radios, what they are, and the address under which to try them.
_KNOWN_USB = {
    ("0456", "b673"): ("ADALM-PLUTO", "pluto:ip:192.168.2.1"),
    ("2500", "0020"): ("USRP B200/B210", "usrp:type=b200"),
    ("2500", "0021"): ("USRP B200mini", "usrp:type=b200"),
    ("2500", "0022"): ("USRP B205mini", "usrp:type=b200"),
    ("3923", "7813"): ("USRP-2900", "usrp:type=b200"),
    ("3923", "7814"): ("USRP-2901", "usrp:type=b200"),
}
#: Socket buffers that hold 0.1 s of 16-bit samples at 60 Msps.
_SOCKET_BUFFER_BYTES = 24_862_979
_NETWORK_SETTINGS = Path("/proc/sys/net/core")

_UHD = "import json, numpy, uhd; print(json.dumps(['libuhd', numpy.__version__]))"
_SOAPY = (
    "import json, numpy, SoapySDR as s;"
    "print(json.dumps([s.getAPIVersion() + ', modules ' + ' '.join(m.rsplit('/', 1)[-1] for m in s.listModules()),"
    " numpy.__version__]))"
)
_PROBE_S = 20.0
_IMAGE_FOLDERS = ("/usr/share/uhd/images", "/usr/local/share/uhd/images")
#: As workers are started: neither this environment's packages nor the user's.
ISOLATED = ("-E", "-s")


def examine_radios() -> Iterator[Check]:
    """Look at everything that real radios need; no radio is touched."""
    yield _libiio()
    yield from _in_worker()
    yield _usrp_firmware()
    yield from _usb()
    yield from _network()
    yield _bench_file()


def _libiio() -> Check:
    name = "driver pluto"
    pip = 'pip install "sdr-gsc[pluto]"'
    if find_spec("adi") is None or find_spec("iio") is None:
        return Check(name, State.OPTIONAL, "no modules adi and iio", f"{pip} and, on Debian, apt install libiio0")
    try:
        binding = version("pylibiio")
    except PackageNotFoundError:
        binding = "of the distribution"
    if binding.split(".")[0].isdecimal() and int(binding.split(".")[0]) >= 1:
        return Check(name, State.BROKEN, f"pylibiio {binding} needs libiio 1.x", 'pip install "pylibiio>=0.25,<1"')
    try:
        import iio
    except (OSError, ImportError, AttributeError) as error:
        return Check(name, State.BROKEN, f"pylibiio {binding} without its library: {error}", "apt install libiio0")
    major, minor, tag = iio.version
    return Check(
        name, State.GOOD, f"pyadi-iio {version('pyadi-iio')}, pylibiio {binding}, libiio {major}.{minor} ({tag})"
    )


def _in_worker() -> Iterator[Check]:
    """Libraries that run under another interpreter."""
    python = interpreter()
    for name, program, packages in (
        ("driver usrp", _UHD, "python3-uhd"),
        ("driver soapy", _SOAPY, "python3-soapysdr soapysdr0.8-module-uhd"),
    ):
        remedy = f"on Debian: apt install --no-install-recommends {packages}"
        if not Path(python).exists():
            yield Check(
                name, State.OPTIONAL, f"no {python}", f"set SDR_GSC_VENDOR_PYTHON to a Python that has it; {remedy}"
            )
            continue
        try:
            done = subprocess.run(
                [python, *ISOLATED, "-c", program], capture_output=True, text=True, timeout=_PROBE_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            yield Check(name, State.BROKEN, f"{python} does not answer: {error}", remedy)
            continue
        if done.returncode == 0:
            library, numpy_version = json.loads(done.stdout.splitlines()[-1])
            yield Check(name, State.GOOD, f"{library}; numpy {numpy_version} under {python}")
        elif "ModuleNotFoundError" in done.stderr:
            yield Check(name, State.OPTIONAL, f"{python} has no such module", remedy)
        else:
            last = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
            yield Check(
                name, State.BROKEN, f"{python}: {last}", "Debian's libuhd needs numpy below 2 in its interpreter"
            )


def _usrp_firmware() -> Check:
    """USRPs on USB get firmware and FPGA image from the computer each time they are opened."""
    folders = [Path(named) for named in (os.environ.get("UHD_IMAGES_DIR"), *_IMAGE_FOLDERS) if named]
    for folder in folders:
        found = sum(1 for _ in folder.glob("usrp_*"))
        if found:
            return Check("firmware of USRPs", State.GOOD, f"{found} images in {folder}")
    remedy = "for B2xx and N2x0, on Debian: apt install uhd-host, then uhd_images_downloader"
    return Check("firmware of USRPs", State.OPTIONAL, "no images on this computer", remedy)


def _usb() -> Iterator[Check]:
    found = 0
    for device in sorted(_USB_DEVICES.glob("*")) if _USB_DEVICES.is_dir() else ():
        try:
            identity = ((device / "idVendor").read_text().strip(), (device / "idProduct").read_text().strip())
        except OSError:
            continue
        if identity in _KNOWN_USB:
            model, uri = _KNOWN_USB[identity]
            found += 1
            yield Check("on USB", State.GOOD, f"{model}; try: sdr-gsc radios {uri}")
    if not found:
        yield Check(
            "on USB", State.OPTIONAL, "no radio that is known by its USB number", "check cable and power supply"
        )


def _network() -> Iterator[Check]:
    if sys.platform != "linux":
        return
    for name in ("rmem_max", "wmem_max"):
        try:
            present = int((_NETWORK_SETTINGS / name).read_text())
        except (OSError, ValueError):
            continue
        if present < _SOCKET_BUFFER_BYTES:
            remedy = f"for network USRPs above about 10 Msps: sysctl -w net.core.{name}={_SOCKET_BUFFER_BYTES}"
            yield Check(f"net.core.{name}", State.OPTIONAL, f"{present} bytes", remedy)
        else:
            yield Check(f"net.core.{name}", State.GOOD, f"{present} bytes")


def _bench_file() -> Check:
    from hardware.limits import Bench

    try:
        bench = Bench.load(None)
    except SdrGscError as error:
        message, _, remedy = str(error).rpartition("; ")
        return Check("bench.toml", State.BROKEN, message or remedy, remedy)
    if not bench.uris():
        return Check("bench.toml", State.OPTIONAL, "names no radio: none may transmit", "see docs/bring-up.md, stage 3")
    return Check("bench.toml", State.GOOD, ", ".join(bench.uris()))
