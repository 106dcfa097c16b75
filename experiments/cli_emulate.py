"""``sdr-gsc emulate``: radios without hardware, for the real drivers."""

from __future__ import annotations

import json as json_format
import signal
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

__all__ = ["emulate"]


def emulate(
    *radios: str,
    profile: str = "cabled",
    channel: Annotated[list[str] | None, Parameter(name="--channel")] = None,
    esn0_db: float | None = None,
    ppm: Annotated[list[float] | None, Parameter(name="--ppm")] = None,
    fault: Annotated[list[str] | None, Parameter(name="--fault")] = None,
    seed: int = 0,
    impaired: int | None = None,
    noise_dbfs: float = -70.0,
    port: int = 0,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print the addresses as one JSON line.")] = False,
) -> int:
    """Emulate radios until ended; what one transmits, all hear. The drivers of real radios cannot tell the difference.

    Args:
        radios: pluto, ad9361 (two channels) or usrp (two channels); several share one air.
        profile: Channel profile between them.
        channel: Changes of the profile, SETTING=VALUE; repeat.
        esn0_db: Es/N0 that every signal arrives with; by default the profile's own.
        ppm: How fast each radio's clock runs; repeat, in the order of the radios.
        fault: A fault of the radios, NAME=VALUE, such as fault_rate=0.01; repeat.
        seed: Everything random follows from it.
        impaired: Seed of the radios' hidden imperfections, for calibrations; by default they are perfect.
        noise_dbfs: Noise floor at a receive gain of 40 dB, where the channel has no Es/N0.
        port: Of the first radio; a free one by default.
        json: Print the addresses as one JSON line.
    """
    from .procedures.emulating import EmulatedSetting, emulated_radios, wait_until_ended

    settings = _pairs(channel or (), "--channel")
    if esn0_db is not None:
        settings["esn0_db"] = str(esn0_db)
    setting = EmulatedSetting(
        kinds=tuple(name for item in radios for name in item.split(",") if name),
        channel=profile, channel_settings=settings, clock_ppm=ppm or (),
        faults=_pairs(fault or (), "--fault"), seed=seed, impaired=impaired, noise_dbfs=noise_dbfs, port=port,
    )  # fmt: skip
    previous = signal.signal(signal.SIGTERM, _end)
    try:
        with emulated_radios(setting) as started:
            uris = [radio.uri for radio in started]
            if json:
                further = {} if len(uris) == 1 else {"uris": uris}
                print(json_format.dumps({"uri": uris[0], **further}), flush=True)
            else:
                print("\n".join(uris), flush=True)
            wait_until_ended()
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, previous)
    return 0


def _end(_signal_number: int, _frame: object) -> None:
    raise SystemExit(0)


def _pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    from sdr_gsc.errors import SettingsError

    found = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise SettingsError(f"{option} {text!r}; write {option} NAME=VALUE")
        found[name] = value
    return found
