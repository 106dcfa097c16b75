"""Shift tables of the LDPC codes of IEEE Std 802.11-2016, Annex F (identical to 802.11n-2009, Annex R).

A row of text is one block row: the cyclic shifts of its Z x Z blocks, '-' for an all-zero block. Written down are the
information columns and the first parity column (weight three); the remaining parity columns form the same double
diagonal of unshifted blocks in every code and are added by `shift_table`.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from ...errors import SettingsError

__all__ = ["BLOCK_COLUMNS", "BLOCK_LENGTHS", "RATES", "shift_table"]

BLOCK_COLUMNS = 24
BLOCK_LENGTHS = (648, 1944)
RATES = (Fraction(1, 2), Fraction(2, 3), Fraction(3, 4), Fraction(5, 6))


def shift_table(n: int, rate: Fraction) -> npt.NDArray[np.int16]:
    """Shift table of a code: block [i, j] has ones at (r, (r + shift) mod Z), Z = n / 24; -1 is an all-zero block.

    Args:
        n: block length in bits, 648 or 1944.
        rate: 1/2, 2/3, 3/4 or 5/6.

    Returns:
        int16 [24 (1 - rate), 24], values -1 to Z - 1.

    Raises:
        SettingsError: no such code.
    """
    text = _TABLES.get((n, str(rate)))
    if text is None:
        raise SettingsError(
            f"LDPC code of length {n} and rate {rate}: expected length {' or '.join(map(str, BLOCK_LENGTHS))} "
            f"and rate {', '.join(map(str, RATES))}."
        )
    written = np.array(
        [[-1 if cell == "-" else int(cell) for cell in row.split()] for row in text.split("\n")], np.int16
    )
    rows, columns = written.shape
    table = np.full((rows, BLOCK_COLUMNS), -1, np.int16)
    table[:, :columns] = written
    diagonal = np.arange(rows - 1)
    table[diagonal, columns + diagonal] = 0
    table[diagonal + 1, columns + diagonal] = 0
    return table


_TABLES = {
    (648, "1/2"): """\
 0 - - - 0 0 - - 0 - - 0 1
22 0 - - 17 - 0 0 12 - - - -
 6 - 0 - 10 - - - 24 - 0 - -
 2 - - 0 20 - - - 25 0 - - -
23 - - - 3 - - - 0 - 9 11 -
24 - 23 1 17 - 3 - 10 - - - -
25 - - - 8 - - - 7 18 - - 0
13 24 - - 0 - 8 - 6 - - - -
 7 20 - 16 22 10 - - 23 - - - -
11 - - - 19 - - - 13 - 3 17 -
25 - 8 - 23 18 - 14 9 - - - -
 3 - - - 16 - - 2 25 5 - - 1""",
    (648, "2/3"): """\
25 26 14 - 20 - 2 - 4 - - 8 - 16 - 18 1
10 9 15 11 - 0 - 1 - - 18 - 8 - 10 - -
16 2 20 26 21 - 6 - 1 26 - 7 - - - - -
10 13 5 0 - 3 - 7 - - 26 - - 13 - 16 -
23 14 24 - 12 - 19 - 17 - - - 20 - 21 - 0
 6 22 9 20 - 25 - 17 - 8 - 14 - 18 - - -
14 23 21 11 20 - 24 - 18 - 19 - - - - 22 -
17 11 11 20 - 21 - 26 - 3 - - 18 - 26 - 1""",
    (648, "3/4"): """\
16 17 22 24 9 3 14 - 4 2 7 - 26 - 2 - 21 - 1
25 12 12 3 3 26 6 21 - 15 22 - 15 - 4 - - 16 -
25 18 26 16 22 23 9 - 0 - 4 - 4 - 8 23 11 - -
 9 7 0 1 17 - - 7 3 - 3 23 - 16 - - 21 - 0
24 5 26 7 1 - - 15 24 15 - 8 - 13 - 13 - 11 -
 2 2 19 14 24 1 15 19 - 21 - 2 - 24 - 3 - 2 1""",
    (648, "5/6"): """\
17 13 8 21 9 3 18 12 10 0 4 15 19 2 5 10 26 19 13 13 1
 3 12 11 14 11 25 5 18 0 9 2 26 26 10 24 7 14 20 4 2 -
22 16 4 3 10 21 12 5 21 14 19 5 - 8 5 18 11 5 5 15 0
 7 7 14 14 4 16 16 24 24 10 1 7 15 6 10 26 8 18 21 14 1""",
    (1944, "1/2"): """\
57 - - - 50 - 11 - 50 - 79 - 1
 3 - 28 - 0 - - - 55 7 - - -
30 - - - 24 37 - - 56 14 - - -
62 53 - - 53 - - 3 35 - - - -
40 - - 20 66 - - 22 28 - - - -
 0 - - - 8 - 42 - 50 - - 8 -
69 79 79 - - - 56 - 52 - - - 0
65 - - - 38 57 - - 72 - 27 - -
64 - - - 14 52 - - 30 - - 32 -
 - 45 - 70 0 - - - 77 9 - - -
 2 56 - 57 35 - - - - - 12 - -
24 - 61 - 60 - - 27 51 - - 16 1""",
    (1944, "2/3"): """\
61 75 4 63 56 - - - - - - 8 - 2 17 25 1
56 74 77 20 - - - 64 24 4 67 - 7 - - - -
28 21 68 10 7 14 65 - - - 23 - - - 75 - -
48 38 43 78 76 - - - - 5 36 - 15 72 - - -
40 2 53 25 - 52 62 - 20 - - 44 - - - - 0
69 23 64 10 22 - 21 - - - - - 68 23 29 - -
12 0 68 20 55 61 - 40 - - - 52 - - - 44 -
58 8 34 64 78 - - 11 78 24 - - - - - 58 1""",
    (1944, "3/4"): """\
48 29 28 39 9 61 - - - 63 45 80 - - - 37 32 22 1
 4 49 42 48 11 30 - - - 49 17 41 37 15 - 54 - - -
35 76 78 51 37 35 21 - 17 64 - - - 59 7 - - 32 -
 9 65 44 9 54 56 73 34 42 - - - 35 - - - 46 39 0
 3 62 7 80 68 26 - 80 55 - 36 - 26 - 9 - 72 - -
26 75 33 21 69 59 3 38 - - - 35 - 62 36 26 - - 1""",
    (1944, "5/6"): """\
13 48 80 66 4 74 7 30 76 52 37 60 - 49 73 31 74 73 23 - 1
69 63 74 56 64 77 57 65 6 16 51 - 64 - 68 9 48 62 54 27 -
51 15 0 80 24 25 42 54 44 71 71 9 67 35 - 58 - 29 - 53 0
16 29 36 41 44 56 59 37 50 24 - 65 4 65 52 - 4 - 73 52 1""",
}
