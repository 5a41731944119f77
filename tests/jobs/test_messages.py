"""Messages of stored commits: parents, reverts, encodings, and objects that cannot be read, over one pipelined reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from chainverify.git.ranges import commits
from chainverify.git.repository import Repository as Opened
from chainverify.jobs.messages import check_messages, judge_file
from chainverify.model.report import Finding
from chainverify.policy.model import MessagesPolicy
from tests.world.repository import Repository

pytestmark = pytest.mark.tool("git")

RULES = MessagesPolicy(tickets=("JIRA",))


def short(found: list[Finding]) -> list[tuple[str, str]]:
    return [(each.rule, each.status) for each in found]


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_history(tmp_path: Path, algorithm: str) -> None:
    repo = Repository.create(tmp_path / "repo", algorithm="sha256" if algorithm == "sha256" else "sha1")
    expected: list[tuple[str, str]] = []

    def commit(message: str, rule: str, status: str, **options: list[str]) -> str:
        expected.append((rule, status))
        return repo.commit(message, **options)

    first = commit("JIRA-1: first", "verified", "pass")
    old = commit("no ticket", "message-ticket", "fail")
    commit("Merge branch 'evil'", "message-ticket", "fail")
    commit(f'Revert "no ticket"\n\nThis reverts commit {old}.', "verified", "skip")
    commit(f'Revert "other"\n\nThis reverts commit {old}.', "message-ticket", "fail")
    commit(f'Reapply "no ticket"\n\nThis reverts commit {repo.git("rev-parse", "HEAD~1")}.', "verified", "skip")
    later = repo.commit("unreachable", parents=[first], ref=None)
    commit(f'Revert "unreachable"\n\nThis reverts commit {later}.', "message-ticket", "fail")
    tip = repo.git("rev-parse", "HEAD")
    commit("Merge of two", "verified", "skip", parents=[tip, first])
    opened = Opened.discover(repo.path)
    oids = commits(opened, ["HEAD"], [])
    found, counts = check_messages(opened, oids, RULES)
    assert counts == {"messages": len(expected)}
    assert sorted(short(found)) == sorted(expected)
    assert [each.subject.id for each in found] == list(oids)
    judged, _ = check_messages(opened, oids, RULES._replace(merges="judge", reverts="judge"))
    assert "skip" not in {each.status for each in judged}


def test_what_cannot_be_read_is_said_and_the_rest_is_judged(tmp_path: Path) -> None:
    repo = Repository.create(tmp_path / "repo")
    good = repo.commit("JIRA-1: x")
    broken = repo.write("commit", repo.read(good).replace(b"author ", b"auth0r "))
    blob = repo.write("blob", b"JIRA-1: x")
    missing = "1" * 40
    found, counts = check_messages(Opened.discover(repo.path), [broken, missing, good, blob], RULES)
    assert counts == {"messages": 4}
    assert short(found) == [
        ("commit-malformed", "fail"), ("object-missing", "unknown"), ("verified", "pass"), ("commit-malformed", "fail")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "message", "expected"),
    [
        (b"", b"JIRA-1: caf\xc3\xa9\n", [("verified", "pass")]),
        (b"", b"JIRA-1: caf\xe9\n", [("message-encoding", "fail")]),
        (b"encoding ISO-8859-1\n", b"JIRA-1: caf\xe9\n", [("verified", "pass")]),
        (b"encoding unicode_escape\n", b"\\x4aIRA-1: x\n", [("message-encoding", "fail"), ("message-ticket", "fail")]),
        (b"", b"\xff", [("message-encoding", "fail"), ("message-ticket", "fail")]),
        (b"", b"", [("message-subject", "fail")]),
        (b"", b"# no comment\n", [("message-ticket", "fail")]),
    ],
)
def test_stored_bytes(tmp_path: Path, header: bytes, message: bytes, expected: list[tuple[str, str]]) -> None:
    repo = Repository.create(tmp_path / "repo")
    raw = repo.read(repo.commit("x")).partition(b"\n\n")[0] + b"\n" + header + b"\n" + message
    found, _ = check_messages(Opened.discover(repo.path), [repo.write("commit", raw)], RULES)
    assert short(found) == expected
    if not header:
        assert short(judge_file(message, RULES)) == expected


def test_a_file_is_judged_as_it_is() -> None:
    (found,) = judge_file(b"# note\nJIRA-1: x\n", RULES, path="some/file")
    assert (found.rule, found.subject.id) == ("message-ticket", "some/file")
    assert found.location is not None
    assert (found.location.path, found.location.line) == ("some/file", 1)
