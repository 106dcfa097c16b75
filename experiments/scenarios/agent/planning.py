"""The trials of a closed-loop campaign: each axis varied alone, and two agents on one channel."""

from __future__ import annotations

from collections.abc import Mapping

from ...campaign.study import Trial
from .settings import AgentSettings

__all__ = ["PAIR", "SINGLE", "plan"]

SINGLE, PAIR = "single", "pair"


def plan(settings: AgentSettings) -> tuple[Trial, ...]:
    """All trials; a cell that lies on several axes is run once."""
    own = not settings.esn0_db
    at = None if own else settings.at_esn0_db
    symbols, latency = settings.at_symbols, settings.at_latency_steps
    cells: dict[tuple[str, float | None, int, int], None] = {}
    for radio in settings.ways:
        axes = (
            [(level, symbols, latency) for level in settings.esn0_db or (None,)],
            [(at, count, latency) for count in settings.symbols],
            [(at, symbols, steps) for steps in settings.latency_steps],
        )
        cells.update(dict.fromkeys((radio, *cell) for axis in axes for cell in axis))
    trials = []
    for radio, level, count, late in cells:
        cell = f"{_short(radio)}/{_level(level)}/n{count}/late{late}"
        for episode in range(settings.episodes):
            values = {"study": SINGLE, "radio": radio, "esn0_db": level, "symbols": count, "latency_steps": late}
            trials.append(_trial(settings, cell, episode, values))
    if settings.pair is not None:
        for radio in settings.ways:
            for level in dict.fromkeys(settings.pair.esn0_db or (None,)):
                cell = f"{PAIR}/{_short(radio)}/{_level(level)}/n{settings.pair.symbols}/late{latency}"
                for episode in range(settings.pair.episodes):
                    values = {"study": PAIR, "radio": radio, "esn0_db": level, "symbols": settings.pair.symbols}
                    trials.append(_trial(settings, cell, episode, {**values, "latency_steps": latency}))
    return tuple(trials)


def _trial(settings: AgentSettings, cell: str, episode: int, values: Mapping[str, object]) -> Trial:
    needs = settings.needs(str(values["radio"]))
    return Trial(f"{cell}/{episode}", cell, {**values, "episode": episode}, needs)


def _short(radio: str) -> str:
    return radio.removeprefix("loopback:").replace(" -> ", "+")


def _level(esn0_db: float | None) -> str:
    return "own" if esn0_db is None else f"{esn0_db:+g}dB"
