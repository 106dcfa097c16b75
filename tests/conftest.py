"""What all tests share: seeded randomness, photographs, markers, and one thread."""

from __future__ import annotations

import os

# Before anything loads torch: on a shared machine, threads that wait for each other cost more than they bring, and the
# figures that tests compare hold at a fixed thread count.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# The same examples on every run and every machine; no deadlines, for a shared machine is slow at times.
settings.register_profile("default", deadline=None, derandomize=True, max_examples=25)
settings.register_profile(
    "thorough", deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("default")


def pytest_addoption(parser):
    parser.addoption("--radio", action="append", default=[], metavar="URI", help="real radio for on_device tests")


def pytest_collection_modifyitems(config, items):
    """Tests without their device are skipped where everybody sees it."""
    radios = config.getoption("--radio")
    for item in items:
        if item.get_closest_marker("on_device") and not radios:
            item.add_marker(pytest.mark.skip(reason="needs a real radio: name it with --radio URI"))
        if item.get_closest_marker("gpu"):
            import torch  # only where a test asks for it

            if not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture
def radio_uris(request):
    """URIs given with --radio."""
    return tuple(request.config.getoption("--radio"))


@pytest.fixture
def generator():
    """A fresh random generator with a fixed seed."""
    return np.random.default_rng(20_240_601)


@pytest.fixture(scope="session")
def photographs():
    """Four photographs by name, float32 [256, 256, 3] in [0, 1], read-only; no model was trained on them."""
    import skimage.data
    from PIL import Image

    found = {}
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        picture = Image.fromarray(getattr(skimage.data, name)())
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.crop((left, top, left + side, top + side)).resize((256, 256), Image.Resampling.LANCZOS)
        found[name] = np.asarray(square, np.float32) / 255
        found[name].flags.writeable = False
    return found
