"""What git writes to pre-receive, and everything it never would."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainverify.errors import BudgetExceeded, Malformed
from chainverify.formats import push
from chainverify.formats.push import RefUpdate, parse
from tests.world.repository import Repository

A, B, ZERO = b"a" * 40, b"b" * 40, b"0" * 40
WIDE = b"c" * 64


def line(ref: bytes, old: bytes = A, new: bytes = B) -> bytes:
    return old + b" " + new + b" " + ref + b"\n"


def test_updates_of_a_push() -> None:
    data = line(b"refs/heads/main") + line(b"refs/tags/v1", ZERO, B) + line(b"refs/x", A, ZERO) + line(b"refs/y", ZERO, ZERO)
    updates = parse(data, "sha1")
    assert updates == (
        RefUpdate("refs/heads/main", "a" * 40, "b" * 40),
        RefUpdate("refs/tags/v1", None, "b" * 40),
        RefUpdate("refs/x", "a" * 40, None),
        RefUpdate("refs/y", None, None),
    )
    assert [update.creates for update in updates] == [False, True, False, False]
    assert [update.deletes for update in updates] == [False, False, True, True]
    assert parse(b"", "sha1") == ()
    assert parse(line(b"refs/heads/m", b"0" * 64, WIDE), "sha256") == (RefUpdate("refs/heads/m", None, "c" * 64),)


def test_a_name_that_is_not_utf8_is_shown() -> None:
    assert parse(line(b"refs/heads/\xff\xc3\xa4"), "sha1")[0].ref == "refs/heads/\\xffä"


REFUSED = {
    "no final line end": line(b"refs/heads/main")[:-1],
    "empty line": b"\n",
    "empty line between": line(b"refs/a") + b"\n" + line(b"refs/b"),
    "carriage return": line(b"refs/heads/main\r"),
    "two spaces": A + b"  " + B + b" refs/heads/main\n",
    "tab": A + b"\t" + B + b" refs/heads/main\n",
    "two fields": A + b" refs/heads/main\n",
    "four fields": line(b"refs/heads/main refs/heads/other"),
    "upper case id": line(b"refs/heads/main", b"A" * 40),
    "short id": line(b"refs/heads/main", b"a" * 39),
    "id of SHA-256": line(b"refs/heads/main", WIDE, WIDE),
    "short zero": line(b"refs/heads/main", b"0"),
    "not under refs": line(b"HEAD"),
    "only refs": line(b"refs/"),
    "NUL": line(b"refs/heads/a\0b"),
    "escape": line(b"refs/heads/a\x1b[2J"),
    "DEL": line(b"refs/heads/a\x7f"),
    "two dots": line(b"refs/heads/../main"),
    "component with a leading dot": line(b"refs/heads/.main"),
    "empty component": line(b"refs/heads//main"),
    "slash at the end": line(b"refs/heads/main/"),
    "dot at the end": line(b"refs/heads/main."),
    "lock": line(b"refs/heads/main.lock"),
    "lock in the middle": line(b"refs/heads.lock/main"),
    "reflog": line(b"refs/heads/main@{1}"),
    "caret": line(b"refs/heads/main^"),
    "backslash": line(b"refs/heads/a\\b"),
    "glob": line(b"refs/heads/*"),
    "too long": line(b"refs/heads/" + b"a" * 5000),
    "twice": line(b"refs/heads/main") * 2,
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_refused(data: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        parse(data, "sha1")
    assert (caught.value.rule, caught.value.status) == ("usage", "fail")
    assert "\x1b" not in caught.value.message
    assert len(caught.value.message) < 300


def test_a_push_of_too_many_refs_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "MAX_UPDATES", 3)
    assert len(parse(b"".join(line(b"refs/%d" % n) for n in range(3)), "sha1")) == 3
    with pytest.raises(BudgetExceeded) as caught:
        parse(b"".join(line(b"refs/%d" % n) for n in range(4)), "sha1")
    assert caught.value.status == "unknown"


@pytest.mark.tool("git")
@given(st.binary(min_size=1, max_size=12))
def test_names_that_pass_are_names_that_git_stores(name: bytes) -> None:
    ref = b"refs/heads/" + name
    try:
        parse(line(ref), "sha1")
        ours = True
    except Malformed:
        ours = False
    if b"\0" in name:
        assert not ours
        return
    git = subprocess.run(["git", "check-ref-format", ref], check=False, capture_output=True).returncode == 0
    assert ours == git


@pytest.mark.tool("git")
def test_a_real_hook_is_fed_what_we_read(tmp_path: Path) -> None:
    server = Repository.create(tmp_path / "server", bare=True)
    hooks = server.git_dir / "hooks"
    hooks.mkdir(exist_ok=True)
    hook = hooks / "pre-receive"
    hook.write_text(f"#!/bin/sh\ncat > {tmp_path}/fed\n")
    hook.chmod(0o755)
    client = Repository.create(tmp_path / "client")
    oid = client.commit("one", {"a": b"1"})
    tag = client.tag("v1")
    client.git("push", "-q", str(server.path), "main", "v1", "main:refs/heads/b\u00e4r")
    found = {update.ref: update for update in parse((tmp_path / "fed").read_bytes(), "sha1")}
    assert found == {
        "refs/heads/main": RefUpdate("refs/heads/main", None, oid),
        "refs/tags/v1": RefUpdate("refs/tags/v1", None, tag),
        "refs/heads/bär": RefUpdate("refs/heads/bär", None, oid),
    }
    client.git("push", "-q", str(server.path), ":refs/tags/v1")
    assert parse((tmp_path / "fed").read_bytes(), "sha1") == (RefUpdate("refs/tags/v1", tag, None),)
