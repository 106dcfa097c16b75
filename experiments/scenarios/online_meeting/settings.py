"""Settings of the online meeting."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from sdr_gsc.semantic.rate import RATES

from ...air_settings import AIR_PATHS, RecordedSettings
from ...campaign.settings import CampaignSettings
from ...decoding_settings import StrictSettings
from ...fields import Device, EsN0Db, InverseCbr, Levels, McsIndex

__all__ = ["SEMANTIC_METHODS", "AdaptationSettings", "MeetingSettings", "MethodName", "Schedule"]

MethodName = Literal["keyframes", "updates", "updates+adapted", "h264", "av1"]
SEMANTIC_METHODS: tuple[MethodName, ...] = ("keyframes", "updates", "updates+adapted")


class AdaptationSettings(StrictSettings):
    """How the decoder learns the speaker from the first half of the clip.

    Attributes:
        steps: optimizer steps; 0 leaves the decoder as it is shipped.
        batch: runs of frames per step.
        learning_rate: peak rate.
        esn0_low_db: of the white noise that is simulated.
        esn0_high_db: see above.
    """

    steps: Annotated[int, Field(ge=0, le=100_000)] = 150
    batch: Annotated[int, Field(ge=1, le=64)] = 2
    learning_rate: Annotated[float, Field(gt=0, le=0.01)] = 3e-4
    esn0_low_db: EsN0Db = -2.0
    esn0_high_db: EsN0Db = 22.0

    @model_validator(mode="after")
    def _ordered(self) -> AdaptationSettings:
        if self.esn0_low_db >= self.esn0_high_db:
            raise ValueError("esn0_low_db must lie below esn0_high_db")
        return self


class Schedule(StrictSettings):
    """Which frame is sent at which rate; every group of `period` frames takes what as many frames at `mean` would.

    Attributes:
        mean: inverse payload CBR of the whole stream.
        key: of a key frame.
        update: of an update.
        period: frames from one key frame to the next.
    """

    mean: int
    key: int
    update: int
    period: int

    @classmethod
    def of(cls, inverse_cbr: int, key_gain: int) -> Schedule:
        """Key frames of `key_gain` times the mean symbols, updates of half of them: 2·key_gain - 1 frames balance."""
        return cls(mean=inverse_cbr, key=inverse_cbr // key_gain, update=2 * inverse_cbr, period=2 * key_gain - 1)

    def cbr(self, index: int) -> int:
        """Inverse CBR of a frame, counted from the first one that is sent."""
        return self.key if index % self.period == 0 else self.update


class MeetingSettings(CampaignSettings, RecordedSettings):
    """Talking heads over a link, by semantic key frames and updates, or as a video.

    Attributes:
        kind: tells configuration files apart.
        clip: a video file or the name of a clip; its first half is learnt from, its second half judged.
        side_px: frames are cropped and scaled to squares of this side; None leaves them as they are.
        radio: address of the radio that sends and listens.
        esn0_db: of a simulated channel, or to be reached by a calibrated radio; empty keeps the radio's own.
        cbr: inverse payload channel bandwidth ratios of whole streams.
        key_gain: symbols of a key frame over those of the average frame.
        frames: sent in a trial.
        repetitions: of each cell; they are spread over the second half of the clip.
        methods: what is compared.
        levels: quantizer levels per real dimension.
        decoder: what decodes semantic symbols.
        mcs: modulation and coding schemes of the videos.
        adaptation: how the decoder learns the speaker.
        weights: folder with other weights than the shipped ones.
        device: where networks run.
    """

    path_fields: ClassVar[tuple[str, ...]] = ("weights", *AIR_PATHS)

    kind: Literal["online_meeting"] = "online_meeting"
    clip: str = "carphone"
    side_px: Annotated[int, Field(ge=64, le=1024)] | None = None
    radio: str = "loopback:office"
    esn0_db: tuple[EsN0Db, ...] = (0.0, 3.0, 6.0, 9.0, 12.0, 18.0)
    cbr: Annotated[tuple[InverseCbr, ...], Field(min_length=1)] = (48,)
    key_gain: Literal[2, 4, 8] = 2
    frames: Annotated[int, Field(ge=1, le=10_000)] = 30
    repetitions: Annotated[int, Field(ge=1)] = 4
    methods: Annotated[tuple[MethodName, ...], Field(min_length=1)] = (*SEMANTIC_METHODS, "h264", "av1")
    levels: Levels = 32
    decoder: Annotated[str, Field(pattern=r"^(mmse|refine|consistency)(:\d+)?$")] = "mmse"
    mcs: Annotated[tuple[McsIndex, ...], Field(min_length=1)] = (0, 2)
    adaptation: AdaptationSettings = AdaptationSettings()
    weights: str | None = None
    device: Device = "cpu"

    @model_validator(mode="after")
    def _sensible(self) -> MeetingSettings:
        self.require_noise((self.radio,), self.esn0_db)
        known = {rate.inverse_cbr for rate in RATES}
        for rate in self.cbr:
            schedule = self.schedule(rate)
            if schedule.key not in known or schedule.update not in known:
                raise ValueError(
                    f"a stream of CBR 1/{rate} with key_gain {self.key_gain} has key frames of 1/{schedule.key} and "
                    f"updates of 1/{schedule.update}; needed two of "
                    + ", ".join(f"1/{value}" for value in sorted(known))
                )
        for name in ("esn0_db", "cbr", "methods", "mcs"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} is {', '.join(map(str, values))}; name each once")
        return self

    def schedule(self, inverse_cbr: int) -> Schedule:
        """Which frame of a stream is sent at which rate."""
        return Schedule.of(inverse_cbr, self.key_gain)

    def located(self, folder: Path) -> Self:
        """See CampaignSettings; a clip that is a file there is one, too."""
        found = CampaignSettings.located(self, folder)

        def place(name: str) -> str:
            path = folder / name
            return str(path.resolve()) if path.is_file() else name

        update: dict[str, Any] = {"clip": place(self.clip)}
        if found.quick is not None and "clip" in found.quick:
            update["quick"] = found.quick | {"clip": place(found.quick["clip"])}
        return found.model_copy(update=update)
