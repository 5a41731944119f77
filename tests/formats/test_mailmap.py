"""The mailmap beside git's own reading of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainverify.formats.mailmap import Mailmap
from tests.world.repository import Repository

NAMES = ("Alice", "alice", "Bob Example", "\u00c9mile", "\u00e9mile", "")
ADDRESSES = ("a@x.org", "A@X.org", "b@x.org", "c@y.org", "\u212a@x.org", "k@x.org")


def read(data: bytes) -> Mailmap:
    found = Mailmap()
    found.add(data)
    return found


NAME = st.sampled_from(["Alice", "alice", "Bob Example", " Carol  ", "\u00c9mile", "", "#x"])
ADDRESS = st.sampled_from([
    "<a@x.org>", "<A@x.org>", "<b@x.org>", "<c@y.org>", "<>", "a@x.org", "<k@x.org>", "<b@x.org", "<\u212a@x.org>",
])
LINE = st.lists(st.one_of(NAME, ADDRESS), max_size=5).map(" ".join)


@pytest.mark.tool("git")
def test_identities_lead_where_git_says(tmp_path: Path) -> None:
    repo = Repository.create(tmp_path / "repo")
    wanted = [(name, address) for name in NAMES for address in ADDRESSES]
    asked = "".join(f"{name} <{address}>\n" for name, address in wanted).encode()

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(LINE, max_size=8).map(lambda lines: "\n".join(lines).encode()))
    def run(data: bytes) -> None:
        (repo.path / "map").write_bytes(data)
        printed = repo.run("-c", "mailmap.file=map", "check-mailmap", "--stdin", stdin=asked).stdout.decode().splitlines()
        mapped = read(data)
        for (name, address), line in zip(wanted, printed, strict=True):
            ours = mapped.mapped(name, address)
            assert f"{ours[0]} <{ours[1]}>".lstrip() == line.lstrip(), (data, name, address)

    run()


def test_the_people_of_a_policy() -> None:
    mailmap = read(b"Alice <alice@example.org> <alice@old.example>\n")
    mailmap.person(("alice@work.example", "alice@example.org"))
    mailmap.person(("bob@example.org",))
    for address in ("alice@old.example", "ALICE@example.org", "alice@work.example"):
        assert mailmap.mapped("x", address)[1] == "alice@work.example"
    assert mailmap.mapped("x", "bob@example.org") == ("x", "bob@example.org")
    assert mailmap.mapped("x", "eve@example.org") == ("x", "eve@example.org")


@pytest.mark.parametrize("data", [b"<" * 1_000_000, b"<a>" * 300_000, b"\n" * 1_000_000, b"\xff" * 1_000_000, b"\0<a> <b>"])
def test_hostile_bytes_are_read_in_time(data: bytes) -> None:
    start = time.process_time()
    read(data).mapped("a", "b")
    assert time.process_time() - start < 3
