"""Recordings as other programs write them: metadata and data by hand."""

from __future__ import annotations

import hashlib
import json

import pytest


@pytest.fixture(scope="session")
def foreign():
    """Write a recording; returns its metadata file."""

    def write(folder, data, name="other", captures=None, annotations=(), hashed=True, **fields):
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / fields.get("dataset", f"{name}.sigmf-data")
        file.write_bytes(data)
        told = {"version": "1.2.0", "sample_rate": 1e6, **fields}
        if hashed:
            told["sha512"] = hashlib.sha512(data).hexdigest()
        metadata = {
            "global": {key if ":" in key else f"core:{key}": value for key, value in told.items() if value is not None},
            "captures": [
                {key if ":" in key else f"core:{key}": value for key, value in each.items()}
                for each in (
                    [{"sample_start": 0, "frequency": 915e6, "datetime": "2026-01-02T03:04:05Z"}]
                    if captures is None
                    else captures
                )
            ],
            "annotations": list(annotations),
        }
        path = folder / f"{name}.sigmf-meta"
        path.write_text(json.dumps(metadata))
        return path

    return write
