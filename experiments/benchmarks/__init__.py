"""Benchmarks behind ``sdr-gsc bench``: figures beside their anchors, measured in one run."""
