"""Headers whose checksum is right and whose words no sender writes: not received, and nothing is allocated for them."""

from dataclasses import replace

import numpy as np
import pytest

from sdr_gsc.capture import Capture
from sdr_gsc.link import PictureRequest, gather, prepare
from sdr_gsc.phy._sequences import qpsk_points
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.semantic.descriptor import NO_MCS, Descriptor, Mapping
from sdr_gsc.semantic.rate import RATES

RATE_HZ = 4e6


def sent_with(descriptor: bytes, *, coded: bool) -> Capture:
    transmitter = Transmitter()
    if coded:
        return Capture(transmitter.transmit_bytes(bytes(200), 0, descriptor, 1).samples, RATE_HZ)
    return Capture(transmitter.transmit_symbols(qpsk_points(1, 960), descriptor, 1).samples, RATE_HZ)


DIRECT = Descriptor(1, 1, b"abcd", 72, 90, Mapping.DIRECT, 16, 4, 960, 0, NO_MCS, 1, 1.0, 1.0, 1, 10.0)
CODED = replace(DIRECT, mapping=Mapping.CODED, levels=4, rate_index=2, n_symbols=240, n_bytes=120, mcs=0)
CLASSICAL = replace(CODED, mapping=Mapping.CLASSICAL, n_bytes=200)
CONTRADICTIONS = [
    *[replace(DIRECT, n_frames=number) for number in (0, 2, 4097, 65535)],
    *[replace(DIRECT, n_symbols=number) for number in (0, 1, 959, 961, 2**32 - 1)],
    replace(DIRECT, n_symbols=2**32 - 1, n_frames=65535),
    replace(DIRECT, height=65535, width=65535),
    replace(DIRECT, height=65535, width=65535, codec_id=2),
    replace(DIRECT, height=1, width=1, n_symbols=32),
    replace(DIRECT, rate_index=15),
    replace(DIRECT, n_bytes=1),
    replace(DIRECT, mcs=0),
    replace(DIRECT, mapping=Mapping.CODED),
    replace(DIRECT, mapping=Mapping.CLASSICAL, mcs=0, n_bytes=100),
    *[replace(CODED, n_bytes=number) for number in (0, 100, 121, 2**32 - 1)],
    *[replace(CODED, mcs=number) for number in (1, 11, NO_MCS)],
    *[replace(CODED, n_frames=number) for number in (0, 2, 3, 65535)],
    replace(CODED, levels=32),
    replace(CODED, mapping=Mapping.DIRECT),
    *[replace(CLASSICAL, n_bytes=number) for number in (0, 2**32 - 1)],
    *[replace(CLASSICAL, n_frames=number) for number in (0, 3, 65535)],
    replace(CLASSICAL, height=65535, width=65535),
]


@pytest.mark.parametrize("descriptor", CONTRADICTIONS, ids=range(len(CONTRADICTIONS)))
def test_a_descriptor_that_contradicts_itself_or_its_frame_is_not_received(descriptor, receiver):
    for coded in (False, True):
        capture = sent_with(descriptor.pack(), coded=coded)
        reception = gather(capture, receiver)
        assert reception.descriptor is None
        assert reception.symbols.size == reception.noise_variance.size == 0
        assert reception.payload is None
        assert [report.header_ok for report in reception.reports] == [True]


def test_the_descriptors_without_contradiction_are_received(receiver):
    for descriptor in (DIRECT, replace(DIRECT, codec_id=2, n_symbols=960, rate_index=15)):
        assert gather(sent_with(descriptor.pack(), coded=False), receiver).descriptor == descriptor
    for descriptor in (CODED, replace(CLASSICAL, n_frames=1)):
        capture = Capture(Transmitter().transmit_bytes(bytes(descriptor.n_bytes), 0, descriptor.pack(), 1).samples, 4e6)
        assert gather(capture, receiver).descriptor == descriptor


@pytest.mark.parametrize("packed", [b"", b"\xff" * 32, DIRECT.pack()[:20], b"\2" + DIRECT.pack()[1:]])
def test_bytes_that_are_no_descriptor_are_not_received(packed, receiver):
    assert gather(sent_with(packed, coded=False), receiver).descriptor is None


def test_any_bytes_for_a_descriptor_never_raise(receiver):
    generator = np.random.default_rng(2)
    for trial in range(60):
        packed = bytearray((DIRECT, CODED, CLASSICAL)[trial % 3].pack())
        for at in generator.integers(1, 32, generator.integers(1, 6)):
            packed[at] = generator.integers(0, 256)
        for coded in (False, True):
            reception = gather(sent_with(bytes(packed), coded=coded), receiver)
            if reception.descriptor is not None:
                assert reception.descriptor.pack()[:32] == bytes(packed)
                assert reception.symbols.size in (0, reception.descriptor.n_symbols)


def test_nonsense_does_not_hide_a_picture(untrained_codec, soft_picture, receiver):
    prepared = prepare(
        soft_picture, PictureRequest(Mapping.DIRECT, RATES[4], picture_id=7), untrained_codec, Transmitter()
    )
    nonsense = sent_with(replace(DIRECT, n_symbols=2**32 - 1).pack(), coded=False).samples
    samples = np.concatenate([nonsense, nonsense, prepared.transmission.samples])
    reception = gather(Capture(samples, RATE_HZ), receiver)
    assert reception.descriptor == prepared.descriptor
    assert len(reception.reports) == 3
