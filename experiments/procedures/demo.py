"""The demonstration: one photograph by every mapping over a hard simulated channel, through every decoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.diffusion.decoding import Decoder
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.values import Reception

from ..campaign.run_directory import RunDirectory
from ..configuration import DemoSettings, LinkSettings
from ..fields import MappingName
from .airing import Airing
from .keeping import keep_capture, keep_pictures, keep_source
from .photographs import find_picture, is_photograph
from .scoring import trial_json
from .transmission import Bench, OnStep, is_received, quietly, send_picture

__all__ = ["DEMO_MAPPINGS", "DemoResult", "run_demo"]

DEMO_MAPPINGS: tuple[MappingName, ...] = ("direct", "coded", "classical")
#: Bounds of the number of steps that time decides.
_FEWEST_STEPS, _MOST_STEPS = 10, 30


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The demonstration's figures.

    Attributes:
        results: form of ``send --json`` by mapping.
        received: whether the `direct` transmission arrived.
        nfe: evaluations of the network by decoder.
    """

    results: dict[str, dict[str, object]]
    received: bool
    nfe: dict[str, int]


def run_demo(
    settings: DemoSettings,
    out: Path,
    on_stage: Callable[[str], None] = lambda stage: None,
    on_step: OnStep = quietly,
) -> tuple[RunDirectory, DemoResult]:
    """Send, decode, and leave a run directory without its report.

    Where `posterior_steps` is 0, the number of steps that fit the time is found first and kept in the run's
    settings, so that the run can be repeated as it was.
    """
    on_stage("loading the models")
    picture = find_picture(settings.image, settings.side_px)
    bench = Bench.open(settings.weights)
    names = settings.decoders
    plain = bench.decoders(tuple(name for name in names if not _is_posterior(name)))
    posteriors = tuple(name for name in names if _is_posterior(name))
    if posteriors and settings.posterior_steps == 0:
        on_stage("timing a step of the posterior")
        settings = _timed(settings, posteriors[0], bench, picture)
    decoders: dict[str, Decoder] = {}
    for name in names:
        if name in plain:
            decoders[name] = plain[name]
        else:
            decoders[name] = open_decoder(
                name,
                bench.codec,
                bench.weights,
                DecoderOptions(steps=settings.posterior_steps),
            )
    kept = settings if is_photograph(settings.image) else _relocated(settings)
    directory = RunDirectory.create(out, kept)
    if not is_photograph(settings.image):
        keep_source(directory, Path(settings.image))
    done = {str(trial["trial"]) for trial in directory.trials()}
    results: dict[str, dict[str, object]] = {}
    nfe: dict[str, int] = {}
    received = False
    for mapping in DEMO_MAPPINGS:
        on_stage(f"sending: {mapping}")
        link = LinkSettings(mapping=mapping, cbr=settings.cbr, levels=settings.levels, mcs=settings.mcs)
        eyes = decoders if mapping == "direct" else {} if mapping == "classical" else _first(plain)
        transmitted = send_picture(
            picture, link, bench, eyes,
            airing=Airing(settings.radio, esn0_db=settings.esn0_db), seeds=TrialSeeds(settings.seed, "demo"),
            on_step=on_step,
        )  # fmt: skip
        result, trial, reports = trial_json(mapping, transmitted, picture, bench.receiver.numerology, bench.codec)
        results[mapping] = result
        nfe |= {name: found.nfe for name, found in transmitted.reconstructions.items() if found is not None}
        received |= mapping == "direct" and transmitted.received
        captures = keep_capture(directory, mapping, transmitted.capture, reports, transmitted.prepared.transmission)
        trial = {**trial, "captures": list(captures)}
        keep_pictures(directory, mapping, picture, transmitted.reconstructions)
        if mapping not in done:
            directory.append(trial)
    return directory, DemoResult(results, received, nfe)


def _is_posterior(name: str) -> bool:
    return name.partition(":")[0] == "posterior"


def _first(decoders: dict[str, Decoder]) -> dict[str, Decoder]:
    """The coded mapping shows what a reliable bit pipe gives; one decoder tells that."""
    return dict(list(decoders.items())[:1])


def _relocated(settings: DemoSettings) -> DemoSettings:
    return settings.model_copy(update={"image": f"pictures/source{Path(settings.image).suffix.lower()}"})


def _timed(settings: DemoSettings, name: str, bench: Bench, picture: np.ndarray) -> DemoSettings:
    """Settings with as many steps of `posterior` as fit its time, and at least ten."""
    reception = _perfect(settings, bench, picture)
    generator = torch.Generator(bench.codec.device)
    probe = open_decoder(name, bench.codec, bench.weights, DecoderOptions(steps=1))
    seconds = min(probe.decode(reception, generator=generator.manual_seed(0)).timings_s["sample"] for _ in range(2))
    steps = int(min(max(settings.posterior_budget_s / seconds, _FEWEST_STEPS), _MOST_STEPS))
    return settings.model_copy(update={"posterior_steps": steps})


def _perfect(settings: DemoSettings, bench: Bench, picture: np.ndarray) -> Reception:
    """A reception without noise: what a step costs does not depend on the noise."""
    link = LinkSettings(cbr=settings.cbr, levels=settings.levels)
    sent = send_picture(
        picture,
        link,
        bench,
        {},
        airing=Airing("loopback:ideal", esn0_db=40.0),
        seeds=TrialSeeds(settings.seed, "timing"),
    )
    if not is_received(sent.reception):
        raise RuntimeError("the ideal channel lost a picture")
    return sent.reception
