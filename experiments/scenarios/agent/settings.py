"""Settings of the closed loop."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ...air_settings import AIR_PATHS, RecordedSettings, is_simulated
from ...campaign.settings import CampaignSettings
from ...decoding_settings import StrictSettings

__all__ = ["AgentSettings", "MethodName", "PairSettings", "PolicySettings"]

EsN0Db = Annotated[float, Field(ge=-30, le=80)]
Symbols = Annotated[int, Field(ge=1, le=2048)]
Latency = Annotated[int, Field(ge=0, le=5)]
MethodName = Literal["expert", "policy", "policy_flat", "received", "filter", "classical", "random"]


class PolicySettings(StrictSettings):
    """The diffusion policy and its training by imitation of the expert.

    Attributes:
        history: receptions, the latest first, that the policy is conditioned on.
        width: units of each hidden layer.
        rounds: of training; the first imitates the expert's own episodes, later ones also those of the policy itself.
        batches: per round.
        batch: moments per batch.
        episodes: new ones per round.
        learning_rate: at the start of each round; it falls to a tenth.
        esn0_low_db: of the channels that are simulated in training.
        esn0_high_db: see above.
        steps: evaluations of the denoiser for an action.
        draws: actions that are drawn; the median is done.
    """

    history: Annotated[int, Field(ge=1, le=32)] = 6
    width: Annotated[int, Field(ge=8, le=1024)] = 128
    rounds: Annotated[int, Field(ge=1, le=50)] = 4
    batches: Annotated[int, Field(ge=1)] = 900
    batch: Annotated[int, Field(ge=16)] = 512
    episodes: Annotated[int, Field(ge=2)] = 256
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] = 5e-3
    esn0_low_db: EsN0Db = -5.0
    esn0_high_db: EsN0Db = 25.0
    steps: Annotated[int, Field(ge=1, le=64)] = 4
    draws: Annotated[int, Field(ge=1, le=99)] = 9

    @model_validator(mode="after")
    def _odd(self) -> PolicySettings:
        if self.draws % 2 == 0:
            raise ValueError(f"draws is {self.draws}; needed an odd number, whose median is one of the actions drawn")
        if self.esn0_low_db >= self.esn0_high_db:
            raise ValueError("esn0_low_db must lie below esn0_high_db")
        return self


class PairSettings(StrictSettings):
    """Two agents and one channel that carries one frame per step.

    Attributes:
        esn0_db: of a simulated channel, for both; empty keeps the radio's own.
        symbols: per observation.
        far_db: how much weaker the second agent is received.
        episodes: of each cell.
    """

    esn0_db: tuple[EsN0Db, ...] = (6.0, 12.0)
    symbols: Symbols = 12
    far_db: Annotated[float, Field(ge=0, le=60)] = 0.0
    episodes: Annotated[int, Field(ge=1)] = 10


class AgentSettings(CampaignSettings, RecordedSettings):
    """A controller that acts on observations which crossed the link.

    Each axis is varied alone; the others stay at the values of ``at_…``.

    Attributes:
        kind: tells configuration files apart.
        environment: of gymnasium.
        radios: addresses; a curve each. With `tx` and `rx` there is one curve, theirs, and `radios` are not used.
        steps: control steps of an episode.
        episodes: of each cell; one seed each.
        methods: controllers that are compared.
        esn0_db: of a simulated channel, or to be reached by a calibrated radio; empty keeps the radio's own.
        symbols: complex symbols per observation.
        latency_steps: control steps between an observation and its arrival; policies are trained for up to 5.
        at_esn0_db: where the other axes are varied.
        at_symbols: see above.
        at_latency_steps: see above.
        levels: quantizer levels per real dimension.
        policy: the diffusion policy.
        pair: two agents on one channel; None leaves them out.
    """

    path_fields: ClassVar[tuple[str, ...]] = AIR_PATHS

    kind: Literal["agent"] = "agent"
    environment: Literal["Pendulum-v1"] = "Pendulum-v1"
    radios: Annotated[tuple[str, ...], Field(min_length=1)] = ("loopback:office",)
    steps: Annotated[int, Field(ge=1, le=10_000)] = 200
    episodes: Annotated[int, Field(ge=1)] = 10
    methods: Annotated[tuple[MethodName, ...], Field(min_length=1)] = (
        "expert",
        "policy",
        "policy_flat",
        "received",
        "filter",
        "classical",
        "random",
    )
    esn0_db: tuple[EsN0Db, ...] = (0.0, 3.0, 6.0, 9.0, 12.0, 18.0)
    symbols: tuple[Symbols, ...] = ()
    latency_steps: tuple[Latency, ...] = ()
    at_esn0_db: EsN0Db = 9.0
    at_symbols: Symbols = 12
    at_latency_steps: Latency = 0
    levels: Literal[4, 8, 16, 32] = 32
    policy: PolicySettings = PolicySettings()
    pair: PairSettings | None = None

    @model_validator(mode="after")
    def _noise(self) -> AgentSettings:
        levels = self.esn0_db + (() if self.pair is None else self.pair.esn0_db)
        self.require_noise(self.radios, levels)
        simulated = all(is_simulated(address, self.tx) for address in self.radios)
        if self.pair is not None and self.pair.far_db and not (self.pair.esn0_db and simulated):
            raise ValueError("far_db needs esn0_db: it is of simulated radios")
        for name, chosen in (("methods", self.methods), ("radios", self.radios)):
            if len(set(chosen)) < len(chosen):
                raise ValueError(f"{name} are {', '.join(chosen)}; name each once")
        return self

    @property
    def ways(self) -> tuple[str, ...]:
        """Names of the ways to the other end: addresses of radios, or of the one pair."""
        return self.radios if self.tx is None else (f"{self.tx} -> {self.rx}",)
