"""The command ``sdr-gsc send-text``."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from .cli_console import print_json, print_table, show_progress

__all__ = ["send_text"]


def send_text(
    sentence: str,
    /,
    *,
    radio: str | None = None,
    bench: str | None = None,
    esn0_db: float | None = None,
    symbols: int | None = None,
    levels: int | None = None,
    candidates: str | None = None,
    model: str | None = None,
    judge: str | None = None,
    seed: int | None = None,
    json: Annotated[
        bool, Parameter(name="--json", negative="", help="Print one JSON object and nothing else.")
    ] = False,
) -> int:
    """Send the meaning of one sentence over a radio. Exit status 1: nothing was received.

    Args:
        sentence: The sentence.
        radio: Address of the radio; loopback:office by default.
        bench: File that says what may be transmitted; bench.toml by default.
        esn0_db: Es/N0 of a simulated channel, of this realization.
        symbols: Complex symbols for the sentence; 192 by default, each direction of its embedding once.
        levels: Quantizer levels per real dimension: 4, 8, 16 or 32.
        candidates: Text file of sentences, one a line: the receiver picks the nearest.
        model: Folder of another sentence model than the default: config.json, model.safetensors, tokenizer.json.
        judge: Folder of the sentence model that compares the chosen sentence with the sent one; by default the same.
        seed: Everything random follows from it.
        json: Print one JSON object and nothing else.
    """
    from .checking import checked
    from .configuration import TextSettings
    from .procedures.sending_text import send_text as send

    values = dict(
        sentence=sentence, radio=radio, bench=bench, esn0_db=esn0_db, symbols=symbols, levels=levels,
        candidates=candidates, model=model, judge=judge, seed=seed,
    )  # fmt: skip
    settings = checked(TextSettings, values)
    with show_progress("sending"):
        answer = send(settings)
    if json:
        print_json(answer.result)
    else:
        text, frames = answer.result["text"], answer.result["frames"]
        rows = [
            (name.replace("_", " "), f"{value:.3f}" if isinstance(value, float) else str(value))
            for part in (text, frames)
            if isinstance(part, dict)
            for name, value in part.items()
            if value is not None
        ]
        print_table("", (f"text over {answer.result['radio']}", ""), rows)
    if not answer.received:
        print("sdr-gsc: nothing was received", file=sys.stderr)
    return 0 if answer.received else 1
