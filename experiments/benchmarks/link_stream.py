"""The air as an endless stream: samples without a pause in both directions, and pictures among them."""

from __future__ import annotations

import math
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

#: A block of received samples. So many of them the transmission is ahead of the air, which is how long the host may be
#: away; and so many at most, once the host has shown that it is away for longer: a radio that holds fewer would let the
#: host wait, who would miss what is received meanwhile.
_BLOCK_S, _AHEAD_BLOCKS, _AHEAD_MOST = 0.008, 3, 5
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
        # Samples: time since the beginning, and how much more than that was written.
        self._now = self._ahead = 0.0
        self._lead_blocks = _AHEAD_BLOCKS

    def pass_on(self, radio: Radio) -> Iterator[None]:
        """Send what comes and receive, until nothing more is to come; yields after every block."""
        rate_hz = radio.settings.sample_rate_hz
        block = round(_BLOCK_S * rate_hz)
        streaming = StreamingReceiver(self._receiver, rate_hz)
        # The receiver comes first: nothing of the transmission is to be missed.
        with radio.receive_stream(block) as reception, radio.transmit_stream() as transmission:
            began = time.perf_counter()
            self._ahead = 0.0
            for _ in range(self._lead_blocks):
                self._write(transmission, block, rate_hz)
            underflows = taken = 0
            for received in reception:
                came = time.perf_counter()
                taken += received.samples.size
                self._losses.samples += received.lost_before
                # A simulated radio's time passes only as it is used.
                now = float(taken) if radio.uri.startswith("loopback:") else (came - began) * rate_hz
                self._ahead, self._now = self._ahead - (now - self._now), now
                if transmission.underflows > underflows or self._ahead < 0:
                    # Nothing is left to transmit. What was missed is not made up for: it would only be late, too.
                    self._losses.underflows += transmission.underflows - underflows
                    underflows, self._ahead = transmission.underflows, 0.0
                    self._lead_blocks = min(self._lead_blocks + 1, _AHEAD_MOST)
                self._write(transmission, block, rate_hz)
                gaps = (Gap(0, 0),) if received.lost_before else ()
                receive_began = time.perf_counter()
                self._collect(streaming.feed(received.samples, gaps))
                self._deliver(block, receive_began, came)
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

    def _write(self, stream: TransmitStream, block: int, rate_hz: float) -> None:
        """Write pictures, or else silence, until the transmission is far enough ahead; a picture may go beyond."""
        # After a failure not all at once: what is received must not wait.
        wanted = min(self._lead_blocks * block, self._ahead + 2 * block)
        while self._ahead < wanted:
            outgoing = self._next()
            if outgoing is None:
                samples = np.zeros(min(block, math.ceil(wanted - self._ahead)), np.complex64)
            else:
                samples = outgoing.transmission.samples
                until = self._now + self._ahead + samples.size + _PATIENCE_S * rate_hz
                self._underway[outgoing.passage.serial] = _Underway(outgoing, time.perf_counter(), until)
                self._account.sent(outgoing.passage, outgoing.transmission.n_frames)
            stream.write(samples)
            self._ahead += samples.size

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
            picture = self._pictures.setdefault(descriptor.picture_id, _Picture(descriptor, self._now))
            picture.frames.append(frame)
            picture.last_sample = self._now

    def _deliver(self, block: int, receive_began: float, began: float) -> None:
        """Hand on pictures that are whole, those behind which nothing more comes, and the word of lost ones."""
        newest = next(reversed(self._pictures), None)
        for picture_id, picture in list(self._pictures.items()):
            late = picture_id != newest or self._now - picture.last_sample > 2 * block
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
            if self._now > each.until_sample:
                del self._underway[serial]
                self._give_up(each)

    def _give_up(self, each: _Underway) -> None:
        self._account.lose(each.outgoing.passage)
        self._outbox.put(Heard(each.outgoing.passage, None))
