import contextlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from hardware.bench_file import Allowance
from hardware.errors import BadValueError, DisconnectedError, ForbiddenError
from hardware.limits import Permission
from hardware.radio import RadioSettings
from hardware.registry import open_radio
from hardware.session import RadioSession
from hardware.signals import EndingSignals
from sdr_gsc.capture import Capture

SETTINGS = RadioSettings(center_frequency_hz=2.45e9, sample_rate_hz=4e6)


class Dummy(RadioSession):
    """Counts what happens to it; muting and releasing can fail."""

    def __init__(self, permission=None, mute_fails=None):
        super().__init__(permission)
        self.settings = SETTINGS
        self.mute_fails = mute_fails
        self.events = []

    def mute(self):
        self.events.append("mute")
        if self.mute_fails is not None:
            raise self.mute_fails

    def release(self):
        self.events.append("release")


def limited(seconds):
    return Permission("radio", (Allowance(band_hz=(2.4e9, 2.5e9), max_tx_gain_db=0.0, max_duration_s=seconds),))


def test_leaving_mutes_then_releases_once():
    with Dummy() as radio:
        pass
    radio.close()
    assert radio.events == ["mute", "release"]


def test_a_radio_that_cannot_be_muted_is_released_and_says_so():
    radio = Dummy(mute_fails=DisconnectedError("gone"))
    with pytest.raises(DisconnectedError, match="gone"), radio:
        pass
    assert radio.events == ["mute", "release"]


def test_what_went_wrong_first_is_raised():
    with pytest.raises(ZeroDivisionError) as caught, Dummy(mute_fails=DisconnectedError("gone")):
        raise ZeroDivisionError
    assert "gone" in caught.value.__notes__[0]


def test_without_permission_nothing_is_transmitted():
    with Dummy() as radio:
        with pytest.raises(ForbiddenError, match="no permission"):
            radio.permit_transmission(1.0)
        with pytest.raises(ForbiddenError, match="no permission"), radio.open_ended_transmission():
            pass


def test_permission_is_asked_with_the_settings():
    with Dummy(limited(1.0)) as radio:
        radio.permit_transmission(1.0)
        with pytest.raises(ForbiddenError, match="max_duration_s is 1"):
            radio.permit_transmission(1.5)
        radio.settings = RadioSettings(center_frequency_hz=3e9)
        with pytest.raises(ForbiddenError, match="covers"):
            radio.permit_transmission(0.1)


def transmit_until_muted(radio):
    before = len(radio.events)
    with radio.open_ended_transmission():
        while len(radio.events) == before:
            time.sleep(0.005)


def test_open_ended_transmissions_mute_at_their_end_and_keep_to_the_limit():
    with Dummy(limited(0.05)) as radio:
        with radio.open_ended_transmission():
            pass
        assert radio.events == ["mute"]
        with pytest.raises(ForbiddenError, match=r"cut short after 0.05 s"):
            transmit_until_muted(radio)
        with pytest.raises(ForbiddenError, match="max_duration_s is 0.05"), radio.open_ended_transmission(1.0):
            pytest.fail("it began")


def test_an_error_inside_an_open_ended_transmission_mutes():
    radio = Dummy(Permission.exempt())
    with pytest.raises(ZeroDivisionError), radio.open_ended_transmission():
        raise ZeroDivisionError
    assert radio.events == ["mute"]
    radio.close()


@pytest.mark.parametrize(
    ("burst", "listen_s", "message"),
    [
        (np.zeros(4, np.complex64), None, "wrap the samples"),
        (Capture(np.zeros(4, np.complex64), 4.1e6), None, r"configure\(\) the radio"),
        (Capture(np.zeros(0, np.complex64), 4e6), None, "the burst is empty"),
        (Capture(np.zeros(4, np.complex64), 4e6), 0.0, "at least one sample"),
        (Capture(np.zeros(4, np.complex64), 4e6), float("nan"), "at least one sample"),
        (Capture(np.zeros(4, np.complex64), 4e6), float("inf"), "at least one sample"),
    ],
)
def test_bad_exchanges(burst, listen_s, message):
    with pytest.raises(BadValueError, match=message):
        RadioSession.listen_samples(burst, 4e6, listen_s)


