"""Python files that a user brings: run because the user names them, never because a model's folder does."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from .errors import SdrGscError

__all__ = ["run_user_code"]


def run_user_code(code: Path, needed: str, refusal: type[SdrGscError]) -> ModuleType:
    """Run a Python file and return what it defines.

    Args:
        code: the file.
        needed: what it has to hold, for errors, such as ``the Python file with the codec's classes``.
        refusal: what is raised.

    Raises:
        SdrGscError: of the kind `refusal`: the file is missing, is no Python file, or fails.
    """
    if not code.is_file():
        raise refusal(f"{code} is not a file; needed {needed}")
    name = f"sdr_gsc_user_code_{hashlib.sha256(code.read_bytes()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, code)
    if spec is None or spec.loader is None:
        raise refusal(f"{code} is not a Python file; needed {needed}")
    space = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules[name] = space
    try:
        spec.loader.exec_module(space)
    except Exception as error:  # Whatever a user's file raises, it is that file which needs mending.
        del sys.modules[name]
        raise refusal(f"{code} fails: {type(error).__name__}: {error}; correct it") from error
    return space
