from __future__ import annotations

import pathlib
import warnings
import zlib
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from sdr_gsc.errors import SettingsError
from sdr_gsc.phy.coding.ldpc import LdpcCode
from sdr_gsc.phy.coding.ldpc_tables import BLOCK_LENGTHS, RATES, shift_table

every_code = pytest.mark.parametrize(("n", "rate"), [(n, str(rate)) for n in BLOCK_LENGTHS for rate in RATES])


def channel(words, ebn0_db, rate, rng):
    """Ratios of antipodal signalling in white noise."""
    deviation = np.sqrt(1 / (2 * float(Fraction(rate)) * 10 ** (ebn0_db / 10)))
    received = (1 - 2.0 * words) + deviation * rng.standard_normal(words.shape)
    return (2 * received / deviation**2).astype(np.float32)


def normal_approximation(n, k, ebn0_db):
    """Block error rate of the best code, Polyanskiy et al. (2010), over the binary-input Gaussian channel."""
    rate = k / n
    variance = 1 / (2 * rate * 10 ** (ebn0_db / 10))
    nodes, weights = np.polynomial.hermite_e.hermegauss(101)
    weights = weights / weights.sum()
    information = 1 - np.logaddexp(0, -2 * (1 + np.sqrt(variance) * nodes) / variance) / np.log(2)
    capacity = weights @ information
    dispersion = weights @ (information - capacity) ** 2
    return norm.sf((n * (capacity - rate) + np.log2(n) / 2) / np.sqrt(n * dispersion))


# The tables --------------------------------------------------------------------------------------------------------


@every_code
def test_table_has_the_shape_and_range_of_the_standard(n, rate):
    table = shift_table(n, Fraction(rate))
    assert table.shape == (24 * (1 - Fraction(rate)), 24)
    assert table.min() == -1
    assert table.max() < n // 24


@every_code
def test_parity_part_is_a_double_diagonal_behind_a_column_of_weight_three(n, rate):
    table = shift_table(n, Fraction(rate))
    rows = table.shape[0]
    parity = table[:, 24 - rows :]
    column = parity[:, 0]
    (used,) = np.nonzero(column >= 0)
    assert list(column[used]) == [1, 0, 1]
    assert (used[0], used[2]) == (0, rows - 1)
    expected = np.full((rows, rows - 1), -1)
    for index in range(rows - 1):
        expected[index : index + 2, index] = 0
    np.testing.assert_array_equal(parity[:, 1:], expected)


@pytest.mark.parametrize(
    ("n", "rate", "blocks", "checksum"),
    [
        (648, "1/2", 88, 0xF7B8FB7F),
        (648, "2/3", 88, 0x201E26E2),
        (648, "3/4", 88, 0x0BC5BDEF),
        (648, "5/6", 88, 0xCBE643D7),
        (1944, "1/2", 86, 0xF6DA05DA),
        (1944, "2/3", 88, 0x01D403A6),
        (1944, "3/4", 85, 0x687A1294),
        (1944, "5/6", 79, 0x5AA14674),
    ],
)
def test_block_count_and_fingerprint(n, rate, blocks, checksum):
    # Both taken from an independently typed public copy of the standard in sparse form, not from the table under test.
    table = shift_table(n, Fraction(rate))
    assert np.count_nonzero(table >= 0) == blocks
    assert zlib.crc32(table.astype("<i2").tobytes()) == checksum


def test_seventh_row_of_the_long_half_rate_code():
    # Wrong copies of this row, with one zero block less before 56, are in circulation.
    row = shift_table(1944, Fraction(1, 2))[6]
    assert list(row[:13]) == [69, 79, 79, -1, -1, -1, 56, -1, 52, -1, -1, -1, 0]


