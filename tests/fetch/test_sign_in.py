"""Who is asked for a password, and where it goes."""

import io

import pytest

from sediff.errors import UserError
from sediff.fetch import server
from sediff.fetch.corpora import CORPORA
from tests.fetch.site import FILES, PASSWORD, USER, basic, fetch, held


def test_without_a_user_the_way_to_one_is_named(site, tmp_path, monkeypatch):
    site.password = basic(USER, PASSWORD)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    for user in (None, USER):
        if user:
            monkeypatch.setenv("PHYSIONET_USER", user)
        with pytest.raises(UserError, match=r"ludb 1.0.1 needs a PhysioNet account that is credentialed") as error:
            fetch(site, tmp_path)
        assert "https://physionet.org/content/ludb/1.0.1/" in str(error.value)
        assert "PHYSIONET_USER" in str(error.value)


def test_a_user_is_signed_in_and_the_password_kept_nowhere(site, tmp_path, monkeypatch, capsys):
    site.password = basic(USER, PASSWORD)
    monkeypatch.setenv("PHYSIONET_USER", USER)
    monkeypatch.setenv("PHYSIONET_PASSWORD", PASSWORD)
    line = fetch(site, tmp_path)
    assert held(tmp_path) == FILES
    assert "Authorization" not in site.requests[0][1], "a password is sent only where it is asked for"
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    said = capsys.readouterr()
    for secret in (PASSWORD.encode(), site.password.removeprefix("Basic ").encode()):
        assert not any(secret in text for text in [*written, line.encode(), said.out.encode(), said.err.encode()])


def test_a_user_on_a_terminal_is_asked(site, tmp_path, monkeypatch):
    site.password = basic(USER, PASSWORD)
    monkeypatch.setenv("PHYSIONET_USER", USER)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    questions = []
    monkeypatch.setattr("getpass.getpass", lambda question: questions.append(question) or PASSWORD)
    fetch(site, tmp_path)
    assert questions == [f"Password of {USER} at 127.0.0.1: "]
    # The listing is known now, and the first refusal comes from a file: the user is asked then.
    (tmp_path / "RECORDS").unlink()
    fetch(site, tmp_path)
    assert len(questions) == 2
    assert held(tmp_path) == FILES


def test_a_user_who_is_not_admitted_is_told_where_to_sign(site, tmp_path, monkeypatch):
    site.password = basic(USER, "another")
    monkeypatch.setenv("PHYSIONET_USER", USER)
    monkeypatch.setenv("PHYSIONET_PASSWORD", PASSWORD)
    with pytest.raises(UserError, match=r"answers 401: ludb 1.0.1 needs a credentialed account") as error:
        fetch(site, tmp_path)
    assert "sign at https://physionet.org/content/ludb/1.0.1/" in str(error.value)
    assert PASSWORD not in str(error.value)


def test_a_redirect_carries_no_password_to_another_host(site, other_site, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login netrc-user password netrc-password\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("PHYSIONET_USER", USER)
    monkeypatch.setenv("PHYSIONET_PASSWORD", PASSWORD)
    site.password, site.elsewhere = basic(USER, PASSWORD), other_site.url
    site.faults["data/1.dat"] = ["redirect"]
    fetch(site, tmp_path / "copy")
    assert held(tmp_path / "copy") == FILES
    assert [headers.get("Authorization") for headers in site.asked("data/1.dat")] == [site.password]
    sent = {headers.get("Authorization") for _, headers in site.requests}
    assert sent == {None, site.password}, "nothing of ~/.netrc"
    assert [headers.get("Authorization") for headers in other_site.asked("data/1.dat")] == [None]


def test_a_redirect_on_the_same_host_keeps_the_user(site, tmp_path, monkeypatch):
    monkeypatch.setenv("PHYSIONET_USER", USER)
    monkeypatch.setenv("PHYSIONET_PASSWORD", PASSWORD)
    site.password, site.elsewhere = basic(USER, PASSWORD), site.url
    site.faults["data/1.dat"] = ["redirect"]
    fetch(site, tmp_path)
    assert held(tmp_path) == FILES


def test_a_password_goes_to_no_mirror(tmp_path, monkeypatch):
    monkeypatch.setenv("PHYSIONET_USER", USER)
    monkeypatch.setenv("PHYSIONET_PASSWORD", PASSWORD)
    for address in (
        "https://mirror.example/files",
        "http://physionet.org/files",
        "https://physionet.org.example/files",
    ):
        mirror = server.Server(CORPORA["ludb"], address)
        with pytest.raises(UserError, match=r"wants a password, which is for https://physionet.org/files only"):
            mirror.sign_in()
    server.Server(CORPORA["ludb"], "https://physionet.org/files/").sign_in()
