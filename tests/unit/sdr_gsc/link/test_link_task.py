"""Task vectors and sentences over the whole link."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from hardware.registry import open_radio
from sdr_gsc.capture import Capture
from sdr_gsc.errors import DescriptorError, SettingsError
from sdr_gsc.link import PictureRequest, gather, prepare, prepare_symbols, transfer
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.semantic.descriptor import Mapping
from sdr_gsc.semantic.mapping import constellation_points
from sdr_gsc.semantic.objective import NO_PICTURE, Objective
from sdr_gsc.semantic.quantizer import Quantizer
from sdr_gsc.semantic.rate import RATES, symbols_per_picture
from sdr_gsc.semantic.task import TaskModel
from sdr_gsc.semantic.task_evidence import task_evidence_of
from sdr_gsc.semantic.task_receiver import answer_task
from sdr_gsc.semantic.text import TEXT_CODEC_ID
from sdr_gsc.semantic.values import SemanticSymbols


class Patches(nn.Module):
    def forward(self, pictures):
        return nn.functional.adaptive_avg_pool2d(pictures, 4).flatten(1)


@pytest.fixture(scope="module")
def patches() -> TaskModel:
    return TaskModel.of_module("patches", Patches())


def request_of(objective: Objective, **settings) -> PictureRequest:
    return PictureRequest(Mapping.DIRECT, RATES[4], picture_id=3, objective=objective, **settings)


def over_the_air(prepared, uri="loopback:office?seed=4&esn0_db=15"):
    with open_radio(uri) as radio:
        return transfer(prepared, radio, radio.settings.sample_rate_hz)


@pytest.mark.parametrize("objective", [Objective.MACHINE, Objective.AGENT])
def test_the_vector_arrives_and_takes_no_more_symbols(objective, soft_picture, untrained_codec, patches, receiver):
    transmitter = Transmitter(frame_symbols=300)
    plain = prepare(soft_picture, request_of(Objective.HUMAN), untrained_codec, transmitter)
    prepared = prepare(soft_picture, request_of(objective), untrained_codec, transmitter, patches)
    assert prepared.cbr_payload == plain.cbr_payload
    assert prepared.cbr_effective == plain.cbr_effective
    reception = gather(over_the_air(prepared), receiver)
    assert reception.descriptor == prepared.descriptor
    answer = answer_task(patches, task_evidence_of(reception))
    truth = patches.features_of(soft_picture)
    assert answer.features @ truth / np.linalg.norm(answer.features) / np.linalg.norm(truth) > 0.98


def test_a_lost_frame_costs_no_component(soft_picture, untrained_codec, patches, receiver):
    transmitter = Transmitter(frame_symbols=200)
    prepared = prepare(soft_picture, request_of(Objective.MACHINE), untrained_codec, transmitter, patches)
    assert prepared.transmission.n_frames > 2
    capture = over_the_air(prepared)
    whole = gather(capture, receiver)
    second = [report for report in whole.reports if report.sequence == 1][0]
    third = [report for report in whole.reports if report.sequence == 2][0]
    samples = capture.samples.copy()
    samples[int(second.start_sample) : int(third.start_sample) - 40] = 0
    reception = gather(Capture(samples, capture.sample_rate_hz), receiver)
    lost = ~np.isfinite(reception.noise_variance)
    assert 0.05 < lost.mean() < 0.6
    answer = answer_task(patches, task_evidence_of(reception))
    truth = patches.features_of(soft_picture)
    assert answer.features @ truth / np.linalg.norm(answer.features) / np.linalg.norm(truth) > 0.95


def test_human_is_sent_as_it_always_was(soft_picture, untrained_codec, patches):
    request = PictureRequest(Mapping.DIRECT, RATES[3], picture_id=3)
    prepared = prepare(soft_picture, request, untrained_codec, Transmitter(), patches)
    symbols = untrained_codec.encode(soft_picture, RATES[3], 32, picture_id=3)
    descriptor = replace(symbols.descriptor, n_frames=prepared.transmission.n_frames)
    assert prepared.descriptor.pack() == descriptor.pack()
    expected = Transmitter().transmit_symbols(constellation_points(symbols), descriptor.pack(), 0)
    assert (prepared.transmission.samples == expected.samples).all()


def test_what_cannot_be_sent_is_refused(soft_picture, untrained_codec, patches):
    with pytest.raises(SettingsError, match="task model"):
        prepare(soft_picture, request_of(Objective.AGENT), untrained_codec, Transmitter())
    request = replace(request_of(Objective.AGENT), mapping=Mapping.CODED)
    with pytest.raises(SettingsError, match="mapping direct"):
        prepare(soft_picture, request, untrained_codec, Transmitter(), patches)
    with pytest.raises(SettingsError, match="task_share"):
        prepare(soft_picture, request_of(Objective.AGENT, task_share=2.0), untrained_codec, Transmitter(), patches)


def sent_with(descriptor, receiver):
    """A transmission whose headers say what no sender says: is it received?"""
    values = np.random.default_rng(0).standard_normal((descriptor.n_symbols, 2))
    indices = Quantizer.of(descriptor.levels).indices(values)
    try:
        _, transmission = prepare_symbols(SemanticSymbols(indices, descriptor), Transmitter())
    except DescriptorError:
        return False
    samples = np.concatenate([np.zeros(300, np.complex64), transmission.samples, np.zeros(300, np.complex64)])
    return gather(Capture(samples, 4e6), receiver).descriptor is not None


def test_headers_that_no_sender_writes_count_as_lost(soft_picture, untrained_codec, patches, receiver):
    agent = prepare(soft_picture, request_of(Objective.AGENT), untrained_codec, Transmitter(), patches).descriptor
    total = symbols_per_picture(72, 90, RATES[4])
    assert agent.n_symbols == total
    assert sent_with(agent, receiver)
    assert not sent_with(replace(agent, n_bytes=0), receiver)
    assert not sent_with(replace(agent, n_symbols=total + 1), receiver)
    assert not sent_with(replace(agent, rate_index=4), receiver)
    assert not sent_with(replace(agent, rate_index=9), receiver)
    assert sent_with(replace(agent, rate_index=NO_PICTURE), receiver)
    assert not sent_with(replace(agent, rate_index=NO_PICTURE, n_symbols=17), receiver)
    assert not sent_with(replace(agent, rate_index=NO_PICTURE, n_bytes=0), receiver)


def test_sentences_have_rules_of_their_own(soft_picture, untrained_codec, receiver):
    symbols = untrained_codec.encode(soft_picture, RATES[2], 32)
    text = replace(symbols.descriptor, codec_id=TEXT_CODEC_ID, height=1, width=384, rate_index=0, n_symbols=100)
    assert sent_with(text, receiver)
    assert not sent_with(replace(text, n_symbols=32769), receiver)
    assert not sent_with(replace(text, n_bytes=5), receiver)
    assert not sent_with(replace(text, codec_id=1), receiver)
