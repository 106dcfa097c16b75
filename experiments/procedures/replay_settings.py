"""Settings of the decoding of a recording."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sdr_gsc.recording.recording import Given

from ..decoding_settings import DecodingSettings
from ..fields import Names, Seed

__all__ = ["ReplaySettings"]

_Positive = Annotated[float, Field(gt=0)]


class ReplaySettings(DecodingSettings):
    """How a recording is read, made to fit the waveform, and decoded.

    Attributes:
        decoders: names of the decoders that see the receptions.
        seed: of the decoders.
        weights: folder with other weights than the shipped ones.
        sample_rate_hz: of the recording, where its metadata do not tell, or are wrong.
        full_scale: counts of an integer recording that stand for full scale.
        channel: which of several channels, 0 for the first.
        shift_hz: the spectrum is moved up by so much first.
        rate_hz: of the waveform; a recording of another rate is resampled to it.
    """

    decoders: Names = ("mmse",)
    seed: Seed = 0
    weights: str | None = None
    sample_rate_hz: _Positive | None = None
    full_scale: _Positive | None = None
    channel: Annotated[int, Field(ge=0)] | None = None
    shift_hz: float = 0.0
    rate_hz: _Positive | None = None

    @property
    def given(self) -> Given:
        """What the reader is told."""
        return Given(self.sample_rate_hz, self.full_scale, self.channel)
