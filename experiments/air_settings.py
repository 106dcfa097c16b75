"""Which radios carry a campaign's trials, what is kept of the air, and what was recorded earlier in its place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Self

from pydantic import model_validator

from .decoding_settings import StrictSettings
from .fields import TxPowerDb

__all__ = ["AIR_PATHS", "AirSettings", "RecordedSettings", "is_simulated", "radio_needs"]

#: Settings of this file that hold a path.
AIR_PATHS = ("bench", "calibration", "recorded")


def is_simulated(radio: str, tx: str | None = None) -> bool:
    """Whether the channel is drawn, and its noise with it."""
    return tx is None and radio.startswith("loopback:")


def radio_needs(radio: str | None, tx: str | None = None, rx: str | None = None) -> tuple[str, ...]:
    """What a trial over these radios needs for itself: a real radio has one user at a time.

    Simulated radios are made for each trial, and recordings are read by any number.

    >>> radio_needs("pluto:usb:1"), radio_needs("loopback:office"), radio_needs("loopback:office", "uhd:b", "uhd:a")
    (('radio:pluto:usb:1',), (), ('radio:uhd:a', 'radio:uhd:b'))
    """
    radios = (radio,) if tx is None else (tx, rx)
    real = {each for each in radios if each is not None and not each.startswith(("loopback:", "replay:"))}
    return tuple(f"radio:{each}" for each in sorted(real))


class AirSettings(StrictSettings):
    """Beside `radio`, how a transmission gets to the air; see Airing.

    Attributes:
        tx: address of the sending radio, where another one listens.
        rx: address of the listening radio; goes with `tx`.
        bench: what may be transmitted; None looks for bench.toml in the usual places.
        calibration: folder of records to apply; None applies none.
        tx_power_db: transmit power relative to the largest that was measured, by the gain record of `calibration`.
    """

    tx: str | None = None
    rx: str | None = None
    bench: str | None = None
    calibration: str | None = None
    tx_power_db: TxPowerDb | None = None

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.tx is None) != (self.rx is None):
            raise ValueError("tx and rx go together; for one radio that does both, use radio")
        return self


class RecordedSettings(AirSettings):
    """The air of a campaign whose trials are recorded, and replayed.

    Attributes:
        keep: what is left of every trial: ``captures``, every exchange as SigMF, to be replayed.
        recorded: folder of a run whose captures take the place of the radio; trials have the same ids there.
    """

    keep: tuple[Literal["captures"], ...] = ()
    recorded: str | None = None

    def needs(self, radio: str) -> tuple[str, ...]:
        """Of a trial over this radio, or over `tx` and `rx`; what was recorded needs none."""
        return () if self.recorded is not None else radio_needs(radio, self.tx, self.rx)

    def require_noise(self, radios: Iterable[str], levels: Iterable[float]) -> None:
        """Refuse Es/N0 that nobody can set.

        Raises:
            ValueError: a radio has noise of its own, and there are no records that tell how to reach an Es/N0.
        """
        if self.calibration is not None or all(is_simulated(radio, self.tx) for radio in radios):
            return
        if any(True for _ in levels):
            raise ValueError(
                "esn0_db is for simulated radios; leave it empty for radios with noise of their own, or give the "
                "records that tell how to reach it (calibration)"
            )
        if self.tx_power_db is not None:
            raise ValueError("tx_power_db is found by the gain record of calibration; give calibration too")
