"""What the link's benchmark is asked for, and the radio that it is measured over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from hardware.radio import Radio
from sdr_gsc.errors import SettingsError
from sdr_gsc.seeding import TrialSeeds

from ..procedures.airing import Airing
from .emulated import emulated
from .link_radio import FaultyAir
from .radio_streams import with_rate

__all__ = ["EMULATED", "WAYS", "LinkPlan", "opened_radio"]

#: Emulated radios: what is asked for, and what stands behind it.
EMULATED = {"pluto": "pluto", "ad9361": "ad9361", "usrp": "usrp", "soapy": "usrp"}
WAYS = ("auto", "exchange", "stream")
_ESN0_DB = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPlan:
    """What is to be measured.

    Attributes:
        radio: address; not used with `emulated`.
        tx: address of the sender where two radios share the work; `rx` goes with it, and `radio` is not used.
        rx: address of the listener.
        emulated: one of `EMULATED`, started for the run; None takes `radio`.
        seconds: of the run as fast as it goes; the others take a part of it.
        decoder: see DECODER_NAMES.
        cbr: inverse payload CBR.
        side_px: side of the pictures.
        device: torch device of the models.
        batch: most pictures that are decoded at a time.
        way: one of `WAYS`; auto takes streams where exchanges would be the slowest stage and this computer keeps up.
        pace_hz: pictures per second of the paced run; None takes 30, or 0.8 of the sustained rate where that is less.
        soak_s: one long run instead of those as fast as it goes and paced; None for none.
        fault_rate: probability of faults in it; of a block, burst or capture of an emulated radio, or of an exchange
            over a simulated one.
        esn0_db: of a simulated channel; None takes 10 dB over loopback, and the emulated air's own.
        seed: everything random follows from it.
        weights: folder of other models than the shipped ones.
        rate_hz: sample rate of an emulated radio; any other has it in its address.

    Raises:
        SettingsError: an unknown name, a number out of range, or faults without a soak or for a real radio.
    """

    radio: str = "loopback:office"
    tx: str | None = None
    rx: str | None = None
    emulated: str | None = None
    seconds: float = 15.0
    decoder: str = "mmse"
    cbr: int = 24
    side_px: int = 256
    device: str = "cpu"
    batch: int = 1
    way: str = "auto"
    pace_hz: float | None = None
    soak_s: float | None = None
    fault_rate: float = 0.0
    esn0_db: float | None = None
    seed: int = 1
    weights: str | None = None
    rate_hz: float = 4e6

    def __post_init__(self) -> None:
        if self.emulated is not None and self.emulated not in EMULATED:
            raise SettingsError(f"cannot emulate {self.emulated!r}; needed one of {', '.join(EMULATED)}")
        if (self.tx is None) != (self.rx is None) or (self.tx is not None and self.emulated is not None):
            raise SettingsError("two radios need --tx and --rx both, and no --emulated beside them")
        if self.way not in WAYS:
            raise SettingsError(f"way is {self.way!r}; needed one of {', '.join(WAYS)}")
        for name, value in (
            ("seconds", self.seconds),
            ("soak", self.soak_s),
            ("pace_hz", self.pace_hz),
            ("rate_hz", self.rate_hz),
        ):
            if value is not None and not 0 < value < float("inf"):
                raise SettingsError(f"{name} is {value}; needed a positive number")
        if not 0 <= self.fault_rate < 1:
            raise SettingsError(f"fault_rate is {self.fault_rate}; needed a probability of 0 or more, below 1")
        if self.fault_rate and self.soak_s is None:
            raise SettingsError("faults are part of a soak: give --soak SECONDS, or leave --fault-rate out")
        if self.fault_rate and not (self.emulated or self.simulated):
            address = self.tx or self.radio
            raise SettingsError(
                f"faults are made by emulated and simulated radios, not by {address!r}: leave --fault-rate out"
            )
        if self.fault_rate and self.simulated and self.way == "stream":
            raise SettingsError("a simulated radio has faults in exchanges alone: use --way exchange, or --emulated")

    @property
    def simulated(self) -> bool:
        """Whether the radio is a simulation in this process."""
        return self.emulated is None and self.tx is None and self.radio.startswith("loopback:")


@contextmanager
def opened_radio(plan: LinkPlan, seeds: TrialSeeds) -> Iterator[tuple[str, Callable[[], Radio]]]:
    """The radio's address and what opens it; an emulated one runs meanwhile."""
    generator = seeds.generator("channel")
    if plan.emulated is None:
        esn0_db = plan.esn0_db
        if esn0_db is None and plan.simulated and "esn0_db=" not in plan.radio:
            esn0_db = _ESN0_DB
        airing = Airing(radio=plan.radio, tx=plan.tx, rx=plan.rx, esn0_db=esn0_db)
        faults = seeds.generator("faults")

        def opened() -> Radio:
            radio = airing.open_plain(generator)
            return cast(Radio, FaultyAir(radio, plan.fault_rate, faults)) if plan.fault_rate else radio

        yield airing.address, opened
        return
    kind = EMULATED[plan.emulated]
    seed = str(seeds.integer("emulator") % 2**31)
    options = ["--seed", seed]
    if plan.esn0_db is not None:
        options += ["--esn0-db", str(plan.esn0_db)]
    if plan.fault_rate:
        options += ["--fault", f"fault_rate={plan.fault_rate}"]
        options += ["--fault", f"{'seed' if kind == 'usrp' else 'fault_seed'}={seed}"]
    with emulated([kind], *options) as (uri,):
        address = uri.replace("usrp:", "soapy:driver=uhd,", 1) if plan.emulated == "soapy" else uri
        airing = Airing(radio=with_rate(address, plan.rate_hz))
        yield address, lambda: airing.open_plain(generator)
