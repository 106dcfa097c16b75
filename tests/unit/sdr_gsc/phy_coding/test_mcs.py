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


def test_last_is_the_fastest_scheme():
    last = MCS_TABLE[-1]
    assert (last.order, last.rate) == (1024, Fraction(5, 6))
    assert last.bits_per_symbol == pytest.approx(25 / 3)


def test_efficiency_ascends_and_indices_match():
    efficiency = [entry.bits_per_symbol for entry in MCS_TABLE]
    assert efficiency == sorted(set(efficiency))
    assert [mcs(index) for index in range(len(MCS_TABLE))] == list(MCS_TABLE)
    assert [entry.index for entry in MCS_TABLE] == list(range(len(MCS_TABLE)))


@pytest.mark.parametrize("entry", MCS_TABLE, ids=lambda entry: entry.name)
def test_every_scheme_has_a_constellation_and_a_code(entry):
    assert entry.coded_bits_per_symbol == Qam(entry.order).bits_per_symbol
    code = LdpcCode.ieee80211n(1944, entry.rate)
    assert code.rate == entry.rate
    assert entry.bits_per_symbol == pytest.approx(code.k / code.n * entry.coded_bits_per_symbol)


@pytest.mark.parametrize("index", [-1, 11, 1000])
def test_unknown_index_is_refused(index):
    with pytest.raises(SettingsError, match="expected 0 to 10"):
        mcs(index)
