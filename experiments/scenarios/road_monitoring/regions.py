"""Which parts of a frame get more symbols, and how they come back into the frame.

Regions lie on the codec's grid of 16 pixels. Where one lies travels in the 16 bits of its descriptor's picture id, how
large it is in the descriptor's height and width: the receiver needs nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sdr_gsc.errors import SettingsError
from sdr_gsc.semantic.rate import BLOCK_PX

__all__ = ["Region", "block_weights", "choose_regions", "paste"]

_GRID = 256  # blocks a side that 8 bits can number


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of blocks.

    Attributes:
        row: of its first block.
        column: likewise.
        rows: blocks down.
        columns: blocks across.
    """

    row: int
    column: int
    rows: int
    columns: int

    @property
    def picture_id(self) -> int:
        """Its place, as the descriptor carries it: row and column, 8 bits each."""
        return self.row << 8 | self.column

    @property
    def blocks(self) -> tuple[slice, slice]:
        """Its blocks in an array of them."""
        return slice(self.row, self.row + self.rows), slice(self.column, self.column + self.columns)

    def slices(self, height: int, width: int) -> tuple[slice, slice]:
        """Its pixels in a frame; blocks that reach beyond the frame end with it."""
        top, left = self.row * BLOCK_PX, self.column * BLOCK_PX
        bottom, right = top + self.rows * BLOCK_PX, left + self.columns * BLOCK_PX
        return slice(top, min(bottom, height)), slice(left, min(right, width))

    def grown(self, other: Region) -> Region:
        """The smallest rectangle around both."""
        row, column = min(self.row, other.row), min(self.column, other.column)
        end_row = max(self.row + self.rows, other.row + other.rows)
        end_column = max(self.column + self.columns, other.column + other.columns)
        return Region(row, column, end_row - row, end_column - column)

    def holds(self, other: Region) -> bool:
        """Whether the other lies inside."""
        return self.grown(other) == self


