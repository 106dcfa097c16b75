"""Emulated radios that run until they are told to end: all of them on one air, each with its own clock."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from typing import Any

from sdr_gsc.channel.front_end_faults import FrontEnd, with_ideal_front_ends
from sdr_gsc.channel.profile import profile, with_text_settings
from sdr_gsc.errors import SettingsError

__all__ = ["KINDS", "EmulatedSetting", "emulated_radios", "wait_until_ended"]

KINDS = ("pluto", "ad9361", "usrp")


@dataclass(frozen=True, slots=True)
class EmulatedSetting:
    """What to emulate.

    Attributes:
        kinds: of `KINDS`; one air for all of them.
        channel: name of the channel profile between them.
        channel_settings: fields of the profile to change, as texts.
        clock_ppm: how fast each radio's clock runs; missing ones are right.
        faults: fields of the emulators' faults, as texts, for every radio that has them.
        seed: everything random follows from it.
        impaired: seed of the radios' imperfect front ends, those of the next radio from the next seed; None for perfect
            ones.
        noise_dbfs: noise floor at a receive gain of 40 dB, where the channel has no Es/N0.
        port: of the first radio; 0 takes a free one.
    """

    kinds: Sequence[str]
    channel: str = "cabled"
    channel_settings: Mapping[str, str] | None = None
    clock_ppm: Sequence[float] = ()
    faults: Mapping[str, str] | None = None
    seed: int = 0
    impaired: int | None = None
    noise_dbfs: float = -70.0
    port: int = 0


@contextmanager
def emulated_radios(setting: EmulatedSetting) -> Iterator[list[Any]]:
    """Start them; leaving the context ends them and takes their exemption from bench.toml back.

    Yields:
        The emulators, each with a `uri`.

    Raises:
        SettingsError: an unknown kind, channel setting or fault.
    """
    from hardware.emulation.air import Air
    from hardware.emulation.pluto import EmulatedPluto
    from hardware.emulation.token import issue_token
    from hardware.emulation.usrp import EmulatedUsrp

    unknown = [kind for kind in setting.kinds if kind not in KINDS]
    if unknown or not setting.kinds:
        raise SettingsError(f"cannot emulate {', '.join(unknown) or 'nothing'}; needed some of {', '.join(KINDS)}")
    if len(setting.clock_ppm) > len(setting.kinds):
        raise SettingsError(f"{len(setting.clock_ppm)} clocks for {len(setting.kinds)} radios; give one for each")
    clocks = [*setting.clock_ppm, *[0.0] * len(setting.kinds)]
    base = profile(setting.channel)
    if setting.impaired is not None:
        base = with_ideal_front_ends(base)
    channel = with_text_settings(base, dict(setting.channel_settings or {}))
    air = Air(channel, seed=setting.seed, noise_dbfs=setting.noise_dbfs)
    left = dict(setting.faults or {})
    with ExitStack() as stack:
        token = issue_token()
        stack.callback(token.revoke)
        radios: list[Any] = []
        for index, (kind, ppm) in enumerate(zip(setting.kinds, clocks, strict=False)):
            n_ports = 1 if kind == "pluto" else 2
            front_ends: list[FrontEnd] = []
            if setting.impaired is not None:
                front_ends = [FrontEnd.draw(setting.impaired + index, channel) for channel in range(n_ports)]
            antenna = air.antenna(f"{kind} {index}", n_ports=n_ports, clock_ppm=ppm, front_ends=front_ends)
            port = setting.port if index == 0 else 0
            if kind == "usrp":
                radio: Any = EmulatedUsrp(antenna, token=token.text, port=port)
            else:
                radio = EmulatedPluto(antenna, two_channels=kind == "ad9361", token=token.text, port=port)
            radios.append(stack.enter_context(radio))
            for name, text in (setting.faults or {}).items():
                if _set_fault(radio.faults, name, text):
                    left.pop(name, None)
        if left:
            known = sorted({field.name for radio in radios for field in fields(radio.faults)})
            raise SettingsError(f"no fault {', '.join(left)}; needed some of {', '.join(known)}")
        yield radios


def _set_fault(faults: Any, name: str, text: str) -> bool:  # noqa: ANN401 - either emulator's own dataclass
    """Set one fault from text, by the type of its present value; False where the radio has no such fault."""
    if name not in {field.name for field in fields(faults)}:
        return False
    present = getattr(faults, name)
    try:
        if isinstance(present, bool):
            value: object = {"true": True, "false": False}[text.lower()]
        elif isinstance(present, int):
            value = int(text, 0)
        elif isinstance(present, float):
            value = float(text)
        elif present is None:
            value = int(text)
        else:
            raise SettingsError(f"fault {name} cannot be set on the command line; set it from Python")
    except (KeyError, ValueError) as error:
        raise SettingsError(f"fault {name}={text!r}; needed a value like {present!r}") from error
    setattr(faults, name, value)
    return True


def wait_until_ended() -> None:
    """Until SIGTERM (as SystemExit) or Ctrl-C (as KeyboardInterrupt)."""
    threading.Event().wait()
