"""The face finder: its boxes, its networks on a photograph, and the distance between landmarks."""

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch

from experiments.scenarios.faces import weights
from experiments.scenarios.faces.boxes import moved, overlaps, squared, suppressed
from experiments.scenarios.faces.landmarks import inter_ocular_px, landmark_error, same_face
from experiments.scenarios.faces.mtcnn import Face, FaceFinder
from sdr_gsc.errors import PictureError, WeightsError

_POINTS = np.array([(30.0, 40.0), (70.0, 40.0), (50.0, 60.0), (35.0, 80.0), (65.0, 80.0)])
_FACE = Face(np.array([20.0, 20.0, 80.0, 100.0]), 0.9, _POINTS)


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    try:
        importlib.metadata.distribution(weights.FACE_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{weights.FACE_PACKAGE}, whose weight files are needed, is not installed")
    return FaceFinder.load()


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return (skimage.data.astronaut()[::2, ::2] / 255).astype(np.float32)


def test_an_astronaut_has_one_face_with_its_parts_in_their_places(finder: FaceFinder, astronaut: np.ndarray) -> None:
    (face,) = finder.find(astronaut)
    left, top, right, bottom = face.box
    assert face.probability > 0.99
    assert ((face.points > (left, top)) & (face.points < (right, bottom))).all()
    eyes, nose, mouth = face.points[:2], face.points[2], face.points[3:]
    assert eyes[:, 1].max() < nose[1] < mouth[:, 1].min()
    assert eyes[0, 0] < nose[0] < eyes[1, 0]
    assert mouth[0, 0] < mouth[1, 0]
    assert 0.3 < inter_ocular_px(face) / (right - left) < 0.7


def test_a_face_that_moves_is_found_where_it_went(finder: FaceFinder, astronaut: np.ndarray) -> None:
    window = astronaut[8:168, 40:220]
    (before,) = finder.find(astronaut[0:160, 30:210])
    (after,) = finder.find(window)
    np.testing.assert_allclose(after.points, before.points - (10, 8), atol=1.5)


def test_nothing_is_no_face(finder: FaceFinder) -> None:
    noise = np.random.default_rng(1).random((96, 128, 3)).astype(np.float32)
    assert finder.find(noise) == ()
    assert finder.find(np.full((96, 128, 3), 0.5, np.float32)) == ()
    assert finder.find(np.zeros((8, 8, 3), np.float32)) == ()


def test_what_is_no_picture_is_refused(finder: FaceFinder) -> None:
    with pytest.raises(PictureError, match="needed"):
        finder.find(np.zeros((64, 64), np.float32))


def test_the_same_picture_gives_the_same_face(finder: FaceFinder, astronaut: np.ndarray) -> None:
    (first,), (second,) = finder.find(astronaut), finder.find(astronaut)
    assert landmark_error(first, second) == 0
    assert same_face(first, [second]) is second


def test_a_missing_package_is_one_line_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> importlib.metadata.Distribution:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(weights, "distribution", absent)
    with pytest.raises(WeightsError, match="pip install --no-deps facenet-pytorch") as raised:
        FaceFinder.load()
    assert "\n" not in str(raised.value)


def test_another_weight_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "pnet.pt")
    monkeypatch.setattr(weights, "_located", lambda name: tmp_path / name)
    with pytest.raises(WeightsError, match="sha256"):
        weights.face_weights("pnet")


def test_the_landmark_error_is_the_mean_distance_in_eye_distances() -> None:
    nose_moved = _POINTS + np.array([(0, 0), (0, 0), (3.0, 4.0), (0, 0), (0, 0)])
    assert landmark_error(_FACE, Face(_FACE.box, 0.9, nose_moved)) == pytest.approx(5.0 / 5 / 40.0)
    assert landmark_error(_FACE, _FACE) == 0


@pytest.mark.parametrize("shift", [(0.0, 0.0), (-7.5, 12.0), (300.0, 1.0)])
@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_where_and_how_large_faces_are_does_not_matter(shift: tuple[float, float], scale: float) -> None:
    generator = np.random.default_rng(3)
    received = Face(_FACE.box, 0.9, _POINTS + generator.normal(size=(5, 2)))
    there = [Face(face.box, 0.9, scale * face.points + shift) for face in (_FACE, received)]
    assert landmark_error(*there) == pytest.approx(landmark_error(_FACE, received))


def test_the_same_face_is_the_one_that_overlaps_most() -> None:
    near = Face(_FACE.box + 4, 0.8, _POINTS)
    nearer = Face(_FACE.box + 1, 0.7, _POINTS)
    elsewhere = Face(_FACE.box + 200, 1.0, _POINTS)
    assert same_face(_FACE, [elsewhere, near, nearer]) is nearer
    assert same_face(_FACE, [elsewhere]) is None
    assert same_face(_FACE, []) is None


def test_overlaps_are_shares_of_areas() -> None:
    box = torch.tensor([0.0, 0.0, 4.0, 4.0])
    others = torch.tensor([[0.0, 0.0, 4.0, 4.0], [2.0, 0.0, 6.0, 4.0], [1.0, 1.0, 3.0, 3.0], [4.0, 4.0, 5.0, 5.0]])
    torch.testing.assert_close(overlaps(box, others), torch.tensor([1.0, 8 / 24, 4 / 16, 0.0]))
    torch.testing.assert_close(overlaps(box, others, of_smaller=True), torch.tensor([1.0, 0.5, 1.0, 0.0]))


def test_of_boxes_that_overlap_the_most_probable_is_kept() -> None:
    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 5.0], [10.0, 0.0, 14.0, 4.0]])
    kept = suppressed(boxes, torch.tensor([0.8, 0.9, 0.7]), 0.5)
    assert kept.tolist() == [1, 2]
    assert suppressed(boxes, torch.tensor([0.8, 0.9, 0.7]), 0.9).tolist() == [1, 0, 2]
    assert suppressed(boxes[:0], torch.zeros(0), 0.5).tolist() == []


def test_boxes_move_by_shares_of_their_sides_and_become_squares() -> None:
    boxes = torch.tensor([[10.0, 20.0, 30.0, 60.0]])
    torch.testing.assert_close(
        moved(boxes, torch.tensor([[0.1, -0.1, 0.0, 0.5]])), torch.tensor([[12.0, 16.0, 30.0, 80.0]])
    )
    torch.testing.assert_close(squared(boxes), torch.tensor([[0.0, 20.0, 40.0, 60.0]]))
