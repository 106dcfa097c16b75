"""How fast the waveform runs on this machine, per second of one core: what else runs there does not count."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.channel.awgn import complex_noise
from sdr_gsc.channel.profile import profile, with_text_settings
from sdr_gsc.channel.simulator import simulate
from sdr_gsc.phy.coding.ldpc import LdpcCode
from sdr_gsc.phy.constellation import Qam
from sdr_gsc.phy.demapping import soft_demap
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter

from .anchors import commpy_ldpc, commpy_qpsk
from .rows import Row, interleaved_medians, row

__all__ = ["bench_phy"]

_SEED = 1
_RATE_HZ = 4e6
#: 2 kB of QPSK.
_FRAME_SYMBOLS = 8192
_FRAMES = 16
_CODE_BITS, _BLOCKS, _ITERATIONS = 1944, 256, 10
_NOISE_SAMPLES = 4_000_000
_FALSE_ALARM_RATE = 1e-6


def _random(count: int, generator: np.random.Generator) -> np.ndarray:
    return generator.integers(0, 2, count, dtype=np.uint8)


def bench_phy(
    *, repetitions: int = 7, on_step: Callable[[int, int], None] = lambda done, count: None
) -> tuple[list[Row], dict[str, str]]:
    """Measure.

    Args:
        repetitions: of each work; the medians are taken.
        on_step: told of finished rounds.

    Returns:
        Rows, and what each anchor is.
    """
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(_SEED)))
    transmitter = Transmitter(frame_symbols=_FRAME_SYMBOLS)
    receiver = Receiver(frame_symbols=_FRAME_SYMBOLS)
    qpsk = Qam(4)
    symbols = qpsk.modulate(_random(2 * _FRAME_SYMBOLS * _FRAMES, generator))
    sent = transmitter.transmit_symbols(symbols, b"bench", _SEED)
    payload = generator.bytes(2048 * 4)
    coded = transmitter.transmit_bytes(payload, 0, b"bench", _SEED)
    cabled = with_text_settings(profile("cabled"), {"esn0_db": "30"})
    received = simulate(Capture(sent.samples, _RATE_HZ), cabled, generator)
    received_coded = simulate(
        Capture(coded.samples, _RATE_HZ), with_text_settings(cabled, {"esn0_db": "10"}), generator
    )
    noise = Capture(complex_noise(1_000_000, 1e-2, generator), _RATE_HZ)

    code = LdpcCode.ieee80211n(_CODE_BITS, "1/2")
    information = _random(_BLOCKS * code.k, generator).reshape(_BLOCKS, code.k)
    codewords = code.encode(information)
    # Eb/N0 = 2 dB for ±1 at rate 1/2: sigma² = 1/(2 R Eb/N0) = 10^-0.2.
    sigma = np.float32(10**-0.1)
    soft = (1 - 2 * codewords.astype(np.float32)) + sigma * generator.standard_normal(codewords.shape, np.float32)
    llr = (2 * soft / sigma**2).astype(np.float32)
    points = symbols + complex_noise(symbols.size, 0.1, generator)
    variance = np.full(symbols.size, 0.1, np.float32)
    office = profile("office")

    def received_frames() -> int:
        return sum(frame.header is not None for frame in receiver.receive(received).frames)

    works: dict[str, Callable[[], object]] = {
        "receive": received_frames,
        "receive_coded": lambda: receiver.receive(received_coded),
        "search": lambda: receiver.receive(noise),
        "transmit": lambda: transmitter.transmit_symbols(symbols, b"bench", _SEED),
        "decode": lambda: code.decode(llr, iterations=_ITERATIONS),
        "encode": lambda: code.encode(information),
        "demap": lambda: soft_demap(points, variance, 4),
        "simulate": lambda: simulate(Capture(sent.samples, _RATE_HZ), office, np.random.default_rng(_SEED)),
    }
    anchors = {"demap": commpy_qpsk(points), "decode": commpy_ldpc(code, llr, _ITERATIONS)}
    amounts = {name: anchor.amount for name, anchor in anchors.items() if anchor is not None}
    works |= {f"anchor {name}": anchor.work for name, anchor in anchors.items() if anchor is not None}
    seconds = interleaved_medians(works, repetitions, on_step, time.process_time)
    rate = {name: amounts[name] / seconds[f"anchor {name}"] for name in amounts}
    blocks = code.decode(llr, iterations=_ITERATIONS)
    # Wrong information bits; the syndrome alone also counts blocks of which only parity is still wrong.
    wrong = float(np.any(blocks.bits != information, axis=1).mean())
    samples = {"receive": received.samples.size, "receive_coded": received_coded.samples.size}
    speed = {name: count / seconds[name] / 1e6 for name, count in samples.items()}
    air = sent.n_air_samples
    rows = [
        row("receiver, 2 kB QPSK frames", speed["receive"], "Msps", target=5.0, aim=100.0),
        row("receiver, 2 kB QPSK frames found", received_frames() / _FRAMES, "share", bound=1.0, target=1.0),
        row("receiver, LDPC 1/2 payload", speed["receive_coded"], "Msps", aim=30.0),
        row("receiver, idle search", noise.samples.size / seconds["search"] / 1e6, "Msps"),
        row("transmitter", air / seconds["transmit"] / 1e6, "Msps"),
        row("QPSK soft demapping", points.size / seconds["demap"] / 1e6, "Msym/s", anchor=_per_million(rate, "demap")),
        row(
            "LDPC decoding, n=1944, 2 dB, 10 iterations", information.size / seconds["decode"] / 1e6, "Mbit/s",
            anchor=_per_million(rate, "decode"), aim=30.0,
        ),
        row("LDPC block errors, n=1944, 2 dB", wrong, "share", better="lower"),
        row("LDPC encoding", information.size / seconds["encode"] / 1e6, "Mbit/s"),
        row("channel simulator, office", sent.samples.size / seconds["simulate"] / 1e6, "Msps", aim=30.0),
        _false_alarms(generator),
    ]  # fmt: skip
    return rows, {name: anchor.name for name, anchor in anchors.items() if anchor is not None}


def _per_million(rates: dict[str, float], name: str) -> float | None:
    return rates[name] / 1e6 if name in rates else None


def _false_alarms(generator: np.random.Generator) -> Row:
    """Frames found in white noise at a rate that is high enough to be counted."""
    receiver = Receiver(false_alarm_rate=_FALSE_ALARM_RATE)
    found = 0
    for _ in range(4):
        noise = complex_noise(_NOISE_SAMPLES // 4, 1e-2, generator)
        found += len(receiver.receive(Capture(noise, _RATE_HZ)).frames)
    expected = _FALSE_ALARM_RATE * _NOISE_SAMPLES
    # Three standard deviations of a Poisson count above the rate that was set.
    limit = (expected + 3 * expected**0.5) / _NOISE_SAMPLES
    return row(
        f"false alarms in noise, {_FALSE_ALARM_RATE:g} set", found / _NOISE_SAMPLES, "per sample",
        bound=_FALSE_ALARM_RATE, target=limit, better="lower",
    )  # fmt: skip