def test_a_rate_as_the_hardware_makes_it_is_the_same_rate():
    burst = Capture(np.zeros(4, np.complex64), 4e6)
    assert RadioSession.listen_samples(burst, 3_999_999.0, 1e-3) == 4000


FORGOTTEN = """
from hardware.limits import Permission
from hardware.session import RadioSession

class Loud(RadioSession):
    def mute(self):
        print("muted", flush=True)

Loud(Permission.exempt())
"""


def test_a_forgotten_radio_is_muted_when_the_program_ends():
    done = subprocess.run([sys.executable, "-c", FORGOTTEN], capture_output=True, text=True, check=True)
    assert done.stdout == "muted\n"


WAITING = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
from hardware.session import RadioSession

class Slow(RadioSession):
    def mute(self):
        print("muting", flush=True)
        time.sleep(0.5)
        print("muted", flush=True)

with Slow():
    print("open", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_mute_and_a_second_one_does_not_interrupt_it(sent):
    with subprocess.Popen(
        [sys.executable, "-c", WAITING], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        assert child.stdout.readline() == "open\n"
        child.send_signal(sent)
        assert child.stdout.readline() == "muting\n"
        child.send_signal(signal.SIGTERM)
        assert child.stdout.readline() == "muted\n"
        assert child.wait(timeout=30) != 0


def test_handlers_of_the_surrounding_program_stay():
    mine = []
    before = signal.signal(signal.SIGTERM, lambda number, _: mine.append(number))
    try:
        signals = EndingSignals()
        signals.turn_into_exceptions()
        signal.raise_signal(signal.SIGTERM)
        signals.restore()
        with signals.held_back():
            signal.raise_signal(signal.SIGTERM)
            assert mine == [signal.SIGTERM]
        assert mine == [signal.SIGTERM] * 2
    finally:
        signal.signal(signal.SIGTERM, before)


def start_late(radio):
    with radio.open_ended_transmission():
        radio.require_time_left()
        while not radio.events:
            time.sleep(0.005)
        # Muted already, so nothing would end what starts now.
        radio.require_time_left()
        pytest.fail("it starts")


def test_time_that_is_over_before_the_start_forbids_it():
    with Dummy(limited(0.05)) as radio:
        with pytest.raises(ForbiddenError, match="max_duration_s and max_duty"):
            start_late(radio)
        radio.require_time_left()


def test_too_little_time_for_a_start_is_refused_at_once():
    with (
        Dummy(limited(0.04)) as radio,
        pytest.raises(ForbiddenError, match="max_duration_s is 0.04"),
        radio.open_ended_transmission(),
    ):
        pytest.fail("it began")


class Counted(Permission):
    """Notes what is counted; it fails on request."""

    def __init__(self, fails=False):
        super().__init__("radio", limited(60.0)._allowances)  # noqa: SLF001
        self.counted = []
        self.fails = fails

    def account(self, duration_s):
        self.counted.append(duration_s)
        if self.fails:
            raise ForbiddenError("nobody knows")


def test_a_transmission_is_counted_while_it_goes_on():
    permission = Counted()
    with Dummy(permission) as radio:
        with radio.open_ended_transmission():
            while not permission.counted:
                time.sleep(0.01)
            assert 0.9 < permission.counted[0]
            assert radio.events == []
        assert len(permission.counted) > 1


def test_what_cannot_be_counted_is_ended():
    with Dummy(Counted(fails=True)) as radio, pytest.raises(ForbiddenError, match="nobody knows"):
        transmit_until_muted(radio)


def test_a_signal_whose_exception_was_lost_ends_the_program_when_the_radio_is_closed():
    """As in a finalizer, from which Python passes no exception on."""
    reached = []
    with pytest.raises(SystemExit) as ended, open_radio("loopback:ideal") as radio:  # noqa: PT012
        with contextlib.suppress(SystemExit):
            signal.raise_signal(signal.SIGTERM)
        reached.append(radio)
    assert ended.value.code == 128 + signal.SIGTERM
    assert reached[0].muted
    with open_radio("loopback:ideal"):
        pass  # told once, and not again
