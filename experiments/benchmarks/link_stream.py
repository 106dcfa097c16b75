"""The air as an endless stream: samples without a pause in both directions, and pictures among them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from hardware.errors import RadioError
from hardware.radio import Radio, TransmitStream
from sdr_gsc.capture import Gap
from sdr_gsc.errors import DescriptorError
from sdr_gsc.link import gather_frames
from sdr_gsc.phy.received import ReceivedFrame
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.streaming import StreamingReceiver
from sdr_gsc.semantic.descriptor import Descriptor

from ..procedures.transmission import is_received
from .link_account import Account
from .link_ends import Heard, Outgoing
from .link_pipeline import Channel, Stage
from .link_radio import KeptRadio

__all__ = ["StreamLosses", "stream_stage"]

#: A block of received samples, and how far the transmission is ahead of the air, in blocks: what a busy host may miss.
_BLOCK_S, _AHEAD_BLOCKS = 0.008, 3
#: After so much air a picture that did not come will not come any more.
_PATIENCE_S = 0.5
_ATTEMPTS = 5
_PAUSE_S = 0.05


@dataclass(slots=True)
class StreamLosses:
    """What streams lost by the radio's account: received samples, and times that it had nothing to transmit."""

    samples: int = 0
    underflows: int = 0


@dataclass(slots=True)
class _Underway:
    outgoing: Outgoing
    written_s: float
    until_sample: float


@dataclass(slots=True)
class _Picture:
    """Frames of one picture so far."""

    descriptor: Descriptor
    last_sample: float
    frames: list[ReceivedFrame] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        found = {each.header.sequence for each in self.frames if each.header is not None}
        return len(found) >= self.descriptor.n_frames


def stream_stage(kept: KeptRadio, receiver: Receiver, account: Account, losses: StreamLosses) -> Stage:
    """Radio and receiver in one thread: every received block is the clock by which the next samples are written.

    When the radio fails it is opened again, and what was on the air is sent once more.

    Args:
        kept: sends and listens.
        receiver: receives the stream.
        account: told of everything sent and received.
        losses: counted here.
    """

    def run(inbox: Channel[Outgoing], outbox: Channel[Heard]) -> None:
        again: deque[Outgoing] = deque()
        while not (inbox.ended and not again):
            link = _Link(receiver, account, losses, inbox, outbox, again)
            try:
                radio = kept.radio()
                for _ in link.pass_on(radio):
                    kept.worked()
                return
            except RadioError as error:
                kept.failed(error)
                if kept.exhausted:
                    raise
                link.send_again()
                inbox.wait_until_stopped(_PAUSE_S)

    return Stage("air", run)


class _Link:
    """One life of the two streams."""

    def __init__(
        self,
        receiver: Receiver,
        account: Account,
        losses: StreamLosses,
        inbox: Channel[Outgoing],
        outbox: Channel[Heard],
        again: deque[Outgoing],
    ) -> None:
        self._receiver, self._account, self._losses = receiver, account, losses
        self._inbox, self._outbox, self._again = inbox, outbox, again
        self._underway: dict[int, _Underway] = {}
        self._pictures: dict[int, _Picture] = {}
        self._taken = 0.0

    def pass_on(self, radio: Radio) -> Iterator[None]:
        """Send what comes and receive, until nothing more is to come; yields after every block."""
        rate_hz = radio.settings.sample_rate_hz
        block = round(_BLOCK_S * rate_hz)
        streaming = StreamingReceiver(self._receiver, rate_hz)
        # The receiver comes first: nothing of the transmission is to be missed.
        with radio.receive_stream(block) as reception, radio.transmit_stream() as transmission:
            written: float = self._write(transmission, _AHEAD_BLOCKS * block, block, rate_hz)
            underflows, origin = 0, None
            for received in reception:
                began = time.perf_counter()
                self._losses.samples += received.lost_before
                if origin is None:
                    origin = received.first_sample
                self._taken = received.first_sample + received.samples.size - origin
                self._losses.underflows += transmission.underflows - underflows
                underflows = transmission.underflows
                # Where the host was away for longer than it was ahead, the radio has nothing left to transmit, and what
                # was missed then is not made up for: it would only be late, too.
                written = max(written, self._taken)
                written += self._write(transmission, self._taken + _AHEAD_BLOCKS * block - written, block, rate_hz)
                gaps = (Gap(0, 0),) if received.lost_before else ()
                receive_began = time.perf_counter()
                self._collect(streaming.feed(received.samples, gaps))
                self._deliver(block, receive_began, began)
                yield
                if self._inbox.ended and not self._again and not self._underway:
                    return

    def send_again(self) -> None:
        """What is on its way when the streams break goes to the front of what is to be sent."""
        for each in reversed(list(self._underway.values())):
            passage = each.outgoing.passage
            passage.failures += 1
            if passage.failures >= _ATTEMPTS:
                self._give_up(each)
            else:
                self._again.appendleft(each.outgoing)
        self._underway.clear()

    def _write(self, stream: TransmitStream, wanted: float, block: int, rate_hz: float) -> int:
        """Write pictures, or else silence, until so many samples are written; a picture may go beyond."""
        written = 0
        while written < wanted:
            outgoing = self._next()
            if outgoing is None:
                count = min(block, int(wanted) - written + 1)
                stream.write(np.zeros(count, np.complex64))
                written += count
                continue
            samples = outgoing.transmission.samples
            now = time.perf_counter()
            until = self._taken + (_AHEAD_BLOCKS + 1) * block + samples.size + _PATIENCE_S * rate_hz
            self._underway[outgoing.passage.serial] = _Underway(outgoing, now, until)
            self._account.sent(outgoing.passage, outgoing.transmission.n_frames)
            stream.write(samples)
            written += samples.size
        return written

    def _next(self) -> Outgoing | None:
        if self._again:
            return self._again.popleft()
        taken = self._inbox.take(timeout_s=0.0)
        return taken[0] if taken else None

    def _collect(self, frames: tuple[ReceivedFrame, ...]) -> None:
        for frame in frames:
            if frame.header is None:
                continue
            try:
                descriptor = Descriptor.unpack(frame.header.descriptor)
            except DescriptorError:
                continue
            picture = self._pictures.setdefault(descriptor.picture_id, _Picture(descriptor, self._taken))
            picture.frames.append(frame)
            picture.last_sample = self._taken

    def _deliver(self, block: int, receive_began: float, began: float) -> None:
        """Hand on pictures that are whole, those behind which nothing more comes, and the word of lost ones."""
        newest = next(reversed(self._pictures), None)
        for picture_id, picture in list(self._pictures.items()):
            late = picture_id != newest or self._taken - picture.last_sample > 2 * block
            if not (picture.whole or late):
                continue
            del self._pictures[picture_id]
            reception = gather_frames(picture.frames)
            if reception.descriptor is None or not is_received(reception):
                continue
            passage = self._account.arrive(picture_id, len(picture.frames))
            if passage is None:
                continue
            sent = self._underway.pop(passage.serial, None)
            now = time.perf_counter()
            if sent is not None:
                passage.times_s["air"] = began - sent.written_s
            passage.times_s["receive"] = now - receive_began
            self._outbox.put(Heard(passage, reception))
        for serial, each in list(self._underway.items()):
            if self._taken > each.until_sample:
                del self._underway[serial]
                self._give_up(each)

    def _give_up(self, each: _Underway) -> None:
        self._account.lose(each.outgoing.passage)
        self._outbox.put(Heard(each.outgoing.passage, None))
