"""What receiving costs as frames get longer, FFTs larger, captures fuller and blocks smaller."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdr_gsc.phy.blocks import block_bytes, block_symbols
from sdr_gsc.phy.framing import MAX_COUNT
from sdr_gsc.phy.streaming import StreamingReceiver
from sdr_gsc.seeding import TrialSeeds

from .anchors.cache import Absent
from .anchors.liquid import Liquid, open_liquid
from .curves import Curve, Measured, OnStep, Series
from .rows import Row, row
from .throughput_memory import peak_mebibytes
from .throughput_traffic import LDPC_HALF, UNCODED, Traffic, traffic
from .timing import Measure, interleaved, rounds, timed

__all__ = ["measure"]

_ROUNDS = 5
_PAYLOADS = (16, 64, 256, 1024, 2048, 4096, 8192, 16384, 32768)
_LIQUID_MOST = 9216
_FFT_SIZES = (64, 128, 256, 512, 1024)
_FRAMES = (1, 2, 5, 10, 20, 50, 100, 200)
_BLOCKS = (256, 1024, 4096, 16384, 65536, 262_144, 1_048_576)
_SIZE = 2048
#: Samples of a capture at effort 1, about.
_SAMPLES = 500_000
_SCHEMES = {"QPSK uncoded, 30 dB": (UNCODED, 30.0), "LDPC 1/2, 10 dB": (LDPC_HALF, 10.0)}


@dataclass(frozen=True, slots=True)
class _Costs:
    """Per scene: seconds to receive it, NaN where a payload came out wrong; and its samples and frames."""

    seconds: np.ndarray
    samples: np.ndarray
    frames: np.ndarray

    @property
    def msps(self) -> np.ndarray:
        return self.samples / self.seconds / 1e6

    @property
    def us_per_frame(self) -> np.ndarray:
        return self.seconds / self.frames * 1e6


def measure(
    *, effort: float = 1.0, seed: int = 1, on_step: OnStep = lambda done, count: None, anchors: bool = True
) -> Measured:
    """Speed and time per frame over payload and FFT size, time and memory over frames, speed over the block size.

    Args:
        effort: 1 takes 5 rounds on captures of about half a million samples.
        seed: of everything drawn.
        on_step: told of finished rounds.
        anchors: whether liquid-dsp takes part.
    """
    liquid = open_liquid() if anchors else Absent("not asked for")
    done, steps = 0, 4 * (rounds(effort, _ROUNDS) + 1)

    def step(_: int, __: int) -> None:
        nonlocal done
        done += 1
        on_step(done, steps)

    parts = [
        _over_payload(effort, seed, liquid, step),
        _over_fft_size(effort, seed, liquid, step),
        _over_frames(effort, seed, step),
        _over_blocks(effort, seed, step),
    ]
    right = float(np.mean([share for part in parts for share in part.shares]))
    total = row("cost curves: payloads right", right, "share", bound=1.0, target=1.0)
    rows = [item for part in parts for item in part.rows]
    return Measured((total, *rows), tuple(curve for part in parts for curve in part.curves))


@dataclass(frozen=True, slots=True)
class _Part:
    """Curves over one thing, the shares of payloads that came out right on the way, and rows."""

    curves: list[Curve]
    shares: list[float]
    rows: tuple[Row, ...] = ()


def _scene(
    payload_bytes: int, effort: float, seed: int, *, scheme: int = UNCODED, snr_db: float = 30.0, fft_size: int = 64
) -> Traffic:
    """A capture of about the samples that the effort allows, with two frames at least."""
    generator = TrialSeeds(seed, f"cost/{payload_bytes}/{scheme}/{snr_db:g}/{fft_size}").generator("signals")
    # 6.5 samples to the payload byte and 1500 for the rest, uncoded.
    count = max(2, round(effort * _SAMPLES / (1500 + 7 * payload_bytes)))
    return traffic(payload_bytes, count, generator, scheme=scheme, snr_db=snr_db, fft_size=fft_size)


def _costs(
    scenes: Sequence[Traffic], effort: float, theirs: Sequence[Measure], step: OnStep
) -> tuple[_Costs, dict[str, float], list[float]]:
    """Ours, the medians of the others, and the shares of payloads that came out right."""
    ours = [timed(str(index), scene.receive) for index, scene in enumerate(scenes)]
    seconds = interleaved([*ours, *theirs], rounds(effort, _ROUNDS), step)
    shares = [scene.right(scene.receive()) for scene in scenes]
    found = [seconds.pop(str(index)) if share == 1 else np.nan for index, share in enumerate(shares)]
    samples = np.array([scene.capture.samples.size for scene in scenes])
    return _Costs(np.array(found), samples, np.array([len(scene.payloads) for scene in scenes])), seconds, shares


def _theirs(liquid: Liquid | Absent, cases: Sequence[tuple[int, int]], effort: float) -> dict[tuple[int, int], Measure]:
    """liquid-dsp at pairs of payload bytes and FFT size: seconds per sample, and per frame."""
    if isinstance(liquid, Absent):
        return {}

    def of(payload_bytes: int, fft_size: int) -> Measure:
        count = max(2, round(effort * _SAMPLES / (1500 + 7 * payload_bytes)))

        def take() -> dict[str, float]:
            found = liquid.speed(payload_bytes, count, fft_size=fft_size, cp_length=fft_size // 4)
            return {
                f"sample {payload_bytes} {fft_size}": found.receive_s / found.receive_samples,
                f"frame {payload_bytes} {fft_size}": found.receive_s / found.frames,
            }

        return take

    return {case: of(*case) for case in cases}


def _bounds(
    name: str, cases: Sequence[tuple[int, int]], x: Sequence[float], seconds: dict[str, float]
) -> tuple[tuple[Series, ...], tuple[Series, ...]]:
    """liquid-dsp as bounds of a plot of Msps and of one of µs per frame."""
    if not seconds:
        return (), ()
    keys = [f"{size} {fft}" for size, fft in cases]
    return (
        (Series.of(name, x, [1e-6 / seconds[f"sample {key}"] for key in keys]),),
        (Series.of(name, x, [1e6 * seconds[f"frame {key}"] for key in keys]),),
    )


def _over_payload(effort: float, seed: int, liquid: Liquid | Absent, step: OnStep) -> _Part:
    sizes = {name: [size for size in _PAYLOADS if _fits(size, scheme)] for name, (scheme, _) in _SCHEMES.items()}
    scenes = [
        _scene(size, effort, seed, scheme=scheme, snr_db=snr_db)
        for name, (scheme, snr_db) in _SCHEMES.items()
        for size in sizes[name]
    ]
    cases = [(size, 64) for size in _PAYLOADS if size <= _LIQUID_MOST]
    costs, theirs, shares = _costs(scenes, effort, list(_theirs(liquid, cases, effort).values()), step)
    ends = np.cumsum([len(each) for each in sizes.values()]).tolist()
    parts = {name: slice(end - len(sizes[name]), end) for name, end in zip(sizes, ends, strict=True)}
    speed, time = _bounds("liquid-dsp, QPSK uncoded", cases, [size for size, _ in cases], theirs)
    what = (
        "One payload per frame, FFT 64, a tenth of a frame between frames, arrival unknown, carrier offset 0.2 "
        f"subcarriers; from the search to the checked payload. liquid-dsp takes at most {_LIQUID_MOST} bytes; our "
        f"frames hold at most {MAX_COUNT} symbols."
    )
    curves = [
        Curve(
            name="Receive speed over payload", x_label="payload (bytes)", y_label="speed (Msps of one core)",
            series=tuple(Series.of(name, sizes[name], costs.msps[part]) for name, part in parts.items()),
            bounds=speed, log_x=True, log_y=True, text=what,
        ),
        Curve(
            name="Receive time over payload", x_label="payload (bytes)", y_label="time per frame (µs of one core)",
            series=tuple(Series.of(name, sizes[name], costs.us_per_frame[part]) for name, part in parts.items()),
            bounds=time, log_x=True, log_y=True,
            text="The same measurement per frame: what a frame costs before its payload counts, and the slope after.",
        ),
    ]  # fmt: skip
    return _Part(curves, shares)


def _fits(payload_bytes: int, scheme: int) -> bool:
    return block_symbols(-(-payload_bytes // block_bytes(scheme)), scheme) <= MAX_COUNT


def _over_fft_size(effort: float, seed: int, liquid: Liquid | Absent, step: OnStep) -> _Part:
    scenes = [_scene(_SIZE, effort, seed, fft_size=size) for size in _FFT_SIZES]
    cases = [(_SIZE, size) for size in _FFT_SIZES]
    costs, theirs, shares = _costs(scenes, effort, list(_theirs(liquid, cases, effort).values()), step)
    speed, time = _bounds("liquid-dsp", cases, _FFT_SIZES, theirs)
    curves = [
        Curve(
            name="Receive speed over FFT size", x_label="FFT size", y_label="speed (Msps of one core)",
            series=(Series.of("QPSK uncoded, 30 dB", _FFT_SIZES, costs.msps),), bounds=speed, log_x=True, log_y=True,
            text="Frames of 2 kB; the prefix is a quarter of the FFT size.",
        ),
        Curve(
            name="Receive time over FFT size", x_label="FFT size", y_label="time per frame (µs of one core)",
            series=(Series.of("QPSK uncoded, 30 dB", _FFT_SIZES, costs.us_per_frame),), bounds=time, log_x=True,
            log_y=True,
            text="The same measurement per frame. A preamble and a header take more samples as symbols get longer.",
        ),
    ]  # fmt: skip
    return _Part(curves, shares)


def _over_frames(effort: float, seed: int, step: OnStep) -> _Part:
    counts = _FRAMES if effort >= 1 else _FRAMES[:4]
    generator = TrialSeeds(seed, "cost/frames").generator("signals")
    scenes = [traffic(_SIZE, count, generator) for count in counts]
    costs, _, shares = _costs(scenes, effort, [], step)
    milliseconds = 1e3 * costs.seconds
    few = len(counts) // 2
    growth = costs.us_per_frame[-1] / costs.us_per_frame[few]
    name = f"receive, time per frame: {counts[-1]} frames in a capture, against {counts[few]}"
    rows = (row(name, growth, "ratio", bound=1.0, better="lower"),)
    memory = peak_mebibytes(_SIZE, counts)
    captures = [scene.capture.samples.nbytes / 2**20 for scene in scenes]
    curves = [
        Curve(
            name="Receive time over frames", x_label="frames in the capture", y_label="time (ms of one core)",
            series=(Series.of("frames of 2 kB", counts, milliseconds),),
            bounds=(Series.of("proportional", counts, milliseconds[-1] * np.array(counts) / counts[-1]),),
            log_x=True, log_y=True,
            text="Captures of more and more frames, received at once. The dashed line is the cost of a frame in the "
            "fullest capture times their number: time grows in proportion where the points lie on it.",
        ),
        Curve(
            name="Receive memory over frames", x_label="frames in the capture", y_label="memory (MiB)",
            series=(Series.of("most memory while receiving, without the capture", counts, memory),),
            bounds=(Series.of("the capture itself", counts, captures),), log_x=True, log_y=True,
            text="Resident memory above what the process held before, at its highest, while the same captures are "
            "received, results included; the capture is held besides.",
        ),
    ]  # fmt: skip
    return _Part(curves, shares, rows)


def _over_blocks(effort: float, seed: int, step: OnStep) -> _Part:
    scene = traffic(_SIZE, max(2, round(80 * effort)), TrialSeeds(seed, "cost/blocks").generator("signals"))
    samples, receiver = scene.capture.samples, scene.receiver

    def stream(block: int) -> tuple:
        streaming = StreamingReceiver(receiver, scene.capture.sample_rate_hz)
        fed = [streaming.feed(samples[at : at + block]) for at in range(0, samples.size, block)]
        return tuple(frame for frames in fed for frame in frames) + tuple(streaming.finish())

    measures = [timed(str(block), functools.partial(stream, block)) for block in _BLOCKS]
    seconds = interleaved([*measures, timed("whole", scene.receive)], rounds(effort, _ROUNDS), step)
    shares = [scene.right(stream(block)) for block in _BLOCKS]
    speed = [
        samples.size / seconds[str(block)] / 1e6 if share == 1 else np.nan
        for block, share in zip(_BLOCKS, shares, strict=True)
    ]
    whole = samples.size / seconds["whole"] / 1e6
    curve = Curve(
        name="Streaming speed over block size", x_label="samples per block", y_label="speed (Msps of one core)",
        series=(Series.of("streaming receiver", _BLOCKS, speed),),
        bounds=(Series.of("the whole capture at once", (_BLOCKS[0], _BLOCKS[-1]), (whole, whole)),),
        log_x=True, log_y=True,
        text="The same capture of 2 kB frames, fed in blocks as a radio delivers them.",
    )  # fmt: skip
    return _Part([curve], shares)
