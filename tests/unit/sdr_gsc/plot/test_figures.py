import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sdr_gsc.capture import Capture, Gap
from sdr_gsc.phy.report import FrameReport, Stage
from sdr_gsc.plot.constellation import plot_constellation
from sdr_gsc.plot.curves import Curve, plot_curves
from sdr_gsc.plot.pictures import plot_picture_row, plot_uncertainty
from sdr_gsc.plot.spectrum import plot_spectrum, power_density
from sdr_gsc.plot.style import PALETTE, png_bytes, save_figure
from sdr_gsc.plot.subcarriers import plot_channel, plot_evm
from sdr_gsc.plot.timeline import plot_timeline

ACTIVE = np.r_[1:27, 38:64]
DATA = np.array([k for k in ACTIVE if k not in (7, 21, 43, 57)])


def report(failed_at=None, start_sample=0, esn0_db=18.0, evm=True):
    return FrameReport(
        start_sample=start_sample,
        detection_metric=0.9,
        detection_threshold=0.5,
        timing_samples=0.1,
        cfo_hz=-250.0,
        cfo_ppm=None,
        sfo_ppm=2.0,
        esn0_db=esn0_db,
        snr_per_subcarrier_db=np.linspace(10, 20, 52, dtype=np.float32),
        channel=np.exp(1j * np.linspace(0, 9, 52)).astype(np.complex64),
        post_eq_snr_db=17.0,
        evm_db=-17.0,
        evm_per_subcarrier_db=np.full(48, -20, np.float32) if evm else None,
        sequence=3 if failed_at is None else None,
        header_ok=failed_at is None,
        payload_ok=None,
        blocks_ok=None,
        failed_at=failed_at,
    )


def noise(n, seed=0):
    generator = np.random.default_rng(seed)
    return (0.05 * (generator.standard_normal(n) + 1j * generator.standard_normal(n))).astype(np.complex64)


def texts(figure):
    return " ".join(
        text
        for ax in figure.axes
        for text in (
            ax.get_title(),
            ax.get_title(loc="left"),
            ax.get_xlabel(),
            ax.get_ylabel(),
            *(item.get_text() for item in ax.texts),
        )
    )


@given(st.integers(1, 5000), st.floats(1e3, 6e7))
def test_density_times_bin_width_is_the_power_of_white_noise(n, rate_hz):
    capture = Capture(noise(n), rate_hz)
    frequency_hz, density = power_density(capture)
    assert np.all(np.diff(frequency_hz) > 0)
    if n >= 4096:
        power = density.sum() * (frequency_hz[1] - frequency_hz[0])
        assert power == pytest.approx(np.mean(np.abs(capture.samples) ** 2), rel=0.1)


def test_a_tone_stands_at_its_frequency():
    rate_hz, tone_hz = 4e6, -0.75e6
    samples = (0.5 * np.exp(2j * np.pi * tone_hz / rate_hz * np.arange(8192))).astype(np.complex64)
    capture = Capture(samples, rate_hz, 2.4e9)
    frequency_hz, density = power_density(capture)
    assert frequency_hz[density.argmax()] == pytest.approx(tone_hz, abs=rate_hz / 1024)
    line = plot_spectrum(capture, occupied_hz=3e6).axes[0].lines[0]
    assert line.get_xdata()[line.get_ydata().argmax()] == pytest.approx(2400 - 0.75, abs=0.01)


def test_the_spectrum_of_nothing_is_refused_and_silence_is_drawn():
    with pytest.raises(ValueError, match="empty"):
        plot_spectrum(Capture(np.zeros(0, np.complex64), 1e6))
    assert png_bytes(plot_spectrum(Capture(np.zeros(64, np.complex64), 1e6)))


def test_constellation_leaves_out_lost_symbols_and_counts_them():
    symbols = np.array([1 + 1j, -1 - 1j, 0, 0], np.complex64)
    variance = np.array([0.1, 0.01, np.inf, np.inf], np.float32)
    figure = plot_constellation(symbols, variance, reference=symbols[:2])
    shown = figure.axes[0].collections[0]
    np.testing.assert_allclose(shown.get_offsets(), [[1, 1], [-1, -1]])
    np.testing.assert_allclose(shown.get_array(), [10, 20], rtol=1e-5)
    assert "4, 2 lost" in texts(figure)


@pytest.mark.parametrize("n", [0, 1, 100_000])
def test_constellation_of_any_size_is_drawn(n):
    assert png_bytes(plot_constellation(np.ones(n, np.complex64)))
    assert png_bytes(plot_constellation(np.ones(n, np.complex64), np.full(n, np.inf, np.float32)))


def test_channel_is_drawn_by_frequency_with_a_gap_at_dc():
    figure = plot_channel(report(), ACTIVE, 64)
    pieces = [line.get_xdata() for line in figure.axes[0].lines[:2]]
    np.testing.assert_array_equal(pieces[0], np.arange(-26, 0))
    np.testing.assert_array_equal(pieces[1], np.arange(1, 27))
    snr = np.concatenate([line.get_ydata() for line in figure.axes[0].lines[2:]])
    np.testing.assert_allclose(snr, np.roll(report().snr_per_subcarrier_db, 26))
    assert "-250 Hz" in texts(figure)