def block_weights(height: int, width: int, boxes: np.ndarray, change: np.ndarray | None) -> np.ndarray:
    """How much each block matters, float [rows, columns]: each detection 1 in all, motion 0.2 and everything 0.05.

    Args:
        height: of the frame in pixels.
        width: likewise.
        boxes: detections, float [n, 4] as (x, y, width, height).
        change: float [H, W, 3], the frame less the one before; None for a first frame.
    """
    rows, columns = -(-height // BLOCK_PX), -(-width // BLOCK_PX)
    if max(rows, columns) > _GRID:
        raise SettingsError(
            f"a frame of {width}x{height} pixels is {columns}x{rows} blocks; regions can be placed in {_GRID} a side: "
            "scale the video down"
        )
    weights = np.full((rows, columns), 0.05 / (rows * columns))
    if change is not None:
        padded = np.zeros((rows * BLOCK_PX, columns * BLOCK_PX))
        padded[:height, :width] = np.square(change).mean(2)
        energy = padded.reshape(rows, BLOCK_PX, columns, BLOCK_PX).mean((1, 3))
        weights += 0.2 * energy / max(float(energy.sum()), 1e-12)
    for box in boxes:
        region = _around(box, 0, rows, columns)
        weights[region.blocks] += 1 / (region.rows * region.columns)
    return weights


def _around(box: np.ndarray, margin_px: int, rows: int, columns: int) -> Region:
    """The blocks that a box touches, with a margin."""
    left, top, width, height = (float(value) for value in box)
    row = max(0, int((top - margin_px) // BLOCK_PX))
    column = max(0, int((left - margin_px) // BLOCK_PX))
    end_row = min(rows, int(-(-(top + height + margin_px) // BLOCK_PX)))
    end_column = min(columns, int(-(-(left + width + margin_px) // BLOCK_PX)))
    return Region(min(row, rows - 1), min(column, columns - 1), max(1, end_row - row), max(1, end_column - column))


def choose_regions(
    weights: np.ndarray,
    boxes: np.ndarray,
    *,
    count: int,
    margin_px: int,
    fits: Callable[[Sequence[Region]], bool],
) -> tuple[Region, ...]:
    """Rectangles around detections, the surest first, grown toward what matters until the budget is used up.

    A detection that fits neither alone nor together with a neighbour is left out. Without any that fits, the block that
    matters most begins a region.

    Args:
        weights: see block_weights.
        boxes: detections, the surest first.
        count: most regions.
        margin_px: around a detection.
        fits: whether regions are within the budget.

    Returns:
        The regions; none where not even one block fits.
    """
    rows, columns = weights.shape
    chosen: list[Region] = []
    for box in boxes:
        wanted = _around(box, margin_px, rows, columns)
        if any(region.holds(wanted) for region in chosen):
            continue
        options = [[*chosen[:i], region.grown(wanted), *chosen[i + 1 :]] for i, region in enumerate(chosen)]
        if len(chosen) < count:
            options.append([*chosen, wanted])
        feasible = [option for option in options if fits(option)]
        if feasible:
            chosen = min(feasible, key=lambda option: sum(region.rows * region.columns for region in option))
    if not chosen:
        row, column = np.unravel_index(int(weights.argmax()), weights.shape)
        chosen = [Region(int(row), int(column), 1, 1)]
        if not fits(chosen):
            return ()
    return tuple(_grown(weights, chosen, fits))


def _grown(weights: np.ndarray, chosen: list[Region], fits: Callable[[Sequence[Region]], bool]) -> list[Region]:
    """Add rows and columns, those of the greatest mean weight first, as long as they fit."""
    rows, columns = weights.shape
    while True:
        candidates = []
        fresh = weights.copy()
        for region in chosen:
            fresh[region.blocks] = 0
        for index, region in enumerate(chosen):
            for larger in _neighbours(region, rows, columns):
                gain = float(fresh[larger.blocks].sum())
                added = larger.rows * larger.columns - region.rows * region.columns
                candidates.append((gain / added, [*chosen[:index], larger, *chosen[index + 1 :]]))
        feasible = [candidate for candidate in candidates if fits(candidate[1])]
        if not feasible:
            return chosen
        chosen = max(feasible, key=lambda candidate: candidate[0])[1]


def _neighbours(region: Region, rows: int, columns: int) -> list[Region]:
    found = []
    if region.row > 0:
        found.append(Region(region.row - 1, region.column, region.rows + 1, region.columns))
    if region.row + region.rows < rows:
        found.append(Region(region.row, region.column, region.rows + 1, region.columns))
    if region.column > 0:
        found.append(Region(region.row, region.column - 1, region.rows, region.columns + 1))
    if region.column + region.columns < columns:
        found.append(Region(region.row, region.column, region.rows, region.columns + 1))
    return found


def paste(frame: np.ndarray, tile: np.ndarray, picture_id: int, seam_px: int) -> np.ndarray:
    """Put a received region into a received frame.

    Over the seam its share rises linearly from its edge inward; an edge of the region that is also one of the frame has
    no seam.

    Args:
        frame: float [H, W, 3].
        tile: float [h, w, 3].
        picture_id: its place, see `Region.picture_id`.
        seam_px: width of the seam; 0 puts it in as it is.

    Returns:
        A new frame; the same where the region does not lie inside it, as no sender says.
    """
    top, left = (picture_id >> 8) * BLOCK_PX, (picture_id & 255) * BLOCK_PX
    height, width = tile.shape[:2]
    if top + height > frame.shape[0] or left + width > frame.shape[1]:
        return frame
    down = _share(height, seam_px, first=top > 0, last=top + height < frame.shape[0])
    across = _share(width, seam_px, first=left > 0, last=left + width < frame.shape[1])
    share = np.minimum(down[:, None], across[None])[..., None].astype(np.float32)
    found = frame.copy()
    inner = found[top : top + height, left : left + width]
    # In this form equal pictures stay equal to the last bit.
    found[top : top + height, left : left + width] = np.where(share == 1, tile, inner + share * (tile - inner))
    return found


def _share(length: int, seam_px: int, *, first: bool, last: bool) -> np.ndarray:
    """Share of the tile across one side, float [length] in (0, 1]."""
    share = np.ones(length)
    ramp = (np.arange(length) + 1) / (seam_px + 1)
    if first:
        share = np.minimum(share, ramp)
    if last:
        share = np.minimum(share, ramp[::-1])
    return share
