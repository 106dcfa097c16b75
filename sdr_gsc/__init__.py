"""Generative semantic communications over software-defined radios: the library.

Nothing heavy is imported here; import the module you need, for example ``from sdr_gsc.phy.receiver import Receiver``.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
