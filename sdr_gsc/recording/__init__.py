"""Captures on disk as SigMF."""
