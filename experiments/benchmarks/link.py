"""How long a picture is on its way from one end to the other, stage by stage."""

from __future__ import annotations

from collections.abc import Callable

import torch

from hardware.registry import open_radio
from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.link import PictureRequest, gather, prepare, transfer
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.descriptor import Mapping
from sdr_gsc.semantic.rate import rate_by_cbr

from ..procedures.photographs import find_picture
from ..procedures.transmission import Bench
from .rows import Row, row
from .timing import interleaved_medians

__all__ = ["bench_link"]

_RATE_HZ = 4e6


def bench_link(
    *,
    weights: str | None = None,
    side_px: int = 256,
    repetitions: int = 5,
    on_step: Callable[[int, int], None] = lambda done, count: None,
) -> list[Row]:
    """Measure each stage of a `direct` picture at CBR 1/24 over ``loopback:office`` at 10 dB, with `mmse`.

    Args:
        weights: folder with other weights than the shipped ones.
        side_px: side of the picture.
        repetitions: of each stage; the medians are taken.
        on_step: told of finished rounds.
    """
    bench = Bench.open(weights)
    picture = find_picture("astronaut", side_px)
    request = PictureRequest(Mapping.DIRECT, rate_by_cbr(24))
    prepared = prepare(picture, request, bench.codec, bench.transmitter)
    seeds = TrialSeeds(1, "bench")
    decoder = open_decoder("mmse", bench.codec, bench.weights)

    def exchange() -> object:
        with open_radio("loopback:office", generator=seeds.generator("channel"), esn0_db=10.0) as radio:
            return transfer(prepared, radio, _RATE_HZ)

    with open_radio("loopback:office", generator=seeds.generator("channel"), esn0_db=10.0) as radio:
        capture = transfer(prepared, radio, _RATE_HZ)
    reception = gather(capture, bench.receiver)
    works: dict[str, Callable[[], object]] = {
        "encode and modulate": lambda: prepare(picture, request, bench.codec, bench.transmitter),
        "simulate the air": exchange,
        "receive": lambda: gather(capture, bench.receiver),
        "decode (mmse)": lambda: decoder.decode(reception, generator=torch.Generator(bench.codec.device)),
    }
    seconds = interleaved_medians(works, repetitions, on_step)
    on_air_s = prepared.transmission.n_air_samples / _RATE_HZ
    rows = [row(f"latency: {name}", value, "s") for name, value in seconds.items()]
    rows.append(row("time on the air", on_air_s, "s"))
    rows.append(row("latency: picture to picture, without the simulation", _real(seconds) + on_air_s, "s"))
    good = sum(report.header_ok for report in reception.reports)
    rows.append(row("frames received", good / prepared.transmission.n_frames, "share", bound=1.0, target=1.0))
    return rows


def _real(seconds: dict[str, float]) -> float:
    return sum(value for name, value in seconds.items() if not name.startswith("simulate"))
