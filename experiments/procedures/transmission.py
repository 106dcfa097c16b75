"""One picture over one radio and through any number of decoders: the trial that everything else is made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from hardware.retrying import FailedAttempt
from sdr_gsc.capture import Capture
from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.diffusion.decoding import Decoder
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.diffusion.sampler import SamplerStep
from sdr_gsc.errors import PictureError
from sdr_gsc.link import PictureRequest, Prepared, gather, prepare
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.classical import decode_classical
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.descriptor import Mapping as PayloadMapping
from sdr_gsc.semantic.foreign_folder import load_foreign_codec
from sdr_gsc.semantic.objective import NO_PICTURE, Objective
from sdr_gsc.semantic.rate import rate_by_cbr
from sdr_gsc.semantic.task import TaskModel
from sdr_gsc.semantic.values import Reception, Reconstruction

from ..configuration import LinkSettings
from .airing import Airing, exchange_over
from .devices import require_device

__all__ = [
    "CLASSICAL",
    "Aired",
    "Bench",
    "OnStep",
    "Transmitted",
    "decode_all",
    "is_received",
    "make_ready",
    "nothing_received",
    "put_on_air",
    "quietly",
    "send_picture",
    "take_in",
]

#: Stands among the decoders for the picture file of the classical mapping.
CLASSICAL = "classical"
OnStep = Callable[[str, SamplerStep], None]


def quietly(decoder: str, step: SamplerStep) -> None:
    """Default callback: nobody listens."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a run opens once: codec, waveform, decoders.

    Attributes:
        codec: the codec at both ends.
        transmitter: sender's waveform.
        receiver: receiver's waveform.
        weights: folder of the models; None for the shipped ones.
    """

    codec: Codec
    transmitter: Transmitter = field(default_factory=Transmitter)
    receiver: Receiver = field(default_factory=Receiver)
    weights: Path | None = None

    @classmethod
    def open(
        cls,
        weights: str | None = None,
        device: str = "cpu",
        *,
        codec: str | None = None,
        codec_code: str | None = None,
    ) -> Bench:
        """Load the codec.

        Args:
            weights: folder with other weights than the shipped ones.
            device: where models run.
            codec: folder of another codec than ours, see load_foreign_codec.
            codec_code: the Python file with its classes.

        Raises:
            SettingsError: there is no such device.
            WeightsError: see Codec.load and load_foreign_codec.
        """
        require_device(device)
        folder = None if weights is None else Path(weights)
        if codec is not None:
            code = None if codec_code is None else Path(codec_code)
            return cls(codec=load_foreign_codec(Path(codec), code, device), weights=folder)
        return cls(codec=Codec.load(folder, device), weights=folder)

    def decoders(self, names: tuple[str, ...], options: DecoderOptions | None = None) -> dict[str, Decoder]:
        """Open decoders by name, each once."""
        return {name: open_decoder(name, self.codec, self.weights, options) for name in names}

    def task_model(self) -> TaskModel:
        """The model behind task vectors, opened when it is needed.

        Raises:
            WeightsError: its file is missing or is not the known one.
        """
        from sdr_gsc.semantic.task_eye import open_eye_task  # loads a network

        return open_eye_task(str(self.codec.device))


@dataclass(frozen=True, slots=True)
class Transmitted:
    """What became of one picture.

    Attributes:
        prepared: what was sent.
        capture: what the radio received.
        reception: what the receiver made of it; its descriptor is None unless it is the one that was sent.
        reconstructions: by decoder; None where nothing was received.
        radio: address of the radio.
        failed: exchanges that the radio broke off before the one that succeeded.
        task: the model that made the task vector; None where none was sent.
        objective: whom the transmission served.
    """

    prepared: Prepared
    capture: Capture
    reception: Reception
    reconstructions: Mapping[str, Reconstruction | None]
    radio: str
    failed: tuple[FailedAttempt, ...] = ()
    task: TaskModel | None = None
    objective: str = "human"

    @property
    def received(self) -> bool:
        """Whether anything of the picture arrived."""
        return is_received(self.reception)


def is_received(reception: Reception) -> bool:
    """Whether a header was good and any of the payload with it."""
    if reception.descriptor is None:
        return False
    if reception.descriptor.mapping is PayloadMapping.CLASSICAL:
        return reception.payload is not None
    return bool(np.isfinite(reception.noise_variance).any())


def nothing_received(reception: Reception) -> Reception:
    """The same frame reports without a picture."""
    return Reception(None, np.zeros(0, np.complex64), np.zeros(0, np.float32), None, reception.reports)


@dataclass(frozen=True, slots=True)
class Aired:
    """What came back from the air.

    Attributes:
        capture: what the radio received.
        radio: address of the radio.
        failed: exchanges that the radio broke off before the one that succeeded.
    """

    capture: Capture
    radio: str
    failed: tuple[FailedAttempt, ...] = ()


def make_ready(picture: np.ndarray, link: LinkSettings, bench: Bench, seeds: TrialSeeds) -> Prepared:
    """Encode and modulate; the same for the same seeds, so that either end can do it.

    Args:
        picture: float32 [H, W, 3] in [0, 1].
        link: how it crosses the air.
        bench: codec and waveform.
        seeds: the purpose ``picture`` gives picture id and interleaver.
    """
    draw = seeds.integer("picture")
    request = PictureRequest(
        mapping=PayloadMapping(link.mapping),
        rate=rate_by_cbr(link.cbr),
        levels=link.levels,
        mcs=link.mcs,
        picture_id=draw % 65536,
        interleaver_seed=draw // 65536 % 65536,
        design_esn0_db=link.design_esn0_db,
        objective=Objective(link.objective),
        task_share=link.task_share,
    )
    return prepare(picture, request, bench.codec, bench.transmitter, bench.task_model() if link.has_task else None)


def put_on_air(prepared: Prepared, airing: Airing, seeds: TrialSeeds) -> Aired:
    """Transmit; the purpose ``channel`` of the seeds draws a simulated channel."""
    capture, failed = exchange_over(airing, prepared, seeds.generator("channel"))
    return Aired(capture, airing.address, failed)


def take_in(
    aired: Aired,
    prepared: Prepared,
    link: LinkSettings,
    bench: Bench,
    decoders: Mapping[str, Decoder],
    seeds: TrialSeeds,
    on_step: OnStep = quietly,
) -> Transmitted:
    """Receive and decode; the purpose ``decoder`` of the seeds draws the decoders' noise.

    Args:
        aired: of the transmission, or of its recording.
        prepared: what was sent; only whose picture it is, and figures, depend on it.
        link: how it crossed the air.
        bench: codec and waveform.
        decoders: by name; the classical mapping needs none.
        seeds: of the trial.
        on_step: told of every step of a sampling decoder.
    """
    reception = gather(aired.capture, bench.receiver)
    if reception.descriptor != prepared.descriptor:
        # Somebody else's picture on the same frequency is not this one.
        reception = nothing_received(reception)
    reconstructions = decode_all(reception, link.mapping, decoders, seeds, bench.codec.device, on_step)
    return Transmitted(
        prepared, aired.capture, reception, reconstructions, aired.radio, aired.failed,
        task=bench.task_model() if link.has_task else None, objective=link.objective,
    )  # fmt: skip


def send_picture(
    picture: np.ndarray,
    link: LinkSettings,
    bench: Bench,
    decoders: Mapping[str, Decoder],
    *,
    airing: Airing,
    seeds: TrialSeeds,
    on_step: OnStep = quietly,
) -> Transmitted:
    """Encode, transmit, receive, decode; see `make_ready`, `put_on_air`, `take_in`."""
    prepared = make_ready(picture, link, bench, seeds)
    return take_in(put_on_air(prepared, airing, seeds), prepared, link, bench, decoders, seeds, on_step)


def decode_all(
    reception: Reception,
    mapping: str,
    decoders: Mapping[str, Decoder],
    seeds: TrialSeeds,
    device: torch.device,
    on_step: OnStep = quietly,
) -> dict[str, Reconstruction | None]:
    """One reception through several decoders; each starts from the same seed, so none depends on the others."""
    received = is_received(reception)
    if reception.descriptor is not None and reception.descriptor.rate_index == NO_PICTURE:
        received = False  # a task vector alone, and nothing for a decoder of pictures
    if mapping == PayloadMapping.CLASSICAL.value:
        return {CLASSICAL: _picture_file(reception) if received else None}
    found: dict[str, Reconstruction | None] = {}
    for name, decoder in decoders.items():
        if not received:
            found[name] = None
            continue
        generator = torch.Generator(device)
        generator.manual_seed(seeds.integer("decoder"))

        def listener(step: SamplerStep, decoder_name: str = name) -> None:
            on_step(decoder_name, step)

        found[name] = replace(decoder.decode(reception, generator=generator, on_step=listener), decoder=name)
    return found


def _picture_file(reception: Reception) -> Reconstruction | None:
    if reception.descriptor is None or reception.payload is None:
        return None
    began = time.perf_counter()
    try:
        picture = decode_classical(reception.payload, reception.descriptor.height, reception.descriptor.width)
    except PictureError:
        # Its checksums were right, so the sender sent something else than a picture.
        return None
    timings = {"picture file": time.perf_counter() - began}
    return Reconstruction(picture, CLASSICAL, None, None, 0, timings)
