"""Types of settings that several files share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sdr_gsc.phy.coding.mcs import MCS_TABLE
from sdr_gsc.semantic.rate import rate_by_cbr

__all__ = ["Device", "EsN0Db", "InverseCbr", "Levels", "MappingName", "McsIndex", "Name", "Names", "Seed", "TxPowerDb"]


def _known_rate(inverse_cbr: int) -> int:
    return rate_by_cbr(inverse_cbr).inverse_cbr


#: Where networks run; of several GPUs one by its number.
Device = Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")]
MappingName = Literal["direct", "coded", "classical"]
Levels = Literal[4, 8, 16, 32]
McsIndex = Annotated[int, Field(ge=0, lt=len(MCS_TABLE))]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
EsN0Db = Annotated[float, Field(ge=-30, le=80)]
TxPowerDb = Annotated[float, Field(ge=-100, le=0)]
#: Inverse payload channel bandwidth ratio, one of the codec's.
InverseCbr = Annotated[int, AfterValidator(_known_rate)]
#: Of runs and curves: it becomes part of paths and of trial ids.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]+$")]
Names = Annotated[tuple[str, ...], Field(min_length=1)]
