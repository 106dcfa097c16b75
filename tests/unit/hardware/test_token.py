import os
import subprocess
import sys

import pytest

from hardware.emulation.token import is_ours, issue_token
from hardware.errors import RadioError


@pytest.fixture(autouse=True)
def runtime(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_a_token_holds_until_it_is_revoked():
    token = issue_token()
    assert is_ours(token.text)
    token.revoke()
    token.revoke()
    assert not is_ours(token.text)


def test_tokens_differ_and_live_apart():
    first, second = issue_token(), issue_token()
    assert first.text != second.text
    first.revoke()
    assert is_ours(second.text)


def test_only_the_user_can_read_it():
    token = issue_token()
    assert token.path.stat().st_mode & 0o777 == 0o600
    assert token.path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("text", ["", "x", "../../etc/passwd", "a\0b", "\udcff", "é" * 500])
def test_other_texts_are_not_ours(text):
    issue_token()
    assert not is_ours(text)


def test_a_folder_that_others_can_enter_vouches_for_nothing():
    token = issue_token()
    token.path.parent.chmod(0o755)
    assert not is_ours(token.text)
    with pytest.raises(RadioError, match="XDG_RUNTIME_DIR"):
        issue_token()


def test_a_file_that_others_can_read_vouches_for_nothing():
    token = issue_token()
    token.path.chmod(0o644)
    assert not is_ours(token.text)


def test_a_link_vouches_for_nothing(tmp_path):
    token = issue_token()
    elsewhere = tmp_path / "elsewhere"
    token.path.rename(elsewhere)
    token.path.symlink_to(elsewhere)
    assert not is_ours(token.text)


def test_the_token_of_a_dead_process_is_not_valid_and_is_swept_up():
    code = "from hardware.emulation.token import issue_token; t = issue_token(); print(t.text, t.path)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text, path = done.stdout.split()
    assert os.path.exists(path)
    assert not is_ours(text)
    issue_token()
    assert not os.path.exists(path)


def test_a_runtime_folder_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "missing"))
    assert not is_ours("x")
    with pytest.raises(RadioError, match="cannot make"):
        issue_token()


def test_without_a_runtime_folder_the_temporary_one_serves(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr("hardware.emulation.token.tempfile.gettempdir", lambda: str(tmp_path))
    token = issue_token()
    assert is_ours(token.text)
    assert token.path.parent.parent == tmp_path
