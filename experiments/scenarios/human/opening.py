"""The decoder behind each setting of the knob."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from torch import Tensor

from sdr_gsc.diffusion.bridge import Bridge, BridgeCondition
from sdr_gsc.diffusion.consistency import ConsistencyDecoder
from sdr_gsc.diffusion.decoding import Decoder
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.diffusion.refine import RefineDecoder

from ...procedures.transmission import Bench
from .knobs import knobs
from .settings import HumanSettings

__all__ = ["RememberedBridge", "open_knobs"]


@dataclass(slots=True)
class RememberedBridge:
    """A bridge that gives the answer it gave before when it is asked the same again.

    Settings of realism lie on the line between the codec's estimate and the end of one walk from one seed, which needs
    to be walked once only. Answers are the very same tensors, so figures do not depend on what is remembered.

    Attributes:
        bridge: the real one, see `Bridge`.
        size: answers that are remembered; the oldest is forgotten.
        asked: how often the real one was asked.
    """

    bridge: Bridge
    size: int = 16
    asked: int = 0
    _kept: list[tuple[Tensor, BridgeCondition, Tensor, Tensor, Tensor]] = field(default_factory=list)

    @property
    def evaluations(self) -> int:
        """Evaluations of the network for one estimate."""
        return int(getattr(self.bridge, "evaluations", 1))

    def __call__(self, state: Tensor, condition: BridgeCondition, t: Tensor, kappa: Tensor) -> Tensor:
        """See `Bridge`."""
        for kept_state, kept_condition, kept_t, kept_kappa, answer in self._kept:
            same = kept_t.equal(t) and kept_kappa.equal(kappa) and kept_state.shape == state.shape
            if same and kept_state.equal(state) and _equal_conditions(kept_condition, condition):
                return answer
        self.asked += 1
        answer = self.bridge(state, condition, t, kappa)
        self._kept.append((state, condition, t, kappa, answer))
        del self._kept[: -self.size]
        return answer


def _equal_conditions(first: BridgeCondition, second: BridgeCondition) -> bool:
    pairs = ((getattr(first, part.name), getattr(second, part.name)) for part in fields(BridgeCondition))
    return all(one.shape == other.shape and one.equal(other) for one, other in pairs)


def open_knobs(settings: HumanSettings, bench: Bench) -> dict[str, Decoder]:
    """A decoder for each setting of the knob, by its label.

    Raises:
        WeightsError: see `open_decoder`.
    """
    opened: dict[str, Decoder] = {}
    walks: dict[str, Any] = {}
    for knob in knobs(settings):
        options = DecoderOptions(steps=knob.steps)
        if knob.curve.endswith("realism"):
            options = replace(options, realism=knob.value)
        elif knob.curve.endswith("guidance"):
            options = replace(options, guidance=knob.value)
        decoder = bench.decoders((knob.decoder,), options)[knob.decoder]
        if knob.curve.endswith("realism") and isinstance(decoder, RefineDecoder | ConsistencyDecoder):
            walk = walks.setdefault(knob.curve, RememberedBridge(decoder.bridge))
            decoder = replace(decoder, bridge=walk)
        opened[knob.label] = decoder
    return opened
