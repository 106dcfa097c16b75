"""How far the decoder is from the best code of its length."""

from __future__ import annotations

import numpy as np

from sdr_gsc.phy.coding.ldpc import LdpcCode
from sdr_gsc.seeding import TrialSeeds

from ..curves import Curve, Measured, OnStep, Series
from ..rows import Row, row
from .coding_bounds import block_error_rate, ebn0_at_rate_db, shannon_limit_db
from .counting import crossing_db, trials

__all__ = ["block_errors", "measure"]

_CODE_BITS = 1944
_RATE = 1e-2
_BATCH = 512
#: Blocks at each point end with so many errors: 5 % of uncertainty are some 0.01 dB where a decade takes half a dB.
_ERRORS, _BLOCKS = 400, 80_000
_STEP_DB = 0.125
#: Iterations: Eb/N0 of the points (first and last, dB), what must be reached and what is hoped for (dB from the bound).
_CASES = {10: ((1.25, 2.25), 1.4, 1.2), 50: ((0.875, 1.75), 0.95, 0.85)}


def block_errors(
    code: LdpcCode, ebn0_db: float, iterations: int, generator: np.random.Generator, *, enough: int, most: int
) -> tuple[int, int]:
    """Blocks with a wrong information bit, and blocks decoded.

    Args:
        code: sent as ±1 in real Gaussian noise, exact likelihood ratios.
        ebn0_db: per information bit.
        iterations: at most.
        generator: of bits and noise.
        enough: errors after which no further batch is decoded.
        most: blocks after which none is, either.
    """
    # ±1 at rate R: σ² = 1/(2 R Eb/N0).
    variance = np.float32(1 / (2 * float(code.rate) * 10 ** (ebn0_db / 10)))
    wrong = done = 0
    while done < most and wrong < enough:
        size = min(_BATCH, most - done)
        information = generator.integers(0, 2, (size, code.k), np.uint8)
        received = 1 - 2 * code.encode(information).astype(np.float32)
        received += np.sqrt(variance) * generator.standard_normal(received.shape, np.float32)
        decoded = code.decode(received * (2 / variance), iterations=iterations)
        wrong += int(np.count_nonzero((decoded.bits != information).any(axis=1)))
        done += size
    return wrong, done


def measure(*, effort: float = 1.0, seed: int = 1, on_step: OnStep = lambda done, count: None) -> Measured:
    """Distance of the rate-1/2 code of 1944 bits to the normal approximation at a block error rate of 1e-2.

    Args:
        effort: 1 decodes until 400 errors or 80000 blocks at each point.
        seed: of everything drawn.
        on_step: told of finished points.
    """
    code = LdpcCode.ieee80211n(_CODE_BITS, "1/2")
    bound_db = ebn0_at_rate_db(_RATE, code.n, code.k)
    enough, most = trials(_ERRORS, effort, 4), trials(_BLOCKS, effort, _BATCH // 4)
    points = {case: np.arange(first, last + 1e-9, _STEP_DB) for case, ((first, last), _, _) in _CASES.items()}
    count = sum(each.size for each in points.values())
    rows: list[Row] = []
    series: list[Series] = []
    done = 0
    for iterations, (_, target, aim) in _CASES.items():
        errors, blocks = [], []
        for ebn0_db in points[iterations].tolist():
            generator = TrialSeeds(seed, f"coding/{iterations}/{ebn0_db:g}").generator("blocks")
            wrong, decoded = block_errors(code, ebn0_db, iterations, generator, enough=enough, most=most)
            errors.append(wrong)
            blocks.append(decoded)
            done += 1
            on_step(done, count)
        reached_db = crossing_db(points[iterations].tolist(), errors, blocks, _RATE)
        rows.append(
            row(
                f"LDPC 1944 R=1/2, {iterations} iterations: distance to the normal approximation at BLER 1e-2",
                reached_db - bound_db, "dB", bound=0.0, target=target, aim=aim, better="lower",
            )
        )  # fmt: skip
        rates = [wrong / tried for wrong, tried in zip(errors, blocks, strict=True)]
        series.append(Series.of(f"{iterations} iterations", points[iterations].tolist(), rates))
    return Measured(tuple(rows), (_curve(code, series),))


def _curve(code: LdpcCode, series: list[Series]) -> Curve:
    limit_db = shannon_limit_db(float(code.rate))
    grid = np.arange(0.2, 1.3, 0.05)
    normal = [block_error_rate(ebn0_db, code.n, code.k) for ebn0_db in grid.tolist()]
    return Curve(
        name="LDPC block errors",
        x_label="Eb/N0 (dB)",
        y_label="block error rate",
        series=tuple(series),
        bounds=(
            Series.of("normal approximation", grid.tolist(), normal),
            Series.of("Shannon limit", [limit_db, limit_db], [1e-4, 1.0]),
        ),
        log_y=True,
        text=(
            "The 802.11 code of 1944 bits at rate 1/2, ±1 in Gaussian noise, wrong information bits counted. The "
            "normal approximation is what the best code of this length reaches; the Shannon limit of the binary-input "
            "channel holds for codes of any length."
        ),
    )
