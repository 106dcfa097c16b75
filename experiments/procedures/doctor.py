"""What an installation has, what it lacks, and the exact command that mends it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec

from sdr_gsc.channel.profile import PROFILE_NAMES
from sdr_gsc.errors import WeightsError
from sdr_gsc.weights.cards import load_card

__all__ = ["Check", "State", "examine", "list_radios"]

_TOP_LEVEL = ("sdr_gsc", "hardware", "calibration", "experiments")
_DISTRIBUTION = "sdr-gsc"
_MODELS = ("codec", "refine", "prior")
#: Distribution and its import package; all of them are dependencies.
_NEEDED = (
    ("numpy", "numpy"),
    ("scipy", "scipy"),
    ("numba", "numba"),
    ("torch", "torch"),
    ("safetensors", "safetensors"),
    ("pillow", "PIL"),
    ("torchmetrics", "torchmetrics"),
    ("scikit-image", "skimage"),
    ("sigmf", "sigmf"),
    ("matplotlib", "matplotlib"),
)
#: Radio family, vendor module, and what brings it.
_DRIVERS = (
    ("pluto", "adi", 'pip install "sdr-gsc[pluto]" and, on Debian, apt install libiio0 libad9361-0'),
    ("usrp", "uhd", "on Debian: apt install python3-uhd uhd-host, then uhd_images_downloader"),
    ("soapy", "SoapySDR", "on Debian: apt install python3-soapysdr"),
)


class State(StrEnum):
    """What a check found."""

    GOOD = "good"
    OPTIONAL = "missing, optional"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        name: what was looked at.
        state: the verdict.
        found: what is there.
        remedy: what mends it; empty where nothing needs mending.
    """

    name: str
    state: State
    found: str
    remedy: str = ""

    @property
    def is_broken(self) -> bool:
        """Whether it keeps the toolkit from working."""
        return self.state is State.BROKEN

    def as_json(self) -> dict[str, str]:
        """All fields as texts."""
        return {"name": self.name, "state": self.state.value, "found": self.found, "remedy": self.remedy}


def examine() -> tuple[Check, ...]:
    """Look at everything; nothing is changed and no radio is touched."""
    return (*_software(), *_owners(), *_models(), *_drivers())


def _software() -> Iterator[Check]:
    yield Check("python", State.GOOD, sys.version.split()[0])
    for distribution, module in _NEEDED:
        try:
            yield Check(distribution, State.GOOD, version(distribution))
        except PackageNotFoundError:
            state = State.GOOD if find_spec(module) else State.BROKEN
            remedy = "" if state is State.GOOD else f"pip install {distribution}"
            yield Check(distribution, state, "not installed" if remedy else "without metadata", remedy)


def _owners() -> Iterator[Check]:
    """A distribution that brings a package of the same name overwrites ours without a word."""
    owners = packages_distributions()
    for package in _TOP_LEVEL:
        listed = sorted(set(owners.get(package, ())))
        others = [name for name in listed if name != _DISTRIBUTION]
        if others:
            remedy = f"pip uninstall {' '.join(others)}, then install sdr-gsc again, in an environment of its own"
            yield Check(f"package {package}", State.BROKEN, f"owned by {', '.join(listed)}", remedy)
        else:
            yield Check(f"package {package}", State.GOOD, "sdr-gsc" if listed else "sdr-gsc, from its source folder")


def _models() -> Iterator[Check]:
    for name in _MODELS:
        try:
            card, path = load_card(name)
        except WeightsError as error:
            message, _, remedy = str(error).rpartition("; ")
            yield Check(f"model {name}", State.BROKEN, message or remedy, remedy)
        else:
            size = path.stat().st_size / 2**20
            yield Check(f"model {name}", State.GOOD, f"{card.parameters / 1e6:.1f} M parameters, {size:.1f} MiB")
    from sdr_gsc.metrics.features import load_eye  # loads torch

    try:
        load_eye()
    except WeightsError as error:
        message, _, remedy = str(error).rpartition("; ")
        yield Check("model behind perceptual", State.BROKEN, message or remedy, remedy)
    else:
        yield Check("model behind perceptual", State.GOOD, "EfficientNet-Lite0")


def _drivers() -> Iterator[Check]:
    for family, module, remedy in _DRIVERS:
        if find_spec(module) is None:
            yield Check(f"driver {family}", State.OPTIONAL, f"no module {module}", remedy)
        else:
            yield Check(f"driver {family}", State.GOOD, f"module {module}")


def list_radios() -> list[dict[str, str | bool]]:
    """Addresses that can be opened, and families that cannot be yet."""
    found: list[dict[str, str | bool]] = [
        {"uri": f"loopback:{name}", "what": f"simulated, channel profile {name}", "available": True, "remedy": ""}
        for name in PROFILE_NAMES
    ]
    found.append({"uri": "replay:FILE.sigmf-meta", "what": "a recording", "available": True, "remedy": ""})
    for family in ("pluto:ip:ADDRESS", "usrp:type=b200", "soapy:driver=NAME"):
        remedy = "this release has no driver for it; use a simulated radio"
        found.append({"uri": family, "what": "real radio", "available": False, "remedy": remedy})
    return found
