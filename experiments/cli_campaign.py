"""Commands that run campaigns: what a configuration file describes, from its start or from where it was stopped."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from sdr_gsc.errors import RecordingError, SettingsError

from .campaign.failing import sentence as with_stop
from .campaign.resuming import note_resumption
from .campaign.run_directory import RunDirectory
from .campaign.running import Progress, planned, run_campaign
from .campaign.settings import CampaignSettings
from .campaign.sharding import Shard
from .campaign.stopping import unknown_metric
from .campaign.study import Study
from .cli_console import Watch, print_json, print_table, show_progress
from .cli_engine import EngineChoice
from .configuration import DemoSettings, SendSettings
from .procedures.locating import located
from .settings_files import AnySettings, read_settings

__all__ = ["fresh_folder", "replay_command", "resume_command", "run_command"]


def run_command(
    config: Path,
    *,
    quick: bool,
    out: Path | None,
    choice: EngineChoice,
    as_json: bool,
    weights: str | None = None,
    calibration: str | None = None,
) -> int:
    """Whatever a configuration file, or the run that was made of one, describes."""
    if config.is_dir():
        config = config / "config.toml"
    given = located(read_settings(config), config.parent)
    settings = _overridden(given, config, weights=weights, calibration=calibration)
    if isinstance(settings, CampaignSettings):
        resolved = settings.resolved(quick=quick)
        path = out or Path("runs") / settings.name
        study = _study(resolved)
        choice.check()
        options = {"weights": weights, "calibration": calibration, "shard": choice.shard, "out": str(path)}
        command = _command_line("run", config, ("--quick",) if quick else (), options)
        directory = RunDirectory.create(path, resolved, command=command)
        return _go(directory, resolved, study, choice, as_json=as_json)
    if quick:
        raise SettingsError(f"{config} describes one transmission; --quick is for grids: leave it out")
    from .cli_runs import run_demo_command, run_send_command

    target = out or fresh_folder(settings.kind)
    if isinstance(settings, SendSettings):
        return run_send_command(settings, target, as_json=as_json)
    return run_demo_command(settings, target, as_json=as_json)


def _overridden(settings: AnySettings, config: Path, **given: str | None) -> AnySettings:
    """Settings with paths of the command line in the place of the file's."""
    update = {name: str(Path(path).resolve()) for name, path in given.items() if path is not None}
    for name in update:
        if name not in type(settings).model_fields:
            raise SettingsError(f"{config} describes what takes no {name}: leave --{name} out")
    return settings.model_copy(update=update)


def _command_line(verb: str, subject: Path, flags: tuple[str, ...], options: Mapping[str, object]) -> tuple[str, ...]:
    """What makes the same figures again; where trials run is no part of it. None stands for what was not given."""
    given = [(f"--{name.replace('_', '-')}", value) for name, value in options.items() if value is not None]
    words = (word for name, value in given for word in ((name,) if value is True else (name, str(value))))
    return ("sdr-gsc", verb, str(subject), *flags, *words)


def fresh_folder(name: str) -> Path:
    """A folder below ``runs`` that nobody uses; two runs of one second, or a clock that goes back, get two."""
    stem = f"{name}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    path = Path("runs") / stem
    number = 1
    while path.exists():
        number += 1
        path = Path("runs") / f"{stem}-{number}"
    return path


def resume_command(run: Path, choice: EngineChoice, *, as_json: bool) -> int:
    """Finish what a run directory describes."""
    directory = RunDirectory.open(run)
    settings = directory.settings()
    if isinstance(settings, CampaignSettings):
        choice = choice.of_run(directory.described().get("command"))
        return _go(directory, settings, _study(settings), choice, as_json=as_json)
    from .cli_runs import run_demo_command, run_send_command

    # The directory keeps its own copy of the picture, at a path that starts there.
    placed = located(settings, run)
    if isinstance(placed, DemoSettings):
        return run_demo_command(placed, run, as_json=as_json)
    if isinstance(placed, SendSettings):
        return run_send_command(placed, run, as_json=as_json)
    raise TypeError(f"no command for {type(placed).__name__}")


