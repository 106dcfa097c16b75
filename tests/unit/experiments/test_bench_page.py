from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from experiments.benchmarks.curves import Curve, Measured, Series, joined
from experiments.benchmarks.performance_page import missed, render_page, write_page
from experiments.benchmarks.performance_plots import plot_curve, save_curve, slug
from experiments.benchmarks.rows import row

ENVIRONMENT = {
    "python": "3.11.7", "platform": "Linux-6.1-secret-x86_64", "cpu": "Some CPU", "cpu_count": 2,
    "packages": {"numpy": "2.4.6", "absent": None}, "git": {"commit": "abc"},
}  # fmt: skip
SPEED = Curve(
    "Speed over size", "size", "speed (Msps)", (Series.of("ours", (1, 10, 100), (1.0, math.nan, 3.0)),),
    (Series.of("theirs", (1, 100), (0.5, 0.5)),), log_x=True, log_y=True, text="What one sees.",
)  # fmt: skip
FOUND = {
    "speed": Measured(
        (
            row("receive, over liquid-dsp", 3.0, "ratio", target=4.0, aim=7.0),
            row("receive", 60.0, "Msps", anchor=20.0),
            row("search", 120.0, "Msps", target=100.0),
            row("transmit, over liquid-dsp", None, "ratio", target=1.0),
            row("a|b", math.nan, "dB", target=1.0, better="lower"),
        ),
        (SPEED,),
        notes=(("count", "3 of 7"),),
        anchors=(("liquid-dsp", "missing: no compiler"),),
    ),
    "link": Measured((row("SNR for PER 1e-2", 3.0, "dB", anchor=12.5, target=4.0, better="lower"),)),
}
TITLES = {"speed": "Speed", "link": "Packet errors"}


@pytest.fixture
def page() -> str:
    return render_page(FOUND, TITLES, ENVIRONMENT, {"Speed over size": "images/p-speed.svg"}, effort=1.0, seed=1)


def test_every_row_stands_in_the_table_of_its_part(page):
    speed, link = page.index("\n## Speed\n"), page.index("\n## Packet errors\n")
    for line in (
        "| receive, over liquid-dsp | 3 | ratio |  |  |  | 4 | 7 | ✗ |",
        "| receive | 60 | Msps | 20 | 3 |  |  |  |  |",
        "| search | 120 | Msps |  |  |  | 100 |  | ✓ |",
        "| transmit, over liquid-dsp | – | ratio |  |  |  | 1 |  |  |",
        "| a\\|b | no figure | dB |  |  |  | 1 |  | ✗ |",
    ):
        assert speed < page.index(line) < link
    assert page.index("| SNR for PER 1e-2 | 3 | dB | 12.5 |  |  | 4 |  | ✓ |") > link


def test_ratios_come_first_with_their_target(page):
    assert "| receive | **3 ×** | 60 Msps | 20 Msps | 4 | ✗ |" in page
    assert "| SNR for PER 1e-2 | **-9.5 dB** | 3 dB | 12.5 dB |  |  |" in page
    assert page.index("**3 ×**") < page.index("## Targets") < page.index("## Speed")


def test_missed_targets_are_named_with_their_distance(page):
    assert "2 of 5 targets are met." in page
    assert "- receive, over liquid-dsp: 3 ratio instead of 4: 25 % off." in page
    assert "- a|b: no figure was obtained." in page
    assert "Not measured, because the anchor was missing:\n\n- transmit, over liquid-dsp." in page


def test_a_speed_without_right_payloads_says_so():
    wanted = "9 ratio would reach 4, but what was measured was not done right"
    assert missed(row("x, over y", 9.0, "ratio", target=4.0, valid=False)) == wanted
    assert missed(row("error", 1.5, "ratio", target=1.2, better="lower")) == "1.5 ratio instead of 1.2: 25 % off"


def test_the_machine_is_described_but_not_named(page):
    assert "Some CPU, 2 cores" in page
    assert "numpy 2.4.6" in page
    assert "absent" not in page
    assert "secret" not in page
    assert "abc" not in page


def test_curves_have_a_picture_and_a_paragraph(page):
    assert "### Speed over size\n\n![Speed over size](images/p-speed.svg)\n\nWhat one sees.\n" in page


def test_anchors_and_notes_are_listed(page):
    assert "| liquid-dsp | missing: no compiler |" in page
    assert "| count | 3 of 7 |" in page


def test_the_same_run_writes_the_same_bytes_and_clears_what_is_gone(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "performance-gone.svg").write_text("old")
    (folder / "other.svg").write_text("kept")
    written = []
    for _ in range(2):
        write_page(tmp_path / "performance.md", FOUND, TITLES, ENVIRONMENT, effort=1.0, seed=1)
        written.append({path.name: path.read_bytes() for path in (*folder.iterdir(), tmp_path / "performance.md")})
    assert written[0] == written[1]
    assert set(written[0]) == {"performance.md", "performance-speed-over-size.svg", "other.svg"}


def test_two_curves_may_not_share_a_picture(tmp_path):
    twice = {"speed": Measured((), (SPEED, SPEED))}
    with pytest.raises(ValueError, match="one name for each"):
        write_page(tmp_path / "page.md", twice, TITLES, ENVIRONMENT, effort=1.0, seed=1)


def test_bounds_are_dashed_and_series_are_marked():
    (ax,) = plot_curve(SPEED).axes
    theirs, ours = ax.get_lines()
    assert (theirs.get_label(), ours.get_label()) == ("theirs", "ours")
    assert (theirs.get_linestyle(), ours.get_linestyle()) == ("--", "-")
    assert theirs.get_marker() == "None"
    assert ours.get_marker() == "o"
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "10", "100"]


def test_what_a_logarithmic_axis_cannot_show_is_a_gap():
    curve = Curve("Errors", "SNR (dB)", "rate", (Series.of("ours", (0, 1, 2), (0.5, 0.1, 0.0)),), log_y=True)
    (ax,) = plot_curve(curve).axes
    np.testing.assert_array_equal(ax.get_lines()[0].get_ydata(), [0.5, 0.1, np.nan])


def test_a_bound_in_the_abyss_does_not_flatten_what_was_measured():
    bound = Series.of("bound", (0, 1), (1.0, 1e-30))
    curve = Curve("Errors", "SNR (dB)", "rate", (Series.of("ours", (0, 1), (1.0, 1e-3)),), (bound,), log_y=True)
    (ax,) = plot_curve(curve).axes
    low, high = ax.get_ylim()
    assert low == pytest.approx(1e-4)
    assert high > 1
    assert len({line.get_linestyle() for line in ax.get_lines()}) == 2


def test_pictures_keep_their_text_as_text(tmp_path):
    path = save_curve(SPEED, tmp_path, "performance")
    texts = {element.text for element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")}
    assert {"Speed over size", "ours", "theirs", "speed (Msps)"} <= texts
    assert path.stat().st_size < 60_000


def test_names_become_file_names():
    assert slug("P_D over SNR: ±2 (fast)") == "p-d-over-snr-2-fast"


def test_series_have_as_many_ordinates_as_abscissae():
    with pytest.raises(ValueError, match="ordinates"):
        Series.of("x", (1, 2), (1,))


def test_parts_join_in_their_order():
    whole = joined(list(FOUND.values()))
    assert [item.metric for item in whole.rows] == [item.metric for part in FOUND.values() for item in part.rows]
    assert whole.curves == (SPEED,)
    assert whole.notes == (("count", "3 of 7"),)
    assert whole.anchors == (("liquid-dsp", "missing: no compiler"),)
