"""What decoding costs: memory anywhere, and on a GPU latency by way of running and the share of the roofline."""

from __future__ import annotations

import ctypes
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

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

__all__ = ["WAYS", "Cost", "gpu_rows", "matmul_peak", "measure_cost"]

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
#: Ways of running by name, as options. On a GPU, compiled networks run as CUDA graphs.
WAYS: Mapping[str, dict[str, Any]] = {
    "eager float32": {},
    "eager bfloat16": {"precision": "bfloat16"},
    "compiled with CUDA graphs, float32": {"compile": True},
    "compiled with CUDA graphs, bfloat16": {"precision": "bfloat16", "compile": True},
}
_GPU_STEPS, _GPU_NFE = 4, 100
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


def gpu_rows(
    reference: Reference,
    point: Point,
    bench: Bench,
    plan: Plan,
    seed: int,
    *,
    ways: Mapping[str, dict[str, Any]] = WAYS,
    matmul_side: int = _MATMUL_SIDE,
    evaluations: int = _GPU_NFE,
) -> list[Row]:
    """Latency of every way of running, one picture at a time, and the share of the peak that a product of matrices has.

    The targets are for one GPU of the H200's class; they are judged on whatever GPU this is.

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
    rows, best = [], float("nan")
    refine = f"refine:{_GPU_STEPS}"
    # The replay of a graph dispatches nothing that could be counted; every way does the same work.
    plain = open_decoder(refine, bench.codec, bench.weights, DecoderOptions())
    operations = _operations(plain, reception, bench, seed)
    for way, options in ways.items():
        try:
            decoder = open_decoder(refine, bench.codec, bench.weights, DecoderOptions(**options))
            seconds = _latency(decoder, reception, bench, seed, plan.speed_repetitions)
        except (SdrGscError, RuntimeError):
            # This GPU or this build of torch cannot run that way: no figure, which is what the row says.
            seconds = float("nan")
            rows.append(row(f"GPU: {refine}, {way}: latency", seconds, "s"))
            continue
        best = seconds if not seconds >= best else best
        dtype = _DTYPES[str(options.get("precision", "float32"))]
        share = operations / seconds / matmul_peak(bench.codec.device, dtype, matmul_side)
        rows += [
            row(f"GPU: {refine}, {way}: latency", seconds, "s"),
            row(f"GPU: {refine}, {way}: share of the roofline", share, "share", bound=1.0),
        ]
    solver = plan.slow[0] if plan.slow else SLOW[0]
    posterior = open_decoder(solver, bench.codec, bench.weights, DecoderOptions(steps=evaluations))
    seconds = _latency(posterior, reception, bench, seed, 1)
    return [
        row(f"GPU: {refine}, the fastest way: latency", best, "s", target=0.035, better="lower"),
        row(f"GPU: {refine}, the fastest way: pictures per second", 1 / best, "1/s", target=30.0),
        row(f"GPU: {solver}, {evaluations} evaluations: seconds", seconds, "s", target=2.0, better="lower"),
        *rows,
    ]


def matmul_peak(device: torch.device, dtype: torch.dtype, side: int = _MATMUL_SIDE) -> float:
    """Operations per second of a product of two square matrices: what this machine does at best, 2 n³ per product."""
    first = torch.randn(side, side, device=device, dtype=dtype)
    second = torch.randn(side, side, device=device, dtype=dtype)
    seconds = [_timed(lambda: first @ second, device) for _ in range(5)][1:]
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
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


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
