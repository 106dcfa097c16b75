"""An emulated Pluto that runs by the clock: a ring of blocks that goes stale, overflows, underflows, and does not."""

from __future__ import annotations

import errno
import threading
import time

import numpy as np
import pytest

from hardware.emulation.air import Air
from hardware.emulation.device_clock import VirtualClock
from hardware.emulation.pluto_receiver import ReceiveRing
from sdr_gsc.channel.profile import ChannelProfile

RATE = 1_000_000


def advance(clock, time_s):
    clock.wait_until(time_s, threading.Event())


def take(ring, n_samples, rate=RATE):
    first, lost = ring.next_block(rate)
    ring.take(first + n_samples)
    return first, lost


def test_ring_is_contiguous_while_the_host_keeps_up():
    clock = VirtualClock()
    ring = ReceiveRing(clock, 4, 1000, RATE)
    for index in range(10):
        advance(clock, (index + 1) * 1e-3)
        assert take(ring, 1000) == (1000 * index, 0)


def test_ring_is_stale_after_the_host_was_away():
    clock = VirtualClock()
    ring = ReceiveRing(clock, 4, 1000, RATE)
    assert take(ring, 1000) == (0, 0)
    advance(clock, 0.5)
    # The host still had one block; the other three were filled at once, and then samples were lost.
    assert [take(ring, 1000) for _ in range(3)] == [(1000, 0), (2000, 0), (3000, 0)]
    assert take(ring, 1000) == (500_000, 496_000)
    assert take(ring, 1000) == (501_000, 0)


def test_ring_follows_another_rate():
    clock = VirtualClock()
    ring = ReceiveRing(clock, 4, 1000, RATE)
    take(ring, 1000)
    advance(clock, 1e-3)
    assert take(ring, 1000, 2 * RATE) == (2000, 0)


def power(samples):
    return float(np.mean(np.abs(samples) ** 2))


def test_old_blocks_come_first(emulated_pluto, iio_client, waveform):
    client = iio_client(emulated_pluto()).tune(rate=RATE)
    client.receive(2000, n_blocks=4)
    time.sleep(0.05)
    client.transmit(waveform(1000))
    time.sleep(0.01)
    powers = [power(client.receive()) for _ in range(8)]
    assert max(powers[:3]) < 10
    assert min(powers[4:]) > 10_000
    assert client.overflowed
    client.clear_flags()
    assert not client.overflowed


def test_new_buffer_is_not_stale(emulated_pluto, iio_client, waveform):
    client = iio_client(emulated_pluto()).tune(rate=RATE)
    client.receive(2000)
    client.transmit(waveform(1000))
    time.sleep(0.01)
    assert power(client.receive(2000)) > 10_000


def test_blocks_take_their_time(emulated_pluto, iio_client):
    client = iio_client(emulated_pluto()).tune(rate=RATE)
    started = time.monotonic()
    client.receive(100_000)
    client.receive()
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize("rate", [4_000_000, 10_000_000])
def test_capture_without_gaps(emulated_pluto, iio_client, waveform, rate):
    radio = emulated_pluto()
    client = iio_client(radio).tune(rate=rate)
    client.sdr.loopback = 1
    period = 50_000
    burst = waveform(period)
    client.transmit(burst)
    client.receive(100_000, n_blocks=16)
    received = np.concatenate([client.receive() for _ in range(12)])
    assert not client.overflowed
    codes = (burst.real.astype(np.int16) >> 4) + 1j * (burst.imag.astype(np.int16) >> 4)
    received = received[200_000:]  # before that, the ring may hold silence from before the transmission
    (start,) = [k for k in np.flatnonzero(codes == received[0]) if codes[(k + 1) % period] == received[1]]
    assert np.array_equal(received, codes[(start + np.arange(received.size)) % period])


def test_stream_is_paced_and_does_not_run_dry(emulated_pluto, iio_client, waveform):
    radio = emulated_pluto()
    client = iio_client(radio).tune(rate=RATE)
    client.sdr.tx_cyclic_buffer = False
    client.dac.set_kernel_buffers_count(8)
    started = time.monotonic()
    for seed in range(20):
        client.transmit(waveform(20_000, seed), cyclic=False)
    # 20 blocks of 20 ms, of which 7 wait in the ring.
    assert time.monotonic() - started >= 0.25
    assert not client.underflowed
    assert radio.state()["transmitting"]
    client.stop_transmitting()
    assert not radio.state()["transmitting"]


def test_stream_that_pauses_runs_dry_and_recovers(emulated_pluto, iio_client, waveform):
    client = iio_client(emulated_pluto()).tune(rate=RATE)
    client.sdr.tx_cyclic_buffer = False
    client.transmit(waveform(2000), cyclic=False)
    assert not client.underflowed
    for pause_s in (0.03, 0.2):  # silence within the stream, and a stream that starts anew
        time.sleep(pause_s)
        client.transmit(waveform(2000), cyclic=False)
        assert client.underflowed
        client.clear_flags()
        assert not client.underflowed
    client.receive(100_000, n_blocks=4)
    client.transmit(waveform(2000), cyclic=False)  # while the ring's other blocks are being filled
    assert max(power(client.receive()) for _ in range(3)) > 100


def test_block_longer_than_the_timeout(emulated_pluto, iio_client):
    client = iio_client(emulated_pluto(), timeout_ms=400).tune(rate=RATE)
    with pytest.raises(OSError) as caught:  # noqa: PT011 -- the number is what is asked for
        client.receive(500_000)
    # The server gives up first, for libiio gives it half of the time.
    assert caught.value.errno == errno.ETIMEDOUT
    assert client.receive(1000).size == 1000


def test_clocks_apart_show_in_the_samples(emulated_pluto, iio_client):
    """The ring runs by the radio's clock, not by true time."""
    air = Air(ChannelProfile(name="flat"), noise_dbfs=-90)
    client = iio_client(emulated_pluto(air, clock_ppm=100.0)).tune(rate=RATE)
    client.transmit(np.full(1000, 2**14 + 0j))
    client.receive(1000)
    # One radio follows one clock: it hears its own carrier at rest.
    received = client.receive(20_000)[10_000:]
    assert abs(np.mean(received)) > 0.99 * np.mean(np.abs(received))
