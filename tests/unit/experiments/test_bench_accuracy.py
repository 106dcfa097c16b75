"""Every measuring module runs at a tiny effort, and none calls a broken receiver good."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from experiments.benchmarks.accuracy import (
    cfo_range,
    clock,
    coding,
    detection,
    estimation,
    evm,
    link,
    papr,
    receiver_detection,
    reliability,
    synchronization,
)
from experiments.benchmarks.accuracy.air import RATE_HZ, heard, scene
from experiments.benchmarks.accuracy.bounds import clock_deviation, repeated_waveform_deviation
from experiments.benchmarks.accuracy.frame_bounds import frame_bound, preamble_cfo_bound
from experiments.benchmarks.accuracy.frames import KnownSymbols, known_symbols, soft_frame
from sdr_gsc.channel.profile import profile
from sdr_gsc.phy.coding.ldpc import Decoded, LdpcCode
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.preamble import Preamble
from sdr_gsc.phy.receiver import Received, Receiver
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.seeding import TrialSeeds

SPACING_HZ = RATE_HZ / 64
GRID = Numerology()


@pytest.fixture
def broken(monkeypatch):
    """Put a receiver into a module that changes every frame it hands over."""

    def spoil(module, change):
        class Broken(Receiver):
            def receive(self, capture):
                return Received(tuple(change(frame) for frame in super().receive(capture).frames))

        monkeypatch.setattr(module, "Receiver", Broken)

    return spoil


def report_with(**changes):
    def change(frame):
        values = {name: work(getattr(frame.report, name)) for name, work in changes.items()}
        return replace(frame, report=replace(frame.report, **values))

    return change


def figures(measured):
    return {item.metric: item for item in measured.rows}


def only(measured, words):
    (found,) = (item for item in measured.rows if words in item.metric)
    return found


MODULES = {
    "cfo_range": cfo_range,
    "clock": clock,
    "coding": coding,
    "detection": detection,
    "estimation": estimation,
    "evm": evm,
    "link": link,
    "papr": papr,
    "receiver_detection": receiver_detection,
    "reliability": reliability,
    "synchronization": synchronization,
}


@pytest.fixture
def small(monkeypatch):
    """Little work per trial, where effort alone does not make it little."""
    monkeypatch.setattr(clock, "_OFDM_SYMBOLS", 60)
    monkeypatch.setattr(reliability, "_ESN0_DB", (20.0,))
    monkeypatch.setattr(detection, "_NOISE_BATCH", 50_000)
    monkeypatch.setattr(receiver_detection, "_NOISE_BATCH", 50_000)
    monkeypatch.setattr(cfo_range, "_STEP", 3.0)
    monkeypatch.setattr(papr, "_PEAKS_DB", (6.0, 8.0))
    monkeypatch.setattr(coding, "_STEP_DB", 0.5)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_measures(name, small):
    steps = []
    measured = MODULES[name].measure(effort=1e-3, seed=3, on_step=lambda done, count: steps.append((done, count)))
    assert steps[-1][0] == steps[-1][1]
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert measured.rows
    assert measured.curves
    assert len({item.metric for item in measured.rows}) == len(measured.rows)
    for curve in measured.curves:
        assert curve.text
        assert any(np.isfinite(series.y).any() for series in curve.series)


def test_figures_depend_on_the_seed_alone(small):
    first, again = (estimation.measure(effort=1e-3, seed=5) for _ in range(2))
    assert first == again
    assert figures(estimation.measure(effort=1e-3, seed=6)) != figures(first)


def test_bursts_stand_where_the_scene_says(generator):
    burst = np.ones(100, np.complex64)
    there = scene([burst, burst], generator, noise_variance=0.0, cfo=[0.0, 0.25], draw_taps=lambda _: np.array([0, 1]))
    samples = np.abs(there.capture.samples)
    for start in there.starts:
        assert not samples[int(start) - 20 : int(start) + 1].any()
        np.testing.assert_allclose(samples[int(start) + 1 : int(start) + 101], 1, rtol=1e-5)
    second = there.capture.samples[int(there.starts[1]) + 1 :]
    assert np.angle(second[32] / second[0]) == pytest.approx(2 * np.pi * 0.25 * 32 / 64, abs=1e-3)
    noisy = scene([burst], generator, noise_variance=0.3, max_cfo=1.0)
    assert np.mean(np.abs(noisy.capture.samples[:300]) ** 2) == pytest.approx(0.3, rel=0.3)


def test_a_frame_belongs_to_one_burst_and_strays_are_counted(generator):
    frame = soft_frame(Transmitter(), 48, generator)
    there = scene([frame.samples, frame.samples], generator, noise_variance=0.0)
    frames = Receiver().receive(there.capture).frames
    assert heard(there, frames).strays == 0
    assert None not in heard(there, frames).frames
    doubled = heard(there, (*frames, frames[0]))
    assert doubled.strays == 1
    lost = heard(replace(there, starts=tuple(start + 200 for start in there.starts)), frames)
    assert lost.frames == (None, None)
    assert lost.strays == 2


def test_known_symbols_are_those_of_the_frame():
    known = known_symbols(GRID, 480)
    preamble = Preamble(GRID)
    n_ofdm = (Transmitter(GRID).air_samples(480) - preamble.length) // GRID.symbol_length
    assert known.tones.shape == (preamble.repetitions + n_ofdm, 52)
    whole = known.tones.all(axis=1)
    # All but the ten symbols of payload, which have pilots alone.
    assert np.count_nonzero(~whole) == 10
    assert (known.tones[~whole].sum(axis=1) == 4).all()
    assert np.all(np.diff(known.times[4:]) == GRID.symbol_length)
    assert known.times[-1] == Transmitter(GRID).air_samples(480) - GRID.fft_size / 2
    assert known_symbols(GRID, None).per_subcarrier.tolist() == [4] * 52


def test_a_decoder_that_errs_is_seen(generator):
    code = LdpcCode.ieee80211n(1944, "1/2")

    class Erring:
        n, k, rate, encode = code.n, code.k, code.rate, code.encode

        def decode(self, llr, iterations):
            decoded = code.decode(llr, iterations)
            bits = decoded.bits.copy()
            bits[::10, 5] ^= 1
            return Decoded(bits, decoded.ok, decoded.iterations)

    assert coding.block_errors(code, 6.0, 10, generator, enough=100, most=100) == (0, 100)
    assert coding.block_errors(Erring(), 6.0, 10, generator, enough=100, most=100) == (10, 100)
    assert coding.block_errors(code, -3.0, 10, generator, enough=100, most=100)[0] == 100


class Blind:
    def statistic(self, samples):
        return np.zeros(samples.size - 127, np.float32)


class Nervous:
    def statistic(self, samples):
        statistic = np.zeros(samples.size - 127, np.float32)
        statistic[1000:1003] = 1
        statistic[5000] = 2
        return statistic


class Correlator:
    """Matched filter for a known level and no carrier offset: the bound of white noise."""

    def __init__(self, rate):
        self.rate = rate

    def statistic(self, samples):
        pair = detection.training_pair()
        output = np.abs(np.correlate(samples, pair)) ** 2
        return output / (-pair.size * np.log(self.rate))


def test_detection_counts_what_a_detector_does(generator, monkeypatch):
    white = detection.Channel()
    assert detection.detected(Blind(), white, 20.0, 0.5, 50, generator) == 0
    ideal = Correlator(1e-6)
    share = detection.detected(ideal, white, -7.5, 0.0, 2000, generator) / 2000
    assert share == pytest.approx(white.bound(-7.5), abs=0.03)
    assert detection.detected(ideal, white, -7.5, 0.5, 500, generator) / 500 < share - 0.1
    monkeypatch.setattr(detection, "_NOISE_BATCH", 10_000)
    alarms = detection.false_alarms(Nervous(), 20_000, generator)
    assert (alarms.crossings, alarms.events) == (12, 6)  # three captures, because statistics are fewer than samples
    counted = detection.false_alarms(Correlator(1e-3), 200_000, generator)
    assert counted.crossings / counted.samples == pytest.approx(1e-3, rel=0.3)


def test_too_many_false_alarms_miss_the_target(monkeypatch, small):
    monkeypatch.setattr(detection, "MatchedSearch", lambda *_: Correlator(1e-3))
    measured = detection.measure(effort=1e-3)
    counted = [item for item in measured.rows if item.metric.startswith("false alarms")]
    assert [item.met for item in counted] == [False, False]
    monkeypatch.setattr(detection, "MatchedSearch", lambda *_: Blind())
    assert only(detection.measure(effort=1e-3), "CFO ±0.5, -3 dB").met is False


def test_a_wrong_carrier_offset_is_seen(generator, broken):
    frame = soft_frame(Transmitter(), 48, generator)
    there = scene([frame.samples] * 3, generator, noise_variance=0.0, max_cfo=1.0)
    found = heard(there, Receiver().receive(there.capture).frames).frames
    exact = synchronization.errors_of([there], [found], 64)
    assert exact.cfo < 1e-4
    wrong = report_with(cfo_hz=lambda hz: hz + 0.01 * SPACING_HZ, timing_samples=lambda late: late + 1.5)
    late = synchronization.errors_of([there], [tuple(wrong(each) for each in found)], 64)
    assert late.cfo == pytest.approx(0.01, rel=0.02)
    assert late.timing - exact.timing > 1
    assert (exact.astray, late.astray) == (0, 1)
    few = synchronization.errors_of([there], [(found[0], None, None)], 64)
    assert np.isnan(few.cfo)
    assert few.found == pytest.approx(1 / 3)
    broken(synchronization, report_with(cfo_hz=lambda hz: hz + 0.002 * SPACING_HZ))
    assert only(synchronization.measure(effort=1e-3), "over its CRB, preamble").met is False


def test_synchronization_bounds_fit_each_other():
    preamble = Preamble(GRID)
    alone = preamble_cfo_bound(preamble, 10.0)
    # Copies of known content say a little more than copies of unknown content, and whole frames much more.
    assert 0.94 < alone / (64 * repeated_waveform_deviation(256, 4, 10.0)) < 1
    assert frame_bound(GRID, known_symbols(GRID, None), 10.0).cfo == pytest.approx(alone, rel=0.04)
    assert frame_bound(GRID, known_symbols(GRID, 480), 10.0).cfo < alone / 5


def test_the_clock_bound_of_pilots_alone_is_the_closed_form():
    n_symbols, snr = 40, 7.0
    pilots = np.zeros((n_symbols, 52), bool)
    pilots[:, GRID.positions(GRID.pilots)] = True
    known = KnownSymbols(GRID.symbol_length * np.arange(n_symbols, dtype=float), pilots)
    closed_ppm = 1e6 * clock_deviation(
        n_symbols, GRID.signed(GRID.pilots), snr / GRID.occupied_fraction, GRID.fft_size, GRID.symbol_length
    )
    assert frame_bound(GRID, known, snr).sfo_ppm == pytest.approx(closed_ppm, rel=1e-6)


def test_the_range_ends_at_the_first_loss():
    assert cfo_range.range_of([0.0, 1.0, 2.0, 3.0], [1.0, 0.99, 0.5, 1.0]) == 1.0
    assert np.isnan(cfo_range.range_of([0.0, 1.0], [0.5, 1.0]))


def test_alignment_removes_one_delay_and_one_phase_only(generator):
    signed = GRID.signed(GRID.active)
    true = estimation.responses(np.array([1.0, 0.5j, 0.2]), GRID)
    turned = true * np.exp(1j * (0.7 - 2 * np.pi * signed * 3.37 / 64))
    assert estimation.aligned_error(turned, true, signed, 64) < 1e-6
    assert estimation.aligned_error(1.1 * true, true, signed, 64) == pytest.approx(
        0.01 * np.mean(np.abs(true) ** 2), rel=0.01
    )
    noise = 0.1 * (generator.standard_normal((200, 52)) + 1j * generator.standard_normal((200, 52)))
    found = np.mean([estimation.aligned_error(true + each, true, signed, 64) for each in noise])
    # Two real numbers of 104 are fitted.
    assert found == pytest.approx(0.02 * 102 / 104, rel=0.05)


def test_a_wrong_channel_estimate_is_seen(broken, monkeypatch):
    monkeypatch.setattr(estimation, "_ESN0_DB", (10.0, 20.0, 30.0))
    broken(estimation, report_with(channel=lambda channel: channel * np.linspace(0.9, 1.1, channel.size)))
    measured = estimation.measure(effort=1e-3)
    assert [item.met for item in measured.rows] == [False, False]
    assert min(item.value for item in measured.rows) > 10


def test_packets_are_lost_where_they_are(generator, broken):
    transmitter, receiver = Transmitter(frame_symbols=2916), Receiver(frame_symbols=2916)
    fine = link.packets(receiver, transmitter, 10.0, 4, generator)
    assert (fine.sent, fine.lost, fine.strays) == (4, 0, 0)
    nothing = link.packets(receiver, transmitter, -20.0, 4, generator)
    assert nothing.unheard == nothing.lost == 4
    broken(link, lambda frame: replace(frame, blocks=(bytes(117), *frame.blocks[1:])))
    swapped = link.packets(link.Receiver(frame_symbols=2916), transmitter, 10.0, 4, generator)
    assert (swapped.broken, swapped.lost) == (4, 4)
    broken(link, lambda frame: replace(frame, header=None, blocks=None))
    assert link.packets(link.Receiver(frame_symbols=2916), transmitter, 10.0, 4, generator).headless == 4


def test_error_vectors_are_measured(generator, broken):
    noise = 0.02 * np.exp(2j * np.pi * generator.random(1 << 16))
    broken(evm, lambda frame: replace(frame, symbols=frame.symbols + noise[: frame.symbols.size].astype(np.complex64)))
    found = evm.magnitudes(16, 2, generator)
    assert found.compared_db == pytest.approx(20 * np.log10(0.02), abs=0.3)
    broken(evm, report_with(evm_db=lambda _: -20.0))
    assert evm.magnitudes(16, 2, generator).reported_db == pytest.approx(-20)


def test_the_bound_on_error_vectors_follows_bits_and_level():
    assert evm.closed_form_db(11, 12.0, GRID) - evm.closed_form_db(12, 12.0, GRID) == pytest.approx(6.02, abs=0.05)
    # Two converters at the same level, 52 of 64 bins: 3.01 - 0.90 dB above one.
    level = 20 * np.log10(2 * np.sqrt(2 * 10**1.2) / 2**12) - 10 * np.log10(12)
    assert evm.closed_form_db(12, 12.0, GRID) == pytest.approx(level + 2.11, abs=0.02)


def test_a_tail_that_drifts_is_seen(broken):
    def turn(frame):
        angle = np.linspace(0, 0.3, frame.symbols.size) * (abs(frame.report.sfo_ppm) > 25)
        return replace(frame, symbols=(frame.symbols * np.exp(1j * angle)).astype(np.complex64))

    still = clock.drifted(50.0, 100, 2, TrialSeeds(1, "clock"))
    assert abs(still.tail_over_head_db) < 0.7
    broken(clock, turn)
    drifting = clock.drifted(50.0, 100, 2, TrialSeeds(1, "clock"))
    assert drifting.tail_over_head_db > 10
    assert drifting.evm_db > still.evm_db + 5
    broken(clock, lambda frame: replace(frame, header=None, symbols=frame.symbols[:0]))
    lost = clock.drifted(50.0, 100, 2, TrialSeeds(1, "clock"))
    assert lost.received == 0
    assert np.isnan(lost.evm_db)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_biased_noise_variance_is_seen(factor, broken):
    seeds = TrialSeeds(2, "reliability")
    channel = replace(profile("cabled"), esn0_db=15.0)
    honest = reliability.predict(channel, 4, seeds)
    assert honest.used == 4
    assert abs(honest.bias_db) < 1
    broken(reliability, lambda frame: replace(frame, noise_variance=np.float32(factor) * frame.noise_variance))
    biased = reliability.predict(channel, 4, seeds)
    assert biased.bias_db - honest.bias_db == pytest.approx(10 * np.log10(factor), abs=0.01)


def test_errors_that_cancel_show_in_the_bins(generator):
    n = 40_000
    variance = np.repeat([0.01, 0.1], n // 2).astype(np.float32)
    sent = np.zeros(n)
    noise = (generator.standard_normal(n) + 1j * generator.standard_normal(n)) / np.sqrt(2)
    right = reliability.Reliability.of(noise * np.sqrt(variance), variance, sent)
    assert abs(right.bias_db) < 0.1
    assert abs(right.worst_bin_db) < 0.1
    # Half the symbols 3 dB better than said, the others as much worse in the mean of the ratios.
    factors = np.repeat([0.5, 1.5], n // 2)
    wrong = reliability.Reliability.of(noise * np.sqrt(variance * factors), variance, sent)
    assert abs(wrong.bias_db) < 0.1
    assert wrong.worst_bin_db == pytest.approx(3, abs=0.2)
    lost = reliability.Reliability.of(noise, np.full(n, np.inf, np.float32), sent)
    assert np.isnan(lost.bias_db)
    assert lost.count.sum() == 0


def test_peaks_of_a_gaussian_signal_are_exponential(generator):
    ratios = np.sort(generator.exponential(size=1_000_000))
    found = papr.Peaks(ratios, 0.0)
    levels_db = np.array([3.0, 6.0, 8.0])
    np.testing.assert_allclose(found.ccdf(levels_db), np.exp(-(10 ** (levels_db / 10))), rtol=0.1)
    assert papr.exceeded_db(ratios, 1e-2) == pytest.approx(10 * np.log10(-np.log(1e-2)), abs=0.05)


def test_peak_reduction_lowers_peaks_and_costs_evm(generator):
    from sdr_gsc.phy.papr import ClipAndFilter

    plain = papr.peaks(None, 2, np.random.default_rng(3))
    reduced = papr.peaks(ClipAndFilter(peak_db=6.0), 2, np.random.default_rng(3))
    assert papr.exceeded_db(reduced.ratios, 1e-3) < papr.exceeded_db(plain.ratios, 1e-3) - 1
    assert plain.evm_db < -60 < reduced.evm_db
