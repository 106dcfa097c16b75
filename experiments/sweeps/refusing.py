"""What no trial of a sweep could do, told before the first one begins."""

from __future__ import annotations

import difflib

from hardware.registry import open_radio
from sdr_gsc.diffusion.decoders import DECODER_NAMES, POSTERIOR_SOLVERS, check_used
from sdr_gsc.errors import SettingsError

from .settings import TrialSettings

__all__ = ["Refusing"]


class Refusing:
    """Checks transmissions; what was found good once is not looked at again."""

    def __init__(self) -> None:
        self._good: set[object] = set()

    def check(self, of: TrialSettings) -> None:
        """Look at decoders and simulated radios; real ones are opened by trials alone.

        Raises:
            SettingsError: an unknown decoder or channel profile, or an option that no decoder uses.
        """
        decoding = (of.decoders, of.decoder_options(of.task_guidance))
        if decoding not in self._good:
            for name in of.decoders:
                _check_decoder(name)
            check_used(set(of.decoders), decoding[1])
            self._good.add(decoding)
        radio = of.radio if of.tx is None else ""
        if radio.startswith("loopback:") and radio not in self._good:
            open_radio(radio).close()
            self._good.add(radio)


def _check_decoder(name: str) -> None:
    family, _, choice = name.partition(":")
    known = [each.partition("[")[0] for each in DECODER_NAMES]
    fits = not choice or (choice in POSTERIOR_SOLVERS if family == "posterior" else choice.isdecimal())
    if family in known and fits:
        return
    choices = [f"{family}:{solver}" for solver in POSTERIOR_SOLVERS] if family == "posterior" else known
    near = difflib.get_close_matches(name, choices, n=1)
    hint = f"did you mean {near[0]}? Known are" if near else "needed one of"
    raise SettingsError(f"decoder {name!r} is unknown; {hint} {', '.join(DECODER_NAMES)}")
