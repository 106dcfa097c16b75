"""Radios that are programs: what the real vendor libraries cannot tell from hardware, on one simulated air."""
