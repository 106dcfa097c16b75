"""Numbers and names as people read them; the same in reports and in the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from sdr_gsc.phy.report import FrameReport

__all__ = ["decimal", "decoder_label", "fate", "metric_lines"]


def decimal(value: object, digits: int, unit: str = "") -> str:
    """A number with a fixed number of digits; a dash where there is none."""
    return f"{value:.{digits}f}{unit}" if isinstance(value, int | float) else "–"


def decoder_label(mapping: str, decoder: str) -> str:
    """Mapping and decoder in one name.

    >>> decoder_label("direct", "refine"), decoder_label("classical", "classical")
    ('direct · refine', 'classical')
    """
    return mapping if decoder == mapping else f"{mapping} · {decoder}"


def metric_lines(figures: Mapping[str, object]) -> tuple[str, ...]:
    """The most telling metrics as lines below a picture."""
    timings = figures.get("timings_s")
    if not isinstance(timings, dict):
        return ("nothing was received",)
    seconds = sum(timings.values())
    nfe = figures.get("nfe")
    effort = f"{seconds:.2f} s" + (f", {nfe} evaluations" if nfe else "")
    return (
        f"PSNR {decimal(figures.get('psnr_db'), 2, ' dB')}, MS-SSIM {decimal(figures.get('ms_ssim'), 3)}",
        f"perceptual {decimal(figures.get('perceptual'), 2)}",
        effort,
    )


def fate(report: FrameReport) -> str:
    """What became of a frame."""
    if report.failed_at is not None:
        return f"failed: {report.failed_at.value}"
    return "received" if report.payload_ok is None else f"received, {report.blocks_ok} blocks right"
