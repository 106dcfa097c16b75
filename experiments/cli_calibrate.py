"""``sdr-gsc calibrate``: what a radio is, measured, dated and kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from .cli_console import print_json, print_table, show_progress, split_names

if TYPE_CHECKING:
    from calibration.running import Step
    from calibration.standing import Standing

    from .procedures.calibrating import Calibrated, Request

__all__ = ["calibrate"]

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON object and nothing else.")]
_HEAD = ("figure", "before", "after", "unit", "bound", "target", "met")


def calibrate(
    *uris: str,
    tx: str | None = None,
    rx: str | None = None,
    what: Annotated[list[str] | None, Parameter(name="--what")] = None,
    esn0_db: Annotated[list[float] | None, Parameter(name="--esn0-db")] = None,
    reference_hz: float | None = None,
    store: Path | None = None,
    check: Path | None = None,
    captures: Annotated[bool, Parameter(name="--captures", negative="--no-captures")] = True,
    page: Path | None = None,
    bench: Path | None = None,
    json: Json = False,
) -> int:
    """Measure what a radio is and keep it with its date. Exit status 1: a target is missed, or --check finds a gap.

    A procedure that fails is a missed target, too; those that build on it are left out. A radio transmits for it:
    outside bench.toml it is refused. Whatever ends the command leaves the radio muted, and only whole records.

    Args:
        uris: Addresses of radios whose output reaches their input; each is calibrated by itself. A loopback without
            impaired=SEED gets impaired=1: its faults have to last.
        tx: Address of the sending radio, where another one listens.
        rx: Address of the listening radio.
        what: Procedures: frequency, dc_offset, iq_balance, response, gain, noise, delay, clip, snr; repeat, or a,b.
            All that the radio supports by default.
        esn0_db: Es/N0 that snr is to reach; repeat. 0, 10, 20 and 30 dB by default.
        reference_hz: Frequency of an external tone that frequency listens to; its own transmitter's tone by default.
        store: Folder of records; the user's data folder by default.
        check: Say which records this experiment (TOML) lacks, or has expired ones of, instead of measuring.
        captures: Keep what the records came from, as SigMF beside them.
        page: Write all figures and plots as a Markdown page too, pictures into images/ beside it.
        bench: File that says what may be transmitted; bench.toml by default.
        json: Print one JSON object and nothing else.
    """
    from calibration.store import default_folder
    from sdr_gsc.errors import SettingsError

    from .procedures.calibrating import Request

    names = split_names(what) or ()
    folder = default_folder() if store is None else store
    if check is not None:
        uri, tx, rx = _of_experiment(check, uris, tx, rx)
        return _check(Request(uri, folder, tx, rx, names, bench), as_json=json)
    given: list[str | None] = [_lasting(uri) for uri in uris]
    if not given and (tx is None and rx is None):
        raise SettingsError("no radio is named; write its address, such as loopback:cabled or pluto:ip:192.168.2.1")
    if given and (tx is not None or rx is not None):
        raise SettingsError("write the address of one radio, or --tx and --rx for two")
    requests = [
        Request(uri, folder, tx, rx, names, bench, tuple(esn0_db or ()), captures, reference_hz)
        for uri in (given or [None])
    ]
    return _measure(requests, page, as_json=json)


def _lasting(uri: str) -> str:
    """The address of a simulated radio whose faults last: without a seed they are drawn anew in every exchange."""
    if not uri.startswith("loopback:") or "impaired=" in uri:
        return uri
    address = f"{uri}{'&' if '?' in uri else '?'}impaired=1"
    print(f"sdr-gsc: {uri} draws its clock and delay anew in every exchange; calibrating {address}", file=sys.stderr)
    return address


def _of_experiment(
    path: Path, uris: tuple[str, ...], tx: str | None, rx: str | None
) -> tuple[str | None, str | None, str | None]:
    """The radio of an experiment, unless another one is named."""
    from sdr_gsc.errors import SettingsError

    from .configuration import SendSettings
    from .settings_files import read_settings

    settings = read_settings(path)
    if len(uris) > 1:
        raise SettingsError(f"{len(uris)} radios are given; --check asks about one at a time")
    if uris or tx is not None or rx is not None:
        return (uris[0] if uris else None), tx, rx
    if isinstance(settings, SendSettings) and settings.tx is not None:
        return None, settings.tx, settings.rx
    radio = getattr(settings, "radio", None)
    if not isinstance(radio, str):
        raise SettingsError(f"{path} names no radio; give the address to --check")
    return radio, None, None


def _measure(requests: list[Request], page: Path | None, *, as_json: bool) -> int:
    from .environment import describe_environment
    from .procedures.calibrating import calibrate as run
    from .procedures.calibration_page import table_rows, write_page

    found: list[Calibrated] = []
    with show_progress("calibrating") as watch:
        for request in requests:

            def stage(text: str, share: float, address: str = request.address) -> None:
                watch.advance(f"{address}: {text}", round(100 * share), 100)

            found.append(run(request, stage, _say))
    environment = describe_environment(torch_threads=False)
    if page is not None:
        write_page(page, found, environment)
    rows = [row for each in found for row in table_rows(each)]
    for each in found:
        for name, lacking in each.skipped.items():
            print(f"sdr-gsc: {each.address}: {name} left out: {lacking}", file=sys.stderr)
        for done in each.done:
            for note in done.outcome.notes:
                print(f"sdr-gsc: {each.address}: {done.procedure.name}: {note}", file=sys.stderr)
    if as_json:
        radios: list[dict[str, object]] = [
            {
                "radio": each.address,
                "model": each.model,
                "serial": each.serial,
                "seconds": {done.procedure.name: round(done.seconds, 2) for done in each.done},
                "skipped": dict(each.skipped),
                "failed": {name: str(error) for name, error in each.failed.items()},
            }
            for each in found
        ]
        environment["calibrated"] = radios
        print_json({"environment": environment, "rows": rows})
    else:
        for each in found:
            print_table(f"{each.address} ({each.model}, serial {each.serial})", _HEAD, map(_cells, table_rows(each)))
        kept = sum(len(done.records) for each in found for done in each.done)
        print(f"{kept} records in {requests[0].store}")
    return 1 if any(row["met"] is False for row in rows) else 0


def _cells(row: dict[str, object]) -> tuple[str, ...]:
    verdict = {True: "yes", False: "no", None: ""}[row["met"]]  # type: ignore[index]
    figures = ["" if row[key] is None else f"{row[key]:.4g}" for key in ("before", "after", "bound", "target")]
    return (str(row["metric"]), figures[0], figures[1], str(row["unit"]), figures[2], figures[3], verdict)


def _say(step: Step) -> None:
    name = step.procedure.name
    if step.failure is not None:
        # One line, whatever the message holds.
        print(f"sdr-gsc: {name}: failed: {' '.join(str(step.failure).split())}", file=sys.stderr)
    elif step.outcome is not None:
        records = ", ".join(f"{each.quantity} {each.subject.direction}" for each in step.outcome.records) or "none"
        print(f"sdr-gsc: {name}: {step.seconds:.1f} s, records: {records}", file=sys.stderr)


def _check(request: Request, *, as_json: bool) -> int:
    from .environment import describe_environment
    from .procedures.calibrating import check_records

    with show_progress("asking"):
        found = check_records(request)
    if as_json:
        rows = [
            {
                "procedure": one.procedure,
                "direction": one.direction,
                "state": one.state,
                "made": None if one.record is None else one.record.made.isoformat(),
                "expires": None if one.record is None else one.record.expires.isoformat(),
                "remedy": _remedy(request, one) or None,
            }
            for one in found
        ]
        print_json({"environment": describe_environment(torch_threads=False), "radio": request.address, "rows": rows})
    else:
        made = ["" if one.record is None else f"{one.record.made:%Y-%m-%d %H:%M}" for one in found]
        cells = [
            (one.procedure, one.direction, one.state, date, _remedy(request, one))
            for one, date in zip(found, made, strict=True)
        ]
        print_table("", ("procedure", "direction", "record", "made", "what mends it"), cells)
    return 0 if all(one.state == "valid" for one in found) else 1


def _remedy(request: Request, standing: Standing) -> str:
    """Command that makes the record; empty where it is valid."""
    two = f"--tx {request.tx} --rx {request.rx}"
    command = f"sdr-gsc calibrate {request.uri or two} --what {standing.procedure} --store {request.store}"
    return "" if standing.state == "valid" else command
