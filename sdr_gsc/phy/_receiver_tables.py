"""All tables of a receiver behind one handle: compiled code gets a pointer instead of forty arrays at every call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numba import njit, types
from numba.experimental import structref

from ._acquisition import AcquisitionTables
from ._channel_kernel import ChannelTables
from ._grid_tables import GridTables
from ._header import HeaderTables

__all__ = ["ReceiverTables", "receiver_tables"]


@structref.register
class _ReceiverTablesType(types.StructRef):
    """Type of the handle."""


class ReceiverTables(structref.StructRefProxy):
    """Handle of four groups of tables, readable from compiled code only.

    Attributes:
        acquisition: of the preamble.
        channel: delay profiles.
        grid: subcarriers.
        header: of its code.
    """

    if TYPE_CHECKING:
        acquisition: AcquisitionTables
        channel: ChannelTables
        grid: GridTables
        header: HeaderTables


structref.define_proxy(ReceiverTables, _ReceiverTablesType, ["acquisition", "channel", "grid", "header"])


# The constructor that the proxy brings along would be compiled anew in every process.
@njit(cache=True)
def receiver_tables(
    acquisition: AcquisitionTables, channel: ChannelTables, grid: GridTables, header: HeaderTables
) -> ReceiverTables:
    """The handle."""
    return ReceiverTables(acquisition, channel, grid, header)
