"""The way of the data, end to end: a picture becomes a transmission, a capture becomes a reception.

The radio in between is anything with `exchange`; this module knows neither drivers nor decoders.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from .capture import Capture
from .errors import DescriptorError, PictureError, SettingsError
from .phy.blocks import block_bytes, blocks_per_frame, coded_plan, join_blocks
from .phy.framing import MAX_FRAMES, FrameHeader, deinterleave, frame_plan
from .phy.receiver import ReceivedFrame, Receiver
from .phy.transmitter import Transmission, Transmitter
from .semantic.classical import encode_classical
from .semantic.codec import CODEC_ID, Codec
from .semantic.coded import coded_payload, encode_within, received_points
from .semantic.descriptor import NO_MCS, Descriptor, Mapping
from .semantic.mapping import constellation_points
from .semantic.objective import NO_PICTURE, Objective, split_budget
from .semantic.picture import MAX_PIXELS, MIN_SIDE_PX, as_tensor
from .semantic.rate import RATES, Rate, symbols_per_picture
from .semantic.task import TaskModel
from .semantic.task_symbols import encode_with_task
from .semantic.text import MAX_TEXT_SYMBOLS, TEXT_CODEC_ID
from .semantic.values import Reception, SemanticSymbols

__all__ = [
    "Air",
    "Prepared",
    "PictureRequest",
    "Ready",
    "gather",
    "gather_blocks",
    "gather_frames",
    "gather_pictures",
    "prepare",
    "prepare_symbols",
    "transfer",
]


class Air(Protocol):
    """The part of a radio that the link needs."""

    def exchange(self, burst: Capture, *, listen_s: float | None = None) -> Capture:
        """Transmit one burst and return what was received around it."""
        ...


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """How a picture is to be sent.

    Attributes:
        mapping: what crosses the air.
        rate: sets the number of payload symbols; `coded` and `classical` fit into the same air samples.
        levels: quantizer levels per real dimension, for `direct`.
        mcs: index of the modulation and coding scheme, for `coded` and `classical`.
        picture_id: 0…65535.
        interleaver_seed: 0…65535.
        design_esn0_db: Es/N0 that the sender designs for.
        objective: whom the transmission serves; all but `human` send a task vector, by `direct` only.
        task_share: least share of the symbols that the task vector gets; None takes the objective's own.
    """

    mapping: Mapping
    rate: Rate
    levels: int = 32
    mcs: int = 0
    picture_id: int = 0
    interleaver_seed: int = 0
    design_esn0_db: float = 10.0
    objective: Objective = Objective.HUMAN
    task_share: float | None = None


class Ready(Protocol):
    """Anything whose samples can be sent."""

    @property
    def transmission(self) -> Transmission:
        """Its samples."""
        ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture ready for the air.

    Attributes:
        descriptor: what its headers say.
        transmission: its samples.
        cbr_payload: complex payload symbols over 3·H·W.
        cbr_effective: all air samples over 3·H·W.
    """

    descriptor: Descriptor
    transmission: Transmission
    cbr_payload: float
    cbr_effective: float


def prepare_symbols(symbols: SemanticSymbols, transmitter: Transmitter) -> tuple[Descriptor, Transmission]:
    """Plan the frames of `direct` symbols and modulate them."""
    n_frames = len(frame_plan(symbols.descriptor.n_symbols, transmitter.frame_symbols))
    descriptor = replace(symbols.descriptor, n_frames=n_frames)
    points = constellation_points(symbols)
    return descriptor, transmitter.transmit_symbols(points, descriptor.pack(), descriptor.interleaver_seed)


