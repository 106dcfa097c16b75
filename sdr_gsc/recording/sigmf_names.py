"""Names that the writer and the reader share: the project's SigMF namespace and its fields."""

from __future__ import annotations

__all__ = ["CLIPPED", "EXTENSION", "FULL_SCALE", "GAP_LABEL", "RECEIVED", "RETUNE", "ROLE", "SETTINGS", "TRANSMITTED"]

#: Declared optional: any SigMF reader can use the samples without knowing it.
EXTENSION = {"name": "sdr_gsc", "version": "1.0.0", "optional": True}
CLIPPED = "sdr_gsc:clipped"
SETTINGS = "sdr_gsc:settings"
#: Counts of an integer dataset that stand for full scale 1.0, where they are not those of its type.
FULL_SCALE = "sdr_gsc:full_scale_counts"
#: In a capture segment: it begins because the radio was tuned anew, be it to the same frequency.
RETUNE = "sdr_gsc:retune"
#: In a collection: whether a recording is what was sent or what was heard of it.
ROLE = "sdr_gsc:role"
TRANSMITTED = "transmitted"
RECEIVED = "received"
GAP_LABEL = "gap"
