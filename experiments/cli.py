"""The command line ``sdr-gsc``: results on stdout, everything else on stderr, heavy imports only in what is run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from sdr_gsc import __version__
from sdr_gsc.errors import SdrGscError

from .cli_archive import compare, export, gallery, merge
from .cli_bench import bench_app
from .cli_calibrate import calibrate
from .cli_console import fail, print_json, print_table, show_progress, split_names
from .cli_decoding import Decoding
from .cli_emulate import emulate
from .cli_engine import EngineChoice
from .cli_replay import replay
from .cli_score import score
from .cli_text import send_text
from .cli_train import train_app

__all__ = ["app", "main"]

app = App(
    name="sdr-gsc",
    help="Pictures as semantic symbols over software-defined radios, with diffusion decoders at the receiver.",
    version=__version__,
    suppress_keyboard_interrupt=False,
)
app.command(bench_app)
app.command(train_app)
app.command(replay)
app.command(score)
app.command(send_text)
app.command(emulate)
app.command(calibrate)
app.command(merge)
app.command(export)
app.command(compare)
app.command(gallery)

Decoders = Annotated[
    list[str] | None,
    Parameter(
        name=["--decoder", "--decoders"],
        help="mmse, refine[:STEPS], consistency[:STEPS], posterior[:SOLVER], blind, cddm; repeat, or a,b",
    ),
]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON object and nothing else.")]


@app.command
def demo(
    picture: str = "astronaut",
    /,
    *,
    radio: str | None = None,
    esn0_db: float | None = None,
    cbr: int | None = None,
    mcs: int | None = None,
    decoder: Decoders = None,
    posterior_steps: int | None = None,
    side_px: int | None = None,
    seed: int | None = None,
    weights: str | None = None,
    out: Path | None = None,
    json: Json = False,
) -> int:
    """One photograph over a hard simulated channel: all decoders and the classical baseline side by side.

    Args:
        picture: A file, or astronaut, coffee, chelsea, rocket.
        radio: Address of the radio; loopback:office by default.
        esn0_db: Es/N0 of the simulated channel; 10 by default.
        cbr: Inverse payload channel bandwidth ratio; 24 stands for 1/24.
        mcs: Modulation and coding of the coded and the classical transmission.
        decoder: Decoders of the direct transmission.
        posterior_steps: Steps of the posterior; by default as many as fit its time.
        side_px: The picture is cropped to a square of this side.
        seed: Everything random follows from it.
        weights: Folder with other weights than the shipped ones.
        out: Run directory; default: a new one below runs/.
        json: Print one JSON object and nothing else.
    """
    from .checking import checked
    from .configuration import DemoSettings

    values = dict(
        image=picture, radio=radio, esn0_db=esn0_db, cbr=cbr, mcs=mcs, decoders=split_names(decoder),
        posterior_steps=posterior_steps, side_px=side_px, seed=seed, weights=weights,
    )  # fmt: skip
    from .cli_runs import run_demo_command

    return run_demo_command(checked(DemoSettings, values), out, as_json=json)


@app.command
def send(
    image: str,
    /,
    *,
    radio: str | None = None,
    tx: str | None = None,
    rx: str | None = None,
    bench: str | None = None,
    attempts: int | None = None,
    digital_loopback: Annotated[bool | None, Parameter(negative="")] = None,
    calibration: str | None = None,
    tx_power_db: Annotated[float | None, Parameter(name=["--tx-power", "--tx-power-db"])] = None,
    mapping: str | None = None,
    cbr: int | None = None,
    levels: int | None = None,
    mcs: int | None = None,
    esn0_db: float | None = None,
    decoder: Decoders = None,
    decoding: Decoding = Decoding(),  # noqa: B008
    objective: str | None = None,
    task_share: float | None = None,
    task_guidance: float | None = None,
    seed: int | None = None,
    weights: str | None = None,
    out: Path | None = None,
    json: Json = False,
) -> int:
    """Send one picture over a radio and decode what comes back. Exit status 1: nothing was received.

    Args:
        image: A picture, or astronaut, coffee, chelsea, rocket.
        radio: Address of the radio; loopback:office by default.
        tx: Address of the sending radio, where another one listens.
        rx: Address of the listening radio.
        bench: File that says what may be transmitted; bench.toml by default.
        attempts: Exchanges that are tried when the radio fails; 3 by default.
        digital_loopback: Stay inside the radio's chip, where it has such a path (AD9361); nothing is radiated.
        calibration: Folder of records to apply, as sdr-gsc calibrate leaves them.
        tx_power_db: Transmit power in dB below the largest that was measured, by the gain record of --calibration.
        mapping: direct, coded or classical.
        cbr: Inverse payload channel bandwidth ratio; 24 stands for 1/24.
        levels: Quantizer levels per real dimension (direct): 4, 8, 16 or 32.
        mcs: Modulation and coding scheme (coded, classical).
        esn0_db: Es/N0 of a simulated channel, of this realization; a radio with --calibration is driven to it.
        decoder: Decoders that see the reception; refine by default.
        decoding: What the decoders are asked for.
        objective: human (the picture), machine (a task vector alone) or agent (both); human by default.
        task_share: Least share of the symbols for the task vector, 0 to 1; by default human 0, machine 1, agent 0.5.
        task_guidance: Weight of the task vector in posterior:SOLVER (1: the likelihood itself); 0 by default, not used.
        seed: Everything random follows from it.
        weights: Folder with other weights than the shipped ones.
        out: Leave a run directory there.
        json: Print one JSON object and nothing else.
    """
    from .checking import checked
    from .configuration import SendSettings

    values = dict(
        image=image, radio=radio, tx=tx, rx=rx, bench=bench, attempts=attempts, digital_loopback=digital_loopback,
        calibration=calibration, tx_power_db=tx_power_db,
        mapping=mapping, cbr=cbr, levels=levels, mcs=mcs, esn0_db=esn0_db,
        decoders=split_names(decoder), objective=objective, task_share=task_share,
        task_guidance=task_guidance, seed=seed, weights=weights,
    ) | asdict(decoding)  # fmt: skip
    from .cli_runs import run_send_command

    return run_send_command(checked(SendSettings, values), out, as_json=json)


@app.command
def run(
    config: Path,
    /,
    *,
    quick: Annotated[bool, Parameter(negative="")] = False,
    out: Path | None = None,
    weights: str | None = None,
    calibration: str | None = None,
    choice: EngineChoice = EngineChoice(),  # noqa: B008
    json: Json = False,
) -> int:
    """Run a configuration: a plan of trials, resumed where it was stopped. Exit status 1: not what it expects.

    Args:
        config: TOML file, such as experiments/configs/awgn_sweep.toml, or the folder of a run.
        quick: A smaller plan, for a first look.
        out: Run directory; default: runs/NAME.
        weights: Folder with other weights than the shipped ones.
        calibration: Folder of records to apply, as sdr-gsc calibrate leaves them.
        choice: Where trials run.
        json: Print one JSON object and nothing else.
    """
    from .cli_campaign import run_command

    return run_command(
        config, quick=quick, out=out, weights=weights, calibration=calibration, choice=choice, as_json=json
    )


@app.command
def resume(run: Path, /, *, choice: EngineChoice = EngineChoice(), json: Json = False) -> int:  # noqa: B008
    """Go on with a run that was stopped; what is done stays as it is.

    Args:
        run: Run directory.
        choice: Where trials run.
        json: Print one JSON object and nothing else.
    """
    from .cli_campaign import resume_command

    return resume_command(run, choice, as_json=json)


@app.command
def report(run: Path, /) -> int:
    """Draw the figures of a run again and write its report.html.

    Args:
        run: Run directory.
    """
    from .campaign.run_directory import RunDirectory
    from .reports.report import write_report

    with show_progress("drawing"):
        path = write_report(RunDirectory.open(run))
    print(path)
    return 0


@app.command
def radios(
    *given: str,
    bench: Path | None = None,
    scan: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """What can be opened with --radio. Exit status 1: an address that was asked does not answer.

    Args:
        given: Addresses to ask; those of the bench file are asked too.
        bench: File that names the bench's radios; bench.toml by default.
        scan: Look for radios on all interfaces; broadcasts leave this machine.
        json: Print one JSON object and nothing else.
    """
    from .procedures.listing import list_radios

    with show_progress("asking"):
        found = list_radios(given, bench, scan=scan)
    if json:
        print_json({"radios": [each.as_json() for each in found]})
    else:
        rows = [(each.uri, each.what, "yes" if each.available else each.remedy) for each in found]
        print_table("", ("address", "what it is", "available"), rows)
    return 0 if all(each.available for each in found) else 1


@app.command
def doctor(*, json: Json = False) -> int:
    """Check the installation. Exit status 2: something needs mending.

    Args:
        json: Print one JSON object and nothing else.
    """
    from .procedures.doctor import examine

    checks = examine()
    if json:
        print_json({"checks": [check.as_json() for check in checks]})
    else:
        rows = [(check.name, check.state.value, check.found, check.remedy) for check in checks]
        print_table("", ("what", "", "found", "what mends it"), rows)
    return 2 if any(check.is_broken for check in checks) else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 done; 1 the measurement says no; 2 the request or the environment is wrong, said in one line on stderr;
        130 interrupted.
    """
    tokens = sys.argv[1:] if arguments is None else list(arguments)
    # Read when torch loads. Threads that spin while they wait for each other make two threads on a shared core up to
    # twenty times slower than one; sleeping costs a per cent where nobody shares.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        status = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except (SdrGscError, CycloptsError, OSError, MemoryError) as error:
        return fail(error)
    except KeyboardInterrupt:
        print("sdr-gsc: interrupted", file=sys.stderr)
        return 130
    return status if isinstance(status, int) else 0


if __name__ == "__main__":
    raise SystemExit(main())
