"""Commands for runs that are there: merged, exported, compared, shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from .cli_console import print_json, print_table, show_progress, split_names

__all__ = ["compare", "export", "gallery", "merge"]

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON object and nothing else.")]


def merge(*runs: Path, out: Path, json: Json = False) -> int:
    """Put parts of one campaign, such as its shards, into one run.

    Args:
        runs: Run directories with the same settings.
        out: The run that they become.
        json: Print one JSON object and nothing else.
    """
    from .campaign.merging import merge_runs
    from .reports.report import write_report

    with show_progress("merging") as watch:
        merged = merge_runs(runs, out)
        watch.stage("drawing the report")
        path = write_report(merged)
    found = {"run": str(merged.path), "report": str(path), "trials": len(merged.trials())}
    found["failed"] = len(merged.failures())
    if json:
        print_json(found)
    else:
        print_table("", ("merged", ""), [(name, str(value)) for name, value in found.items()])
    return 0


def export(run: Path, target: Path, /) -> int:
    """Write the trials of a run for other tools: a table (.parquet) or labelled arrays (.zarr, .nc).

    Args:
        run: Run directory.
        target: What to write; its suffix decides about the format.
    """
    from .archive.exporting import export_run

    with show_progress("exporting"):
        print(export_run(run, target))
    return 0


def compare(
    first: Path, second: Path, /, *, metric: list[str] | None = None, out: Path | None = None, json: Json = False
) -> int:
    """Set two runs beside each other, trial by trial.

    Args:
        first: Run directory.
        second: Run directory with trials of the same ids: the same plan with other weights, options, software or air.
        metric: Figures to compare; all by default; repeat, or a,b.
        out: The page; default: compare.html in the second run.
        json: Print one JSON object and nothing else.
    """
    from .archive.comparing import compare_runs
    from .archive.comparison_page import difference_table, write_comparison

    with show_progress("comparing"):
        comparison = compare_runs(first, second, split_names(metric))
        path = write_comparison(comparison, out or second / "compare.html")
    if json:
        print_json(
            {
                "report": str(path),
                "trials": comparison.common,
                "equal": comparison.equal,
                "only_first": comparison.only_first,
                "only_second": comparison.only_second,
                "rows": [each.as_json() for each in comparison.differences],
                "settings": {name: list(both) for name, both in comparison.settings.items()},
            }
        )
        return 0
    print(f"{comparison.common} trials in both, {comparison.equal} of them the same")
    table = difference_table(comparison, clear_only=True)
    if table.rows:
        print_table("clear changes, second minus first", table.head, table.rows)
    print(f"report: {path}")
    return 0


def gallery(*runs: Path, page: Path = Path("docs/gallery.md"), images: Path | None = None) -> int:
    """Write a page that shows what campaigns have found: their figures, each with its command.

    Args:
        runs: Run directories.
        page: Markdown file to write.
        images: Folder of its figures; default: images/gallery beside the page.
    """
    from .reports.gallery import write_gallery

    with show_progress("drawing"):
        print(write_gallery(runs, page, images or page.parent / "images/gallery"))
    return 0
