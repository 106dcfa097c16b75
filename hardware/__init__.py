"""Radios: one contract, one driver file per radio, emulated radios, safety limits.

The one public door is ``hardware.registry.open_radio``.
"""
