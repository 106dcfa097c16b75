"""How fast the waveform runs, per second of one core: what else runs on the machine does not count.

Every speed of ours stands beside that of another program where there is one, measured in the same rounds. A receiver's
speed counts samples of its capture, gaps included, and holds only while every payload comes out as it was sent.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np

from sdr_gsc.capture import Capture
from sdr_gsc.channel.awgn import complex_noise
from sdr_gsc.channel.profile import ChannelProfile, profile
from sdr_gsc.channel.simulator import simulate
from sdr_gsc.phy.blocks import block_bytes, block_symbols
from sdr_gsc.phy.constellation import Qam
from sdr_gsc.phy.demapping import soft_demap
from sdr_gsc.phy.detection import LagSearch
from sdr_gsc.phy.matched_search import MatchedSearch
from sdr_gsc.phy.preamble import Preamble
from sdr_gsc.phy.receiver import Receiver
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.seeding import TrialSeeds

from .accuracy.detection import training_pair
from .anchors.cache import Absent
from .anchors.child import Child, open_child
from .anchors.code_words import ITERATIONS, CodeWords
from .anchors.liquid import Liquid, LiquidSpeed, open_liquid
from .curves import Measured, OnStep
from .rows import Row, row
from .throughput_traffic import LDPC_HALF, RATE_HZ, UNCODED, Traffic, traffic
from .timing import Measure, interleaved, rounds, timed

__all__ = ["measure"]

_ROUNDS = 25
#: Payload bytes to frames in the capture, at effort 1.
_FRAMES = {2048: 40, 64: 400}
_CODE_BLOCKS = 256
_NOISE_SAMPLES = 1_000_000
_POINTS = 131_072
_FALSE_ALARM_RATE = 1e-6
_MATCHED_TAPS, _MATCHED_CFO = 8, 2.0
#: liquid-dsp itself loses up to 0.5 % of its frames at any signal-to-noise ratio.
_LIQUID_RIGHT = 0.97

#: Eight Rayleigh taps, carrier and clock offset, white noise: one draw of the taps per burst.
_TDL = ChannelProfile(
    name="8-tap TDL", esn0_db=20.0, delay_profile="exponential", delay_spread_s=500e-9, n_taps=8, cfo_hz=3e3,
    sfo_ppm=20.0, random_phase=True,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Speeds:
    """Seconds and amounts by name; a speed is their ratio."""

    seconds: dict[str, float]
    amounts: dict[str, float]

    def of(self, name: str) -> float | None:
        """Millions per second; None where it was not measured."""
        return self.amounts[name] / self.seconds[name] / 1e6 if name in self.seconds else None

    def ours(self, name: str) -> float:
        """The same for what is always measured."""
        return self.amounts[name] / self.seconds[name] / 1e6


def measure(
    *, effort: float = 1.0, seed: int = 1, on_step: OnStep = lambda done, count: None, anchors: bool = True
) -> Measured:
    """Speeds of the receiver, the transmitter, the searches, the code, the demapper and the simulator.

    Args:
        effort: 1 takes 25 rounds, with 40 frames of 2 kB and 400 of 64 B.
        seed: of everything drawn.
        on_step: told of finished rounds.
        anchors: whether other programs take part.
    """
    works = _Works(effort, seed)
    measures = [timed(name, work) for name, work in works.works.items()]
    notes: dict[str, str] = {}
    amounts = dict(works.amounts)
    with ExitStack() as stack:
        if anchors:
            liquid = _liquid(effort, notes, amounts)
            if liquid is not None:
                measures.append(liquid)
            for package in ("sionna", "commpy"):
                child = _child(package, stack, notes, amounts)
                if child is not None:
                    measures.append(child)
        seconds = interleaved(measures, rounds(effort, _ROUNDS), on_step)
    return Measured(tuple(_rows(_Speeds(seconds, amounts), works)), anchors=tuple(notes.items()))


class _Works:
    """Everything of ours that is timed, with what it works on."""

    def __init__(self, effort: float, seed: int) -> None:
        seeds = TrialSeeds(seed, "throughput")
        generator = seeds.generator("signals")
        self.uncoded = {
            size: traffic(size, max(2, round(count * effort)), generator) for size, count in _FRAMES.items()
        }
        count = len(self.uncoded[2048].payloads)
        self.coded = {
            snr_db: traffic(2048, count, generator, scheme=LDPC_HALF, snr_db=snr_db) for snr_db in (10.0, 4.0)
        }
        noise = complex_noise(max(100_000, round(_NOISE_SAMPLES * effort)), 1e-2, generator)
        silence = Capture(noise, RATE_HZ)
        receiver, preamble = Receiver(), Preamble()
        matched = MatchedSearch(training_pair(), 64, _MATCHED_TAPS, _MATCHED_CFO, _FALSE_ALARM_RATE)
        self.payload = generator.bytes(2048 * count)
        transmitter = Transmitter(frame_symbols=block_symbols(-(-2048 // block_bytes(UNCODED)), UNCODED))
        self.sent = transmitter.transmit_bytes(self.payload, UNCODED, b"bench", seed)
        burst = Capture(self.sent.samples, RATE_HZ)
        office = profile("office")
        self.words = CodeWords.drawn(max(8, round(_CODE_BLOCKS * effort)), seed)
        points = Qam(4).modulate(generator.integers(0, 2, 2 * _POINTS, dtype=np.uint8))
        points = points + complex_noise(points.size, 0.1, generator)
        variance = np.full(points.size, 0.1, np.float32)

        air = self.sent.n_air_samples
        self.works: dict[str, Callable[[], object]] = {
            **{f"receive {size}": scene.receive for size, scene in self.uncoded.items()},
            **{f"receive coded {snr_db:g}": scene.receive for snr_db, scene in self.coded.items()},
            "idle": lambda: receiver.receive(silence),
            "lag": lambda: _search(noise, preamble),
            "matched": lambda: matched.detections(noise),
            "transmit": lambda: transmitter.transmit_bytes(self.payload, UNCODED, b"bench", seed),
            "decode": lambda: self.words.code.decode(self.words.llr, iterations=ITERATIONS),
            "encode": lambda: self.words.code.encode(self.words.information),
            "demap": lambda: soft_demap(points, variance, 4),
            "tdl": lambda: simulate(burst, _TDL, seeds.generator("air")),
            "moving tdl": lambda: simulate(burst, replace(_TDL, doppler_hz=50.0), seeds.generator("air")),
            "office": lambda: simulate(burst, office, seeds.generator("air")),
        }
        self.amounts: dict[str, float] = {
            **{f"receive {size}": scene.capture.samples.size for size, scene in self.uncoded.items()},
            **{f"receive coded {snr_db:g}": scene.capture.samples.size for snr_db, scene in self.coded.items()},
            **dict.fromkeys(("idle", "lag", "matched"), noise.size),
            "transmit": air,
            **dict.fromkeys(("decode", "encode"), self.words.information.size),
            "demap": points.size,
            **dict.fromkeys(("tdl", "moving tdl", "office"), burst.samples.size),
        }

    @property
    def decoded_wrong(self) -> float:
        """Share of blocks with a wrong information bit; the syndrome alone also counts wrong parity."""
        return self.words.block_errors(self.words.code.decode(self.words.llr, iterations=ITERATIONS).bits)


def _search(noise: np.ndarray, preamble: Preamble) -> int:
    """Candidates that the gate lets through."""
    search = LagSearch(noise, preamble)
    count = position = 0
    while (candidate := search.next_candidate(position)) is not None:
        count += 1
        position = candidate.start + 2 * search.stride
    return count


def _liquid(effort: float, notes: dict[str, str], amounts: dict[str, float]) -> Measure | None:
    liquid = open_liquid()
    if isinstance(liquid, Absent):
        notes["liquid-dsp"] = f"missing: {liquid.reason}"
        return None
    notes["liquid-dsp"] = liquid.name
    counts = {size: max(2, round(count * effort)) for size, count in _FRAMES.items()}
    first = {size: liquid.speed(size, count) for size, count in counts.items()}
    for size, speed in first.items():
        if speed.right < _LIQUID_RIGHT * speed.frames:
            notes["liquid-dsp"] = f"missing: only {speed.right} of {speed.frames} frames of {size} B came back"
            return None
        amounts[f"liquid receive {size}"] = speed.receive_samples
        amounts[f"liquid payload {size}"] = 8 * size * speed.right
    amounts |= {"liquid transmit": first[2048].transmit_samples, "liquid idle": first[2048].idle_samples}
    return lambda: _liquid_round(liquid, counts)


def _liquid_round(liquid: Liquid, counts: dict[int, int]) -> dict[str, float]:
    speeds: dict[int, LiquidSpeed] = {size: liquid.speed(size, count) for size, count in counts.items()}
    seconds = {f"liquid receive {size}": speed.receive_s for size, speed in speeds.items()}
    seconds |= {f"liquid payload {size}": speed.receive_s for size, speed in speeds.items()}
    return seconds | {"liquid transmit": speeds[2048].transmit_s, "liquid idle": speeds[2048].idle_s}


def _child(package: str, stack: ExitStack, notes: dict[str, str], amounts: dict[str, float]) -> Measure | None:
    child = open_child(package)
    if isinstance(child, Absent):
        notes[package] = f"missing: {child.reason}"
        return None
    missing = stack.enter_context(child).begin()
    if missing is not None:
        notes[package] = f"missing: {missing.reason}"
        return None
    for key, anchor in child.anchors.items():
        notes[f"{package} {key}"] = f"{anchor.name}; errors {anchor.errors:.2g}"
        amounts[f"{package} {key}"] = anchor.amount
    return lambda: _child_round(package, child)


def _child_round(package: str, child: Child) -> dict[str, float]:
    return {f"{package} {key}": value for key, value in child.measure().items()}


def _rows(speeds: _Speeds, works: _Works) -> list[Row]:
    transmitted = speeds.ours("transmit")
    lost = works.decoded_wrong
    return [
        *_receive_rows("2 kB", 2048, works.uncoded[2048], speeds, target=4.0, aim=7.0),
        *_receive_rows("64 B", 64, works.uncoded[64], speeds, target=0.8, aim=2.0),
        *_coded_rows(works, speeds),
        row(
            "receive, 2 kB frames, over Sionna's OFDM receiver", _ratio(speeds, "receive 2048", "sionna receive"),
            "ratio",
        ),
        row(
            "transmit, 2 kB frames, QPSK uncoded, over liquid-dsp", _ratio(speeds, "transmit", "liquid transmit"),
            "ratio", target=1.0, aim=2.0,
        ),
        row("transmit, 2 kB frames, QPSK uncoded", transmitted, "Msps", anchor=speeds.of("liquid transmit")),
        row(
            "idle search of noise, whole receiver", speeds.ours("idle"), "Msps", anchor=speeds.of("liquid idle"),
            target=100.0, aim=300.0,
        ),
        row("idle search of noise, lag metric alone", speeds.ours("lag"), "Msps", anchor=speeds.of("liquid idle")),
        row(
            "idle search of noise, 128-sample matched search, CFO ±2 subcarriers", speeds.ours("matched"), "Msps",
            anchor=speeds.of("liquid idle"), target=20.0, aim=60.0,
        ),
        row(
            "LDPC decoding, n=1944, R=1/2, 2 dB, 10 iterations", speeds.ours("decode"), "Mbit/s",
            anchor=speeds.of("sionna ldpc"), target=30.0, aim=100.0, valid=lost < 0.1,
        ),
        row("LDPC decoding, over scikit-commpy", _ratio(speeds, "decode", "commpy ldpc"), "ratio"),
        row("LDPC block errors, n=1944, 2 dB", lost, "share", better="lower"),
        row("LDPC encoding", speeds.ours("encode"), "Mbit/s"),
        row("QPSK soft demapping", speeds.ours("demap"), "Msym/s", anchor=speeds.of("commpy demap")),
        row("channel simulator, 8-tap TDL, CFO, SFO, white noise", speeds.ours("tdl"), "Msps", target=30.0, aim=60.0),
        row("channel simulator, the same with 50 Hz Doppler", speeds.ours("moving tdl"), "Msps"),
        row("channel simulator, office", speeds.ours("office"), "Msps"),
    ]  # fmt: skip


def _ratio(speeds: _Speeds, ours: str, theirs: str) -> float | None:
    other = speeds.of(theirs)
    return None if other is None else speeds.ours(ours) / other


def _receive_rows(name: str, size: int, scene: Traffic, speeds: _Speeds, *, target: float, aim: float) -> list[Row]:
    right = scene.right(scene.receive())
    seconds = speeds.seconds[f"receive {size}"]
    count = len(scene.payloads)
    return [
        row(
            f"receive, {name} frames, QPSK uncoded, over liquid-dsp",
            _ratio(speeds, f"receive {size}", f"liquid receive {size}"), "ratio",
            target=target, aim=aim, valid=right == 1,
        ),
        row(
            f"receive, {name} frames, QPSK uncoded", speeds.ours(f"receive {size}"), "Msps",
            anchor=speeds.of(f"liquid receive {size}"), valid=right == 1,
        ),
        row(
            f"receive, {name} frames, QPSK uncoded, payload", 8 * size * right * count / seconds / 1e6, "Mbit/s",
            anchor=speeds.of(f"liquid payload {size}"),
        ),
        row(f"receive, {name} frames, QPSK uncoded, frames", right * count / seconds, "1/s"),
        row(f"receive, {name} frames, QPSK uncoded, payloads right", right, "share", bound=1.0, target=1.0),
    ]  # fmt: skip


def _coded_rows(works: _Works, speeds: _Speeds) -> list[Row]:
    found = []
    for snr_db, scene in works.coded.items():
        right = scene.right(scene.receive())
        judged = snr_db == 10.0
        name = f"receive, 2 kB frames, LDPC 1/2, {snr_db:g} dB"
        found.append(
            row(
                name, speeds.ours(f"receive coded {snr_db:g}"), "Msps",
                target=30.0 if judged else None, aim=60.0 if judged else None, valid=right == 1,
            )
        )  # fmt: skip
        found.append(row(f"{name}, payloads right", right, "share", bound=1.0, target=1.0 if judged else None))
    return found
