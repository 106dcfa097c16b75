"""Dated, immutable calibration records and the procedures that make them."""
