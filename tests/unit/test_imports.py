"""What importing costs, and that every module can be imported."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

PACKAGES = ("sdr_gsc", "hardware", "calibration", "experiments")
HEAVY = ("numpy", "scipy", "numba", "torch", "pydantic", "matplotlib", "torchmetrics", "skimage", "sigmf")
VENDOR = ("adi", "iio", "uhd", "SoapySDR")


def modules():
    for package in PACKAGES:
        yield package
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not found.name.startswith("hardware.worker"):  # runs in an interpreter of its own
                yield found.name


def loaded_after(statement):
    """Top-level modules that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize("name", sorted(modules()))
def test_every_module_imports_and_says_what_it_offers(name):
    module = importlib.import_module(name)
    assert module.__doc__
    for offered in getattr(module, "__all__", ()):
        assert hasattr(module, offered)


def test_packages_themselves_load_nothing_heavy():
    assert not loaded_after(f"import {', '.join(PACKAGES)}").intersection(HEAVY + VENDOR)


def test_the_waveform_runs_without_torch_and_plots():
    loaded = loaded_after("import sdr_gsc.phy.transmitter, sdr_gsc.channel.simulator, sdr_gsc.phy.report")
    assert not loaded.intersection({"torch", "matplotlib", "pydantic", "PIL"})


def test_no_module_loads_a_vendor_library_by_being_imported():
    names = ", ".join(name for name in modules() if name.startswith("hardware"))
    assert not loaded_after(f"import {names}").intersection(VENDOR)


def test_plots_leave_the_global_state_of_matplotlib_alone():
    names = ", ".join(name for name in modules() if name.startswith("sdr_gsc.plot"))
    code = f"import {names}, sys; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
