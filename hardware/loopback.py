"""A simulated pair of radios with a simulated channel between them; nothing leaves the computer."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.channel.profile import ChannelProfile
from sdr_gsc.channel.simulator import simulate

from .radio import Capabilities, RadioSettings, Range, require_within
from .session import RadioSession

__all__ = ["LoopbackRadio"]

_CAPABILITIES = Capabilities(
    model="simulated radio",
    transmits=True,
    center_frequency_hz=Range(0.0, 300e9),
    sample_rate_hz=Range(1e3, 1e9),
    tx_gain_db=Range(0.0, 0.0),
    rx_gain_db=Range(0.0, 0.0),
)


class LoopbackRadio(RadioSession):
    """Radio that hears its own bursts through `simulate`.

    Every exchange draws a new realization of the channel from the generator. The gains are fixed at 0 dB: the
    profile's Es/N0 and receive level say how strong the signal arrives.

    Args:
        profile: the channel.
        generator: source of randomness.
        uri: address for reports.
    """

    def __init__(self, profile: ChannelProfile, generator: np.random.Generator, uri: str = "loopback:") -> None:
        super().__init__()
        self.uri = uri
        self.capabilities = _CAPABILITIES
        self.settings = RadioSettings()
        self.muted = True
        self._profile = profile
        self._generator = generator

    def configure(self, settings: RadioSettings) -> RadioSettings:
        """Apply settings; a simulated radio does exactly what it is asked."""
        self.require_open()
        require_within(settings, self.capabilities)
        self.settings = settings
        return settings

    def exchange(self, burst: Capture, *, listen_s: float | None = None) -> Capture:
        """Send a burst through one new realization of the channel; see `Radio.exchange`."""
        self.require_open()
        n_samples = self.listen_samples(burst, self.settings.sample_rate_hz, listen_s)
        self.muted = False
        try:
            received = simulate(burst, self._profile, self._generator, n_samples=n_samples)
        finally:
            self.mute()
        return replace(
            received,
            center_frequency_hz=self.settings.center_frequency_hz,
            start=datetime.now(UTC),
            settings={**received.settings, "uri": self.uri, "radio": asdict(self.settings)},
        )

    def mute(self) -> None:
        """Stop transmitting."""
        self.muted = True
