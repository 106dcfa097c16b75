"""Names that the writer and the reader share: the project's SigMF namespace and its fields."""

from __future__ import annotations

__all__ = ["CLIPPED", "EXTENSION", "GAP_LABEL", "SETTINGS"]

#: Declared optional: any SigMF reader can use the samples without knowing it.
EXTENSION = {"name": "sdr_gsc", "version": "1.0.0", "optional": True}
CLIPPED = "sdr_gsc:clipped"
SETTINGS = "sdr_gsc:settings"
GAP_LABEL = "gap"
