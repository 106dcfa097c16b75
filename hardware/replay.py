"""A recording that answers like a radio: what was received once is received again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sdr_gsc.capture import Capture, Gap
from sdr_gsc.recording.sigmf_reader import read_capture

from .errors import BadValueError
from .radio import Capabilities, RadioSettings, Range, require_within
from .session import RadioSession

__all__ = ["ReplayRadio"]


class ReplayRadio(RadioSession):
    """Radio whose every exchange returns the same recorded capture; bursts are checked and then dropped.

    Rate and frequency are those of the recording and cannot be changed.

    Args:
        path: SigMF recording, with or without its suffix.

    Raises:
        RecordingError: the recording is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._recorded = read_capture(path)
        self.uri = f"replay:{path}"
        self.muted = True
        self.settings = RadioSettings(
            center_frequency_hz=self._recorded.center_frequency_hz, sample_rate_hz=self._recorded.sample_rate_hz
        )
        self.capabilities = Capabilities(
            model="recording",
            transmits=False,
            center_frequency_hz=Range(self.settings.center_frequency_hz, self.settings.center_frequency_hz),
            sample_rate_hz=Range(self.settings.sample_rate_hz, self.settings.sample_rate_hz),
            tx_gain_db=Range(0.0, 0.0),
            rx_gain_db=Range(0.0, 0.0),
        )

    def configure(self, settings: RadioSettings) -> RadioSettings:
        """Accept the recording's own settings, refuse all others."""
        self.require_open()
        require_within(settings, self.capabilities)
        return self.settings

    def exchange(self, burst: Capture, *, listen_s: float | None = None) -> Capture:
        """Return the recording, or its first `listen_s` seconds; see `Radio.exchange`."""
        self.require_open()
        n_samples = self.listen_samples(burst, self.settings.sample_rate_hz, listen_s)
        if n_samples is None:
            return self._recorded
        if n_samples > self._recorded.samples.size:
            raise BadValueError(
                f"listen_s is {listen_s:g} and the recording lasts {self._recorded.duration_s:g} s",
                "listen for a shorter time",
            )
        return _first(self._recorded, n_samples)

    def mute(self) -> None:
        """Nothing to do: a recording never transmits."""


def _first(capture: Capture, n_samples: int) -> Capture:
    gaps = tuple(
        Gap(gap.start_sample, min(gap.sample_count, n_samples - gap.start_sample))
        for gap in capture.gaps
        if gap.start_sample < n_samples
    )
    return replace(capture, samples=capture.samples[:n_samples], gaps=gaps)
