"""The command ``sdr-gsc replay``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from sdr_gsc.errors import SettingsError

from .cli_console import show_progress, split_names, step_listener
from .cli_decoding import Decoding
from .cli_engine import EngineChoice

if TYPE_CHECKING:
    from .procedures.send import Answer

__all__ = ["replay"]


def replay(
    recording: Path,
    /,
    *,
    decoder: Annotated[
        list[str] | None,
        Parameter(
            name=["--decoder", "--decoders"],
            help="mmse, refine[:STEPS], consistency[:STEPS], posterior[:SOLVER], blind, cddm; repeat, or a,b",
        ),
    ] = None,
    decoding: Decoding = Decoding(),  # noqa: B008
    reference: Path | None = None,
    picture: Path | None = None,
    seed: int | None = None,
    weights: str | None = None,
    sample_rate_hz: Annotated[float | None, Parameter(name=["--sample-rate", "--sample-rate-hz"])] = None,
    full_scale: float | None = None,
    channel: int | None = None,
    shift_hz: float | None = None,
    rate_hz: Annotated[float | None, Parameter(name=["--rate", "--rate-hz"])] = None,
    json: Annotated[
        bool, Parameter(name="--json", negative="", help="Print one JSON object and nothing else.")
    ] = False,
    out: Path | None = None,
    choice: EngineChoice = EngineChoice(),  # noqa: B008
) -> int:
    """Decode a recording, of any radio, or a run's again. Exit status 1: nothing was received.

    Args:
        recording: SigMF recording, collection, archive, a folder that holds one of these, or a run.
        decoder: Decoders that see the reception; mmse by default.
        decoding: What the decoders are asked for.
        reference: The picture that was sent, for metrics.
        picture: Write the first decoder's picture there; where there are several pictures, NAME.2.png and so on too.
        seed: Of the decoders.
        weights: Folder with other weights than the shipped ones.
        sample_rate_hz: Of the recording, where its metadata do not tell.
        full_scale: Counts of an integer recording that stand for 1.0: 2048 for 12 bits at the lower end of 16.
        channel: Which of several channels; 0 for the first.
        shift_hz: Move the spectrum up by so much: minus the frequency at which the signal lies.
        rate_hz: Sample rate of the waveform; a recording of another rate is resampled to it.
        json: Print one JSON object and nothing else.
        out: Of a run's: the new run; default: a new one below runs/.
        choice: Of a run's: where trials run.
    """
    if (recording / "config.toml").is_file():
        return _replay_run(recording, decoder, decoding, weights, out, choice, as_json=json)
    if out is not None:
        raise SettingsError("--out is for runs; to keep the picture of a recording, use --picture")
    from sdr_gsc.semantic.picture import load_picture

    from .checking import checked
    from .cli_runs import print_answer
    from .procedures.replay_settings import ReplaySettings
    from .procedures.replaying import replay as decode_recording
    from .procedures.search_account import search_sentences

    values = dict(
        decoders=split_names(decoder), seed=seed, weights=weights, sample_rate_hz=sample_rate_hz,
        full_scale=full_scale, channel=channel, shift_hz=shift_hz, rate_hz=rate_hz,
    ) | asdict(decoding)  # fmt: skip
    settings = checked(ReplaySettings, values)
    sent = None if reference is None else load_picture(reference)
    with show_progress("decoding") as progress:
        found = decode_recording(recording, settings, reference=sent, on_step=step_listener(progress))
    if picture is not None:
        _save(picture, found.answer, found.pictures)
    if not json:
        for notice in found.notices:
            print(f"sdr-gsc: {notice.message}", file=sys.stderr)
    status = print_answer(found.answer, as_json=json)
    if not json and len(found.pictures) > 1:
        # The JSON holds all of them in one; people get a table for each, in the order of their first frames.
        print(f"sdr-gsc: {len(found.pictures)} pictures; above is the one of most frames", file=sys.stderr)
        for other in _others(found.answer, found.pictures):
            print_answer(other, as_json=False)
    for sentence in search_sentences(found.answer.result):
        print(f"sdr-gsc: {sentence}", file=sys.stderr)
    return status


def _replay_run(
    run: Path,
    decoder: list[str] | None,
    decoding: Decoding,
    weights: str | None,
    out: Path | None,
    choice: EngineChoice,
    *,
    as_json: bool,
) -> int:
    from .cli_campaign import replay_command

    return replay_command(
        run, choice,
        decoders=split_names(decoder), options=asdict(decoding), weights=weights, out=out, as_json=as_json,
    )  # fmt: skip


def _save(path: Path, shown: Answer, pictures: Sequence[Answer]) -> None:
    """The picture that is shown under the name that was given, all others behind it in their order."""
    from sdr_gsc.semantic.picture import save_picture

    for number, answer in enumerate((shown, *_others(shown, pictures)), 1):
        target = path if number == 1 else path.with_name(f"{path.stem}.{number}{path.suffix}")
        first = next((found for found in answer.reconstructions.values() if found is not None), None)
        if first is not None:
            save_picture(target, first.picture)


def _others(shown: Answer, pictures: Sequence[Answer]) -> list[Answer]:
    return [each for each in pictures if each.reconstructions is not shown.reconstructions]
