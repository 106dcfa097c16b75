from __future__ import annotations

from fractions import Fraction

import pytest

from sdr_gsc.errors import SettingsError
from sdr_gsc.phy.coding.ldpc import LdpcCode
from sdr_gsc.phy.coding.mcs import MCS_TABLE, mcs
from sdr_gsc.phy.constellation import Qam


def test_default_is_the_most_robust_scheme():
    assert (mcs(0).order, mcs(0).rate) == (4, Fraction(1, 2))
    assert mcs(0).bits_per_symbol == 1.0


def test_last_coded_scheme_is_the_fastest():
    assert (mcs(10).order, mcs(10).rate) == (1024, Fraction(5, 6))
    assert max(MCS_TABLE, key=lambda entry: entry.bits_per_symbol) is mcs(10)
    assert mcs(10).bits_per_symbol == pytest.approx(25 / 3)


def test_uncoded_scheme_is_last_and_has_blocks_of_64_bytes():
    assert [entry.index for entry in MCS_TABLE if not entry.is_coded] == [11]
    assert (mcs(11).order, mcs(11).rate, mcs(11).name) == (4, Fraction(1), "QPSK uncoded")
    assert mcs(11).block_bits == mcs(11).information_bits == 8 * (64 + 4)
    assert mcs(11).bits_per_symbol == 2.0


def test_efficiency_ascends_and_indices_match():
    efficiency = [entry.bits_per_symbol for entry in MCS_TABLE if entry.is_coded]
    assert efficiency == sorted(set(efficiency))
    assert [mcs(index) for index in range(len(MCS_TABLE))] == list(MCS_TABLE)
    assert [entry.index for entry in MCS_TABLE] == list(range(len(MCS_TABLE)))


@pytest.mark.parametrize("entry", MCS_TABLE[:11], ids=lambda entry: entry.name)
def test_every_coded_scheme_has_a_constellation_and_a_code(entry):
    assert entry.coded_bits_per_symbol == Qam(entry.order).bits_per_symbol
    code = LdpcCode.ieee80211n(1944, entry.rate)
    assert code.rate == entry.rate
    assert (entry.block_bits, entry.information_bits) == (code.n, code.k)
    assert entry.bits_per_symbol == pytest.approx(code.k / code.n * entry.coded_bits_per_symbol)


@pytest.mark.parametrize("index", [-1, 12, 1000])
def test_unknown_index_is_refused(index):
    with pytest.raises(SettingsError, match="expected 0 to 11"):
        mcs(index)
