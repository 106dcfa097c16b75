"""Detections are counted as they should be, and detectors of users are loaded with care."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.scenarios.road_monitoring.detecting import PeopleDetector, load_detector, pixels_of
from experiments.scenarios.road_monitoring.matching import Detections, compare, overlaps
from sdr_gsc.errors import SettingsError

NOTHING = np.zeros((0, 4))


def random_boxes(count: int) -> np.ndarray:
    generator = np.random.default_rng(count)
    return np.concatenate([generator.uniform(0, 100, (count, 2)), generator.uniform(5, 50, (count, 2))], 1)


def test_an_original_against_itself() -> None:
    boxes = random_boxes(12)
    found = compare(boxes, boxes[::-1], 0.5)
    assert found == Detections(12, 12, 12)
    assert found.f1 == found.recall == found.precision == 1


def test_overlaps_are_symmetric_shares() -> None:
    first, second = random_boxes(7), random_boxes(9)
    np.testing.assert_allclose(overlaps(first, second), overlaps(second, first).T)
    assert ((overlaps(first, second) >= 0) & (overlaps(first, second) <= 1)).all()
    np.testing.assert_allclose(np.diag(overlaps(first, first)), 1)


def test_half_shifted_boxes_overlap_by_a_third() -> None:
    moved = compare(np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 0, 10, 10]]), 0.34)
    assert (moved.kept, compare(np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 0, 10, 10]]), 0.33).kept) == (0, 1)


def test_a_box_is_kept_once_and_as_many_pairs_as_possible_are_made() -> None:
    truth = np.array([[0.0, 0, 10, 10], [3, 0, 10, 10]])
    twice = np.array([[0.0, 0, 10, 10], [0.0, 0, 10, 10], [0.0, 0, 10, 10]])
    # The second true box overlaps each by 7/13; taking pairs greedily by place would still find both.
    assert compare(truth, twice, 0.5) == Detections(2, 3, 2)
    assert compare(truth, twice[:1], 0.5) == Detections(2, 1, 1)


def test_counts_add_up() -> None:
    total = Detections(4, 3, 2) + Detections(1, 0, 0)
    assert total.false == 1
    assert total.recall == pytest.approx(2 / 5)
    assert total.precision == pytest.approx(2 / 3)
    assert total.f1 == pytest.approx(2 * (2 / 5) * (2 / 3) / (2 / 5 + 2 / 3))


def test_nothing_to_find() -> None:
    assert compare(NOTHING, NOTHING, 0.5).f1 is None
    assert compare(random_boxes(2), NOTHING, 0.5).f1 == 0
    assert compare(NOTHING, random_boxes(2), 0.5).line()["recall"] is None


def test_a_users_detector(tmp_path: Path) -> None:
    code = tmp_path / "bright.py"
    code.write_text("def detect(picture):\n    return [(1, 2, 3, 4), (90, 0, 60, 20)] if picture.max() > 9 else []\n")
    detect = load_detector(code)
    bright = np.full((20, 100, 3), 200, np.uint8)
    np.testing.assert_array_equal(detect(bright), [[1, 2, 3, 4], [90, 0, 10, 20]])
    assert detect(np.zeros_like(bright)).shape == (0, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "has no function detect"),
        ("import no_such_module_anywhere\n", "fails: ModuleNotFoundError"),
        ("def detect(picture):\n    return 1 / 0\n", "detect of .* fails: ZeroDivisionError"),
        ("def detect(picture):\n    return [[1, 2, 3]]\n", r"returned shape \[1, 3\]; needed finite numbers"),
        ("def detect(picture):\n    return [[1, 2, 3, float('nan')]]\n", "needed finite numbers"),
    ],
)
def test_a_detector_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    code = tmp_path / "detector.py"
    code.write_text(text)
    with pytest.raises(SettingsError, match=message):
        load_detector(code)(np.zeros((20, 20, 3), np.uint8))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is not a file"):
        load_detector(tmp_path / "none.py")


def test_the_people_detector_sees_no_one_in_a_flat_or_small_picture() -> None:
    pytest.importorskip("cv2")
    detect = PeopleDetector()
    assert detect(np.full((200, 120, 3), 90, np.uint8)).shape == (0, 4)
    assert detect(np.full((40, 40, 3), 90, np.uint8)).shape == (0, 4)


def test_the_people_detector_sees_a_person_the_same_each_time() -> None:
    """A figure drawn after the proportions of people, dark on light, is found where it stands."""
    pytest.importorskip("cv2")
    picture = pixels_of(figure(256, 200, left=70, height=190))
    detect = PeopleDetector(threshold=0.0)
    boxes = detect(picture)
    assert len(boxes) >= 1
    left, top, width, height = boxes[0]
    assert left < 100 < left + width
    assert top < 128 < top + height
    np.testing.assert_array_equal(detect(picture), boxes)


def figure(height_px: int, width_px: int, *, left: int, height: int) -> np.ndarray:
    """Head, trunk, arms and legs as ellipses and bars, float32 [H, W, 3]."""
    y, x = np.mgrid[:height_px, :width_px].astype(float)
    top, middle = (height_px - height) / 2, left + 30.0
    head = ((x - middle) / (height * 0.065)) ** 2 + ((y - top - height * 0.08) / (height * 0.085)) ** 2 < 1
    trunk = ((x - middle) / (height * 0.13)) ** 2 + ((y - top - height * 0.34) / (height * 0.21)) ** 2 < 1
    legs = np.zeros_like(head)
    for side in (-1, 1):
        centre = middle + side * height * (0.04 + 0.05 * np.clip((y - top - height * 0.5) / (height * 0.5), 0, 1))
        legs |= (np.abs(x - centre) < height * 0.045) & (y > top + height * 0.48) & (y < top + height)
    body = (head | trunk | legs).astype(np.float32)
    return np.repeat((0.75 - 0.6 * body)[:, :, None], 3, 2).astype(np.float32)
