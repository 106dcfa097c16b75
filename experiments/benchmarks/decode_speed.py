"""What decoding costs: memory anywhere, and on a GPU latency by way of running and the share of the roofline."""

from __future__ import annotations

import ctypes
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from sdr_gsc.diffusion.clock import seconds_on
from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.diffusion.decoding import Decoder
from sdr_gsc.diffusion.options import DecoderOptions
from sdr_gsc.errors import SdrGscError
from sdr_gsc.semantic.values import Reception

from ..procedures.transmission import Bench
from .decode_plan import SLOW, Plan
from .decode_points import Point, direct_reception
from .decode_quality import Reference
from .rows import Row, row

__all__ = ["GPU_NFE", "GPU_REFINE", "WAYS", "Cost", "Speed", "gpu_solver", "gpu_speed", "matmul_peak", "measure_cost"]

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
#: Ways of running by name, as options. On a GPU, compiled networks run as CUDA graphs.
WAYS: Mapping[str, dict[str, Any]] = {
    "eager float32": {},
    "eager bfloat16": {"precision": "bfloat16"},
    "compiled with CUDA graphs, float32": {"compile": True},
    "compiled with CUDA graphs, bfloat16": {"precision": "bfloat16", "compile": True},
}
GPU_REFINE, GPU_NFE = "refine:4", 100
_MATMUL_SIDE = 8192
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Cost:
    """What one decoding takes.

    Attributes:
        seconds: wall clock.
        memory_mebibytes: the most it takes beyond what was in use before; NaN where nobody tells.
    """

    seconds: float
    memory_mebibytes: float


def measure_cost(decoder: Decoder, reference: Reference, point: Point, bench: Bench, seed: int) -> Cost:
    """Decode one picture once, and watch the memory: of the GPU where there is one, otherwise of the process."""
    reception = direct_reception(reference, point, bench, seed, 0)
    on_gpu = bench.codec.device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(bench.codec.device)
        before = float(torch.cuda.memory_allocated(bench.codec.device))
    else:
        before = _process_bytes("VmRSS", reset=True)
    seconds = _decode(decoder, reception, bench, seed)
    most = float(torch.cuda.max_memory_allocated(bench.codec.device)) if on_gpu else _process_bytes("VmHWM")
    return Cost(seconds, max(most - before, 0.0) / 2**20)


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a GPU decodes.

    Attributes:
        rows: latency and share of the roofline of every way of running.
        latency_s: of the fastest way; NaN where none ran.
        posterior_s: of the posterior decoder; NaN where it did not run.
        failed: what did not run, and why.
    """

    rows: tuple[Row, ...]
    latency_s: float
    posterior_s: float
    failed: Mapping[str, str]


def gpu_speed(
    reference: Reference,
    point: Point,
    bench: Bench,
    plan: Plan,
    seed: int,
    *,
    ways: Mapping[str, dict[str, Any]] = WAYS,
    matmul_side: int = _MATMUL_SIDE,
    evaluations: int = GPU_NFE,
) -> Speed:
    """Latency of every way of running, one picture at a time, and the share of the peak that a product of matrices has.

    Args:
        reference: the photograph.
        point: where it is sent.
        bench: codec and waveform; its device is the one that is measured.
        plan: tells repetitions and solver.
        seed: of the run.
        ways: options by the name of each way.
        matmul_side: of the matrices whose product tells the peak.
        evaluations: of the posterior decoder; its target holds for 100.
    """
    reception = direct_reception(reference, point, bench, seed, 0)
    failed: dict[str, str] = {}

    def latency(title: str, name: str, repetitions: int, options: dict[str, Any]) -> float:
        try:
            decoder = open_decoder(name, bench.codec, bench.weights, DecoderOptions(**options))
            return _latency(decoder, reception, bench, seed, repetitions)
        except (SdrGscError, RuntimeError) as error:
            # One way that this GPU or this build of torch cannot go does not take the other figures along.
            failed[title] = " ".join(str(error).split())
            return math.nan

    spent = {way: latency(f"GPU: {GPU_REFINE}, {way}", GPU_REFINE, plan.speed_repetitions, ways[way]) for way in ways}
    spent = {way: seconds for way, seconds in spent.items() if math.isfinite(seconds)}
    # The replay of a graph dispatches nothing that could be counted; every way does the same work.
    plain = open_decoder(GPU_REFINE, bench.codec, bench.weights, DecoderOptions())
    operations = _operations(plain, reception, bench, seed)
    rows = []
    for way, seconds in spent.items():
        dtype = _DTYPES[str(ways[way].get("precision", "float32"))]
        share = operations / seconds / matmul_peak(bench.codec.device, dtype, matmul_side)
        rows += [
            row(f"GPU: {GPU_REFINE}, {way}: latency", seconds, "s"),
            row(f"GPU: {GPU_REFINE}, {way}: share of the roofline", share, "share", bound=1.0),
        ]
    solver = gpu_solver(plan)
    posterior_s = latency(f"GPU: {solver}", solver, 1, {"steps": evaluations})
    return Speed(tuple(rows), min(spent.values(), default=math.nan), posterior_s, failed)


def gpu_solver(plan: Plan) -> str:
    """The posterior decoder whose speed on a GPU is judged."""
    return plan.slow[0] if plan.slow else SLOW[0]


def matmul_peak(device: torch.device, dtype: torch.dtype, side: int = _MATMUL_SIDE) -> float:
    """Operations per second of a product of two square matrices: what this machine does at best, 2 n³ per product.

    In float32 a CUDA device may take TF32, as torch lets the networks' convolutions do.
    """
    first = torch.randn(side, side, device=device, dtype=dtype)
    second = torch.randn(side, side, device=device, dtype=dtype)
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    try:
        seconds = [_timed(lambda: first @ second, device) for _ in range(5)][1:]
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    return 2 * side**3 / min(seconds)


def _decode(decoder: Decoder, reception: Reception, bench: Bench, seed: int) -> float:
    generator = torch.Generator(bench.codec.device)
    generator.manual_seed(seed)
    # A decoded picture is a NumPy array, so the device has finished when it is there.
    began = time.perf_counter()
    decoder.decode(reception, generator=generator)
    return time.perf_counter() - began


def _latency(decoder: Decoder, reception: Reception, bench: Bench, seed: int, repetitions: int) -> float:
    """Median seconds, after two decodings for nothing (compilation, capture)."""
    seconds = [_decode(decoder, reception, bench, seed) for _ in range(repetitions + 2)]
    return statistics.median(seconds[2:])


def _operations(decoder: Decoder, reception: Reception, bench: Bench, seed: int) -> float:
    """Multiplications and additions of one decoding, as torch counts them."""
    counter = FlopCounterMode(display=False)
    with counter:
        _decode(decoder, reception, bench, seed)
    return float(counter.get_total_flops())


def _timed(work: Callable[[], object], device: torch.device) -> float:
    began = seconds_on(device)
    work()
    return seconds_on(device) - began


def _process_bytes(name: str, *, reset: bool = False) -> float:
    """A figure of the process's memory as Linux keeps it; NaN elsewhere. `reset` makes its peak begin anew."""
    if not _RESET.exists():
        return float("nan")
    if reset:
        _give_freed_memory_back()
        _RESET.write_text("5")
    for line in _STATUS.read_text("ascii").splitlines():
        if line.startswith(name):
            return float(int(line.split()[1]) * 1024)
    return float("nan")


def _give_freed_memory_back() -> None:
    """What the allocator keeps of memory that was freed would hide what is taken next; glibc can be told to let go."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
