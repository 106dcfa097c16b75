"""The knob: what each of its settings is called, in their order."""

from __future__ import annotations

from dataclasses import dataclass

from .settings import HumanSettings

__all__ = ["ANCHOR", "Knob", "knobs"]

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
