"""The 802.11n decoder against Sionna's belief propagation on the same parity-check matrix."""

import numpy as np
import pytest
import scipy.sparse
from scipy.stats import binom

from sdr_gsc.phy.coding.ldpc import LdpcCode


@pytest.fixture(scope="module")
def decoder(sionna):
    from sionna.phy.fec.ldpc import LDPCBPDecoder

    def make(code, iterations):
        # Exact check nodes, all at once: as good as it gets per message, at half of our layered schedule's speed.
        matrix = scipy.sparse.csr_matrix(code.parity_check_matrix(), dtype=np.float32)
        return LDPCBPDecoder(matrix, cn_update="boxplus-phi", num_iter=iterations)

    return make


def noisy(code, ebn0_db, blocks, seed):
    """Information bits, and ratios log P(0)/P(1) of their code words as ±1 in real Gaussian noise."""
    generator = np.random.default_rng(seed)
    bits = generator.integers(0, 2, (blocks, code.k), dtype=np.uint8)
    sigma = np.sqrt(0.5 / (float(code.rate) * 10 ** (ebn0_db / 10)))
    values = 1.0 - 2.0 * code.encode(bits) + sigma * generator.standard_normal((blocks, code.n))
    return bits, (2 * values / sigma**2).astype(np.float32)


def sionna_bits(decoder, code, llr):
    import torch

    return decoder(torch.from_numpy(-llr)).numpy()[:, : code.k].astype(np.uint8)


@pytest.mark.parametrize(("n", "rate", "ebn0_db"), [(648, "1/2", 3.0), (1944, "1/2", 2.2), (1944, "5/6", 4.2)])
def test_same_decisions_where_both_converge(decoder, n, rate, ebn0_db):
    code = LdpcCode.ieee80211n(n, rate)
    bits, llr = noisy(code, ebn0_db, 60, seed=1)
    raw_errors = np.count_nonzero((llr[:, : code.k] < 0) != bits)
    assert raw_errors > 1000
    np.testing.assert_array_equal(sionna_bits(decoder(code, 30), code, llr), bits)
    np.testing.assert_array_equal(code.decode(llr, iterations=30).bits, bits)


def test_block_errors_are_no_more_than_of_twice_as_many_flooding_iterations(decoder):
    """A layered iteration is worth two flooding ones, but for what min-sum loses against exact check nodes."""
    code, blocks = LdpcCode.ieee80211n(648, "1/2"), 400
    bits, llr = noisy(code, 1.6, blocks, seed=2)
    theirs = np.any(sionna_bits(decoder(code, 20), code, llr) != bits, axis=1)
    ours = np.any(code.decode(llr, iterations=10).bits != bits, axis=1)
    assert 20 < theirs.sum() < 200
    assert 20 < ours.sum() < 200
    # The same noise: only blocks on which they disagree tell them apart, by tossing a coin if they are equally good.
    only_ours, only_theirs = np.sum(ours & ~theirs), np.sum(theirs & ~ours)
    assert binom.sf(only_ours - 1, only_ours + only_theirs, 0.5) > 1e-3


def test_encoder_makes_code_words_of_the_matrix_that_sionna_decodes(decoder):
    code = LdpcCode.ieee80211n(648, "3/4")
    _, llr = noisy(code, 40.0, 20, seed=3)
    import torch

    words = decoder(code, 1)(torch.from_numpy(-llr)).numpy()
    assert not np.any(code.parity_check_matrix() @ words.T.astype(int) % 2)
    np.testing.assert_array_equal(words, llr < 0)
