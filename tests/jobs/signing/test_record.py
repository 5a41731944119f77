"""Settings written into a file of git and taken out again: to the byte, whatever else the file holds."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainverify.errors import UsageError
from chainverify.git import config
from chainverify.jobs.signing import record, setup

pytestmark = pytest.mark.tool("git")

WANTED = {
    "gpg.format": "ssh", "user.signingkey": '/home/a b/"x".pub', "commit.gpgsign": "true", "tag.gpgsign": "true",
}  # fmt: skip
FILES = {
    "empty": b"",
    "other things": b"[core]\n\tbare = false\n[user]\n\tname = A\n",
    "no line end": b"[user]\n\tname = A",
    "CRLF": b"[user]\r\n\tname = A\r\n[gpg]\r\n\tformat = x509\r\n",
    "set before": b"[user]\n\tsigningkey = OLD\n[gpg]\n\tformat = openpgp\n[commit]\n\tgpgSign = false\n",
    "several values": b"[user]\n\tsigningKey = ONE\n\tname = A\n\tsigningKey = TWO\n[User]\n\tSIGNINGKEY = THREE ; last\n",
    "a name alone": b"[commit]\n\tgpgsign\n[tag] gpgsign\n",
    "comments": b"# mine\n[gpg] # here\n\tformat = openpgp # why\n;[user]\n[user] name = A\n\n\n# end",
    "subsections": b'[gpg "ssh"]\n\tallowedSignersFile = ~/x\n[gpg "x509"]\n\tprogram = smimesign\n',
    "an include after": b"[user]\n\tname = A\n[include]\n\tpath = more\n",
    "folded lines": b'[user]\n\tsigningkey = "a\\\n b"\n\tname = x\\\n y\n',
    "not UTF-8": b"[user]\n\tname = J\xf6rg\n\tsigningkey = \xff\xfe\n",
}


@pytest.mark.parametrize("before", FILES.values(), ids=FILES.keys())
def test_what_was_written_is_set_and_undone_to_the_byte(before: bytes) -> None:
    after = record.write(before, WANTED)
    assert config.values(after, WANTED) == {name: (value,) for name, value in WANTED.items()}
    undone = record.undo(after)
    assert (undone.data, undone.exact, undone.kept) == (before, True, ())
    again = record.undo(undone.data)
    assert (again.data, again.found) == (before, False)


def test_a_file_that_was_not_there_goes_again() -> None:
    assert record.undo(record.write(None, WANTED)).data is None
    assert record.undo(None) == record.Undone(None, found=False)
    # one that has got something else stays
    assert record.undo(record.write(None, WANTED) + b"[alias]\n\tx = y\n").data == b"[alias]\n\tx = y\n"


@pytest.mark.parametrize("before", FILES.values(), ids=FILES.keys())
def test_setting_up_again_keeps_the_way_back(before: bytes, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(before)
    for key in ("first", "second", "second"):
        setup.write(path, {**WANTED, "user.signingkey": key})
        assert config.values(path.read_bytes(), ("user.signingkey",)) == {"user.signingkey": (key,)}
    content = path.read_bytes()
    setup.write(path, {**WANTED, "user.signingkey": "second"})
    assert path.read_bytes() == content
    done = setup.undo(path)
    assert (done.found, done.exact, path.read_bytes()) == (True, True, before)
    done = setup.undo(path)
    assert (done.found, path.read_bytes()) == (False, before)


def git(path: Path, *arguments: str) -> None:
    subprocess.run(["git", "config", "--file", path, *arguments], check=True, timeout=60)


def test_what_others_set_in_between_stays(tmp_path: Path) -> None:
    path = tmp_path / "config"
    before = FILES["several values"]
    path.write_bytes(before)
    setup.write(path, WANTED)
    git(path, "alias.before", "x")
    path.write_bytes(b"[core]\n\tabbrev = 7\n" + path.read_bytes())
    git(path, "user.email", "a@example.org")
    done = setup.undo(path)
    assert (done.found, done.exact, done.kept) == (True, False, ())
    assert set(done.restored) == set(WANTED)
    values = config.values(path.read_bytes(), (*WANTED, "alias.before", "core.abbrev", "user.email", "user.name", record.KEY))
    assert values == {
        "gpg.format": (), "user.signingkey": ("ONE", "TWO", "THREE"), "commit.gpgsign": (), "tag.gpgsign": (),
        "alias.before": ("x",), "core.abbrev": ("7",), "user.email": ("a@example.org",), "user.name": ("A",), record.KEY: (),
    }  # fmt: skip
    assert b"chainverify" not in path.read_bytes()


def test_what_the_user_changed_afterwards_is_left_alone_and_told(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(FILES["set before"])
    setup.write(path, WANTED)
    git(path, "user.signingkey", "MINE")
    git(path, "--unset", "tag.gpgsign")
    git(path, "commit.gpgsign", "false")  # as it was before: nothing to keep, nothing to set back
    done = setup.undo(path)
    assert [(each.name, each.values) for each in done.kept] == [("user.signingkey", ("MINE",))]
    assert set(done.restored) == {"gpg.format"}
    assert config.values(path.read_bytes(), WANTED) == {
        "gpg.format": ("openpgp",), "user.signingkey": ("MINE",), "commit.gpgsign": ("false",), "tag.gpgsign": (),
    }  # fmt: skip
    # a later setup takes what the user has now as what was before
    setup.write(path, WANTED)
    setup.undo(path)
    assert config.values(path.read_bytes(), ("user.signingkey",)) == {"user.signingkey": ("MINE",)}


def test_a_name_alone_comes_back_as_what_it_means(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(FILES["a name alone"])
    setup.write(path, {**WANTED, "commit.gpgsign": "false"})
    path.write_bytes(b"[x]\n\ty = z\n" + path.read_bytes())
    assert not setup.undo(path).exact
    assert config.values(path.read_bytes(), ("commit.gpgsign",)) == {"commit.gpgsign": ("true",)}


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text.replace('\\"version\\": 1', '\\"version\\": 2'), "expected version 1"),
        (lambda text: text.replace("tag.gpgsign", "core.sshcommand"), "names settings that are never set"),
        (lambda text: text.replace('\\"at\\": 0', '\\"at\\": -1'), "expected the number of a line"),
        (lambda text: text.replace('before = "{', 'before = "'), "not valid JSON"),
        (lambda text: text + '[chainverify "sign-setup"]\n\tbefore = {}\n', "expected one record"),
        (lambda text: text.replace('\\"lines\\"', '\\"rows\\"'), "lines"),
    ],
)
def test_a_damaged_record_is_not_followed(damage: object, words: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    text = record.write(None, {"tag.gpgsign": "true"}).decode()
    changed = damage(text)  # type: ignore[operator] # a function of the table
    assert changed != text
    path.write_text(changed)
    with pytest.raises(UsageError, match=words):
        setup.undo(path)
    assert path.read_text() == changed


def test_the_record_may_not_reach_other_settings(tmp_path: Path) -> None:
    """Whoever writes the file could write the setting itself; but a record that was pasted must not smuggle one."""
    path = tmp_path / "config"
    text = record.write(None, {"tag.gpgsign": "true"}).decode()
    for smuggled in (r"[core]\\n\\tsshCommand = x\\n", r"[tag]\\n\\tgpgsign = false\\n", r"[broken\\n"):
        path.write_text(text.replace(r'\"old\": []', rf'\"old\": [\"{smuggled}\"]'))
        assert smuggled in path.read_text()
        done = setup.undo(path)
        assert (done.found, done.exact, done.restored, path.exists()) == (True, False, ("tag.gpgsign",), False)


def test_a_link_stays_one_and_permissions_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles", tmp_path / ".gitconfig"
    real.write_bytes(FILES["other things"])
    real.chmod(0o600)
    link.symlink_to(real)
    setup.write(link, WANTED)
    assert link.is_symlink()
    assert b"gpgsign" in real.read_bytes()
    assert real.stat().st_mode & 0o777 == 0o600
    setup.undo(link)
    assert real.read_bytes() == FILES["other things"]


def test_git_s_own_lock_is_honoured(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(b"")
    lock = tmp_path / "config.lock"
    lock.touch()
    with pytest.raises(UsageError, match="another program is changing"):
        setup.write(path, WANTED)
    lock.unlink()
    with pytest.raises(UsageError, match="changed meanwhile"):
        config.replace(path, b"something else", b"")
    assert not lock.exists()
    assert path.read_bytes() == b""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(b"")
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="cannot write"):
        setup.write(path, WANTED)
    tmp_path.chmod(0o700)


_NAMES = ("user.name", "user.signingkey", "gpg.format", "commit.gpgsign", "tag.gpgsign", "core.x")
_LINES = st.one_of(
    st.sampled_from((b"# a comment\n", b"\n", b"; [user]\n", b"[user]\n", b"[gpg]\n", b"[commit]\n", b"[tag]\n", b'[gpg "ssh"]\n',
                     b"[core]\n", b"[USER] name = x\n", b"\t \n")),
    st.builds(
        lambda name, value, end: b"\t" + name.rpartition(".")[2].encode() + b" = " + value + end,
        st.sampled_from(_NAMES), st.sampled_from((b"a", b'"a b"', b"true", b"x # y", b"")), st.sampled_from((b"\n", b"\r\n")),
    ),
)  # fmt: skip


@settings(max_examples=40)
@given(st.lists(_LINES, max_size=14), st.booleans())
def test_any_file_comes_back(lines: list[bytes], whole: bool) -> None:
    before = b"[core]\n" + b"".join(lines)
    before = before if whole else before.rstrip(b"\r\n")
    after = record.write(before, WANTED)
    assert config.values(after, WANTED) == {name: (value,) for name, value in WANTED.items()}
    undone = record.undo(after)
    assert undone.data == before
    assert undone.exact
