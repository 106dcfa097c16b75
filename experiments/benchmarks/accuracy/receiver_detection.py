"""How often the whole receiver finds a frame, at the false-alarm rate it has by default."""

from __future__ import annotations

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.channel.awgn import complex_noise
from sdr_gsc.channel.delay_profiles import exponential_profile
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.preamble import Preamble
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.seeding import TrialSeeds

from ..curves import Curve, Measured, OnStep, Series
from ..rows import row
from .air import RATE_HZ, Heard, heard, rayleigh_taps, scene
from .bounds import detection_probability
from .counting import poisson_limit, trials
from .frames import soft_frame

__all__ = ["listen", "measure"]

_SNR_DB = (-9.0, -8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, 0.0)
_FADING_SNR_DB = (-6.0, -3.0, 0.0, 3.0, 6.0, 9.0)
_DEFAULT_RATE = 1e-9
_COUNTED_RATE = 1e-6
_MAX_CFO = 2.0
_TRIALS = 2000
_PAYLOAD = 48
_PER_CAPTURE = 20
_NOISE_CAPTURES, _NOISE_BATCH = 100, 1_000_000


def listen(receiver: Receiver, snr_db: float, count: int, fading: bool, generator: np.random.Generator) -> list[Heard]:
    """Short frames at unknown times with carrier offsets within two subcarriers.

    Args:
        receiver: listens to captures of 20 frames each.
        snr_db: mean sample SNR.
        count: frames, rounded up to whole captures.
        fading: eight Rayleigh taps of rms 2 samples, drawn for each frame.
        generator: of everything drawn.
    """
    transmitter = Transmitter()
    powers = exponential_profile(8, 1.0, 2.0).scattered
    results = []
    for _ in range(-(-count // _PER_CAPTURE)):
        sent = [soft_frame(transmitter, _PAYLOAD, generator) for _ in range(_PER_CAPTURE)]
        there = scene(
            [each.samples for each in sent],
            generator,
            noise_variance=float(np.mean([each.power for each in sent])) * 10 ** (-snr_db / 10),
            max_cfo=_MAX_CFO,
            draw_taps=(lambda source: rayleigh_taps(source, powers)) if fading else None,
        )
        results.append(heard(there, receiver.receive(there.capture).frames))
    return results


def measure(*, effort: float = 1.0, seed: int = 1, on_step: OnStep = lambda done, count: None) -> Measured:
    """Frames found and headers right over sample SNR; frames found in noise.

    Args:
        effort: 1 sends 2000 frames per point and listens to 1e8 samples of noise.
        seed: of everything drawn.
        on_step: told of finished points.
    """
    count = trials(_TRIALS, effort, _PER_CAPTURE)
    receiver = Receiver(false_alarm_rate=_DEFAULT_RATE)
    steps = len(_SNR_DB) + len(_FADING_SNR_DB) + 1
    shares: dict[tuple[bool, float], tuple[float, float]] = {}
    for fading, ratios in ((False, _SNR_DB), (True, _FADING_SNR_DB)):
        for snr_db in ratios:
            generator = TrialSeeds(seed, f"receiver_detection/{fading}/{snr_db:g}").generator("frames")
            frames = [frame for each in listen(receiver, snr_db, count, fading, generator) for frame in each.frames]
            there = sum(frame is not None for frame in frames)
            good = sum(frame is not None and frame.header is not None for frame in frames)
            shares[fading, snr_db] = there / len(frames), good / len(frames)
            on_step(len(shares), steps)
    captures = trials(_NOISE_CAPTURES, effort)
    n_noise = captures * _NOISE_BATCH
    alarms = _alarms(captures, TrialSeeds(seed, "receiver_detection").generator("noise"))
    on_step(steps, steps)
    preamble = Preamble(Numerology())
    fine = np.linspace(_SNR_DB[0], _SNR_DB[-1], 37)
    energy = preamble.length * 10 ** (fine / 10)
    rows = (
        row(
            "receiver: frames found at -6 dB, 1e-9 false alarms per sample", shares[False, -6.0][0], "share",
            bound=float(detection_probability(preamble.length * 10**-0.6, _DEFAULT_RATE)),
        ),
        row("receiver: headers right at -3 dB", shares[False, -3.0][1], "share"),
        row("receiver: frames found at +3 dB, Rayleigh", shares[True, 3.0][0], "share"),
        row(
            "receiver: false alarms counted, 1e-6 set", alarms / n_noise, "per sample",
            bound=_COUNTED_RATE, target=poisson_limit(_COUNTED_RATE * n_noise) / n_noise, better="lower",
        ),
    )  # fmt: skip
    curve = Curve(
        name="Frames found by the receiver",
        x_label="sample SNR (dB)",
        y_label="share of frames",
        series=(
            Series.of("found", _SNR_DB, [shares[False, each][0] for each in _SNR_DB]),
            Series.of("header right", _SNR_DB, [shares[False, each][1] for each in _SNR_DB]),
            Series.of("found, Rayleigh", _FADING_SNR_DB, [shares[True, each][0] for each in _FADING_SNR_DB]),
            Series.of("header right, Rayleigh", _FADING_SNR_DB, [shares[True, each][1] for each in _FADING_SNR_DB]),
        ),
        bounds=(
            Series.of(
                f"found, noise level and CFO known, {preamble.length} samples",
                fine.tolist(),
                detection_probability(energy, _DEFAULT_RATE),
            ),
        ),
        text=(
            f"Frames of one payload symbol, carrier offset within ±{_MAX_CFO:g} subcarriers, {_DEFAULT_RATE:g} false "
            "alarms per sample. Below the bound by what the gate, which knows nothing of the preamble's content, costs."
        ),
    )
    return Measured(rows, (curve,))


def _alarms(captures: int, generator: np.random.Generator) -> int:
    receiver = Receiver(false_alarm_rate=_COUNTED_RATE)
    found = 0
    for _ in range(captures):
        noise = complex_noise(_NOISE_BATCH, 1e-2, generator)
        found += len(receiver.receive(Capture(noise, RATE_HZ)).frames)
    return found
