"""The part of a report that shows the closed loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sdr_gsc.plot.curves import Curve, plot_curves
from sdr_gsc.plot.style import save_figure

from ...campaign.run_directory import RunDirectory
from ...campaign.study import Line
from ...reports.page import Image, Section, Table
from .planning import PAIR, SINGLE
from .returns import Band, curves_over, differences, returns_of, select, shared_by
from .settings import AgentSettings

__all__ = ["agent_sections"]

_METHODS = {
    "expert": "expert, true state",
    "policy": "diffusion policy",
    "policy_flat": "diffusion policy without variances",
    "received": "expert, decoded symbols",
    "filter": "expert, Kalman filter",
    "classical": "expert, packets (LDPC)",
    "random": "random torque",
}
_SHARINGS = {"turns": "in turn", "need": "by need", "both": "both, twice the air"}
_AXES = (
    ("esn0_db", "Es/N0 (dB)", "Return against Es/N0"),
    ("symbols", "complex symbols per observation", "Return against bandwidth"),
    ("latency_steps", "latency (control steps)", "Return against latency"),
)
_TEXT = (
    "Swing-up and balance of a pendulum by observations that crossed the link, one frame per control step; 0 would be "
    "perfect. Every channel use of a simulated radio is a new realization. Mean over episodes, with 95 % bands by "
    "bootstrap; all methods begin each episode in the same state. A frame whose header is lost is lost for every "
    "method; the expert then acts on the last state that arrived, the policy on what it remembers. Expert with true "
    "state and random torque use no link: the first is the upper reference, the second what an episode is worth "
    "without control. The Kalman filter is told the equations of motion; the policy has learned what it knows of them."
)
_PAIR_TEXT = (
    "Two agents, one channel that carries one frame per control step. In turn: each sends every second step. By need: "
    "the controllers' end polls the agent for which the policy's draws were spread the widest, which it knows without "
    "being told anything. Polls and torques are taken to arrive. For comparison, both in every step on twice the air."
)


def agent_sections(out: RunDirectory, settings: AgentSettings, trials: Sequence[Line]) -> list[Section]:
    """Return against each axis that was varied, a table of all cells, and two agents on one channel."""
    folder = out.folder("figures")
    single, pair = select(trials, SINGLE), select(trials, PAIR)
    sections = []
    if single:
        sections.append(Section("Closed loop", tuple(_axis_images(folder, settings, single)), _TEXT))
        sections.append(Section("Returns", (_table(single),)))
        sections.append(Section("What a frame takes", (_air_table(single),)))
    if pair:
        sections.append(
            Section("Two agents, one channel", (*_pair_images(folder, pair), _pair_table(pair)), _PAIR_TEXT)
        )
    return sections


def _axis_images(folder: Path, settings: AgentSettings, trials: Sequence[Line]) -> list[Image]:
    images = []
    at: dict[str, object] = {
        "esn0_db": settings.at_esn0_db if settings.esn0_db else None,
        "symbols": settings.at_symbols,
        "latency_steps": settings.at_latency_steps,
    }
    for radio in settings.ways:
        short = radio.removeprefix("loopback:")
        for axis, label, caption in _AXES:
            others = {key: value for key, value in at.items() if key != axis}
            found = select(trials, SINGLE, radio=radio, **others)
            if len({trial["values"][axis] for trial in found}) < 2:
                continue
            curves = _named(curves_over(found, axis, returns_of), _METHODS)
            figure = plot_curves(curves, metric="return", title=short, x=label)
            path = folder / f"{axis}.{_file_name(short)}.png"
            images.append(_image(figure, path, f"{caption}: {short}, {_others(others)}"))
    return images


def _pair_images(folder: Path, trials: Sequence[Line]) -> list[Image]:
    images = []
    for radio in dict.fromkeys(trial["values"]["radio"] for trial in trials):
        found = select(trials, PAIR, radio=radio)
        short = str(radio).removeprefix("loopback:")
        if any(trial["values"]["esn0_db"] is None for trial in found):
            continue
        for figure_name, label in (("sum", "sum of both returns"), ("worse", "worse one of both returns")):
            curves = curves_over(found, "esn0_db", lambda each, name=figure_name: shared_by(each, name))  # type: ignore[misc]
            figure = plot_curves(_named(curves, _SHARINGS), metric=label, title=short)
            path = folder / f"pair_{figure_name}.{_file_name(short)}.png"
            images.append(_image(figure, path, f"Two agents: {label}, {short}"))
    return images


def _image(figure: object, path: Path, caption: str) -> Image:
    for suffix in (".png", ".svg"):
        save_figure(figure, path.with_name(path.name.removesuffix(".png") + suffix))  # type: ignore[arg-type]
    return Image(caption, path, (caption,), wide=True)


def _named(curves: Mapping[str, Curve], names: Mapping[str, str]) -> dict[str, Curve]:
    return {shown: curves[name] for name, shown in names.items() if name in curves}


def _others(values: Mapping[str, object]) -> str:
    words = {"esn0_db": "{} dB", "symbols": "{} symbols", "latency_steps": "{} steps late"}
    return ", ".join(words[key].format(value) for key, value in values.items() if value is not None)


def _file_name(text: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in text)


def _cells(trials: Sequence[Line]) -> dict[str, list[Line]]:
    cells: dict[str, list[Line]] = {}
    for trial in trials:
        cells.setdefault(trial["cell"], []).append(trial)
    return cells


def _band(values: Sequence[float]) -> str:
    if not values:
        return "–"
    band = Band.of(values)
    return f"{band.mean:.0f}" if band.count == 1 else f"{band.mean:.0f} ({band.low:.0f} … {band.high:.0f})"


def _table(trials: Sequence[Line]) -> Table:
    methods = [name for name in _METHODS if name in trials[0]["methods"]]
    compared = {"policy", "received"} <= set(methods)
    rows = []
    for cell, found in _cells(trials).items():
        returns = returns_of(found)
        row = [cell, *(_band(returns.get(name, ())) for name in methods)]
        if compared:
            row.append(_band(differences(found, "policy", "received")))
        rows.append((*row, str(len(found))))
    head = ("cell", *(_METHODS[name] for name in methods))
    return Table((*head, *(("policy − decoded, paired",) if compared else ()), "episodes"), tuple(rows))


def _air_table(trials: Sequence[Line]) -> Table:
    rows = []
    for cell, found in _cells(trials).items():
        lost = [
            method["frames"]["lost"] / method["frames"]["sent"]
            for trial in found
            for method in trial["methods"].values()
            if method is not None and method["frames"]
        ]
        air = found[0]["air"]
        share = f"{sum(lost) / len(lost):.1%}" if lost else "–"
        rows.append((cell, str(air["symbols"]), str(air["air_samples"]), share))
    head = ("cell", "payload symbols", "air samples, preamble and header included", "frames lost")
    return Table(head, tuple(rows))


def _pair_table(trials: Sequence[Line]) -> Table:
    rows = []
    for cell, found in _cells(trials).items():
        for way, shown in _SHARINGS.items():
            sums, worse = shared_by(found, "sum").get(way, []), shared_by(found, "worse").get(way, [])
            frames = [sum(trial["sharing"][way]["frames"]["sent"]) for trial in found]
            air = [trial["sharing"][way]["air_samples"] for trial in found]
            mean_frames, mean_air = sum(frames) / len(frames), sum(air) / len(air)
            rows.append((cell, shown, _band(sums), _band(worse), f"{mean_frames:.0f}", f"{mean_air:.0f}"))
    return Table(("cell", "sharing", "sum of returns", "worse return", "frames", "air samples"), tuple(rows))
