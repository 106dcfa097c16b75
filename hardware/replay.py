"""A recording that answers like a radio: what was received once is received again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sdr_gsc.capture import Capture, Gap
from sdr_gsc.errors import RecordingError
from sdr_gsc.recording.recording import Given
from sdr_gsc.recording.sigmf_collection import read_collection

from .errors import BadValueError
from .radio import (
    Capabilities,
    RadioSettings,
    Range,
    ReceiveStream,
    StreamBlock,
    TransmitStream,
    require_within,
)
from .session import RadioSession

__all__ = ["ReplayRadio"]


class ReplayRadio(RadioSession):
    """Radio whose every exchange returns the same recorded capture; bursts are checked and then dropped.

    Every capture and every stream begins where the recording begins; a stream ends where it ends, and what the
    recording lacks is lost in the stream. Rate and frequency are those of the recording (of its first sample, where it
    was retuned) and cannot be changed. What only transmits is refused.

    Args:
        path: SigMF recording, with or without its suffix; an archive; or a collection with one received recording.
        given: what is known of a recording whose metadata leave something open.

    Raises:
        RecordingError: the recording is missing or damaged, or leaves something open on which figures depend.
    """

    def __init__(self, path: Path, given: Given | None = None) -> None:
        super().__init__()
        collection = read_collection(path, given)
        if len(collection.received) > 1:
            names = ", ".join(recording.name for recording in collection.received)
            raise RecordingError(f"{path} holds several recordings ({names}); name the one to receive")
        self._recorded = collection.received[0].settled()
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
        return self._recorded if n_samples is None else self._beginning(n_samples)

    def exchange_channels(self, bursts: Sequence[Capture], *, listen_s: float | None = None) -> tuple[Capture, ...]:
        """`exchange` for the one channel of a recording."""
        self.require_open()
        if len(bursts) != 1:
            raise BadValueError(f"there are {len(bursts)} bursts and a recording has one channel", "give it one burst")
        return (self.exchange(bursts[0], listen_s=listen_s),)

    def capture(self, n_samples: int) -> Capture:
        """Return the first samples of the recording; see `Radio.capture`."""
        self.require_open()
        if n_samples < 1:
            raise BadValueError(f"n_samples is {n_samples}", "capture at least one sample")
        return self._beginning(n_samples)

    @contextmanager
    def receive_stream(self, block_samples: int) -> Iterator[ReceiveStream]:
        """The recording once, in blocks; a block before a gap, and the last one, may be shorter."""
        self.require_open()
        if block_samples < 1:
            raise BadValueError(f"block_samples is {block_samples}", "receive at least one sample at a time")
        yield _Blocks(self, self._recorded, block_samples)

    def repeat(self, burst: Capture) -> AbstractContextManager[None]:
        """Refused: a recording does not transmit."""
        raise self._cannot_transmit()

    def transmit_stream(self) -> AbstractContextManager[TransmitStream]:
        """Refused: a recording does not transmit."""
        raise self._cannot_transmit()

    def mute(self) -> None:
        """Nothing to do: a recording never transmits."""

    def _beginning(self, n_samples: int) -> Capture:
        if n_samples > self._recorded.samples.size:
            asked_s = n_samples / self._recorded.sample_rate_hz
            raise BadValueError(
                f"{asked_s:g} s are asked for and the recording lasts {self._recorded.duration_s:g} s",
                "listen for a shorter time",
            )
        return self._recorded.beginning(n_samples)

    def _cannot_transmit(self) -> BadValueError:
        self.require_open()
        return BadValueError("a recording cannot transmit", "open a radio, such as loopback:office")


class _Blocks:
    """A recording as a stream."""

    def __init__(self, radio: ReplayRadio, recorded: Capture, block_samples: int) -> None:
        self._radio = radio
        self._recorded = recorded
        self._block_samples = block_samples

    def __iter__(self) -> Iterator[StreamBlock]:
        at = lost = 0
        for gap in (*self._recorded.gaps, Gap(self._recorded.samples.size, 0)):
            while at < gap.start_sample:
                self._radio.require_open()
                n = min(self._block_samples, gap.start_sample - at)
                # How many samples were clipped is known of the whole recording, not of a part.
                yield StreamBlock(self._recorded.samples[at : at + n], at, lost, 0)
                at, lost = at + n, 0
            lost += max(0, gap.start_sample + gap.sample_count - at)
            at = max(at, gap.start_sample + gap.sample_count)
