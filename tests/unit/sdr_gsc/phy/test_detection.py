import numpy as np
import pytest
import scipy.stats

from sdr_gsc.errors import SettingsError
from sdr_gsc.phy.detection import LagSearch, decision_threshold, gate_threshold
from sdr_gsc.phy.estimation import ChannelEstimator
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.preamble import Preamble
from sdr_gsc.phy.synchronization import Synchronizer


def white(generator: np.random.Generator, count: int) -> np.ndarray:
    return generator.standard_normal(2 * count, np.float32).view(np.complex64)


def synchronizer(rate: float, max_cfo: float = 2.5) -> Synchronizer:
    preamble = Preamble()
    return Synchronizer(preamble, ChannelEstimator(preamble), rate, max_cfo)


def detections(samples: np.ndarray, sync: Synchronizer) -> int:
    search = LagSearch(samples, Preamble())
    position, count = 0, 0
    while (candidate := search.next_candidate(position)) is not None:
        count += sync.acquire(samples, candidate) is not None
        position = candidate.start + 2 * search.stride
    return count


def test_metric_crosses_at_the_requested_rate() -> None:
    # Neighbouring samples share most of their window, so crossings come in clumps: count independent windows.
    generator = np.random.default_rng(4)
    sync = synchronizer(1e-9)
    metric = sync.metric(white(generator, 2_000_000))
    rate = 1e-3
    spread = metric[::64]
    crossings = int(np.count_nonzero(spread > decision_threshold(rate, 16, 256)))
    low, high = scipy.stats.binom.interval(0.999, spread.size, rate)
    assert low <= crossings <= high
    every = int(np.count_nonzero(metric > decision_threshold(1e-4, 16, 256)))
    assert every == pytest.approx(metric.size * 1e-4, rel=0.3)


def test_gate_crosses_at_the_requested_rate() -> None:
    generator = np.random.default_rng(5)
    rate = 1e-2
    search = LagSearch(white(generator, 4_000_000), Preamble(), gate_rate=rate)
    spread = search.metric[::18]  # one whole preamble apart
    crossings = int(np.count_nonzero(spread > search.threshold))
    low, high = scipy.stats.binom.interval(0.999, spread.size, rate)
    assert low <= crossings <= high


def test_whole_detector_keeps_the_requested_rate() -> None:
    count = 1_000_000
    found = detections(white(np.random.default_rng(6), count), synchronizer(1e-4))
    assert found <= scipy.stats.binom.isf(1e-3, count, 1e-4)


def test_noise_gives_no_detection_at_the_default_rate() -> None:
    assert detections(white(np.random.default_rng(7), 1_000_000), synchronizer(1e-9)) == 0


@pytest.mark.parametrize("frequency", [0.0, 1 / 64, 1.5 / 64, 9.3 / 64, 0.3])
def test_a_tone_is_not_a_preamble(frequency: float) -> None:
    generator = np.random.default_rng(8)
    tone = 10 * np.exp(2j * np.pi * frequency * np.arange(20000)).astype(np.complex64)
    samples = tone + white(generator, tone.size)
    assert LagSearch(samples, Preamble()).metric.max() > 0.9  # the gate alone would have believed it
    assert detections(samples, synchronizer(1e-9)) == 0


def test_burst_edges_and_silence_do_not_trigger() -> None:
    samples = np.zeros(20000, np.complex64)
    samples[5000:9000] = white(np.random.default_rng(9), 4000)
    samples[15000] = 1
    assert detections(samples, synchronizer(1e-9)) == 0


@pytest.mark.parametrize(
    ("esn0_db", "fading", "at_least"), [(-2.1, False, 99), (3.9, True, 98)]
)  # -3 dB and +3 dB per sample
def test_detection_probability(esn0_db: float, fading: bool, at_least: int, impair, draw_taps) -> None:
    generator = np.random.default_rng(10)
    sync = synchronizer(1e-6)
    preamble = Preamble()
    data = white(np.random.default_rng(1), 400) * np.sqrt(0.5 * 52 / 64)
    burst = np.concatenate([np.zeros(300), preamble.samples, data, np.zeros(100)]).astype(np.complex64)
    found = 0
    for _ in range(100):
        taps = draw_taps(generator) if fading else None
        cfo = generator.uniform(-2.5, 2.5)
        gain = 1.0 if taps is None else float(np.sum(np.abs(taps) ** 2))
        received = impair(burst, generator, esn0_db=esn0_db + 10 * np.log10(gain), taps=taps, cfo=cfo)
        samples = received.capture.samples
        search = LagSearch(samples, preamble)
        position = 0
        while (candidate := search.next_candidate(position)) is not None:
            acquired = sync.acquire(samples, candidate)
            if acquired is not None and abs(acquired.training_start + sync.slack - 332) <= 16:
                found += 1
                break
            position = candidate.start + 32
    assert found >= at_least


def test_thresholds_are_quantiles() -> None:
    assert gate_threshold(1e-6, 64) == pytest.approx(1 - 1e-6 ** (1 / 63))
    assert decision_threshold(1e-5, 1, 64) == pytest.approx(gate_threshold(1e-5, 64))
    assert scipy.stats.beta.sf(decision_threshold(1e-6, 16, 256, 10), 16, 240) == pytest.approx(1e-7)


@pytest.mark.parametrize("rate", [0.0, 1.0, -1e-3, float("nan")])
def test_impossible_rates_are_refused(rate: float) -> None:
    with pytest.raises(SettingsError, match="false_alarm_rate"):
        gate_threshold(rate, 64)
    with pytest.raises(SettingsError, match="false_alarm_rate"):
        decision_threshold(rate, 16, 256)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 287, 288, 300])
def test_short_captures_have_no_candidates(count: int) -> None:
    search = LagSearch(np.ones(count, np.complex64), Preamble())
    candidate = search.next_candidate(0)
    assert candidate is None or synchronizer(1e-9).acquire(np.ones(count, np.complex64), candidate) is None


def test_metric_of_a_clean_preamble_is_one() -> None:
    for size in (64, 256):
        preamble = Preamble(Numerology.of(size))
        sync = Synchronizer(preamble, ChannelEstimator(preamble), 1e-9, 2.5)
        assert sync.metric(preamble.samples[preamble.prefix_length :])[0] == pytest.approx(1, abs=1e-5)