def replay_command(
    run: Path,
    choice: EngineChoice,
    *,
    decoders: tuple[str, ...] | None,
    options: dict[str, object],
    weights: str | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """A campaign once more on the air that it recorded.

    Args:
        run: directory of the campaign.
        choice: where trials run.
        decoders: in the place of the run's own; see `replay_settings`.
        options: of the decoders, by the names of their settings; None stands for what was not given.
        weights: folder with other weights than the run's.
        out: the new run.
        as_json: print one JSON object.
    """
    from .campaign.replaying import replay_settings

    given = {name: value for name, value in options.items() if value is not None}
    settings = replay_settings(run, decoders, weights, given)
    path = out or fresh_folder(f"{settings.name}-replay")
    study = _study(settings)
    choice.check()
    names = None if decoders is None else ",".join(decoders)
    further = {"decoder": names, **given, "weights": weights, "shard": choice.shard, "out": str(path)}
    directory = RunDirectory.create(path, settings, command=_command_line("replay", run, (), further))
    return _go(directory, settings, study, choice, as_json=as_json)


def _study(settings: CampaignSettings) -> Study:
    """The study of these settings, with a plan that can be."""
    from .campaign.kinds import study_of

    study = study_of(settings)
    planned(study)
    return study


def _go(
    directory: RunDirectory, settings: CampaignSettings, study: Study, choice: EngineChoice, *, as_json: bool
) -> int:
    from .reports.campaign_report import write_campaign_report

    directory.require_current()
    for sentence in note_resumption(directory):
        print(f"sdr-gsc: {sentence}", file=sys.stderr)
    shard = None if choice.shard is None else Shard.parse(choice.shard)
    with show_progress(settings.name) as watch:
        try:
            run_campaign(
                directory,
                settings,
                study,
                choice.opener(directory, settings, study),
                retry_failed=choice.retry_failed,
                only=(lambda trial: True) if shard is None else shard.holds,
                on_progress=lambda progress: _show(watch, settings.name, progress),
                on_stage=watch.stage,
            )
        except KeyboardInterrupt:
            again = _resume_line(directory, choice)
            print(f"sdr-gsc: what is done is kept; go on with: {again}", file=sys.stderr)
            raise
        watch.stage("drawing the report")
        try:
            path = write_campaign_report(directory, settings, study)
        except OSError as error:
            raise RecordingError(
                f"the report cannot be written: {error.strerror or error}; all trials are kept: make room, then "
                f"sdr-gsc report {directory.path}"
            ) from error
    return _tell(directory, settings, study, path, choice, as_json=as_json)


def _resume_line(directory: RunDirectory, choice: EngineChoice, *further: str) -> str:
    """The command that goes on with this run, and with no other part of its plan."""
    part = () if choice.shard is None else ("--shard", choice.shard)
    return shlex.join(("sdr-gsc", "resume", str(directory.path), *further, *part))


def _show(watch: Watch, name: str, progress: Progress) -> None:
    failed = f" ({progress.failed} failed)" if progress.failed else ""
    watch.advance(f"{name}{failed}", progress.done + progress.failed, progress.count)


def _tell(
    directory: RunDirectory,
    settings: CampaignSettings,
    study: Study,
    report: Path,
    choice: EngineChoice,
    *,
    as_json: bool,
) -> int:
    trials, failures = directory.results()
    missed = study.shortfalls(trials)
    found = study.summary(trials)
    if as_json:
        head = {"run": str(directory.path), "report": str(report), "trials": len(trials), "failed": len(failures)}
        print_json({**head, **found, "missed": missed})
    else:
        rows = [("trials", str(len(trials))), ("trials given up", str(len(failures)))]
        rows += [(name.replace("_", " "), _plain(value)) for name, value in found.items()]
        print_table("", (settings.name, ""), rows)
        print(f"report: {report}")
    for sentence in missed:
        print(f"sdr-gsc: {sentence}", file=sys.stderr)
    if failures:
        cause = failures[-1]["failed"]["cause"]
        again = _resume_line(directory, choice, "--retry-failed")
        count = "1 trial" if len(failures) == 1 else f"{len(failures)} trials"
        print(f"sdr-gsc: {count} failed, the last with: {with_stop(cause)} Try again: {again}", file=sys.stderr)
    if settings.stop is not None and (unknown := unknown_metric(settings.stop, trials)):
        print(f"sdr-gsc: {unknown}", file=sys.stderr)
    return 1 if missed or failures else 0


def _plain(value: object) -> str:
    if isinstance(value, dict):
        if any(isinstance(part, dict | list) for part in value.values()):
            return "in the report, and with --json"
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    if isinstance(value, list) and any(isinstance(part, dict | list) for part in value):
        return "in the report, and with --json"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