def prepare(
    picture: np.ndarray,
    request: PictureRequest,
    codec: Codec,
    transmitter: Transmitter,
    task: TaskModel | None = None,
) -> Prepared:
    """Encode a picture, float [H, W, 3] in [0, 1], and modulate it.

    Args:
        picture: float [H, W, 3] in [0, 1].
        request: how it is to be sent.
        codec: the sender's.
        transmitter: the sender's waveform.
        task: makes the task vector, where the objective asks for one.

    Raises:
        PictureError: not a usable picture, or nothing of it fits (`classical`).
        SettingsError: a request that cannot be met.
        DescriptorError: a value that the descriptor cannot hold, such as a picture_id beyond 65535.
    """
    description = {
        "picture_id": request.picture_id,
        "interleaver_seed": request.interleaver_seed,
        "design_esn0_db": request.design_esn0_db,
    }
    as_tensor(picture)  # refuses what is no picture, whatever the mapping
    height, width = picture.shape[:2]
    if height * width > MAX_PIXELS:
        raise PictureError(f"picture has {width}x{height} pixels; scale it down to at most {MAX_PIXELS} pixels in all")
    budget = symbols_per_picture(height, width, request.rate)
    seed = request.interleaver_seed
    split = split_budget(height, width, request.rate, request.objective, request.task_share)
    if split.task_symbols and request.mapping is not Mapping.DIRECT:
        raise SettingsError(
            f"objective {request.objective} sends its task vector as soft symbols, and mapping is {request.mapping}; "
            "use mapping direct"
        )
    if split.task_symbols and codec.family != CODEC_ID:
        raise SettingsError(f"objective {request.objective} goes with our own codec; with another one use human")
    if request.mapping is Mapping.DIRECT:
        if split.task_symbols == 0:
            symbols = codec.encode(picture, request.rate, request.levels, **description)  # type: ignore[arg-type]
        elif task is None:
            raise SettingsError(f"objective {request.objective} sends a task vector; needed a task model to make it")
        else:
            symbols = encode_with_task(picture, split, request.levels, codec, task, **description)
        descriptor, transmission = prepare_symbols(symbols, transmitter)
    else:
        capacity = transmitter.capacity_bytes(budget, request.mcs)
        if capacity == 0:
            raise SettingsError(
                f"{budget} symbols hold no block of MCS {request.mcs}; use a higher MCS or a higher rate than "
                f"CBR 1/{request.rate.inverse_cbr}"
            )
        payload, descriptor = _payload(picture, request, codec, capacity, description)
        # The number of frames is part of every header, so it is planned before anything is modulated.
        n_blocks = -(-len(payload) // block_bytes(request.mcs))
        n_frames = -(-n_blocks // blocks_per_frame(transmitter.frame_symbols, request.mcs))
        descriptor = replace(descriptor, n_frames=n_frames)
        transmission = transmitter.transmit_bytes(payload, request.mcs, descriptor.pack(), seed)
    values = 3 * height * width
    return Prepared(
        descriptor, transmission, transmission.n_payload_symbols / values, transmission.n_air_samples / values
    )


def _payload(
    picture: np.ndarray, request: PictureRequest, codec: Codec, capacity: int, description: dict[str, int | float]
) -> tuple[bytes, Descriptor]:
    if request.mapping is Mapping.CODED:
        return coded_payload(encode_within(codec, picture, capacity, **description), request.mcs)
    coded = encode_classical(picture, capacity)
    descriptor = Descriptor(
        picture_id=request.picture_id,
        codec_id=CODEC_ID,
        weights_prefix=codec.card.prefix,
        height=picture.shape[0],
        width=picture.shape[1],
        mapping=Mapping.CLASSICAL,
        levels=request.levels,
        rate_index=request.rate.index,
        n_symbols=symbols_per_picture(picture.shape[0], picture.shape[1], request.rate),
        n_bytes=len(coded.data),
        mcs=request.mcs,
        n_frames=1,
        scale=1.0,
        gain=1.0,
        interleaver_seed=request.interleaver_seed,
        design_esn0_db=request.design_esn0_db,
    )
    return coded.data, descriptor


def transfer(prepared: Prepared, radio: Air, sample_rate_hz: float) -> Capture:
    """Send a prepared picture over a radio and return the capture around it."""
    return radio.exchange(Capture(prepared.transmission.samples, sample_rate_hz))


def gather(capture: Capture, receiver: Receiver) -> Reception:
    """Receive one picture from a capture; never raises on signal content.

    Frames belong together when their descriptors agree; the descriptor that most frames carry wins, the first one among
    equals, and frames of other pictures are left out. Headers that no sender of this version writes count as not
    received. Where a frame came more than once, each symbol is taken from the copy with the least noise, and each block
    from any copy that passed its checksum.
    """
    return gather_frames(receiver.receive(capture).frames)


def gather_frames(received: Sequence[ReceivedFrame]) -> Reception:
    """`gather` for frames that have been received already, such as those of a stream that belong to one picture."""
    return gather_blocks(received)[0]


def gather_pictures(received: Sequence[ReceivedFrame]) -> tuple[Reception, ...]:
    """Every picture among received frames, in the order of their first frames; none where no header was good.

    Each reception has the reports of its own frames alone. A picture that was sent again, under the same id, is one.
    """
    pictures: dict[Descriptor, list[ReceivedFrame]] = {}
    for frame in received:
        descriptor = None if frame.header is None else _descriptor_of(frame.header)
        if descriptor is not None:
            pictures.setdefault(descriptor, []).append(frame)
    return tuple(gather_frames(frames) for frames in pictures.values())


def gather_blocks(received: Sequence[ReceivedFrame]) -> tuple[Reception, tuple[bytes | None, ...]]:
    """What `gather_frames` returns, and the blocks of a coded payload, for those to whom a part of it is of use.

    Returns:
        The reception, and its blocks in order with None where one is lost; none for `direct` and where no header was
        good. All but the last have `block_bytes` of the descriptor's MCS.
    """
    reports = tuple(frame.report for frame in received)
    pictures: dict[Descriptor, list[tuple[int, ReceivedFrame]]] = {}
    for frame in received:
        descriptor = None if frame.header is None else _descriptor_of(frame.header)
        if descriptor is not None and frame.header is not None:
            pictures.setdefault(descriptor, []).append((frame.header.sequence, frame))
    if not pictures:
        nothing = np.zeros(0, np.float32)
        return Reception(None, nothing.astype(np.complex64), nothing, None, reports), ()
    descriptor, frames = max(pictures.items(), key=lambda item: len(item[1]))
    symbols, variance, payload, blocks = _assemble(descriptor, frames)
    return Reception(descriptor, symbols, variance, payload, reports), blocks


def _descriptor_of(header: FrameHeader) -> Descriptor | None:
    """The descriptor in a header, or None if no sender writes the two together.

    A checksum protects against noise, not against a program that writes nonsense. All later sizes follow from the
    descriptor, and agreeing with the header keeps them to what frames can carry.
    """
    try:
        descriptor = Descriptor.unpack(header.descriptor)
    except DescriptorError:
        return None
    if not header.sequence < descriptor.n_frames <= MAX_FRAMES:
        return None
    if descriptor.codec_id == TEXT_CODEC_ID:
        if descriptor.mapping is not Mapping.DIRECT or not 1 <= descriptor.n_symbols <= MAX_TEXT_SYMBOLS:
            return None
    elif not _is_picture(descriptor):
        return None
    agrees = _agrees_uncoded if descriptor.mapping is Mapping.DIRECT else _agrees_coded
    return descriptor if agrees(descriptor, header) else None


def _is_picture(descriptor: Descriptor) -> bool:
    """Whether the numbers in a descriptor belong together as those of a picture, of a task vector, or of both."""
    height, width = descriptor.height, descriptor.width
    if min(height, width) < MIN_SIDE_PX or height * width > MAX_PIXELS:
        return False
    if descriptor.codec_id != CODEC_ID:  # only of its own family a program knows how many symbols a picture has
        return True
    totals = [symbols_per_picture(height, width, rate) for rate in RATES]
    if descriptor.mapping is not Mapping.DIRECT or descriptor.n_bytes == 0:
        return descriptor.rate_index < len(RATES) and descriptor.n_symbols == totals[descriptor.rate_index]
    # With a task vector the symbols are those of a higher rate than the picture's; without a picture, of any.
    above = 0 if descriptor.rate_index == NO_PICTURE else descriptor.rate_index + 1
    return descriptor.n_symbols in totals[above:]


def _agrees_uncoded(descriptor: Descriptor, header: FrameHeader) -> bool:
    # Where there is a task vector, n_bytes tells its model; `_is_picture` sees to it that there is one.
    uncoded = header.mcs is None and descriptor.mcs == NO_MCS
    uncoded = uncoded and (descriptor.n_bytes == 0 or descriptor.codec_id == CODEC_ID)
    return uncoded and header.n_symbols == -(-descriptor.n_symbols // descriptor.n_frames)


def _agrees_coded(descriptor: Descriptor, header: FrameHeader) -> bool:
    if header.mcs is None or descriptor.mcs != header.mcs:
        return False
    n_blocks = -(-descriptor.n_bytes // block_bytes(header.mcs))
    if n_blocks < descriptor.n_frames:
        return False
    if coded_plan(n_blocks, descriptor.n_frames)[header.sequence] != header.n_blocks:
        return False
    index_bits = 2 * descriptor.n_symbols * int(math.log2(descriptor.levels))
    return descriptor.mapping is Mapping.CLASSICAL or descriptor.n_bytes == -(-index_bits // 8)


def _assemble(
    descriptor: Descriptor, frames: list[tuple[int, ReceivedFrame]]
) -> tuple[np.ndarray, np.ndarray, bytes | None, tuple[bytes | None, ...]]:
    copies: dict[int, list[ReceivedFrame]] = {}
    for sequence, frame in frames:
        copies.setdefault(sequence, []).append(frame)
    if descriptor.mapping is Mapping.DIRECT:
        parts = {sequence: _least_noise(same) for sequence, same in copies.items()}
        seed = descriptor.interleaver_seed
        return *deinterleave(parts, descriptor.n_symbols, descriptor.n_frames, seed), None, ()
    good = {sequence: _good_blocks(same) for sequence, same in copies.items()}
    blocks = join_blocks(good, descriptor.n_bytes, descriptor.mcs, descriptor.n_frames)
    if descriptor.mapping is Mapping.CODED:
        return *received_points(descriptor, blocks), None, blocks
    nothing = np.zeros(0, np.float32)
    whole = None if any(block is None for block in blocks) else b"".join(block for block in blocks if block)
    return nothing.astype(np.complex64), nothing, whole, blocks


def _least_noise(copies: list[ReceivedFrame]) -> tuple[np.ndarray, np.ndarray]:
    """Symbols and noise variance of a frame. Averaging copies would gain more, but amplifiers distort them alike."""
    symbols, variance = copies[0].symbols, copies[0].noise_variance
    for copy in copies[1:]:
        better = copy.noise_variance < variance
        symbols = np.where(better, copy.symbols, symbols)
        variance = np.where(better, copy.noise_variance, variance)
    return symbols, variance


def _good_blocks(copies: list[ReceivedFrame]) -> tuple[bytes | None, ...]:
    """For each block of a frame, the first copy that passed its checksum."""
    received = [copy.blocks for copy in copies if copy.blocks is not None]
    return tuple(next((block for block in same if block is not None), None) for same in zip(*received, strict=True))
