import tomllib

import pytest

from hardware.emulation.token import issue_token
from hardware.errors import ForbiddenError
from hardware.limits import Bench, Permission
from sdr_gsc.errors import SettingsError

URI = "pluto:ip:192.168.2.1"
FILE = """
[[radio]]
uri = "pluto:ip:192.168.2.1"
serial = "1044"
[radio.defaults]
tx_gain_db = -30
channels = [0]
[[radio.allow]]
band_hz = [2.4e9, 2.4835e9]
max_tx_gain_db = -20
max_duration_s = 2.0
max_duty = 0.1

[[radio]]
uri = "usrp:type=b200"
"""
ASKED = {"center_frequency_hz": 2.45e9, "sample_rate_hz": 4e6, "tx_gain_db": -20.0, "duration_s": 0.5}


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "HOME"):
        folder = tmp_path / name
        folder.mkdir(mode=0o700)
        monkeypatch.setenv(name, str(folder))
    monkeypatch.delenv("SDR_GSC_BENCH", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def bench(tmp_path):
    path = tmp_path / "bench.toml"
    path.write_text(FILE)
    return Bench.load(path)


def test_what_the_file_allows_passes(bench):
    bench.permission(uri=URI, serial="1044").check(**ASKED)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"center_frequency_hz": 2.6e9}, r"2598 to 2602 MHz: no \[\[radio.allow\]\] covers"),
        ({"center_frequency_hz": 2.401e9}, r"2399 to 2403 MHz"),  # half the band sticks out
        ({"sample_rate_hz": 61.44e6, "center_frequency_hz": 2.41e9}, "no .* covers that band"),
        ({"tx_gain_db": -19.75}, "max_tx_gain_db is -20"),
        ({"duration_s": 2.5}, "max_duration_s is 2"),
        ({"center_frequency_hz": float("nan")}, "no .* covers that band"),
        ({"tx_gain_db": float("nan")}, "max_tx_gain_db"),
    ],
)
def test_what_it_does_not_allow_is_refused_with_the_lines_that_would(bench, tmp_path, changes, message):
    asked = ASKED | changes
    with pytest.raises(ForbiddenError, match=message) as caught:
        bench.permission(uri=URI, serial="1044").check(**asked)
    assert str(bench.path) in str(caught.value)
    if all(value == value for value in asked.values()):
        lines = str(caught.value)
        path = tmp_path / "amended.toml"
        path.write_text(f'[[radio]]\nuri = "{URI}"\n' + lines[lines.rindex("[[radio.allow]]") :])
        Bench.load(path).permission(uri=URI).check(**asked)


def test_a_radio_that_the_file_does_not_name_is_told_all_lines(bench, tmp_path):
    with pytest.raises(ForbiddenError, match="may not transmit") as caught:
        bench.permission(uri="pluto:usb:1.2.5", serial="99").check(**ASKED)
    text = str(caught.value)
    written = tomllib.loads(text[text.index("[[radio]]") :])
    assert written["radio"][0]["uri"] == "pluto:usb:1.2.5"
    (tmp_path / "new.toml").write_text(text[text.index("[[radio]]") :])
    Bench.load(tmp_path / "new.toml").permission(uri="pluto:usb:1.2.5", serial="99").check(**ASKED)


def test_without_a_file_nothing_may_be_transmitted():
    bench = Bench.load(None)
    assert bench.path is None
    with pytest.raises(ForbiddenError, match="write in bench.toml"):
        bench.permission(uri=URI).check(**ASKED)


def test_an_entry_with_a_serial_number_is_for_that_radio_only(bench):
    bench.permission(uri="pluto:usb:1.2.5", serial="1044").check(**ASKED)
    with pytest.raises(ForbiddenError, match="no .* covers"):
        bench.permission(uri=URI, serial="77").check(**ASKED)


def test_duty_counts_over_all_programs_of_the_last_minute(bench):
    # 10 % of a minute are 6 s.
    for _ in range(3):
        bench.permission(uri=URI, serial="1044").check(**ASKED | {"duration_s": 2.0})
    with pytest.raises(ForbiddenError, match=r"transmitted 6 of the last 60 s and max_duty is 0.1; wait a minute"):
        bench.permission(uri=URI, serial="1044").check(**ASKED)
    assert bench.permission(uri=URI, serial="1044").longest_s(
        **{key: value for key, value in ASKED.items() if key != "duration_s"}
    ) == pytest.approx(0.0, abs=1e-3)


def test_a_minute_later_it_may_transmit_again(bench, monkeypatch):
    import time

    permission = bench.permission(uri=URI, serial="1044")
    for _ in range(3):
        permission.check(**ASKED | {"duration_s": 2.0})
    now = time.time()
    monkeypatch.setattr("hardware.airtime.time.time", lambda: now + 61)
    permission.check(**ASKED)


