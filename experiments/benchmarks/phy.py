"""Everything that ``sdr-gsc bench phy`` measures: speed and accuracy of the waveform."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from sdr_gsc.errors import SettingsError

from .curves import Measured

__all__ = ["PARTS", "Part", "bench_phy"]


@dataclass(frozen=True, slots=True)
class Part:
    """One measuring module.

    Attributes:
        name: for ``--only``.
        title: heading on the page.
        module: relative to this package; it has ``measure(effort, seed, on_step) -> Measured``, and takes ``anchors``
            where other programs can take part.
    """

    name: str
    title: str
    module: str


PARTS = (
    Part("speed", "Speed", ".throughput"),
    Part("cost", "What receiving costs", ".throughput_cost"),
    Part("link", "Packet errors", ".link_packets"),
    Part("coding", "Error correction", ".accuracy.coding"),
    Part("detection", "Detection of a preamble", ".accuracy.detection"),
    Part("receiver_detection", "Detection by the receiver", ".accuracy.receiver_detection"),
    Part("synchronization", "Carrier offset and arrival", ".accuracy.synchronization"),
    Part("cfo_range", "Range of carrier offsets", ".accuracy.cfo_range"),
    Part("estimation", "Channel estimation", ".accuracy.estimation"),
    Part("clock", "Sampling-clock offset", ".accuracy.clock"),
    Part("evm", "Error vector magnitude through converters", ".accuracy.evm"),
    Part("reliability", "Predicted noise variance", ".accuracy.reliability"),
    Part("papr", "Peaks and their reduction", ".accuracy.papr"),
)


def bench_phy(
    *,
    only: Sequence[str] | None = None,
    effort: float = 1.0,
    seed: int = 1,
    anchors: bool = True,
    on_step: Callable[[str, int, int], None] = lambda part, done, count: None,
) -> dict[str, Measured]:
    """Measure.

    Args:
        only: names of parts; None takes all.
        effort: work spent, in proportion; at 1 the figures are those of the page, far below they are a smoke test.
        seed: of everything drawn.
        anchors: whether other programs are fetched and measured too.
        on_step: told of the part's name, its finished steps and their number.

    Returns:
        What each part found, by its name, in the order of `PARTS`.

    Raises:
        SettingsError: an unknown name, or an effort that is not in (0, 100].
    """
    if not 0 < effort <= 100:
        raise SettingsError(f"effort is {effort}; needed more than 0 and at most 100, 1 for the figures of the page")
    names = [part.name for part in PARTS]
    unknown = [name for name in only or () if name not in names]
    if unknown:
        raise SettingsError(f"there is no part {unknown[0]!r} to measure; needed one of {', '.join(names)}")
    found = {}
    for part in PARTS:
        if only is not None and part.name not in only:
            continue
        measure = import_module(part.module, __package__).measure
        further = {"anchors": anchors} if "anchors" in inspect.signature(measure).parameters else {}
        found[part.name] = measure(effort=effort, seed=seed, on_step=functools.partial(on_step, part.name), **further)
    return found
