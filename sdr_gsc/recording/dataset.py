"""Bytes of a SigMF dataset to complex samples at full scale 1.0."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sigmf.sigmffile import dtype_info

from .recording import Given, Notice
from .shelf import Stored
from .sigmf_names import FULL_SCALE

__all__ = ["Samples", "read_samples"]

#: Radios that deliver 12 bits at the lower end of 16: libiio with an AD936x, and the Q11 format of a bladeRF. A USRP
#: with the same chip is none of them: UHD delivers its 12 bits at the upper end.
_TWELVE_BITS = re.compile(r"ad[- ]?936\d|pluto|fmcomms[ -]?[2-5]|antsdr|bladerf", re.IGNORECASE)
_TWELVE_BIT_SCALE = 2048


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples with what was taken for granted.

    Attributes:
        values: complex64 [n].
        clipped: samples with a rail at the end of an integer range; None for floating point, which has none.
        notices: what the metadata left open.
    """

    values: np.ndarray
    clipped: int | None
    notices: tuple[Notice, ...]


def read_samples(
    data: Stored, fields: Mapping[str, Any], segments: Sequence[Mapping[str, Any]], given: Given
) -> Samples:
    """Read one channel.

    Integers are divided by the counts that stand for full scale: those of their type, unless the user or the metadata
    say otherwise, or all samples fit 12 bits and the hardware is known to deliver them so.

    Args:
        data: the dataset.
        fields: the global object, valid by the schema.
        segments: capture segments, sample numbers counted from the first sample of the dataset.
        given: what the user knows.

    Raises:
        ValueError: real samples, several channels and none chosen, no sample, or a size that contradicts the metadata.
    """
    datatype = str(fields["core:datatype"]).lower()
    if not datatype.startswith("c"):
        raise ValueError(
            f"it holds {datatype} samples, which are real, and needed are complex ones: convert them to baseband first "
            "(shift the band to 0 Hz, low-pass, keep I and Q)"
        )
    notices: list[Notice] = []
    info = dtype_info(datatype)
    if info["component_size"] > 1 and "_" not in datatype:
        info = dtype_info(f"{datatype}_le")
        notices.append(
            Notice("core:datatype", f"core:datatype {datatype} tells no byte order; little endian is taken", True)
        )
    channel, n_channels = _channel(fields, given)
    pieces = _pieces(data, fields, segments, info["component_dtype"], 2 * n_channels)
    rails = (pieces[0] if len(pieces) == 1 else np.concatenate(pieces)).reshape(-1, n_channels, 2)[:, channel]
    if not info["is_fixedpoint"]:
        if given.full_scale is not None:
            raise ValueError(f"it holds {datatype} samples, which have no counts; leave full_scale out")
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(rails, "<f4").view("<c8")[:, 0].astype(np.complex64, copy=False)
        return Samples(values, None, tuple(notices))
    half = 1 << (8 * info["component_size"] - 1)
    bias = half if info["is_unsigned"] else 0
    peak = max(int(rails.max()) - bias, bias - int(rails.min()))
    scale, found = _full_scale(half, peak, fields, given)
    notices += found
    at_end = (rails >= bias + scale - 1) | (rails <= bias - scale)
    # Of up to 16 bits every count is a float32 number; dividing 32 of them twice would round twice.
    wide = np.dtype(np.float32 if info["component_size"] <= 2 else np.float64)
    levels = rails.astype(wide)
    levels -= bias
    levels /= scale
    values = np.ascontiguousarray(levels, np.float32).view(np.complex64)[:, 0]
    return Samples(values, int(at_end.any(axis=1).sum()), tuple(notices))


def _channel(fields: Mapping[str, Any], given: Given) -> tuple[int, int]:
    count = int(fields.get("core:num_channels") or 1)
    if given.channel is None and count > 1:
        raise ValueError(f"it holds {count} channels; choose one: channel 0…{count - 1}")
    if given.channel is not None and given.channel >= count:
        raise ValueError(f"channel {given.channel} is asked for and it holds {count}; choose one of 0…{count - 1}")
    return given.channel or 0, count


def _pieces(
    data: Stored, fields: Mapping[str, Any], segments: Sequence[Mapping[str, Any]], dtype: np.dtype, rails: int
) -> list[np.ndarray]:
    """Numbers between the headers that a dataset of another format may have before each segment."""
    step = rails * dtype.itemsize
    headers = [(int(each["core:sample_start"]), int(each.get("core:header_bytes", 0))) for each in segments]
    trailing = int(fields.get("core:trailing_bytes") or 0)
    room = data.size - trailing - sum(size for _, size in headers)
    n_samples, rest = divmod(room, step)
    if room < 0 or rest:
        raise ValueError(
            f"its data have {data.size} bytes, which is no whole number of samples of {step} bytes beside "
            f"{data.size - trailing - room} bytes of headers and {trailing} behind: they are cut, or of another type"
        )
    if n_samples == 0:
        raise ValueError("it holds no samples")
    cuts, before = [(0, 0)], 0
    for start, size in headers:
        before += size
        if size:
            if start > n_samples:
                raise ValueError(f"a segment begins at sample {start} and the data end at {n_samples}")
            cuts.append((start, before))
    ends = [*(start for start, _ in cuts[1:]), n_samples]
    return [
        data.array(dtype, start * step + skipped, (end - start) * rails)
        for (start, skipped), end in zip(cuts, ends, strict=True)
    ]


def _full_scale(half: int, peak: int, fields: Mapping[str, Any], given: Given) -> tuple[float, list[Notice]]:
    """Counts that stand for 1.0."""
    told = fields.get(FULL_SCALE)
    if given.full_scale is not None or told is not None:
        if told is not None and not isinstance(told, int | float):
            raise ValueError(f"{FULL_SCALE} is {told!r}, not a number of counts")
        scale = float(given.full_scale or told or 0)
        source = "the metadata" if given.full_scale is None else "the option"
        if not 0 < scale <= half:
            raise ValueError(f"a full scale of {scale:g} counts ({source}) does not fit its type; needed 0…{half}")
        if peak > scale:
            raise ValueError(f"its samples reach {peak} counts, beyond the full scale of {scale:g} ({source})")
        return scale, []
    if half != 1 << 15 or not 0 < peak <= _TWELVE_BIT_SCALE:
        return half, []
    hardware = " ".join(str(fields[name]) for name in ("core:hw", "core:recorder") if name in fields)
    known = _TWELVE_BITS.search(hardware)
    if known is not None:
        return _TWELVE_BIT_SCALE, [
            Notice(
                FULL_SCALE,
                f"its 16-bit samples reach {peak} counts and the hardware is {hardware!r}, which delivers 12 bits: "
                f"full scale {_TWELVE_BIT_SCALE} is taken; if that is wrong, give full scale {half}",
                True,
            )
        ]
    return half, [
        Notice(
            FULL_SCALE,
            f"its 16-bit samples reach only {peak} counts: full scale {half} is taken, as SigMF says; if a converter "
            f"of 12 bits made them, give full scale {_TWELVE_BIT_SCALE}",
            True,
        )
    ]
