import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from hardware.errors import BadValueError, DisconnectedError
from hardware.loopback import LoopbackRadio
from hardware.radio import Radio, RadioSettings
from sdr_gsc.capture import Capture
from sdr_gsc.channel.profile import ChannelProfile, profile
from sdr_gsc.errors import ClippingError

BURST = Capture(np.full(4000, 0.1 + 0.1j, np.complex64), 4e6)


def radio(channel=None, seed=0):
    return LoopbackRadio(channel or profile("office"), np.random.default_rng(seed))


def test_it_is_a_radio():
    assert isinstance(radio(), Radio)


def test_configure_reads_back_and_sets_the_capture():
    wanted = RadioSettings(center_frequency_hz=2.4e9, sample_rate_hz=1e6)
    with radio() as opened:
        assert opened.configure(wanted) == wanted == opened.settings
        received = opened.exchange(Capture(BURST.samples, 1e6))
    assert (received.center_frequency_hz, received.sample_rate_hz) == (2.4e9, 1e6)
    assert received.start is not None
    assert received.settings["radio"]["center_frequency_hz"] == 2.4e9


@pytest.mark.parametrize("setting", ["center_frequency_hz", "sample_rate_hz", "tx_gain_db", "rx_gain_db"])
def test_settings_outside_the_capabilities_are_refused(setting):
    with radio() as opened:
        before = opened.settings
        with pytest.raises(BadValueError, match=setting):
            opened.configure(RadioSettings(**{setting: -5.0}))
        assert opened.settings == before


def test_every_exchange_is_a_new_realization():
    with radio() as opened:
        first, second = (opened.exchange(BURST).settings["truth"]["cfo_hz"] for _ in range(2))
    assert first != second


@pytest.mark.parametrize("listen_s", [0.25e-6, 1e-3, 5e-3])
def test_listening_time_is_kept(listen_s):
    with radio() as opened:
        assert opened.exchange(BURST, listen_s=listen_s).samples.size == round(listen_s * 4e6)


@pytest.mark.parametrize(
    ("burst", "listen_s", "kind", "message"),
    [
        (Capture(BURST.samples, 1e6), None, BadValueError, "configure"),
        (BURST.samples, None, BadValueError, "Capture"),
        (BURST, 0.0, BadValueError, "listen_s"),
        (BURST, -1.0, BadValueError, "listen_s"),
        (Capture(BURST.samples * 20, 4e6), None, ClippingError, "full scale"),
    ],
)
def test_bad_exchanges_are_refused_and_leave_it_muted(burst, listen_s, kind, message):
    with radio() as opened:
        with pytest.raises(kind, match=message):
            opened.exchange(burst, listen_s=listen_s)
        assert opened.muted


def test_the_transmitter_is_on_only_while_the_burst_lasts(monkeypatch):
    seen = []
    opened = radio()

    def watch(*_args, **_kwargs):
        seen.append(opened.muted)
        raise KeyboardInterrupt

    monkeypatch.setattr("hardware.loopback.simulate", watch)
    with pytest.raises(KeyboardInterrupt):
        opened.exchange(BURST)
    assert seen == [False]
    assert opened.muted


def test_leaving_mutes_and_closes():
    with radio() as opened:
        opened.muted = False
    assert opened.muted
    opened.close()
    for use in (lambda: opened.exchange(BURST), lambda: opened.configure(RadioSettings()), opened.__enter__):
        with pytest.raises(DisconnectedError, match="open the radio again"):
            use()


def fail_while_loud(opened):
    with opened:
        opened.muted = False
        raise ZeroDivisionError


def test_an_exception_mutes():
    opened = radio()
    with pytest.raises(ZeroDivisionError):
        fail_while_loud(opened)
    assert opened.muted


SCRIPT = """
import sys, time
import numpy as np
from hardware.loopback import LoopbackRadio
from sdr_gsc.channel.profile import profile

class Loud(LoopbackRadio):
    def mute(self):
        super().mute()
        print("muted", flush=True)

with Loud(profile("ideal"), np.random.default_rng(0)) as radio:
    radio.muted = False
    print("transmitting", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_signals_mute(sent):
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout.readline() == b"transmitting\n"
        child.send_signal(sent)
        assert child.stdout.read() == b"muted\n"
        assert child.wait(timeout=30) != 0


def test_the_handler_of_the_surrounding_program_comes_back():
    before = signal.getsignal(signal.SIGTERM)
    with radio():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_may_open_radios():
    result = []

    def work():
        with radio(ChannelProfile()) as opened:
            result.append(opened.exchange(BURST).samples)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    np.testing.assert_array_equal(result[0], BURST.samples)
