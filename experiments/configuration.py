"""Settings of single transmissions: frozen, checked, and the same in TOML and in flags."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sdr_gsc.semantic.objective import Objective, default_task_share

from .decoding_settings import DecodingSettings, StrictSettings
from .fields import EsN0Db, InverseCbr, Levels, MappingName, McsIndex, Names, Seed, TxPowerDb

__all__ = ["DemoSettings", "LinkSettings", "SendSettings", "TextSettings"]


class LinkSettings(StrictSettings):
    """How one picture crosses the air.

    Attributes:
        mapping: what crosses the air.
        cbr: inverse payload channel bandwidth ratio: 24 stands for CBR 1/24.
        levels: quantizer levels per real dimension, for `direct`.
        mcs: modulation and coding scheme, for `coded` and `classical`.
        design_esn0_db: Es/N0 that the sender says it designed for.
        objective: whom the transmission serves; `machine` and `agent` send a task vector, by `direct` only.
        task_share: least share of the symbols for the task vector; None takes the objective's own.
    """

    mapping: MappingName = "direct"
    cbr: InverseCbr = 24
    levels: Levels = 32
    mcs: McsIndex = 0
    design_esn0_db: Annotated[float, Field(ge=-100, le=100)] = 10.0
    objective: Literal["human", "machine", "agent"] = "human"
    task_share: Annotated[float, Field(ge=0, le=1)] | None = None

    @property
    def has_task(self) -> bool:
        """Whether a task vector is sent."""
        share = default_task_share(Objective(self.objective)) if self.task_share is None else self.task_share
        return share > 0

    @model_validator(mode="after")
    def _task(self) -> LinkSettings:
        if self.objective == "human" and self.task_share:
            raise ValueError(
                f"task_share is {self.task_share:g}, but objective human sends no task vector; choose agent or machine"
            )
        if self.has_task and self.mapping != "direct":
            raise ValueError(
                f"objective {self.objective} sends its task vector by mapping direct; mapping is {self.mapping}"
            )
        return self


class SendSettings(LinkSettings, DecodingSettings):
    """One transmission of one picture.

    Attributes:
        kind: tells configuration files apart.
        image: path of the picture, or the name of a photograph of scikit-image.
        radio: address of the radio that sends and listens.
        tx: address of the sending radio, where another one listens.
        rx: address of the listening radio; goes with `tx`.
        bench: what may be transmitted; None looks for bench.toml in the usual places.
        attempts: exchanges that are tried when the radio fails.
        digital_loopback: stay inside the radio's chip, where it has such a path; nothing is radiated.
        calibration: folder of records to apply; None applies none.
        tx_power_db: transmit power relative to the largest that was measured, by the gain record of `calibration`.
        esn0_db: Es/N0 of a simulated channel, or to be reached by a calibrated radio; None keeps the radio's own.
        decoders: names of the decoders that see the reception.
        seed: everything random follows from it.
        weights: folder with other weights than the shipped ones.
        task_guidance: of `posterior`, weight of the task vector's likelihood, 0 leaves it out; see DecoderOptions.
    """

    kind: Literal["send"] = "send"
    image: str
    radio: str = "loopback:office"
    tx: str | None = None
    rx: str | None = None
    bench: str | None = None
    attempts: Annotated[int, Field(ge=1, le=100)] = 3
    digital_loopback: bool = False
    calibration: str | None = None
    tx_power_db: TxPowerDb | None = None
    esn0_db: EsN0Db | None = None
    decoders: Names = ("refine",)
    seed: Seed = 0
    weights: str | None = None
    task_guidance: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _pair(self) -> SendSettings:
        if self.task_guidance > 0 and not self.has_task:
            raise ValueError("task_guidance needs a task vector; choose objective agent")
        if (self.tx is None) != (self.rx is None):
            raise ValueError("tx and rx go together; for one radio that does both, use radio")
        return self


class TextSettings(StrictSettings):
    """One transmission of one sentence.

    Attributes:
        sentence: any text with a word in it.
        radio: address of the radio that sends and listens.
        bench: what may be transmitted; None looks for bench.toml in the usual places.
        esn0_db: Es/N0 of a simulated channel; None keeps the profile's own.
        symbols: complex symbols for the sentence.
        levels: quantizer levels per real dimension.
        candidates: text file of the sentences that the receiver knows.
        model: folder of another sentence model than the default.
        judge: folder of the sentence model that judges; None: the one that sends.
        seed: everything random follows from it.
    """

    sentence: Annotated[str, Field(pattern=r"\S", max_length=100_000)]
    radio: str = "loopback:office"
    bench: str | None = None
    esn0_db: EsN0Db | None = None
    symbols: Annotated[int, Field(ge=1, le=32768)] = 192
    levels: Levels = 32
    candidates: str | None = None
    model: str | None = None
    judge: str | None = None
    seed: Seed = 0


class DemoSettings(StrictSettings):
    """One picture by every mapping, through every decoder.

    Attributes:
        kind: tells configuration files apart.
        image: path of the picture, or the name of a photograph of scikit-image.
        side_px: the picture is cropped to a square in its centre and scaled to this side.
        radio: address of the radio.
        esn0_db: Es/N0 of a simulated channel.
        cbr: inverse payload channel bandwidth ratio.
        levels: quantizer levels per real dimension, for `direct`.
        mcs: modulation and coding scheme, for `coded` and `classical`.
        decoders: names of the decoders that see the `direct` reception.
        posterior_steps: steps of `posterior`; 0 takes as many as fit `posterior_budget_s`, and at least 10.
        posterior_budget_s: time for `posterior`.
        seed: everything random follows from it.
        weights: folder with other weights than the shipped ones.
    """

    kind: Literal["demo"] = "demo"
    image: str = "astronaut"
    side_px: Annotated[int, Field(ge=64, le=1024)] = 256
    radio: str = "loopback:office"
    esn0_db: EsN0Db | None = 10.0
    cbr: InverseCbr = 24
    levels: Levels = 32
    mcs: McsIndex = 2
    decoders: Names = ("mmse", "refine", "posterior")
    posterior_steps: Annotated[int, Field(ge=0, le=1000)] = 0
    posterior_budget_s: Annotated[float, Field(gt=0, le=3600)] = 18.0
    seed: Seed = 1
    weights: str | None = None
