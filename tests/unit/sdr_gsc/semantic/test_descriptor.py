from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdr_gsc.errors import DescriptorError
from sdr_gsc.semantic.descriptor import DESCRIPTOR_BYTES, Descriptor, Mapping

_half = st.floats(1e-4, 6e4).map(lambda value: float(np.float16(value)))
_descriptors = st.builds(
    Descriptor,
    picture_id=st.integers(0, 0xFFFF),
    codec_id=st.integers(0, 255),
    weights_prefix=st.binary(min_size=4, max_size=4),
    height=st.integers(1, 0xFFFF),
    width=st.integers(1, 0xFFFF),
    mapping=st.sampled_from(Mapping),
    levels=st.sampled_from((4, 8, 16, 32)),
    rate_index=st.integers(0, 15),
    n_symbols=st.integers(0, 2**32 - 1),
    n_bytes=st.integers(0, 2**32 - 1),
    mcs=st.integers(0, 255),
    n_frames=st.integers(0, 0xFFFF),
    scale=_half,
    gain=_half,
    interleaver_seed=st.integers(0, 0xFFFF),
    design_esn0_db=st.integers(-128 * 256, 128 * 256 - 1).map(lambda steps: steps / 256),
)


@given(_descriptors)
def test_every_descriptor_survives_the_header(descriptor: Descriptor) -> None:
    packed = descriptor.pack()
    assert len(packed) == DESCRIPTOR_BYTES == 32
    assert Descriptor.unpack(packed) == descriptor


@given(st.binary(min_size=DESCRIPTOR_BYTES, max_size=DESCRIPTOR_BYTES))
def test_foreign_bytes_are_read_as_they_stand_or_refused(data: bytes) -> None:
    try:
        descriptor = Descriptor.unpack(data)
    except DescriptorError:
        return
    assert Descriptor.unpack(descriptor.pack()) == descriptor


@given(st.binary(max_size=64).filter(lambda data: len(data) != DESCRIPTOR_BYTES))
def test_a_wrong_length_is_refused(data: bytes) -> None:
    with pytest.raises(DescriptorError, match="needed 32"):
        Descriptor.unpack(data)


@pytest.mark.parametrize(
    ("field", "value"),
    [("levels", 5), ("rate_index", 16), ("height", 0), ("scale", 0.1), ("scale", 0.0), ("gain", float("inf"))],
)
def test_fields_out_of_range_are_refused(field: str, value: float) -> None:
    good = {
        "picture_id": 1, "codec_id": 1, "weights_prefix": b"abcd", "height": 64, "width": 64, "mapping": Mapping.DIRECT,
        "levels": 16, "rate_index": 3, "n_symbols": 256, "n_bytes": 0, "mcs": 255, "n_frames": 1, "scale": 1.0,
        "gain": 0.75, "interleaver_seed": 0, "design_esn0_db": 10.0,
    }  # fmt: skip
    Descriptor(**good)
    with pytest.raises(DescriptorError):
        Descriptor(**{**good, field: value})
