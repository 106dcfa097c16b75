import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdr_gsc.errors import SettingsError
from sdr_gsc.phy._header import HEADER_BYTES, decode_header, encode_header, encode_information, header_cells
from sdr_gsc.phy._sequences import permutation, qpsk_points, random_bits
from sdr_gsc.phy.blocks import block_symbols, coded_plan, decode_blocks, encode_blocks, join_blocks, split_payload
from sdr_gsc.phy.coding.mcs import MCS_TABLE
from sdr_gsc.phy.framing import MAX_COUNT, MAX_FRAMES, FrameHeader, FrameLayout, deinterleave, frame_plan, interleave
from sdr_gsc.phy.numerology import FFT_SIZES, Numerology

CELLS = header_cells(48)


def header_of(n_symbols: int = 2000, **changes: object) -> FrameHeader:
    fields = {"sequence": 3, "n_symbols": n_symbols, "mcs": None, "n_blocks": 0, "descriptor": b"picture"} | changes
    return FrameHeader(**fields)


@given(st.integers(1, 40000), st.integers(1, 4000))
def test_plan_fits_and_is_minimal(n_symbols: int, most: int) -> None:
    if -(-n_symbols // most) > 4096:
        return
    plan = frame_plan(n_symbols, most)
    assert len(set(plan)) == 1
    assert plan[0] <= most
    assert sum(plan) - n_symbols < len(plan)
    assert (len(plan) - 1) * most < n_symbols


@pytest.mark.parametrize(("n", "most"), [(0, 10), (10, 0), (5000, 1), (10, MAX_COUNT + 1)])
def test_impossible_plans_are_refused(n: int, most: int) -> None:
    with pytest.raises(SettingsError):
        frame_plan(n, most)


@given(st.integers(1, 500), st.integers(1, 9), st.integers(0, 65535), st.data())
def test_interleaving_round_trip_with_lost_frames(n: int, n_frames: int, seed: int, data: st.DataObject) -> None:
    n_frames = min(n, n_frames)
    # On the air symbols are turned: their magnitudes tell them apart, and from padding, which has magnitude 1.
    symbols = (np.arange(n) + 2).astype(np.complex64)
    frames = interleave(symbols, seed, n_frames)
    assert {frame.size for frame in frames} == {-(-n // n_frames)}
    kept = data.draw(st.sets(st.integers(0, n_frames - 1)))
    evidence = {i: (frames[i], np.full(frames[i].size, i + 1, np.float32)) for i in kept}
    out, variance = deinterleave(evidence, n, n_frames, seed)
    heard = np.isfinite(variance)
    np.testing.assert_array_equal(out[heard], symbols[heard])
    np.testing.assert_array_equal(out[~heard], 0)
    # Padding sits in some frames only: what is missing is exactly what the other frames do not hold.
    held = np.concatenate([frames[i] for i in kept]) if kept else np.zeros(0, np.complex64)
    assert heard.sum() == np.isin(np.abs(symbols), np.abs(held)).sum()


def test_interleaving_spreads_neighbours_over_frames() -> None:
    frames = interleave(np.arange(4000).astype(np.complex64) / 2000, 7, 4)
    share = [np.count_nonzero(frame.real < 0.5) / 1000 for frame in frames]
    assert np.ptp(share) < 0.1


def test_interleaving_is_a_permutation_and_turns() -> None:
    """The rule that both ends of a link agree on, in plain words."""
    symbols = (np.arange(50) + 1).astype(np.complex64)
    mixed = np.concatenate([symbols, qpsk_points(77, 4)])[permutation(77, 54)]
    turns = random_bits(77 ^ 0x5CA7, 108).reshape(54, 2) @ [1, 2]
    np.testing.assert_array_equal(np.concatenate(interleave(symbols, 77, 6)), mixed * np.array([1, 1j, -1, -1j])[turns])


def test_interleaving_takes_any_array_of_numbers() -> None:
    symbols = np.arange(1.0, 41.0)
    expected = interleave(symbols.astype(np.complex64), 5, 2)
    for same in (symbols, np.repeat(symbols, 2)[::2].astype(np.complex128)):
        np.testing.assert_array_equal(interleave(same, 5, 2), expected)
    frames = {i: (frame.astype(np.complex128), np.full(20, 0.5)) for i, frame in enumerate(expected)}
    out, variance = deinterleave(frames, 40, 2, 5)
    assert (out.dtype, variance.dtype) == (np.complex64, np.float32)
    np.testing.assert_array_equal(out, symbols)


def test_padding_has_unit_power() -> None:
    parts = interleave(np.ones(10, np.complex64), 1, 3)
    np.testing.assert_allclose(np.abs(np.concatenate(parts)), 1, atol=1e-6)


def test_foreign_frames_are_ignored() -> None:
    symbols, variance = deinterleave(
        {9: (np.ones(5, np.complex64), np.ones(5, np.float32)), 0: (np.ones(4, np.complex64), np.ones(4, np.float32))},
        10,
        2,
        1,
    )
    assert np.isinf(variance).all()
    assert not symbols.any()


@given(
    st.integers(0, MAX_FRAMES - 1),
    st.integers(1, MAX_COUNT),
    st.one_of(st.none(), st.integers(0, len(MCS_TABLE) - 1)),
    st.binary(max_size=32),
)
def test_header_round_trip(sequence: int, count: int, scheme: int | None, descriptor: bytes) -> None:
    blocks = 0 if scheme is None else 1 + count % (MAX_COUNT // block_symbols(1, scheme))
    n_symbols = count if scheme is None else block_symbols(blocks, scheme)
    header = FrameHeader(sequence, n_symbols, scheme, blocks, descriptor)
    assert len(header.pack()) == HEADER_BYTES
    assert FrameHeader.unpack(header.pack()) == header


@pytest.mark.parametrize(
    "changes",
    [
        {"sequence": 4096},
        {"sequence": -1},
        {"n_symbols": 0},
        {"n_symbols": MAX_COUNT + 1},
        {"mcs": len(MCS_TABLE), "n_blocks": 1},
        {"mcs": 0, "n_blocks": 1},
        {"n_blocks": 1},
        {"descriptor": bytes(33)},
    ],
)
def test_impossible_headers_are_refused(changes: dict) -> None:
    with pytest.raises(SettingsError):
        header_of(**changes)


PAGE = (Path(__file__).parents[4] / "docs" / "conventions.md").read_text(encoding="utf-8")


def field_spans() -> dict[str, tuple[int, int]]:
    """Field -> (first bit, width), as docs/conventions.md says."""
    rows = re.findall(r"^\| (\d+)–(\d+) \| (\d+) \| (.+?) \|", PAGE, re.MULTILINE)
    spans = {name: (int(first), int(width)) for first, _, width, name in rows}
    assert all(int(last) - int(first) + 1 == int(width) for first, last, width, _ in rows)
    return spans


def with_field(packed: bytes, name: str, value: int) -> bytes:
    first, width = field_spans()[name]
    shift = 8 * HEADER_BYTES - first - width
    number = int.from_bytes(packed, "big") & ~(((1 << width) - 1) << shift)
    return (number | value << shift).to_bytes(HEADER_BYTES, "big")


def test_fields_fill_the_header_as_the_page_says() -> None:
    spans = list(field_spans().values())
    assert [first for first, _ in spans] == [0, *(first + width for first, width in spans[:-1])]
    assert sum(spans[-1]) == 8 * HEADER_BYTES


def test_fields_stand_where_the_page_says() -> None:
    descriptor = bytes(range(32))
    packed = bytes(HEADER_BYTES)
    for name, value in {
        "version": 1,
        "modulation and coding scheme": 15,
        "sequence": 4005,
        "count": 200_001,
        "descriptor": int.from_bytes(descriptor, "big"),
    }.items():
        packed = with_field(packed, name, value)
    assert FrameHeader(4005, 200_001, None, 0, descriptor).pack() == packed
    coded = with_field(with_field(packed, "modulation and coding scheme", 2), "count", 7)
    assert FrameHeader(4005, block_symbols(7, 2), 2, 7, descriptor).pack() == coded


def test_fields_of_another_version_are_not_understood() -> None:
    for version in (0, 2, 3):
        assert FrameHeader.unpack(with_field(header_of().pack(), "version", version)) is None
    assert FrameHeader.unpack(bytes(HEADER_BYTES)) is None


def test_fields_with_impossible_values_are_not_understood() -> None:
    packed = header_of().pack()
    for scheme in range(len(MCS_TABLE), 15):
        assert FrameHeader.unpack(with_field(packed, "modulation and coding scheme", scheme)) is None
    assert FrameHeader.unpack(with_field(packed, "count", 0)) is None
    coded = with_field(packed, "modulation and coding scheme", 0)
    most = MAX_COUNT // block_symbols(1, 0)
    assert FrameHeader.unpack(with_field(coded, "count", most)) is not None
    assert FrameHeader.unpack(with_field(coded, "count", most + 1)) is None
    assert FrameHeader.unpack(with_field(coded, "count", MAX_COUNT)) is None


@pytest.mark.parametrize("data_subcarriers", [48, 96, 192, 384, 768])
def test_header_survives_the_air_at_every_size(data_subcarriers: int) -> None:
    cells = header_cells(data_subcarriers)
    assert cells % data_subcarriers == 0
    points = encode_header(header_of().pack(), cells)
    np.testing.assert_allclose(np.abs(points), 1, atol=1e-6)
    assert decode_header(points, np.full(cells, 0.1, np.float32)) == header_of().pack()


def test_header_survives_minus_one_db(generator: np.random.Generator) -> None:
    points = encode_header(header_of().pack(), CELLS)
    variance = 10**0.1
    good = 0
    for _ in range(40):
        noise = generator.standard_normal((2, CELLS)) * np.sqrt(variance / 2)
        received = (points + noise[0] + 1j * noise[1]).astype(np.complex64)
        good += decode_header(received, np.full(CELLS, variance, np.float32)) == header_of().pack()
    assert good >= 38


def test_every_flipped_information_bit_is_rejected() -> None:
    bits = np.unpackbits(np.frombuffer(header_of().pack(), np.uint8))[:292]
    points = encode_header(header_of().pack(), CELLS)
    variance = np.full(CELLS, 0.1, np.float32)
    checksum = np.unpackbits(np.frombuffer(zlib.crc32(header_of().pack()).to_bytes(4, "big"), np.uint8))
    word = np.concatenate([bits, checksum])
    np.testing.assert_array_equal(encode_information(word, CELLS), points)
    for position in range(word.size):
        flipped = word.copy()
        flipped[position] ^= 1
        assert decode_header(encode_information(flipped, CELLS), variance) is None, position


def test_inverted_header_is_rejected() -> None:
    points = encode_header(header_of().pack(), CELLS)
    assert decode_header(-points, np.full(CELLS, 0.1, np.float32)) is None


def test_empty_and_saturated_evidence_is_no_header() -> None:
    nothing = np.zeros(CELLS, np.complex64)
    assert decode_header(nothing, np.full(CELLS, np.inf, np.float32)) is None
    assert decode_header(np.full(CELLS, 1 + 1j, np.complex64), np.zeros(CELLS, np.float32)) is None


@pytest.mark.parametrize("n_symbols", [1, 48, 49, 16 * 48, 16 * 48 + 1, 2048, 8192])
def test_training_symbols_are_spaced(n_symbols: int) -> None:
    layout = FrameLayout.of(n_symbols, Numerology())
    assert layout.is_training[-1]
    assert np.count_nonzero(~layout.is_training) == -(-n_symbols // 48)
    gaps = np.diff(np.concatenate([[-1], np.flatnonzero(layout.is_training)]))
    assert gaps.max() <= 17
    assert np.ptp(gaps) <= 1


@pytest.mark.parametrize("size", FFT_SIZES)
@pytest.mark.parametrize("n_symbols", [1, 8192, MAX_COUNT])
def test_layouts_hold_their_payload_at_every_size(size: int, n_symbols: int) -> None:
    grid = Numerology.of(size)
    layout = FrameLayout.of(n_symbols, grid)
    payload = np.count_nonzero(~layout.is_training)
    assert (payload - 1) * grid.data.size < n_symbols <= payload * grid.data.size
    assert np.diff(np.flatnonzero(np.r_[True, layout.is_training])).max() <= 17
    with pytest.raises(ValueError, match="read-only"):
        layout.is_training[0] = True


@given(st.integers(1, 200), st.integers(1, 200))
def test_blocks_are_shared_evenly(n_blocks: int, n_frames: int) -> None:
    plan = coded_plan(n_blocks, n_frames)
    assert (sum(plan), len(plan)) == (n_blocks, n_frames)
    assert max(plan) - min(plan) <= 1


@pytest.mark.parametrize("scheme", range(len(MCS_TABLE)))
def test_blocks_round_trip(scheme: int, generator: np.random.Generator) -> None:
    payload = generator.bytes(700)
    blocks = split_payload(payload, scheme)
    symbols = encode_blocks(blocks, scheme, seed=4)
    assert symbols.size == block_symbols(len(blocks), scheme)
    variance = np.full(symbols.size, 1e-4, np.float32)
    assert decode_blocks(symbols, variance, len(blocks), scheme) == tuple(blocks)
    joined = join_blocks({0: blocks}, 700, scheme, 1)
    assert b"".join(joined) == payload


def test_lost_symbols_lose_blocks_not_order() -> None:
    payload = bytes(range(256)) * 4
    blocks = split_payload(payload, 0)
    plan = coded_plan(len(blocks), 4)
    bounds = np.cumsum((0, *plan))
    frames = {i: blocks[bounds[i] : bounds[i + 1]] for i in range(4) if i != 1}
    joined = join_blocks(frames, len(payload), 0, 4)
    assert [block is None for block in joined] == [i in range(bounds[1], bounds[2]) for i in range(len(blocks))]
    assert payload.endswith(joined[-1])


def test_erased_blocks_are_bad() -> None:
    symbols = encode_blocks(split_payload(b"x" * 100, 0), 0, seed=1)
    assert decode_blocks(np.zeros_like(symbols), np.full(symbols.size, np.inf, np.float32), 1, 0) == (None,)


def test_empty_payload_is_refused() -> None:
    with pytest.raises(SettingsError, match="empty"):
        split_payload(b"", 0)
