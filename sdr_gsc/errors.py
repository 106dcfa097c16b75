"""Typed errors. Each message says what was found, what was needed, and what mends it."""

__all__ = [
    "ClippingError",
    "DescriptorError",
    "PictureError",
    "RecordingError",
    "SdrGscError",
    "SettingsError",
    "WeightsError",
]


class SdrGscError(Exception):
    """Base of every error that this project raises on purpose."""


class SettingsError(SdrGscError, ValueError):
    """A requested setting is unknown or out of range."""


class PictureError(SdrGscError, ValueError):
    """The input cannot be used as a picture."""


class DescriptorError(SdrGscError, ValueError):
    """Descriptor bytes do not describe a transmission that this version understands."""


class WeightsError(SdrGscError):
    """A weight file is missing, damaged, or does not match its card."""


class ClippingError(SdrGscError, ValueError):
    """Transmit samples exceed full scale (1.0)."""


class RecordingError(SdrGscError):
    """A recording on disk is missing, damaged or incomplete."""
