"""From a capture to frames: search, acquire, decode the header, demodulate, report."""

from __future__ import annotations

from ..capture import Capture
from ..errors import SettingsError
from ._losses import usable_samples
from ._reporting import Air
from ._scan import FrameScanner, Scan
from .numerology import Numerology
from .received import Received, ReceivedFrame

__all__ = ["Received", "ReceivedFrame", "Receiver"]


class Receiver:
    """OFDM receiver.

    A tone within the band, or a DC offset, does not trigger it; one much stronger than the signal hides the signal from
    it, because detection compares with the whole energy received.

    Args:
        numerology: the grid of the transmitter.
        false_alarm_rate: per sample of white noise, in (0, 1).
        max_cfo_subcarriers: largest carrier offset searched, in subcarrier spacings.
        frame_symbols: largest payload believed; a header that announces more is treated as wrong.

    Raises:
        SettingsError: a value out of range.
    """

    def __init__(
        self,
        numerology: Numerology | None = None,
        false_alarm_rate: float = 1e-9,
        max_cfo_subcarriers: float = 2.5,
        frame_symbols: int = 2048,
    ) -> None:
        grid = Numerology() if numerology is None else numerology
        if not 0 <= max_cfo_subcarriers <= grid.fft_size // 8:
            raise SettingsError(
                f"max_cfo_subcarriers is {max_cfo_subcarriers}; it must lie in 0…{grid.fft_size // 8} (N/8)"
            )
        if frame_symbols < 1:
            raise SettingsError(f"frame_symbols is {frame_symbols}; it must be at least 1")
        self.numerology = grid
        self.max_cfo_subcarriers = max_cfo_subcarriers
        self._scanner = FrameScanner(grid, false_alarm_rate, max_cfo_subcarriers, frame_symbols)

    @property
    def scanner(self) -> FrameScanner:
        """What finds and demodulates frames; `StreamingReceiver` feeds it piece by piece."""
        return self._scanner

    def receive(self, capture: Capture) -> Received:
        """Every frame in a capture, each found once. Nothing in the samples makes it raise.

        No frame reaches across a retune.
        """
        found: list[ReceivedFrame] = []
        for first, part in capture.parts():
            samples, losses = usable_samples(part.samples, part.gaps)
            air = Air(part.sample_rate_hz, part.center_frequency_hz, first)
            frames, _ = self._scanner.scan(samples, losses, air, Scan(), ended=True)
            found += frames
        return Received(tuple(found))
