"""What the unit tests of the command line use serves here too: models, a picture, and the command line itself."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

# Test folders are no packages, so the other folder's fixtures are loaded by their place.
_SHARED = Path(__file__).parents[1] / "unit/experiments/conftest.py"
_spec = importlib.util.spec_from_file_location("command_line_fixtures", _SHARED)
_shared = sys.modules[_spec.name] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_shared)

models, photo, sdr_gsc = _shared.models, _shared.photo, _shared.sdr_gsc
