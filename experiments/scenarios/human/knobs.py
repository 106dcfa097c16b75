"""The knob: what each of its settings is called, in their order, and the decoder behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from sdr_gsc.diffusion.decoding import Decoder

    from ...procedures.transmission import Bench
    from .settings import HumanSettings

__all__ = ["ANCHOR", "Knob", "RememberedBridge", "knobs", "open_knobs"]

#: The end of every curve: no sampling.
ANCHOR = "mmse"


@dataclass(frozen=True, slots=True)
class Knob:
    """A setting of a decoder.

    Attributes:
        label: in trials and names of files.
        decoder: name of the decoder.
        curve: settings of one curve differ in `value` alone.
        value: of the knob; None for a decoder without one.
        steps: estimates of the network; None takes the decoder's default.
    """

    label: str
    decoder: str
    curve: str
    value: float | None = None
    steps: int | None = None

    @property
    def mark(self) -> str:
        """What stands beside the point in a figure."""
        return self.label if self.value is None else f"{self.value:g}"


def knobs(settings: HumanSettings) -> tuple[Knob, ...]:
    """All settings: the anchor, then curve by curve in ascending order of the knob."""
    found = [Knob(ANCHOR, ANCHOR, ANCHOR)]
    for decoder in settings.decoders:
        found += [
            Knob(f"{decoder}-realism{value:g}", decoder, f"{decoder}, realism", value)
            for value in sorted(settings.realism)
        ]
    found += [
        Knob(f"refine-guidance{value:g}", "refine", "refine, guidance", value) for value in sorted(settings.guidance)
    ]
    if settings.posterior_steps is not None:
        steps = settings.posterior_steps
        found.append(Knob(f"diffpir-steps{steps}", "posterior:diffpir", f"diffpir, {steps} steps", steps=steps))
    return tuple(found)


@dataclass(slots=True)
class RememberedBridge:
    """A bridge that gives the answer it gave before when it is asked the same again.

    Settings of realism lie on the line between two ends of one walk: the same walk from the same seed, which need be
    walked once only. Answers are the very same tensors, so figures do not depend on what is remembered.

    Attributes:
        bridge: the real one, see `Bridge`.
        size: answers that are remembered; the oldest is forgotten.
        asked: how often the real one was asked.
    """

    bridge: Any
    size: int = 16
    asked: int = 0
    _kept: list[tuple[Tensor, Any, Tensor, Tensor, Tensor]] = field(default_factory=list)

    @property
    def evaluations(self) -> int:
        """Evaluations of the network for one estimate."""
        return int(getattr(self.bridge, "evaluations", 1))

    def __call__(self, state: Tensor, condition: Any, t: Tensor, kappa: Tensor) -> Tensor:
        """See `Bridge`."""
        for kept_state, kept_condition, kept_t, kept_kappa, answer in self._kept:
            same = kept_t.equal(t) and kept_kappa.equal(kappa) and kept_state.shape == state.shape
            if same and kept_state.equal(state) and all(map(_equal, _parts(kept_condition), _parts(condition))):
                return answer
        self.asked += 1
        answer = self.bridge(state, condition, t, kappa)
        self._kept.append((state, condition, t, kappa, answer))
        del self._kept[: -self.size]
        return answer


def _parts(condition: Any) -> Iterator[Tensor]:
    return (getattr(condition, name) for name in condition.__dataclass_fields__)


def _equal(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and first.equal(second)


def open_knobs(settings: HumanSettings, bench: Bench) -> dict[str, Decoder]:
    """A decoder for each setting of the knob, by its label.

    Raises:
        WeightsError: see `open_decoder`.
    """
    from sdr_gsc.diffusion.options import DecoderOptions

    opened: dict[str, Decoder] = {}
    walks: dict[str, Callable[..., Any]] = {}
    for knob in knobs(settings):
        options = DecoderOptions(steps=knob.steps)
        if knob.curve.endswith("realism"):
            options = replace(options, realism=knob.value)
        elif knob.curve.endswith("guidance"):
            options = replace(options, guidance=knob.value)
        decoder = bench.decoders((knob.decoder,), options)[knob.decoder]
        if knob.curve.endswith("realism"):
            walk = walks.setdefault(knob.curve, RememberedBridge(decoder.bridge))  # type: ignore[attr-defined]
            decoder = replace(decoder, bridge=walk)  # type: ignore[type-var]
        opened[knob.label] = decoder
    return opened