@every_code
def test_short_cycles_are_those_of_the_standard(n, rate):
    # Two rows and two columns of the table close 4-cycles where their shifts cancel. The standard itself has two such
    # places at (648, 3/4) and one at (1944, 2/3), none elsewhere: a typing error would almost surely make more.
    matrix = LdpcCode.ieee80211n(n, rate).parity_check_matrix().astype(np.int32)
    overlap = scipy.sparse.triu(matrix @ matrix.T, k=1).tocsr()
    expected = {(648, "3/4"): 2 * 27, (1944, "2/3"): 81}.get((n, rate), 0)
    assert np.count_nonzero(overlap.data > 1) == expected


@every_code
def test_matrix_has_full_rank(n, rate):
    matrix = LdpcCode.ieee80211n(n, rate).parity_check_matrix().toarray()
    rows = [int.from_bytes(np.packbits(row).tobytes(), "big") for row in matrix]
    pivots: dict[int, int] = {}
    for row in rows:
        while row and (top := row.bit_length()) in pivots:
            row ^= pivots[top]
        if row:
            pivots[row.bit_length()] = row
    assert len(pivots) == matrix.shape[0]


# The encoder -------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(n=st.sampled_from(BLOCK_LENGTHS), rate=st.sampled_from(RATES), seed=st.integers(0, 2**32 - 1))
def test_code_words_are_systematic_and_satisfy_every_check(n, rate, seed):
    code = LdpcCode.ieee80211n(n, rate)
    bits = np.random.default_rng(seed).integers(0, 2, (3, code.k), dtype=np.uint8)
    words = code.encode(bits)
    assert words.shape == (3, n)
    assert words.dtype == np.uint8
    np.testing.assert_array_equal(words[:, : code.k], bits)
    assert not np.any(code.parity_check_matrix().astype(np.int32) @ words.T.astype(np.int32) % 2)


def test_code_is_linear():
    code = LdpcCode.ieee80211n(648, "3/4")
    a, b = np.random.default_rng(0).integers(0, 2, (2, 4, code.k), dtype=np.uint8)
    np.testing.assert_array_equal(code.encode(a ^ b), code.encode(a) ^ code.encode(b))


