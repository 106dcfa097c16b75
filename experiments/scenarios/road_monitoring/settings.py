"""Settings of street video for a detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from sdr_gsc.semantic.rate import RATES

from ...air_settings import AIR_PATHS, RecordedSettings
from ...campaign.settings import CampaignSettings
from ...decoding_settings import StrictSettings
from ...fields import EsN0Db, InverseCbr, McsIndex
from ..video.clips import CLIPS

__all__ = ["DetectorSettings", "MethodName", "RegionSettings", "RoadSettings"]

MethodName = Literal["uniform", "regions", "h264", "av1"]


class DetectorSettings(StrictSettings):
    """Who looks at the street.

    Attributes:
        code: Python file with a function ``detect(picture)`` that takes uint8 RGB [H, W, 3] and returns boxes
            (x, y, width, height) in pixels, the surest first; it is run. None takes OpenCV's people detector.
        threshold: of the people detector: least distance from its support vector machine's plane.
        upscale: of the people detector: enlarge pictures first; it knows no person below some 100 pixels of height.
        iou: overlap (intersection over union) from which two boxes are the same object.
    """

    code: str | None = None
    threshold: Annotated[float, Field(ge=0, le=5)] = 0.3
    upscale: Annotated[float, Field(ge=0.25, le=4)] = 1.0
    iou: Annotated[float, Field(gt=0, lt=1)] = 0.5

    @model_validator(mode="after")
    def _own(self) -> Self:
        # By value: what is written into a run and read back names all fields.
        given = any(getattr(self, name) != type(self).model_fields[name].default for name in ("threshold", "upscale"))
        if self.code is not None and given:
            raise ValueError("threshold and upscale are of the people detector; leave them out with code")
        return self


class RegionSettings(StrictSettings):
    """How symbols go to regions.

    Attributes:
        count: most regions in a frame, each a transmission of its own.
        steps_down: most rates by which the whole frame goes below the uniform one; what that saves goes to the regions.
        margin_px: around a detection.
        seam_px: over which a region fades into the frame.
    """

    count: Annotated[int, Field(ge=1, le=8)] = 3
    steps_down: Annotated[int, Field(ge=1, lt=len(RATES))] = 2
    margin_px: Annotated[int, Field(ge=0, le=256)] = 8
    seam_px: Annotated[int, Field(ge=0, le=64)] = 8


class RoadSettings(CampaignSettings, RecordedSettings):
    """Groups of frames of a street, by each method at each bandwidth and Es/N0.

    Attributes:
        kind: tells configuration files apart.
        clip: path of a video, or one of CLIPS.
        first: number of the first frame of each group.
        frames: in a group.
        every: one frame in so many is sent.
        height: of the frames; goes with `width`, and None keeps them as they are.
        width: see above.
        methods: ``uniform`` sends whole frames as semantic symbols, ``regions`` sends them at a lower rate with regions
            at a higher one where that serves the detections, and the others are coded video behind LDPC; all on the
            same air samples.
        cbr: inverse payload channel bandwidth ratio of `uniform`, which sets the air samples of all.
        esn0_db: of a simulated channel, or to be reached by a calibrated radio; empty keeps the radio's own.
        mcs: modulation and coding schemes of coded video; each is a curve of its own.
        levels: quantizer levels per real dimension of semantic symbols.
        decoder: name of the decoder of semantic symbols.
        radio: address of the radio that sends and listens.
        repetitions: of each group, each with its own channel.
        detector: who looks at the street.
        regions: how symbols go to regions.
        weights: folder with other weights than the shipped ones.
    """

    path_fields: ClassVar[tuple[str, ...]] = ("weights", *AIR_PATHS)

    kind: Literal["road_monitoring"] = "road_monitoring"
    clip: str = "bikes"
    first: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (102,)
    frames: Annotated[int, Field(ge=1, le=256)] = 4
    every: Annotated[int, Field(ge=1)] = 1
    height: Annotated[int, Field(ge=32, le=4096)] | None = None
    width: Annotated[int, Field(ge=32, le=4096)] | None = None
    methods: Annotated[tuple[MethodName, ...], Field(min_length=1)] = ("uniform", "regions", "h264")
    cbr: Annotated[tuple[InverseCbr, ...], Field(min_length=1)] = (96, 48, 24)
    esn0_db: tuple[EsN0Db, ...] = (4.0, 10.0)
    mcs: Annotated[tuple[McsIndex, ...], Field(min_length=1)] = (0, 2)
    levels: Literal[4, 8, 16, 32] = 32
    decoder: str = "mmse"
    radio: str = "loopback:office"
    repetitions: Annotated[int, Field(ge=1)] = 1
    detector: DetectorSettings = DetectorSettings()
    regions: RegionSettings = RegionSettings()
    weights: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in ("first", "methods", "cbr", "esn0_db", "mcs"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} holds a value more than once: {values}")
        if (self.height is None) != (self.width is None):
            raise ValueError("height and width go together")
        self.require_noise((self.radio,), self.esn0_db)
        return self

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width that frames are scaled to."""
        return None if self.height is None or self.width is None else (self.height, self.width)

    def located(self, folder: Path) -> Self:
        """The same with absolute paths; names of clips stay names unless `folder` holds such a file."""
        found = super().located(folder)

        def place(values: dict[str, Any]) -> dict[str, Any]:
            update: dict[str, Any] = {}
            clip = values.get("clip")
            if clip is not None and (clip not in CLIPS or (folder / clip).is_file()):
                update["clip"] = str((folder / clip).resolve())
            code = values.get("detector", {}).get("code")
            if code is not None:
                update["detector"] = values["detector"] | {"code": str((folder / code).resolve())}
            return update

        update = place({"clip": self.clip, "detector": self.detector.model_dump(exclude_unset=True)})
        if "detector" in update:
            update["detector"] = self.detector.model_copy(update={"code": update["detector"]["code"]})
        if found.quick is not None:
            update["quick"] = found.quick | place(found.quick)
        return found.model_copy(update=update)
