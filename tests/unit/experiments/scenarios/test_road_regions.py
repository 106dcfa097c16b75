"""Regions: where they are put, what they cost, and how they come back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from experiments.scenarios.road_monitoring.regions import Region, block_weights, choose_regions, paste
from experiments.scenarios.road_monitoring.sending import plan_regions
from experiments.scenarios.road_monitoring.settings import RegionSettings
from sdr_gsc.errors import SettingsError
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.semantic.rate import RATES, symbols_per_picture

NOTHING = np.zeros((0, 4))


def random_frame(height: int = 96, width: int = 160) -> np.ndarray:
    return np.random.default_rng(1).random((height, width, 3), np.float32)


@pytest.mark.parametrize("region", [Region(0, 0, 2, 3), Region(2, 4, 3, 2), Region(4, 7, 2, 3), Region(0, 0, 6, 10)])
@pytest.mark.parametrize("seam_px", [0, 8, 40])
def test_pasting_the_frames_own_pixels_changes_nothing(region: Region, seam_px: int) -> None:
    frame = random_frame()
    tile = frame[region.slices(96, 160)]
    np.testing.assert_array_equal(paste(frame, tile, region.picture_id, seam_px), frame)


def test_a_region_replaces_its_middle_and_fades_at_its_edges() -> None:
    region = Region(1, 2, 4, 5)
    rows, columns = region.slices(96, 160)
    found = paste(np.zeros((96, 160, 3), np.float32), np.ones((64, 80, 3), np.float32), region.picture_id, 8)
    inside = found[rows, columns, 0]
    assert (inside[8:-8, 8:-8] == 1).all()
    np.testing.assert_allclose(inside[32, :8], np.arange(1, 9) / 9, rtol=1e-6)
    np.testing.assert_allclose(inside, inside[::-1, ::-1])
    found[rows, columns] = 0
    assert (found == 0).all()


def test_an_edge_of_the_frame_is_no_seam() -> None:
    found = paste(
        np.zeros((96, 160, 3), np.float32), np.ones((96, 80, 3), np.float32), Region(0, 0, 6, 5).picture_id, 8
    )
    assert (found[:, :72] == 1).all()
    assert (found[:, 79] < 0.2).all()


def test_a_place_outside_the_frame_is_left_alone() -> None:
    frame = random_frame()
    assert paste(frame, np.ones((32, 32, 3), np.float32), Region(5, 9, 2, 2).picture_id, 8) is frame


def test_the_place_travels_in_sixteen_bits() -> None:
    assert Region(255, 255, 1, 1).picture_id == 65535
    with pytest.raises(SettingsError, match="256 a side"):
        block_weights(16, 16 * 257, NOTHING, None)


def test_weights_count_each_detection_once_and_motion() -> None:
    boxes = np.array([[16.0, 16, 32, 64], [80, 0, 16, 16]])
    plain = block_weights(96, 160, boxes, None)
    assert plain.sum() == pytest.approx(2.05)
    assert plain[0, 5] > 1 > plain[1, 1] > plain[5, 9]
    change = np.zeros((96, 160, 3))
    change[32:48, 48:64] = 0.5
    moved = block_weights(96, 160, NOTHING, change)
    assert moved.argmax() == 2 * 10 + 3
    assert moved.sum() == pytest.approx(0.25)


def area(regions: Sequence[Region]) -> int:
    return sum(region.rows * region.columns for region in regions)


def test_regions_hold_detections_and_use_up_the_budget() -> None:
    boxes = np.array([[20.0, 20, 20, 40], [100, 10, 30, 60]])
    weights = block_weights(96, 160, boxes, None)
    regions = choose_regions(weights, boxes, count=2, margin_px=4, fits=lambda found: area(found) <= 36)
    assert 30 <= area(regions) <= 36
    for left, top, width, height in boxes:
        assert any(
            region.column * 16 <= left and left + width <= (region.column + region.columns) * 16
            and region.row * 16 <= top and top + height <= (region.row + region.rows) * 16
            for region in regions
        )  # fmt: skip


def test_one_region_joins_two_neighbours() -> None:
    boxes = np.array([[20.0, 20, 20, 20], [50, 20, 20, 20]])
    weights = block_weights(96, 160, boxes, None)
    (region,) = choose_regions(weights, boxes, count=1, margin_px=0, fits=lambda found: area(found) <= 8)
    assert region.holds(Region(1, 1, 2, 4))


def test_no_budget_no_region() -> None:
    assert choose_regions(np.ones((6, 10)), NOTHING, count=2, margin_px=0, fits=lambda found: False) == ()


@pytest.mark.parametrize("uniform", RATES)
@pytest.mark.parametrize("boxes", [NOTHING, np.array([[100.0, 40, 30, 60]]), np.array([[8.0, 8, 140, 80]])])
def test_regions_never_take_more_air_than_the_whole_frame(uniform: object, boxes: np.ndarray) -> None:
    transmitter, frame = Transmitter(), random_frame(160, 256)
    plan = plan_regions(frame, None, boxes, uniform, RegionSettings(), transmitter)  # type: ignore[arg-type]
    allowed = transmitter.air_samples(symbols_per_picture(160, 256, uniform))  # type: ignore[arg-type]
    used = transmitter.air_samples(symbols_per_picture(160, 256, plan.base))
    for region in plan.regions:
        used += transmitter.air_samples(region.rows * region.columns * plan.rate.channels // 2)
    assert used <= allowed
    assert plan.base.index <= uniform.index <= plan.rate.index  # type: ignore[attr-defined]
    assert bool(plan.regions) == (plan.base != uniform)


def test_a_lonely_detection_gets_nearly_all_of_what_is_saved() -> None:
    """The margin: what regions leave unused is less than 4 % of the air."""
    transmitter, frame = Transmitter(), random_frame(272, 640)
    plan = plan_regions(frame, None, np.array([[427.0, 48, 75, 150]]), RATES[3], RegionSettings(), transmitter)
    allowed = transmitter.air_samples(symbols_per_picture(272, 640, RATES[3]))
    used = transmitter.air_samples(symbols_per_picture(272, 640, plan.base))
    for region in plan.regions:
        used += transmitter.air_samples(region.rows * region.columns * plan.rate.channels // 2)
    assert plan.regions
    assert 0.96 * allowed <= used <= allowed


def test_detections_all_over_the_frame_are_best_sent_whole() -> None:
    boxes = np.array([[x, y, 30.0, 30.0] for x in range(0, 256, 32) for y in range(0, 160, 32)])
    plan = plan_regions(random_frame(160, 256), None, boxes, RATES[3], RegionSettings(), Transmitter())
    assert plan.regions == ()
    assert plan.base == RATES[3]


def test_sides_off_the_grid_name_sides_on_it() -> None:
    with pytest.raises(SettingsError, match="such as 96 and 160"):
        plan_regions(random_frame(100, 170), None, NOTHING, RATES[3], RegionSettings(), Transmitter())
