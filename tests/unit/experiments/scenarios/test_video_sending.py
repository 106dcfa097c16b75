"""The video baseline keeps to the air that it is given, and shows what a decoder makes of what arrives."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.procedures.airing import Airing
from experiments.procedures.transmission import Bench
from experiments.scenarios.video.pictures import send_timed
from experiments.scenarios.video.sending import bytes_within, prepare_bytes, send_video
from experiments.scenarios.video.stages import StageClock, Stages
from sdr_gsc.errors import SettingsError
from sdr_gsc.link import PictureRequest
from sdr_gsc.phy.blocks import block_bytes
from sdr_gsc.phy.transmitter import Transmitter
from sdr_gsc.seeding import TrialSeeds
from sdr_gsc.semantic.descriptor import Mapping
from sdr_gsc.semantic.rate import RATES

pytest.importorskip("av")


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench.open()


def moving(count: int = 3) -> np.ndarray:
    y, x = np.mgrid[:64, :96]
    spots = [np.exp(-((x - 20 - 9 * index) ** 2 + (y - 30) ** 2) / 150) for index in range(count)]
    return np.stack([np.stack([0.2 + 0.6 * spot, x / 120 + 0.1, y / 90 + 0.1], -1) for spot in spots]).astype(
        np.float32
    )


@pytest.mark.parametrize("mcs", [0, 2, 6])
@pytest.mark.parametrize("n_symbols", [1100, 2048, 5000, 40_000])
def test_bytes_fill_the_air_and_no_more(n_symbols: int, mcs: int) -> None:
    transmitter = Transmitter()
    allowed = transmitter.air_samples(n_symbols)
    size = bytes_within(allowed, mcs, transmitter)
    assert size >= transmitter.capacity_bytes(n_symbols, mcs)
    assert prepare_bytes(bytes(size), (64, 96), mcs, transmitter).transmission.n_air_samples <= allowed
    one_more = prepare_bytes(bytes(size + block_bytes(mcs)), (64, 96), mcs, transmitter)
    assert one_more.transmission.n_air_samples > allowed


def test_no_air_holds_no_bytes() -> None:
    assert bytes_within(10, 0, Transmitter()) == 0
    with pytest.raises(SettingsError, match="no bytes to send"):
        prepare_bytes(b"", (64, 96), 0, Transmitter())


def test_frames_too_short_for_a_block() -> None:
    with pytest.raises(SettingsError, match="raise frame_symbols"):
        bytes_within(10_000, 0, Transmitter(frame_symbols=100))


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_a_good_channel_shows_every_frame(bench: Bench, codec: str) -> None:
    clock = StageClock()
    sent = send_video(
        moving(), 25.0, codec=codec, mcs=2, air_samples=[4000] * 3, bench=bench,
        airing=Airing("loopback:ideal", esn0_db=30.0), seeds=TrialSeeds(1, "video"), clock=clock,
    )  # fmt: skip
    assert sent.received
    assert sent.video.shown == (True,) * 3
    assert 0 < sent.n_bytes <= sent.max_bytes
    assert 0 < sent.n_air_samples <= 12_000
    assert (sent.n_lost, len(sent.captures) <= 3) == (0, True)
    assert np.mean((sent.video.frames - moving()) ** 2) < 1e-3
    rate_hz = sent.captures[0].sample_rate_hz
    assert clock.seconds["air"] == pytest.approx(sent.n_air_samples / rate_hz)


def test_a_hopeless_channel_shows_mid_grey(bench: Bench) -> None:
    sent = send_video(
        moving(), 25.0, codec="h264", mcs=6, air_samples=[4000] * 3, bench=bench,
        airing=Airing("loopback:ideal", esn0_db=0.0), seeds=TrialSeeds(1, "video"),
    )  # fmt: skip
    assert not sent.received
    assert sent.n_lost == sent.n_blocks > 0
    assert (sent.video.frames == 0.5).all()


def test_losses_in_the_middle_keep_what_came_before(bench: Bench) -> None:
    """Around the code's cliff some trial loses some blocks and not all; what is shown then begins with the first."""
    partial = []
    for trial in range(12):
        sent = send_video(
            moving(), 25.0, codec="h264", mcs=2, air_samples=[4000] * 3, bench=bench,
            airing=Airing("loopback:office", esn0_db=8.0), seeds=TrialSeeds(5, f"trial {trial}"),
        )  # fmt: skip
        assert sent.video.frames.shape == (3, 64, 96, 3)
        if 0 < sent.n_lost < sent.n_blocks:
            partial.append(sent.video.shown)
            assert list(sent.video.shown) == sorted(sent.video.shown, reverse=True)
    assert partial


def test_what_does_not_fit_is_not_sent(bench: Bench) -> None:
    sent = send_video(
        moving(), 25.0, codec="h264", mcs=0, air_samples=[0] * 3, bench=bench,
        airing=Airing("loopback:ideal", esn0_db=30.0), seeds=TrialSeeds(1, "video"),
    )  # fmt: skip
    assert (sent.n_air_samples, sent.n_bytes, sent.received) == (0, 0, False)
    assert sent.too_small is not None
    assert "use a higher MCS" in sent.too_small


def test_a_timed_picture_and_its_stages(bench: Bench) -> None:
    clock = StageClock()
    sent = send_timed(
        moving(1)[0], PictureRequest(Mapping.DIRECT, RATES[3]), bench=bench, decoder=bench.decoders(("mmse",))["mmse"],
        airing=Airing("loopback:ideal", esn0_db=30.0), seeds=TrialSeeds(1, "picture"), purpose="0", clock=clock,
    )  # fmt: skip
    assert sent.picture is not None
    assert np.mean((sent.picture - moving(1)[0]) ** 2) < 4e-3
    assert all(seconds > 0 for seconds in clock.seconds.values())


def test_stages_add_up() -> None:
    stages = Stages(
        encode_s=0.4, air_s=0.2, exchange_s=9.0, receive_s=0.1, decode_s=0.3, frames=4, unit_frames=4, rate_hz=10.0
    )
    assert stages.collect_s == pytest.approx(0.3)
    assert stages.latency_s == pytest.approx(1.3)
    assert stages.frames_per_s == pytest.approx(4.0)
    assert stages.pipelined_frames_per_s == pytest.approx(10.0)
    each = Stages(0.4, 0.2, 9.0, 0.1, 0.3, frames=4, unit_frames=1, rate_hz=10.0)
    assert each.latency_s == pytest.approx(0.25)
    assert each.timings_s()["exchange"] == pytest.approx(9.0 / 4)