def test_airtime_that_cannot_be_kept_forbids(bench, tmp_path):
    (tmp_path / "XDG_STATE_HOME" / "sdr-gsc").write_text("in the way")
    with pytest.raises(ForbiddenError, match="XDG_STATE_HOME"):
        bench.permission(uri=URI, serial="1044").check(**ASKED)


def test_only_a_living_token_of_this_user_exempts(bench):
    token = issue_token()
    assert bench.permission(uri="pluto:ip:127.0.0.1:4", token=token.text).is_exempt
    bench.permission(uri="pluto:ip:127.0.0.1:4", token=token.text).check(**ASKED | {"duration_s": 1e9})
    token.revoke()
    with pytest.raises(ForbiddenError, match="token that is not valid here"):
        bench.permission(uri="pluto:ip:127.0.0.1:4", token=token.text).check(**ASKED)
    assert not bench.permission(uri="pluto:ip:127.0.0.1:4").is_exempt


def test_exempt_allows_everything_and_keeps_no_account():
    Permission.exempt().check(center_frequency_hz=0.0, sample_rate_hz=1e9, tx_gain_db=1e3, duration_s=1e9)


def test_defaults_and_addresses(bench):
    assert bench.uris() == [URI, "usrp:type=b200"]
    assert bench.defaults(URI, "1044") == {"tx_gain_db": -30.0, "channels": (0,)}
    assert bench.defaults(URI + "?tx_gain_db=0") == bench.defaults(URI)
    assert bench.defaults("pluto:ip:10.0.0.1") == {}


def test_the_file_is_found_where_the_docs_say(tmp_path, monkeypatch):
    usual = tmp_path / "HOME" / ".config/sdr-gsc/bench.toml"
    usual.parent.mkdir(parents=True)
    usual.write_text(FILE)
    assert Bench.load().path == usual
    (tmp_path / "bench.toml").write_text("")
    assert Bench.load().path.resolve() == tmp_path / "bench.toml"
    named = tmp_path / "other.toml"
    monkeypatch.setenv("SDR_GSC_BENCH", str(named))
    with pytest.raises(SettingsError, match=r"there is no bench file .*other.toml"):
        Bench.load()
    named.write_text("")
    assert Bench.load().path == named


ALLOW = '[[radio]]\nuri = "pluto:x"\n[[radio.allow]]\n'
GOOD = {"band_hz": "[1e9, 2e9]", "max_tx_gain_db": "-10", "max_duration_s": "1", "max_duty": "0.5"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[radio", "is not TOML"),
        ("radios = 3", "radios is unknown; write only"),
        ("radio = 3", "write it with double brackets"),
        ("[[radio]]\n", "radio 1 has neither uri nor serial; write, for example: uri = "),
        ("[[radio]]\nuri = 5\n", 'uri is 5; write a text: uri = "5"'),
        ('[[radio]]\nuri = "pluto:x?tx_gain_db=1"\n', r"write them below \[radio.defaults\]"),
        ('[[radio]]\nuri = "pluto:x"\npower = 5\n', "power is unknown; write only uri"),
        ('[[radio]]\nuri = "pluto:x"\ndefaults = 5\n', "defaults is 5; write a table"),
        ('[[radio]]\nuri = "pluto:x"\n[radio.defaults]\ngain = 1\n', "defaults: gain is unknown; write some of"),
        ('[[radio]]\nuri = "pluto:x"\n[radio.defaults]\ntx_gain_db = "x"\n', "tx_gain_db is 'x'; write a number"),
        ('[[radio]]\nuri = "pluto:x"\n[radio.defaults]\nchannels = 1\n', "channels is 1; write numbers"),
        *((ALLOW + "\n".join(f"{k} = {v}" for k, v in GOOD.items() if k != key), f"{key} is missing") for key in GOOD),
        *(
            (ALLOW + "\n".join(f"{k} = {v}" for k, v in (GOOD | changed).items()), message)
            for changed, message in [
                ({"band_hz": "[2e9, 1e9]"}, "write the lower frequency first"),
                ({"band_hz": "2e9"}, "write two frequencies"),
                ({"band_hz": "[2e9, true]"}, "write numbers"),
                ({"max_tx_gain_db": "nan"}, "max_tx_gain_db is nan"),
                ({"max_tx_gain_db": "'loud'"}, "max_tx_gain_db is 'loud'; write numbers"),
                ({"max_duration_s": "0"}, "write more than 0"),
                ({"max_duty": "1.5"}, "at most 1"),
                ({"power": "3"}, "power is unknown"),
            ]
        ),
    ],
)
def test_damaged_files_name_file_key_and_cure(tmp_path, text, message):
    path = tmp_path / "bench.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message) as caught:
        Bench.load(path)
    assert str(path) in str(caught.value)
