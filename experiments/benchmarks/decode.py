"""How long a picture takes to decode, and how good it is, on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.diffusion.decoding import Decoder
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.metrics.distortion import psnr_db
from sdr_gsc.seeding import TrialSeeds

from ..configuration import LinkSettings
from ..procedures.airing import Airing
from ..procedures.photographs import find_picture
from ..procedures.transmission import Bench, send_picture
from .rows import Row, row
from .timing import interleaved_medians

__all__ = ["DECODERS", "bench_decode"]

DECODERS = ("mmse", "refine:1", "refine:4", "refine:8", "posterior:diffpir", "posterior:dps")
_POSTERIOR_STEPS = 10
#: Seconds for a 256x256 picture.
_TARGETS = {"mmse": 1.0, "refine:4": 3.0}


def bench_decode(
    *,
    weights: str | None = None,
    device: str = "cpu",
    side_px: int = 256,
    repetitions: int = 3,
    names: tuple[str, ...] = DECODERS,
    on_step: Callable[[int, int], None] = lambda done, count: None,
) -> list[Row]:
    """Measure seconds, evaluations and PSNR per picture, at CBR 1/24 and 10 dB over white noise.

    `posterior` takes ten steps here: its time is proportional to them.

    Args:
        weights: folder with other weights than the shipped ones.
        device: torch device.
        side_px: side of the picture; the targets hold for 256.
        repetitions: of each decoder; the medians are taken.
        names: decoders.
        on_step: told of finished rounds.
    """
    bench = Bench.open(weights, device)
    picture = find_picture("astronaut", side_px)
    sent = send_picture(
        picture, LinkSettings(), bench, {}, airing=Airing("loopback:ideal", esn0_db=10.0), seeds=TrialSeeds(1, "bench")
    )
    decoders = {name: _open(name, bench) for name in names}
    found: dict[str, tuple[float, int]] = {}

    def work(name: str, decoder: Decoder) -> Callable[[], None]:
        def decode() -> None:
            generator = torch.Generator(bench.codec.device).manual_seed(1)
            result = decoder.decode(sent.reception, generator=generator)
            found[name] = psnr_db(picture, np.ascontiguousarray(result.picture)), result.nfe

        return decode

    works: dict[str, Callable[[], object]] = {name: work(name, decoder) for name, decoder in decoders.items()}
    seconds = interleaved_medians(works, repetitions, on_step)
    rows = []
    for name in names:
        target = _TARGETS.get(name) if side_px == 256 else None
        rows.append(row(f"{name}, seconds per picture", seconds[name], "s", target=target, better="lower"))
        rows.append(row(f"{name}, pictures per second", 1 / seconds[name], "1/s"))
        rows.append(row(f"{name}, NFE", float(found[name][1]), "evaluations"))
        rows.append(row(f"{name}, PSNR", found[name][0], "dB"))
    rows.append(row("shipped models", _model_mebibytes(bench.weights), "MiB", target=25.0, better="lower"))
    return rows


def _open(name: str, bench: Bench) -> Decoder:
    steps = _POSTERIOR_STEPS if name.startswith("posterior") else None
    return open_decoder(name, bench.codec, bench.weights, DecoderOptions(steps=steps))


def _model_mebibytes(folder: Path | None) -> float:
    from sdr_gsc.weights.cards import shipped_folder

    return sum(path.stat().st_size for path in (folder or shipped_folder()).glob("*.safetensors")) / 2**20