def test_evm_is_averaged_in_power_over_the_frames_that_have_it():
    one = report()
    other = report()
    other.evm_per_subcarrier_db[:] = -10
    figure = plot_evm([one, other, report(evm=False)], DATA, 64)
    strong = [line for line in figure.axes[0].lines if line.get_color() == PALETTE[1]]
    expected = 10 * math.log10((0.01 + 0.1) / 2)
    np.testing.assert_allclose(np.concatenate([line.get_ydata() for line in strong]), expected, rtol=1e-5)
    assert "no frame" in texts(plot_evm([report(evm=False)], DATA, 64))


def test_timeline_shows_every_frame_at_its_time_with_its_fate():
    capture = Capture(noise(40_000), 4e6, gaps=(Gap(100, 200),))
    fates = [None, *Stage]
    reports = [report(fate, 4000 * index, 5.0 * index) for index, fate in enumerate(fates)]
    figure = plot_timeline(capture, reports)
    top = figure.axes[0]
    markers = {c.get_label(): c.get_offsets() for c in top.collections if not c.get_label().startswith("_")}
    assert len(markers) == len(fates)
    found = np.array(sorted(tuple(point) for points in markers.values() for point in np.asarray(points)))
    np.testing.assert_allclose(found, [(index * 1.0, 5.0 * index) for index in range(len(fates))], atol=1e-9)
    assert "no frame detected" in texts(plot_timeline(capture, []))
    assert png_bytes(plot_timeline(Capture(np.zeros(0, np.complex64), 1e6), []))


@pytest.mark.parametrize("count", [1, 3, 6])
def test_picture_row_holds_every_picture_with_its_caption(count):
    pictures = {f"decoder{i}\n{i} dB": np.full((16, 24, 3), i / 10, np.float32) for i in range(count)}
    figure = plot_picture_row(pictures, columns=4)
    shown = [ax for ax in figure.axes if ax.get_visible()]
    assert len(shown) == count
    for index, ax in enumerate(shown):
        assert ax.get_title() == f"decoder{index}"
        assert ax.get_xlabel() == f"{index} dB"
        np.testing.assert_allclose(ax.images[0].get_array(), index / 10, rtol=1e-6)


def test_a_row_without_pictures_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        plot_picture_row({})


def test_uncertainty_and_true_error_share_one_scale():
    deviation = np.full((8, 8), 0.1, np.float32)
    picture = np.zeros((8, 8, 3), np.float32)
    figure = plot_uncertainty(deviation, picture, picture + np.float32(0.05))
    images = [ax.images[0] for ax in figure.axes if ax.images and ax.images[0].get_array().ndim == 2]
    assert images[0].get_clim() == images[1].get_clim()
    np.testing.assert_allclose(images[1].get_array(), 0.05, rtol=1e-5)
    assert png_bytes(plot_uncertainty(np.zeros((8, 8), np.float32)))


def test_curve_of_trials_is_mean_and_students_band():
    curve = Curve.of_trials({10.0: np.array([1.0, 3.0]), 0.0: np.array([2.0, np.nan]), 5.0: np.array([])})
    np.testing.assert_array_equal(curve.esn0_db, [0, 5, 10])
    np.testing.assert_array_equal(curve.value, [2, np.nan, 2])
    # With one degree of freedom Student is Cauchy: t = tan(0.475 pi), and s / sqrt(n) = 1 here.
    half = math.tan(0.475 * math.pi)
    np.testing.assert_allclose(curve.high - curve.value, [np.nan, np.nan, half])
    np.testing.assert_allclose(curve.value - curve.low, [np.nan, np.nan, half])


def test_curves_differ_in_colour_and_marker_and_say_what_is_better():
    curves = {name: Curve(np.arange(3.0), np.arange(3.0) + k) for k, name in enumerate("abcdefghi")}
    figure = plot_curves(curves, metric="PSNR (dB)", better="higher")
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in figure.axes[0].lines}
    assert len(looks) == len(curves)
    assert "PSNR (dB)  ↑" in texts(figure)
    assert "↓" in texts(plot_curves({}, metric="distance", better="lower"))
    with pytest.raises(ValueError, match="higher"):
        plot_curves(curves, metric="PSNR (dB)", better="more")


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_same_figure_gives_the_same_bytes(tmp_path, suffix):
    files = []
    for name in ("a", "b"):
        path = tmp_path / "figures" / f"{name}{suffix}"
        save_figure(plot_evm([report()], DATA, 64), path)
        files.append(path.read_bytes())
    assert files[0] == files[1]


def test_png_has_the_size_that_was_asked_for():
    picture = Image.open(io.BytesIO(png_bytes(plot_evm([report()], DATA, 64))))
    assert picture.size == pytest.approx((6.4 * 144, 3.4 * 144), abs=2)
