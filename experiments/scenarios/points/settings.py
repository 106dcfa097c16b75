"""Settings of plans whose trials are points: all transmissions of a point share its seeds, and so its channel."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ...air_settings import AIR_PATHS, RecordedSettings
from ...campaign.settings import CampaignSettings
from ...fields import Device, EsN0Db, InverseCbr, Levels, McsIndex, Names
from ...procedures.photographs import PHOTOGRAPHS
from ...sweeps.settings import GridSettings, SeriesSettings, SweepSettings

__all__ = ["PointSettings"]


class PointSettings(CampaignSettings, RecordedSettings):
    """Pictures over Es/N0 and bandwidth; at every point they cross the same channel in several ways.

    Attributes:
        radio: address of the radio that sends and listens; the profile of a simulated one.
        esn0_db: Es/N0 of a simulated channel, or to be reached by a calibrated radio; empty keeps the radio's own.
        cbr: inverse payload channel bandwidth ratios.
        pictures: paths, or names of photographs that come with packages.
        side_px: photographs are cropped and scaled to squares of this side; files stay as they are.
        repetitions: of each point, each with its own draws.
        levels: quantizer levels per real dimension, for `direct`.
        mcs: modulation and coding schemes of the classical baseline; empty leaves it out.
        keep: what is left of every trial: ``captures`` (as SigMF), ``pictures``.
        weights: folder with other weights than the shipped ones.
        device: where decoders run.
    """

    path_fields: ClassVar[tuple[str, ...]] = ("weights", *AIR_PATHS)
    #: Names that are no paths.
    picture_names: ClassVar[tuple[str, ...]] = PHOTOGRAPHS

    radio: str = "loopback:office"
    esn0_db: tuple[EsN0Db, ...] = (10.0,)
    cbr: Annotated[tuple[InverseCbr, ...], Field(min_length=1)] = (24,)
    pictures: Names = PHOTOGRAPHS
    side_px: Annotated[int, Field(ge=64, le=1024)] = 256
    repetitions: Annotated[int, Field(ge=1)] = 1
    levels: Levels = 32
    mcs: tuple[McsIndex, ...] = (0, 2)
    keep: tuple[Literal["captures", "pictures"], ...] = ()  # type: ignore[assignment]
    weights: str | None = None
    device: Device = "cpu"

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for name in ("esn0_db", "cbr", "mcs"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} is {', '.join(map(str, values))}; name each once")
        stems = [Path(picture).stem for picture in self.pictures]
        if len(set(stems)) < len(stems):
            raise ValueError(f"pictures are called {', '.join(stems)}; each needs a name of its own")
        self.require_noise((self.radio,), self.esn0_db)
        return self

    @abstractmethod
    def curves(self) -> tuple[SeriesSettings, ...]:
        """The transmissions of a point, the main one first."""

    def classical(self) -> tuple[SeriesSettings, ...]:
        """The classical baseline, once for each modulation and coding scheme."""
        return tuple(
            SeriesSettings.model_validate({"name": f"classical-mcs{mcs}", "mapping": "classical", "mcs": mcs})
            for mcs in self.mcs
        )

    def sweep(self) -> SweepSettings:
        """The same as a sweep, whose machinery sends and receives."""
        return SweepSettings(
            name=self.name,
            seed=self.seed,
            radio=self.radio,
            tx=self.tx,
            rx=self.rx,
            bench=self.bench,
            calibration=self.calibration,
            tx_power_db=self.tx_power_db,
            side_px=self.side_px,
            levels=self.levels,
            weights=self.weights,
            device=self.device,
            keep=self.keep,
            recorded=self.recorded,
            grid=GridSettings(esn0_db=self.esn0_db, cbr=self.cbr, pictures=self.pictures, repetitions=self.repetitions),
            series=self.curves(),
        )

    def located(self, folder: Path) -> Self:
        """See CampaignSettings; names of photographs stay names unless `folder` holds such a file."""

        def place(name: str) -> str:
            path = folder / name
            return name if name in self.picture_names and not path.exists() else str(path.resolve())

        found = super().located(folder)
        update: dict[str, Any] = {"pictures": tuple(map(place, found.pictures))}
        if found.quick is not None and "pictures" in found.quick:
            update["quick"] = found.quick | {"pictures": [place(name) for name in found.quick["pictures"]]}
        return found.model_copy(update=update)