def test_encoder_agrees_with_a_published_parity_check_matrix_of_another_code():
    # scikit-commpy ships the rate-1/2 code of IEEE 802.16e, built in the same way; its file is an independent layout.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = pytest.importorskip("commpy")
    path = pathlib.Path(package.__file__).parent / "channelcoding/designs/ldpc/wimax/1440.720.txt"
    lines = path.read_text().splitlines()
    n, n_checks = map(int, lines[0].split())
    matrix = np.zeros((n_checks, n), np.int32)
    for check, line in enumerate(lines[4 + n : 4 + n + n_checks]):
        matrix[check, np.array(line.split(), int) - 1] = 1
    size = n // 24
    shifts = np.full((n_checks // size, 24), -1, np.int16)
    for row, column in np.ndindex(shifts.shape):
        (ones,) = np.nonzero(matrix[row * size, column * size : (column + 1) * size])
        shifts[row, column] = ones[0] if ones.size else -1
    code = LdpcCode(n, n - n_checks, shifts)
    np.testing.assert_array_equal(code.parity_check_matrix().toarray(), matrix)
    bits = np.random.default_rng(1).integers(0, 2, (5, code.k), dtype=np.uint8)
    words = code.encode(bits)
    assert not np.any(matrix @ words.T % 2)
    np.testing.assert_array_equal(code.decode(channel(words, 4.0, "1/2", np.random.default_rng(2))).bits, bits)


# The decoder -------------------------------------------------------------------------------------------------------


@every_code
def test_clean_words_need_no_iteration(n, rate):
    code = LdpcCode.ieee80211n(n, rate)
    bits = np.random.default_rng(3).integers(0, 2, (4, code.k), dtype=np.uint8)
    decoded = code.decode(4 - 8 * code.encode(bits).astype(np.float32))
    np.testing.assert_array_equal(decoded.bits, bits)
    assert decoded.ok.all()
    assert not decoded.iterations.any()


@every_code
def test_block_errors_are_within_1_db_of_the_normal_approximation(n, rate):
    code = LdpcCode.ieee80211n(n, rate)
    bound_db = brentq(lambda ebn0_db: normal_approximation(n, code.k, ebn0_db) - 1e-2, -1, 8)
    rng = np.random.default_rng(4)
    bits = rng.integers(0, 2, (1000, code.k), dtype=np.uint8)
    words = code.encode(bits)
    good = code.decode(channel(words, bound_db + 1.0, rate, rng), iterations=20)
    wrong = np.any(good.bits != bits, axis=1)
    # At n = 648, two code words may be so close that a wrong one is reached; that is no fault of the decoder.
    assert wrong.mean() < 0.015
    assert np.mean(wrong & good.ok) <= 0.002
    # Where the best code fails once in two, this one must not do better: the noise is what it claims to be.
    half_db = brentq(lambda ebn0_db: normal_approximation(n, code.k, ebn0_db) - 0.5, -1, 8)
    bad = code.decode(channel(words[:100], half_db, rate, rng), iterations=20)
    assert np.mean(np.any(bad.bits != bits[:100], axis=1)) > 0.5


@pytest.mark.parametrize(("iterations", "gap_db"), [(10, 1.1), (50, 0.75)])
def test_half_rate_code_of_1944_bits_is_near_the_normal_approximation(iterations, gap_db):
    code = LdpcCode.ieee80211n(1944, "1/2")
    bound_db = brentq(lambda ebn0_db: normal_approximation(code.n, code.k, ebn0_db) - 1e-2, -1, 8)
    rng = np.random.default_rng(15)
    bits = rng.integers(0, 2, (8000, code.k), dtype=np.uint8)
    decoded = code.decode(channel(code.encode(bits), bound_db + gap_db, "1/2", rng), iterations)
    wrong = int(np.any(decoded.bits != bits, axis=1).sum())
    # 80 errors are expected at a rate of 1e-2.
    assert 10 < wrong < 80


def test_ok_means_that_the_checks_hold_and_failures_use_all_iterations():
    code = LdpcCode.ieee80211n(648, "1/2")
    rng = np.random.default_rng(5)
    bits = rng.integers(0, 2, (200, code.k), dtype=np.uint8)
    decoded = code.decode(channel(code.encode(bits), 1.2, "1/2", rng), iterations=8)
    assert 0 < decoded.ok.sum() < 200
    assert np.all(decoded.iterations[~decoded.ok] == 8)
    assert np.all(decoded.iterations[decoded.ok] <= 8)
    # Few undetected errors: what is ok is a code word, and code words are far apart.
    assert np.all(np.any(decoded.bits != bits, axis=1)[decoded.ok] == 0)


def test_a_block_does_not_depend_on_its_batch():
    code = LdpcCode.ieee80211n(1944, "2/3")
    rng = np.random.default_rng(6)
    bits = rng.integers(0, 2, (12, code.k), dtype=np.uint8)
    llr = channel(code.encode(bits), 2.2, "2/3", rng)
    together = code.decode(llr)
    alone = [code.decode(llr[index : index + 1]) for index in range(12)]
    np.testing.assert_array_equal(together.bits, np.concatenate([one.bits for one in alone]))
    np.testing.assert_array_equal(together.iterations, np.concatenate([one.iterations for one in alone]))


@pytest.mark.parametrize("factor", [0.6, 0.8, 1.5])
def test_ratios_may_be_off_by_two_decibels(factor):
    code = LdpcCode.ieee80211n(1944, "1/2")
    rng = np.random.default_rng(7)
    bits = rng.integers(0, 2, (300, code.k), dtype=np.uint8)
    llr = channel(code.encode(bits), 1.9, "1/2", rng) * np.float32(factor)
    assert np.mean(np.any(code.decode(llr, iterations=50).bits != bits, axis=1)) < 0.01


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("factor", [1e-30, 1e-3, 0.2])
def test_ratios_too_small_to_be_true_are_brought_to_scale(rate, factor):
    code = LdpcCode.ieee80211n(648, rate)
    rng = np.random.default_rng(12)
    bits = rng.integers(0, 2, (100, code.k), dtype=np.uint8)
    llr = channel(code.encode(bits), 3.5 + 2 * float(rate - RATES[0]), rate, rng)
    np.testing.assert_array_equal(code.decode(llr).bits, bits)
    np.testing.assert_array_equal(code.decode(llr * np.float32(factor)).bits, bits)


def test_huge_ratios_neither_overflow_nor_drown_the_others():
    code = LdpcCode.ieee80211n(1944, "1/2")
    rng = np.random.default_rng(13)
    bits = rng.integers(0, 2, (50, code.k), dtype=np.uint8)
    words = code.encode(bits)
    llr = channel(words, 1.6, "1/2", rng)
    sure = rng.random(llr.shape) < 0.3
    llr[sure] = ((1 - 2.0 * words[sure]) * 3e38).astype(np.float32)
    decoded = code.decode(llr, iterations=50)
    np.testing.assert_array_equal(decoded.bits, bits)
    # Certainty of the wrong kind: nothing good can come of it, but it must end.
    llr[sure] *= -1
    assert not code.decode(llr, iterations=50).ok.any()


def reference(code, llr, iterations):
    """The decoder of the docstring of `_layered`, one check at a time, in integers: bits and iterations of a block."""
    shifts, size = code.shifts.astype(int), code.block_size
    limit = 32767 // (1 + np.count_nonzero(shifts >= 0, axis=0).max())
    posterior = np.clip(np.rint(llr * np.float32(16)), -limit, limit).astype(int)
    matrix = code.parity_check_matrix()
    messages = [np.zeros(int(count), int) for count in np.diff(matrix.indptr)]

    def together(a, b):
        least, most = min(a, b), max(a, b)
        return least - min(max(42 - (most - least), 0), least) // 4

    def is_code_word():
        return not np.any(matrix @ (posterior < 0) % 2) and np.all(posterior != 0)

    spent = 0
    while not is_code_word() and spent < iterations:
        for check in range(code.n - code.k):
            variables = matrix.indices[matrix.indptr[check] : matrix.indptr[check + 1]]
            # The kernel takes the columns that many checks use last; the sum of a row depends on the order.
            weights = np.count_nonzero(shifts >= 0, axis=0)[variables // size]
            order = np.lexsort((variables // size, weights))
            known = posterior[variables] - messages[check]
            least = others = limit
            for magnitude in np.abs(known)[order]:
                others = together(others, max(magnitude, least))
                least = min(magnitude, least)
            said = np.where(np.abs(known) == least, others, together(least, others))
            said = np.where((known < 0) ^ (np.count_nonzero(known < 0) % 2 == 1), -said, said)
            messages[check] = said
            posterior[variables] = known + said
        spent += 1
    return posterior[: code.k] < 0, spent


@pytest.mark.parametrize(("n", "rate", "ebn0_db"), [(648, "1/2", 1.5), (648, "5/6", 3.4), (1944, "2/3", 2.0)])
def test_decoder_is_the_one_that_is_described(n, rate, ebn0_db):
    code = LdpcCode.ieee80211n(n, rate)
    rng = np.random.default_rng(14)
    bits = rng.integers(0, 2, (3, code.k), dtype=np.uint8)
    llr = channel(code.encode(bits), ebn0_db, rate, rng)
    llr[0, :30] = 0
    decoded = code.decode(llr, iterations=4)
    for block in range(3):
        expected, spent = reference(code, llr[block], 4)
        np.testing.assert_array_equal(decoded.bits[block], expected)
        assert decoded.iterations[block] == spent
    assert decoded.iterations.max() > 1


def test_erasures_are_filled_and_certainty_may_be_infinite():
    code = LdpcCode.ieee80211n(1944, "1/2")
    rng = np.random.default_rng(8)
    bits = rng.integers(0, 2, (10, code.k), dtype=np.uint8)
    llr = np.where(code.encode(bits) == 1, -np.inf, np.inf).astype(np.float32)
    lost = rng.random(llr.shape) < 0.35
    llr[lost] = 0
    kept = llr.copy()
    decoded = code.decode(llr, iterations=50)
    np.testing.assert_array_equal(decoded.bits, bits)
    assert decoded.ok.all()
    np.testing.assert_array_equal(llr, kept)
    llr[lost] = np.nan
    np.testing.assert_array_equal(code.decode(llr, iterations=50).bits, bits)


def test_a_block_without_evidence_is_not_ok():
    decoded = LdpcCode.ieee80211n(648, "5/6").decode(np.zeros((2, 648), np.float32), iterations=3)
    assert not decoded.ok.any()
    assert list(decoded.iterations) == [3, 3]


def test_noise_alone_is_not_ok():
    llr = np.random.default_rng(9).standard_normal((50, 648)).astype(np.float32)
    assert not LdpcCode.ieee80211n(648, "1/2").decode(llr).ok.any()


def test_commpy_sum_product_agrees_on_easy_blocks():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ldpc = pytest.importorskip("commpy.channelcoding.ldpc")
    code = LdpcCode.ieee80211n(648, "1/2")
    matrix = code.parity_check_matrix().toarray()
    rng = np.random.default_rng(10)
    bits = rng.integers(0, 2, (4, code.k), dtype=np.uint8)
    llr = channel(code.encode(bits), 2.5, "1/2", rng)

    def padded(rows):
        table = np.full((len(rows), max(map(len, rows))), -1, np.int32)
        for index, row in enumerate(rows):
            table[index, : len(row)] = row
        return table

    checks = [list(np.flatnonzero(row)) for row in matrix]
    variables = [list(np.flatnonzero(column)) for column in matrix.T]
    to_variable = [[variables[variable].index(check) for variable in row] for check, row in enumerate(checks)]
    to_check = [[checks[check].index(variable) for check in row] for variable, row in enumerate(variables)]
    parameters = {
        "n_vnodes": code.n,
        "n_cnodes": code.n - code.k,
        "max_cnode_deg": max(map(len, checks)),
        "max_vnode_deg": max(map(len, variables)),
        "cnode_adj_list": padded(checks).ravel(),
        "vnode_adj_list": padded(variables).ravel(),
        "cnode_vnode_map": padded(to_variable).ravel(),
        "vnode_cnode_map": padded(to_check).ravel(),
        "cnode_deg_list": np.array(list(map(len, checks)), np.int32),
        "vnode_deg_list": np.array(list(map(len, variables)), np.int32),
        "parity_check_matrix": scipy.sparse.csc_matrix(matrix.astype(np.int8)),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, _ = ldpc.ldpc_bp_decode(llr.astype(float).ravel(), parameters, "SPA", 20)
    np.testing.assert_array_equal(np.asarray(theirs).T.reshape(4, -1)[:, : code.k], code.decode(llr).bits)
    np.testing.assert_array_equal(code.decode(llr).bits, bits)


def test_empty_batches_pass_through():
    code = LdpcCode.ieee80211n(1944, "1/2")
    assert code.encode(np.empty((0, code.k), np.uint8)).shape == (0, 1944)
    assert code.decode(np.empty((0, 1944), np.float32)).bits.shape == (0, code.k)


@pytest.mark.parametrize(("n", "rate"), [(1296, "1/2"), (648, "7/8"), (648, "half"), (1944, "1/0")])
def test_unknown_codes_are_refused(n, rate):
    with pytest.raises(SettingsError, match="expected"):
        LdpcCode.ieee80211n(n, rate)


def test_misfitting_input_is_refused():
    code = LdpcCode.ieee80211n(648, "1/2")
    with pytest.raises(SettingsError, match=r"needed \[blocks, 324\]"):
        code.encode(np.zeros((1, 648), np.uint8))
    with pytest.raises(SettingsError, match="needed 0 or 1"):
        code.encode(np.full((1, 324), 2, np.uint8))
    with pytest.raises(SettingsError, match=r"needed \[blocks, 648\]"):
        code.decode(np.zeros(648, np.float32))
    with pytest.raises(SettingsError, match="at least 1"):
        code.decode(np.zeros((1, 648), np.float32), iterations=0)
