import numpy as np
import pytest
import scipy.stats

from sdr_gsc.phy._matched_law import exceedance, window_threshold
from sdr_gsc.phy.matched_search import MatchedSearch
from sdr_gsc.phy.numerology import Numerology
from sdr_gsc.phy.preamble import Preamble

SIZE = 64
BEFORE, AFTER = 160, 160
EARLY, LATE = 8, 16  # a detection may be half a prefix early and one late


def copies(count: float, size: int = SIZE) -> np.ndarray:
    """Training symbol, several times in a row, of mean power 1."""
    preamble = Preamble(Numerology.of(size))
    symbol = preamble.samples[preamble.prefix_length : preamble.prefix_length + size]
    waveform = np.tile(symbol, 5)[: int(count * size)]
    return (waveform / np.sqrt(np.mean(np.abs(waveform) ** 2))).astype(np.complex64)


def white(generator: np.random.Generator, *shape: int) -> np.ndarray:
    """Complex noise of variance 1."""
    parts = generator.standard_normal((2, *shape), np.float32)
    return (parts[0] + 1j * parts[1]) * np.float32(np.sqrt(0.5))


def payload(generator: np.random.Generator, trials: int) -> np.ndarray:
    """Random OFDM symbols with prefixes, mean power 1, complex64 [trials, AFTER]."""
    grid = Numerology()
    tones = np.zeros((trials, AFTER // grid.symbol_length, SIZE), np.complex64)
    signs = generator.choice([-1, 1], (2, trials, tones.shape[1], grid.active.size))
    tones[:, :, grid.active] = (signs[0] + 1j * signs[1]) * np.sqrt(0.5 / grid.occupied_fraction)
    symbols = np.fft.ifft(tones, axis=2, norm="ortho")
    return np.concatenate([symbols[:, :, -grid.cp_length :], symbols], axis=2).reshape(trials, AFTER)


def heard(
    generator: np.random.Generator, waveform: np.ndarray, trials: int, snr_db: float, max_cfo: float, taps: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Noise, the waveform at sample BEFORE, random data; complex64 [trials, n], and the carrier offsets.

    One path of power 1, or `taps` Rayleigh paths of an exponential profile of rms 2 samples and mean power 1.
    """
    sent = np.zeros((trials, BEFORE + waveform.size + AFTER), np.complex64)
    sent[:, BEFORE : BEFORE + waveform.size] = waveform
    sent[:, BEFORE + waveform.size :] = payload(generator, trials)
    if taps > 1:
        profile = np.exp(-np.arange(taps) / 2)
        paths = white(generator, trials, taps) * np.sqrt(profile / profile.sum())
        sent = sum(np.roll(sent, lag, axis=1) * paths[:, lag : lag + 1] for lag in range(taps))
    cfo = generator.uniform(-max_cfo, max_cfo, trials)
    turned = sent * np.exp(2j * np.pi * cfo[:, None] * np.arange(sent.shape[1]) / SIZE)
    return (turned + 10 ** (-snr_db / 20) * white(generator, *sent.shape)).astype(np.complex64), cfo


def found(search: MatchedSearch, captures: np.ndarray) -> float:
    """Share of captures in which the statistic crosses near the waveform."""
    padded = np.zeros(captures.size + search.span, np.complex64)
    padded[: captures.size] = captures.ravel()
    statistic = search.statistic(padded)[: captures.size].reshape(captures.shape)
    return float(np.mean((statistic[:, BEFORE - EARLY : BEFORE + LATE + 1] >= 1).any(axis=1)))


def plainly(search: MatchedSearch, waveform: np.ndarray, size: int, samples: np.ndarray) -> np.ndarray:
    """The statistic as its definition says: all offsets at all lags; the phase advances once per segment."""
    template = waveform.astype(np.complex128) / np.linalg.norm(waveform)
    longest = int(search.windows[-1])
    padded = np.concatenate([samples, np.zeros(longest)]).astype(np.complex128)
    count = samples.size - template.size + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, template.size)[: count + longest - 1]
    energy = np.convolve(np.abs(padded) ** 2, np.ones(search.span))[search.span - 1 :][:count]
    times = np.arange(template.size)
    within = times % (size // 8)
    best = np.zeros(count)
    for offset in search.offsets:
        centre = search.offsets[np.abs(search.offsets - offset) < 4].mean() if search.max_cfo > 2 else 0.0
        centre = 4 * np.round(centre / 4) if search.max_cfo > 4 else centre
        turn = np.exp(-2j * np.pi * (offset * (times - within) + centre * within) / size)
        power = np.abs(windows @ (template.conj() * turn)) ** 2
        sums = np.concatenate([[0.0], np.cumsum(power)])
        for width, threshold in zip(search.windows, search.thresholds, strict=True):
            best = np.maximum(best, (sums[width : width + count] - sums[:count]) / threshold)
    return best / energy


@pytest.mark.parametrize(
    ("size", "count", "taps", "max_cfo"),
    [
        (64, 2, 8, 2.0),
        (64, 2, 1, 0.0),
        (64, 4, 16, 0.5),
        (64, 2.5, 4, 1.3),
        (64, 1, 2, 2.0),
        (64, 2, 8, 6.0),
        (256, 3, 64, 1.0),
    ],
)
def test_statistic_is_what_its_definition_says(size: int, count: float, taps: int, max_cfo: float) -> None:
    generator = np.random.default_rng(1)
    waveform = copies(count, size)
    search = MatchedSearch(waveform, size, taps, max_cfo, 1e-4, screening=False)
    samples = white(generator, 2500 + waveform.size)
    samples[700 : 700 + waveform.size] += waveform * np.exp(0.02j * np.arange(waveform.size))
    samples[:40] = 0
    expected = plainly(search, waveform, size, samples)
    np.testing.assert_allclose(search.statistic(samples), expected, rtol=1e-4, atol=1e-4)
    screened = MatchedSearch(waveform, size, taps, max_cfo, 1e-6).statistic(samples)
    plain = MatchedSearch(waveform, size, taps, max_cfo, 1e-6, screening=False).statistic(samples)
    kept = screened > 0
    assert 0 < np.count_nonzero(kept) < 0.3 * kept.size
    assert (screened <= plain * (1 + 1e-5)).all()
    assert screened[kept] == pytest.approx(plain[kept], rel=1e-5) if max_cfo <= 2 else screened.max() == plain.max()


def test_law_of_one_lag_and_of_orthogonal_lags_is_beta() -> None:
    for level in (0.02, 0.1, 0.2):
        assert exceedance(level, np.ones(1), 128) == pytest.approx((1 - level) ** 127, rel=1e-6)
    for width, span in ((2, 129), (8, 135), (64, 600)):
        law = scipy.stats.beta(width, span - width)
        for rate in (1e-3, 1e-9):
            assert exceedance(law.isf(rate), np.ones(width), span) == pytest.approx(rate, rel=1e-6)
            assert window_threshold(rate, np.ones(width), span) == pytest.approx(law.isf(rate), rel=1e-6)


def test_law_of_unequal_eigenvalues_agrees_with_counting() -> None:
    generator = np.random.default_rng(2)
    eigenvalues = np.array([1.9, 1.4, 0.6, 0.1])
    powers = generator.exponential(size=(400_000, 40))
    share = powers[:, :4] @ eigenvalues / powers.sum(axis=1)
    for rate in (1e-2, 1e-3):
        count = int(np.count_nonzero(share > window_threshold(rate, eigenvalues, 40)))
        low, high = scipy.stats.binom.interval(0.9999, share.size, rate)
        assert low <= count <= high


def test_one_lag_at_a_known_offset_follows_the_beta_law() -> None:
    waveform = copies(2)
    search = MatchedSearch(waveform, SIZE, 1, 0.0, 1e-3, screening=False)
    assert search.thresholds[0] == pytest.approx(1 - 1e-3 ** (1 / 127), rel=1e-6)
    metric = search.statistic(white(np.random.default_rng(3), 128 * 20_000))[::128] * search.thresholds[0]
    assert scipy.stats.kstest(metric, scipy.stats.beta(1, 127).cdf).pvalue > 1e-3


@pytest.mark.parametrize("snr_db", [-9.0, -7.5, -6.0])
def test_detection_at_a_known_offset_follows_the_noncentral_law(snr_db: float) -> None:
    # |c|² over the rest of the energy is noncentral F with 2 and 2(L-1) degrees of freedom.
    trials, length, rate = 6000, 128, 1e-6
    waveform = copies(2)
    search = MatchedSearch(waveform, SIZE, 1, 0.0, rate, screening=False)
    captures, _ = heard(np.random.default_rng(4), waveform, trials, snr_db, 0.0)
    at = np.array([search.statistic(row[BEFORE : BEFORE + length])[0] for row in captures])
    energy = 2 * length * 10 ** (snr_db / 10)
    threshold = search.thresholds[0]
    law = scipy.stats.ncf.sf(threshold / (1 - threshold) * (length - 1), 2, 2 * (length - 1), energy)
    low, high = scipy.stats.binom.interval(0.9999, trials, law)
    assert low <= np.count_nonzero(at >= 1) <= high
    # A detector that knew the noise level would do better, but not by much.
    bound = scipy.stats.ncx2.sf(-2 * np.log(rate), 2, energy)
    assert bound - 0.1 < law < bound


@pytest.mark.parametrize(
    ("rate", "max_cfo", "samples", "screening"),
    [(1e-3, 0.5, 6_000_000, False), (1e-3, 2.0, 4_000_000, False), (1e-4, 2.0, 24_000_000, True)],
)
def test_false_alarms_come_at_the_set_rate(rate: float, max_cfo: float, samples: int, screening: bool) -> None:
    # Crossings come in clumps of a window's length, so every 16th lag is counted.
    generator = np.random.default_rng(5)
    search = MatchedSearch(copies(2), SIZE, 8, max_cfo, rate, screening=screening)
    count, lags = 0, 0
    while lags < samples // 16:
        statistic = search.statistic(generator.standard_normal(2_000_000, np.float32).view(np.complex64))[::16]
        count += int(np.count_nonzero(statistic >= 1))
        lags += statistic.size
    assert scipy.stats.poisson.ppf(1e-4, lags * rate / 3) <= count <= scipy.stats.poisson.isf(1e-4, lags * rate)


def test_first_pass_keeps_the_share_it_should() -> None:
    statistic = MatchedSearch(copies(2), SIZE).statistic(white(np.random.default_rng(6), 1_000_000))
    assert 2e-3 < np.mean(statistic > 0) < 4e-3


@pytest.mark.parametrize("max_cfo", [0.5, 2.0, 8.0])
def test_detection_probability(max_cfo: float) -> None:
    # P_FA 1e-6 per sample; trials enough for a tenth of the distance to what is asked for.
    generator = np.random.default_rng(7)
    search = MatchedSearch(copies(2), SIZE, 8, max_cfo, 1e-6)
    assert found(search, heard(generator, copies(2), 2000, -3, max_cfo)[0]) >= 0.995
    assert found(search, heard(generator, copies(2), 2000, 3, max_cfo, taps=8)[0]) >= 0.99
    at_minus_six = found(search, heard(generator, copies(2), 2000, -6, max_cfo)[0])
    assert at_minus_six >= {0.5: 0.94, 2.0: 0.86, 8.0: 0.80}[max_cfo]
    assert found(search, heard(generator, copies(2), 2000, 0, max_cfo, taps=8)[0]) >= 0.95


def test_window_and_single_lag_each_win_where_they_should() -> None:
    generator = np.random.default_rng(8)
    both = MatchedSearch(copies(2), SIZE, 8, 0.5, 1e-6)
    single = MatchedSearch(copies(2), SIZE, 1, 0.5, 1e-6)
    one_path, _ = heard(generator, copies(2), 3000, -7, 0.5)
    many_paths, _ = heard(generator, copies(2), 3000, 0, 0.5, taps=8)
    assert found(single, one_path) - 0.07 < found(both, one_path) < found(single, one_path)
    assert found(both, many_paths) > found(single, many_paths) + 0.04


def test_first_pass_costs_little() -> None:
    generator = np.random.default_rng(9)
    for max_cfo, snr_db, taps in ((2.0, -6, 1), (2.0, 0, 8), (0.5, -6, 1)):
        captures, _ = heard(generator, copies(2), 3000, snr_db, max_cfo, taps)
        screened = found(MatchedSearch(copies(2), SIZE, 8, max_cfo, 1e-6), captures)
        everything = found(MatchedSearch(copies(2), SIZE, 8, max_cfo, 1e-6, screening=False), captures)
        assert everything - 0.01 <= screened <= everything


@pytest.mark.parametrize(("count", "max_cfo"), [(2, 2.0), (4, 2.0), (2, 8.0)])
def test_offset_error_meets_its_bound(count: int, max_cfo: float) -> None:
    # var(ω) >= 6/(γ·n·(n²-1)), known waveform of n samples.
    snr_db, length = 8.0, count * SIZE
    captures, cfo = heard(np.random.default_rng(10), copies(count), 400, snr_db, max_cfo)
    search = MatchedSearch(copies(count), SIZE, 8, max_cfo)
    errors = []
    for capture, true in zip(captures, cfo, strict=True):
        (detection,) = search.detections(capture)
        assert detection.start == BEFORE
        errors.append(detection.cfo - true)
    bound = np.sqrt(6 / (10 ** (snr_db / 10) * length * (length**2 - 1))) * SIZE / (2 * np.pi)
    assert 0.85 * bound < np.sqrt(np.mean(np.square(errors))) < 1.15 * bound
    assert abs(np.mean(errors)) < 4 * bound / np.sqrt(len(errors))


@pytest.mark.parametrize(("size", "count"), [(64, 2), (64, 4), (256, 2), (1024, 4)])
def test_detections_tell_waveforms_apart(size: int, count: int) -> None:
    generator = np.random.default_rng(11)
    waveform = copies(count, size)
    search = MatchedSearch(waveform, size, 8, 2.0)
    starts = (500, 501 + 2 * waveform.size, 900 + 5 * waveform.size)
    samples = 0.1 * white(generator, 1500 + 8 * waveform.size)
    for start, cfo in zip(starts, (-1.9, 0.03, 1.3), strict=True):
        turn = np.exp(2j * np.pi * cfo * np.arange(waveform.size) / size)
        samples[start : start + waveform.size] += waveform * turn
    detections = search.detections(samples)
    assert tuple(each.start for each in detections) == starts
    assert [each.cfo for each in detections] == pytest.approx([-1.9, 0.03, 1.3], abs=0.01)
    assert all(each.statistic > 3 for each in detections)


def test_a_dispersed_waveform_starts_within_the_tolerance() -> None:
    captures, _ = heard(np.random.default_rng(12), copies(2), 300, 10, 2.0, taps=8)
    search = MatchedSearch(copies(2), SIZE)
    others = 0
    for capture in captures:
        detections = search.detections(capture)
        strongest = max(detections, key=lambda each: each.statistic)
        assert -EARLY <= strongest.start - BEFORE <= LATE
        others += len(detections) - 1
    # Strong data of the same band are no white noise; they still look like the waveform only once in a while.
    assert others < 0.05 * len(captures)
