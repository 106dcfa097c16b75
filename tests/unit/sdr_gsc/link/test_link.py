"""Pictures over simulated radios and back, and captures that say what no sender says."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hardware.registry import open_radio
from sdr_gsc.capture import Capture, Gap
from sdr_gsc.diffusion.decoders import open_decoder
from sdr_gsc.errors import DescriptorError, PictureError, SettingsError
from sdr_gsc.link import PictureRequest, Prepared, gather, prepare, transfer
from sdr_gsc.phy.blocks import block_bytes
from sdr_gsc.phy.report import Stage
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.semantic.classical import decode_classical
from sdr_gsc.semantic.codec import Codec
from sdr_gsc.semantic.coded import encode_within, received_points
from sdr_gsc.semantic.descriptor import Mapping
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.rate import RATES, symbols_per_picture

RATE_HZ = 4e6
GAP = 512


def request_of(mapping, rate=RATES[4], **settings):
    settings = {"picture_id": 7, "interleaver_seed": 77, "design_esn0_db": 12.5} | settings
    return PictureRequest(mapping, rate, **settings)


def over_the_air(prepared: Prepared, uri: str) -> Capture:
    with open_radio(uri) as radio:
        return transfer(prepared, radio, RATE_HZ)


def frame_spans(prepared: Prepared) -> list[slice]:
    """Samples of each frame; all frames of these transmissions are equally long."""
    length = prepared.transmission.n_air_samples // prepared.transmission.n_frames
    return [slice(GAP + k * length, GAP + (k + 1) * length) for k in range(prepared.transmission.n_frames)]


def noisy(samples, seed=0, deviation=0.01):
    noise = np.random.default_rng(seed).standard_normal((2, samples.size)) * deviation
    return (samples + noise[0] + 1j * noise[1]).astype(np.complex64)


@pytest.mark.parametrize("uri", ["loopback:ideal", "loopback:office?seed=3"])
@pytest.mark.parametrize("rate", [RATES[0], RATES[5]])
def test_direct(uri, rate, untrained_codec, soft_picture, receiver):
    request = request_of(Mapping.DIRECT, rate)
    sent = constellation_points(untrained_codec.encode(soft_picture, rate, 32, picture_id=7, interleaver_seed=77))
    prepared = prepare(soft_picture, request, untrained_codec, Transmitter())
    reception = gather(over_the_air(prepared, uri), receiver)
    assert reception.descriptor == prepared.descriptor
    assert reception.payload is None
    assert [report.sequence for report in reception.reports] == [0]
    error = np.abs(reception.symbols - sent) ** 2
    assert np.mean(error / reception.noise_variance) < 1.5
    assert np.mean(error) < (1e-7 if "ideal" in uri else 0.1)


def test_direct_over_several_frames(untrained_codec, soft_picture, receiver):
    transmitter = Transmitter(frame_symbols=300)
    prepared = prepare(soft_picture, request_of(Mapping.DIRECT), untrained_codec, transmitter)
    assert prepared.descriptor.n_frames == 4 == prepared.transmission.n_frames
    reception = gather(over_the_air(prepared, "loopback:office?esn0_db=25&seed=1"), receiver)
    sent = constellation_points(untrained_codec.encode(soft_picture, RATES[4], 32))
    assert [report.sequence for report in reception.reports] == [0, 1, 2, 3]
    assert np.isfinite(reception.noise_variance).all()
    assert np.mean(np.abs(reception.symbols - sent) ** 2) < 0.05


@pytest.mark.parametrize("lost", ["zeros", "a gap in the recording"])
def test_a_lost_frame_is_no_evidence_for_its_share(lost, untrained_codec, soft_picture, receiver):
    prepared = prepare(soft_picture, request_of(Mapping.DIRECT), untrained_codec, Transmitter(frame_symbols=300))
    samples = noisy(prepared.transmission.samples, deviation=0.002)
    whole = gather(Capture(samples, RATE_HZ), receiver)
    span = frame_spans(prepared)[2]
    if lost == "zeros":
        samples[span] = 0
        capture = Capture(samples, RATE_HZ)
    else:
        capture = Capture(samples, RATE_HZ, gaps=(Gap(span.start, span.stop - span.start),))
    reception = gather(capture, receiver)
    assert [report.sequence for report in reception.reports] == [0, 1, 3]
    missing = np.isinf(reception.noise_variance)
    padding = 4 * -(-missing.size // 4) - missing.size
    share = -(-missing.size // 4)
    assert share - padding <= np.count_nonzero(missing) <= share
    assert not reception.symbols[missing].any()
    np.testing.assert_array_equal(reception.symbols[~missing], whole.symbols[~missing])


@pytest.mark.parametrize("uri", ["loopback:ideal", "loopback:office?seed=5"])
def test_coded_is_exact(uri, untrained_codec, soft_picture, receiver):
    transmitter = Transmitter(frame_symbols=600)
    request = request_of(Mapping.CODED, RATES[5], mcs=2)
    prepared = prepare(soft_picture, request, untrained_codec, transmitter)
    assert prepared.descriptor.n_frames == prepared.transmission.n_frames > 1
    budget = symbols_per_picture(72, 90, RATES[5])
    assert prepared.transmission.n_payload_symbols <= budget
    assert prepared.transmission.n_air_samples <= transmitter.air_samples(budget)
    assert prepared.cbr_payload == prepared.transmission.n_payload_symbols / (3 * 72 * 90)
    assert prepared.cbr_effective == prepared.transmission.n_air_samples / (3 * 72 * 90)
    reception = gather(over_the_air(prepared, uri), receiver)
    chosen = encode_within(untrained_codec, soft_picture, transmitter.capacity_bytes(budget, 2))
    assert reception.descriptor == prepared.descriptor
    np.testing.assert_array_equal(reception.symbols, constellation_points(chosen))
    assert not reception.noise_variance.any()
    assert reception.payload is None


def test_coded_with_a_lost_frame(untrained_codec, soft_picture, receiver):
    prepared = prepare(
        soft_picture, request_of(Mapping.CODED, RATES[5], mcs=2), untrained_codec, Transmitter(frame_symbols=600)
    )
    whole = gather(Capture(prepared.transmission.samples, RATE_HZ), receiver)
    samples = prepared.transmission.samples.copy()
    samples[GAP : GAP + 288] = 0  # the first preamble
    reception = gather(Capture(samples, RATE_HZ), receiver)
    lost = np.isinf(reception.noise_variance)
    assert 0 < np.count_nonzero(lost) < lost.size
    assert not reception.symbols[lost].any()
    assert not reception.noise_variance[~lost].any()
    np.testing.assert_array_equal(reception.symbols[~lost], whole.symbols[~lost])


def test_coded_with_a_lost_block(untrained_codec, soft_picture):
    payload_symbols = encode_within(untrained_codec, soft_picture, 600)
    bits = 2 * payload_symbols.descriptor.n_symbols * int(np.log2(payload_symbols.descriptor.levels))
    descriptor = replace(payload_symbols.descriptor, mapping=Mapping.CODED, mcs=0, n_bytes=-(-bits // 8))
    size = block_bytes(0)
    blocks = [bytes(min(size, descriptor.n_bytes - at)) for at in range(0, descriptor.n_bytes, size)]
    for lost in range(len(blocks)):
        symbols, variance = received_points(descriptor, (*blocks[:lost], None, *blocks[lost + 1 :]))
        share = 8 * len(blocks[lost]) * descriptor.n_symbols / bits
        assert np.count_nonzero(np.isinf(variance)) == pytest.approx(share, abs=2)
        assert not symbols[np.isinf(variance)].any()


@pytest.mark.parametrize("uri", ["loopback:ideal", "loopback:office?seed=4"])
def test_classical(uri, untrained_codec, soft_picture, receiver):
    prepared = prepare(soft_picture, request_of(Mapping.CLASSICAL, RATES[5], mcs=1), untrained_codec, Transmitter())
    reception = gather(over_the_air(prepared, uri), receiver)
    assert reception.descriptor == prepared.descriptor
    assert reception.symbols.size == reception.noise_variance.size == 0
    assert len(reception.payload) == prepared.descriptor.n_bytes
    assert np.mean((decode_classical(reception.payload, 72, 90) - soft_picture) ** 2) < 1e-2


@pytest.fixture
def one_block_per_frame(untrained_codec, soft_picture) -> Prepared:
    """A picture file that fills several frames of one block each."""
    texture = np.random.default_rng(0).uniform(-0.2, 0.2, soft_picture.shape)
    picture = np.clip(soft_picture + texture, 0, 1).astype(np.float32)
    request = request_of(Mapping.CLASSICAL, RATES[5], mcs=2)
    prepared = prepare(picture, request, untrained_codec, Transmitter(frame_symbols=500))
    assert prepared.descriptor.n_frames > 1
    return prepared


@pytest.mark.parametrize("lost", [0, -1])
def test_classical_with_one_lost_block_is_lost(lost, one_block_per_frame, receiver):
    samples = one_block_per_frame.transmission.samples.copy()
    assert gather(Capture(samples, RATE_HZ), receiver).payload is not None
    span = frame_spans(one_block_per_frame)[lost]
    samples[span.start + 1600 : span.stop] = 0  # the preamble, the header and little more remain
    reception = gather(Capture(samples, RATE_HZ), receiver)
    assert reception.descriptor == one_block_per_frame.descriptor
    assert sum(report.payload_ok for report in reception.reports) == one_block_per_frame.descriptor.n_frames - 1
    assert reception.reports[lost].failed_at is Stage.PAYLOAD
    assert reception.payload is None


def test_of_a_repeated_block_any_good_copy_counts(one_block_per_frame, receiver):
    first, last = frame_spans(one_block_per_frame)[0], frame_spans(one_block_per_frame)[-1]
    bursts = [one_block_per_frame.transmission.samples.copy() for _ in range(2)]
    bursts[0][last.start : last.start + 288] = 0  # no preamble
    bursts[1][first.start + 1600 : first.stop] = 0  # a header, and a block that cannot be decoded
    for samples in bursts:
        assert gather(Capture(samples, RATE_HZ), receiver).payload is None
    for order in (bursts, bursts[::-1]):
        whole = gather(Capture(np.concatenate(order), RATE_HZ), receiver)
        assert len(whole.payload) == one_block_per_frame.descriptor.n_bytes


def test_the_picture_with_most_frames_wins_and_nothing_is_mixed(untrained_codec, soft_picture, receiver):
    transmitter = Transmitter(frame_symbols=300)
    one, other = (
        prepare(picture, request_of(Mapping.DIRECT, picture_id=number), untrained_codec, transmitter)
        for number, picture in ((1, soft_picture), (2, soft_picture[::-1]))
    )
    # Of the first picture, frames 0 and 1; of the second, three frames, the last of them between the others.
    pieces = [one.transmission.samples[: frame_spans(one)[1].stop]]
    pieces += [other.transmission.samples[frame_spans(other)[k]] for k in (0, 1, 3)]
    reception = gather(Capture(np.concatenate(pieces), RATE_HZ), receiver)
    assert reception.descriptor == other.descriptor
    assert len(reception.reports) == 5
    alone = gather(Capture(other.transmission.samples, RATE_HZ), receiver)
    heard = np.isfinite(reception.noise_variance)
    assert np.count_nonzero(~heard) == pytest.approx(heard.size / 4, abs=3)
    np.testing.assert_allclose(reception.symbols[heard], alone.symbols[heard], atol=1e-3)


def test_among_equals_the_first_picture_wins(untrained_codec, soft_picture, receiver):
    prepared = [
        prepare(soft_picture, request_of(Mapping.DIRECT, picture_id=number), untrained_codec, Transmitter())
        for number in (9, 4)
    ]
    samples = np.concatenate([each.transmission.samples for each in prepared])
    assert gather(Capture(samples, RATE_HZ), receiver).descriptor.picture_id == 9


@pytest.mark.parametrize("loud_first", [True, False])
def test_of_a_repeated_frame_the_better_copy_counts(loud_first, untrained_codec, soft_picture, receiver):
    prepared = prepare(soft_picture, request_of(Mapping.DIRECT), untrained_codec, Transmitter(frame_symbols=300))
    clean, poor = (noisy(prepared.transmission.samples, 1, each) for each in (0.005, 0.05))
    clean[frame_spans(prepared)[1]] = 0  # the good burst lacks a frame that the poor one has
    both = gather(Capture(np.concatenate([clean, poor] if loud_first else [poor, clean]), RATE_HZ), receiver)
    assert len(both.reports) == 7
    good, bad = (gather(Capture(each, RATE_HZ), receiver) for each in (clean, poor))
    expected = np.minimum(good.noise_variance, bad.noise_variance)
    assert np.count_nonzero(np.isinf(good.noise_variance)) > 0
    np.testing.assert_allclose(both.noise_variance, expected, rtol=0.05)
    best = np.where(good.noise_variance < bad.noise_variance, good.symbols, bad.symbols)
    np.testing.assert_allclose(both.symbols, best, atol=0.02)


def test_nothing_on_the_air(receiver):
    for samples in (np.zeros(0, np.complex64), noisy(np.zeros(20000, np.complex64))):
        reception = gather(Capture(samples, RATE_HZ), receiver)
        assert (reception.descriptor, reception.payload, reception.reports) == (None, None, ())


def test_a_cut_capture_keeps_what_arrived(untrained_codec, soft_picture, receiver):
    prepared = prepare(soft_picture, request_of(Mapping.DIRECT), untrained_codec, Transmitter())
    reception = gather(Capture(prepared.transmission.samples[:3000], RATE_HZ), receiver)
    assert reception.descriptor == prepared.descriptor
    assert reception.reports[0].failed_at is Stage.TRUNCATED
    assert 0 < np.count_nonzero(np.isfinite(reception.noise_variance)) < reception.noise_variance.size


@pytest.mark.parametrize(
    ("picture", "settings", "kind", "message"),
    [
        (np.zeros((72, 90, 3), np.uint8) + 9, {}, PictureError, "255"),
        (np.zeros((72, 90), np.float32), {}, PictureError, "shape"),
        (np.zeros(5, np.float32), {}, PictureError, "shape"),
        (np.zeros((8, 90, 3), np.float32), {}, PictureError, "16 pixels"),
        (np.broadcast_to(np.float32(0), (5000, 5000, 3)), {}, PictureError, "scale it down"),
        (np.zeros((72, 90, 3), np.float32), {"mcs": 99}, SettingsError, "MCS 99"),
        (np.zeros((72, 90, 3), np.float32), {"rate": RATES[0]}, SettingsError, "no block"),
        (np.zeros((72, 90, 3), np.float32), {"picture_id": 70000}, DescriptorError, "picture_id"),
    ],
)
@pytest.mark.parametrize("mapping", [Mapping.CODED, Mapping.CLASSICAL])
def test_what_cannot_be_sent_is_refused(mapping, picture, settings, kind, message, untrained_codec):
    with pytest.raises(kind, match=message):
        prepare(picture, request_of(mapping, **({"rate": RATES[5]} | settings)), untrained_codec, Transmitter())


def test_what_was_gathered_can_be_decoded(model_folder, soft_picture, receiver):
    codec = Codec.load(model_folder)
    prepared = prepare(soft_picture, request_of(Mapping.DIRECT), codec, Transmitter(frame_symbols=300))
    prepared.transmission.samples[frame_spans(prepared)[1]] = 0
    reception = gather(over_the_air(prepared, "loopback:office?seed=2"), receiver)
    result = open_decoder("mmse", codec, model_folder).decode(reception, generator=torch.Generator())
    assert result.picture.shape == soft_picture.shape
    assert np.isfinite(result.picture).all()
