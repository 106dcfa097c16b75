"""The driver's own surroundings: emulated radios that may transmit, and folders that no other test sees."""

from __future__ import annotations

import contextlib

import pytest

from hardware.emulation.token import issue_token


@pytest.fixture
def own_folders(tmp_path, monkeypatch):
    """Tokens, airtime and bench files of this test alone."""
    for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "HOME"):
        folder = tmp_path / name
        folder.mkdir(mode=0o700)
        monkeypatch.setenv(name, str(folder))
    monkeypatch.delenv("SDR_GSC_BENCH", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def open_uri(own_folders):
    """Open radios by their address; all are closed at the end."""
    from hardware.registry import open_radio

    with contextlib.ExitStack() as stack:
        yield lambda uri, **settings: stack.enter_context(open_radio(uri, **settings))


@pytest.fixture
def may_transmit(own_folders):
    """A token that exempts whatever shows it from the bench file."""
    token = issue_token()
    yield token.text
    token.revoke()


@pytest.fixture
def open_pluto(libiio, emulated_pluto, open_uri, may_transmit):
    """Start an emulated Pluto that may transmit, and open it: the emulator and the radio."""

    def start(air=None, *, two_channels=False, clock_ppm=0.0, realtime=True, **settings):
        emulator = emulated_pluto(
            air, two_channels=two_channels, clock_ppm=clock_ppm, realtime=realtime, token=may_transmit
        )
        return emulator, open_uri(emulator.uri, **settings)

    return start
