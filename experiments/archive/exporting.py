"""A run as a table (Parquet) or as labelled arrays (xarray in zarr or netCDF)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdr_gsc.errors import SettingsError

from ..campaign.run_directory import RunDirectory, write_whole
from .rows import axes_of, flat_rows

if TYPE_CHECKING:
    import pyarrow
    import xarray

__all__ = ["export_run", "to_dataset", "to_table"]

_MISSING = "{name} is not installed; run: pip install 'sdr-gsc[export]'"


def export_run(run: Path, target: Path) -> Path:
    """Write a run's finished trials; what stands at the target is replaced once the new file is whole.

    Args:
        run: directory.
        target: its suffix decides: ``.parquet``, ``.zarr`` (a folder) or ``.nc``.

    Raises:
        SettingsError: another suffix, no finished trials, or a package is missing.
    """
    directory = RunDirectory.open(run)
    rows = flat_rows(directory.trials())
    if not rows:
        raise SettingsError(f"{run} has no finished trials; run it first: sdr-gsc resume {run}")
    about = {"sdr_gsc_config": directory.config.read_text("utf-8"), "sdr_gsc_run": json.dumps(directory.described())}
    if target.suffix == ".parquet":
        _write_parquet(to_table(rows), target, about)
    elif target.suffix == ".zarr":
        _write_zarr(to_dataset(rows), target, about)
    elif target.suffix == ".nc":
        _write_netcdf(to_dataset(rows), target, about)
    else:
        raise SettingsError(f"{target} has the suffix {target.suffix!r}; needed .parquet, .zarr or .nc")
    return target


def to_table(rows: Sequence[dict[str, Any]]) -> pyarrow.Table:
    """Rows as an Arrow table; numbers of a column that are not all whole are floats, lists stay lists.

    Raises:
        SettingsError: pyarrow is missing.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise SettingsError(_MISSING.format(name="pyarrow")) from error
    columns = {name: _uniform([row[name] for row in rows]) for name in rows[0]}
    return pyarrow.table(columns)


def _uniform(values: list[Any]) -> list[Any]:
    """One type for a column: mixed numbers become floats, anything else that is mixed becomes JSON text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and float in kinds:
        return [None if value is None else float(value) for value in values]
    if list in kinds:
        inner = {type(item) for value in values if isinstance(value, list) for item in value}
        if kinds == {list} and inner <= {int, float}:
            return [None if value is None else [float(item) for item in value] for value in values]
        return [None if value is None else json.dumps(value) for value in values]
    if len(kinds) > 1:
        return [None if value is None else str(value) for value in values]
    return values


def to_dataset(rows: Sequence[dict[str, Any]]) -> xarray.Dataset:
    """Rows as arrays over everything that the plan varies; NaN where a combination has no trial.

    Numbers and truth values become float64 variables; texts and lists are left to the table. A result with the name of
    an axis is called ``result.NAME``.

    Raises:
        SettingsError: xarray is missing.
    """
    try:
        import pandas
        import xarray
    except ImportError as error:
        raise SettingsError(_MISSING.format(name="xarray")) from error
    axes = [axis for axis in axes_of(rows) if len({_label(row[axis]) for row in rows}) > 1] or axes_of(rows)[:1]
    numbers = [name for name in rows[0] if name not in axes and all(_is_number(row[name]) for row in rows)]
    index = {name: name.removeprefix("values.") for name in axes}
    # What was measured may be called like what was asked for: Es/N0 is.
    results = {name: f"result.{name}" if name in index.values() else name for name in numbers}
    frame = pandas.DataFrame(
        {label: _axis([row[name] for row in rows]) for name, label in index.items()}
        | {
            label: [float("nan") if row[name] is None else float(row[name]) for row in rows]
            for name, label in results.items()
        }
    )
    return xarray.Dataset.from_dataframe(frame.set_index(list(index.values())))


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float)


def _label(value: object) -> str:
    return "own" if value is None else str(value)


def _axis(values: list[Any]) -> list[Any]:
    """Labels of one type: numbers, or texts where there is anything else."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return values
    return [_label(value) for value in values]


def _write_parquet(table: pyarrow.Table, target: Path, about: dict[str, str]) -> None:
    import pyarrow
    import pyarrow.parquet

    described = table.replace_schema_metadata({key.encode(): value.encode() for key, value in about.items()})
    buffer = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(described, buffer, compression="zstd")
    write_whole(target, buffer.getvalue().to_pybytes())


def _write_zarr(dataset: xarray.Dataset, target: Path, about: dict[str, str]) -> None:
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        # Format 3 has no settled form for texts yet, which the labels are; every reader knows format 2.
        dataset.assign_attrs(about).to_zarr(partial, mode="w", zarr_format=2, consolidated=True)
    except ImportError as error:
        raise SettingsError(_MISSING.format(name="zarr")) from error
    if target.is_dir():
        if not any((target / name).exists() for name in (".zgroup", "zarr.json")):
            raise SettingsError(f"{target} is a folder that is no zarr group; choose another name")
        shutil.rmtree(target)
    partial.rename(target)


def _write_netcdf(dataset: xarray.Dataset, target: Path, about: dict[str, str]) -> None:
    # netCDF of version 3 is written by scipy, which is there already.
    write_whole(target, bytes(dataset.assign_attrs(about).to_netcdf(engine="scipy")))
