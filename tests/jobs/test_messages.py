"""Messages of stored commits: parents, reverts, encodings, and objects that cannot be read, over one pipelined reader."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from chainverify.errors import BudgetExceeded
from chainverify.git.ranges import commits
from chainverify.git.repository import Repository as Opened
from chainverify.jobs import messages
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

    def tip() -> str:
        return repo.git("rev-parse", "HEAD")

    expected.append(("message-ticket", "fail"))  # what was unreachable no longer is
    commit("Merge of two", "verified", "skip", parents=[tip(), later])
    commit("JIRA-3: merge of two", "verified", "pass", parents=[tip(), first])
    commit("No merge", "message-ticket", "fail", parents=[tip(), first])
    commit("Nothing joined", "message-ticket", "fail", parents=[tip(), first, old])
    expected.append(("message-ticket", "fail"))
    side = repo.commit("side", parents=[first], ref=None)
    commit("Octopus with a side", "verified", "skip", parents=[tip(), first, side])
    expected.append(("message-ticket", "fail"))
    ahead = repo.commit("ahead", parents=[tip()], ref=None)
    commit("A merge --no-ff", "verified", "skip", parents=[tip(), ahead])
    expected.append(("verified", "pass"))
    other = repo.commit("JIRA-4: x", parents=[first], ref=None)
    commit("Merge with \u202e", "message-characters", "fail", parents=[tip(), other])
    commit(f'Revert "no ticket"\n\nThis reverts commit {old}.\n\x1b[2K', "message-characters", "fail")
    opened = Opened.discover(repo.path)
    oids = commits(opened, ["HEAD"], [])
    found, counts = check_messages(opened, oids, RULES)
    assert counts == {"messages": len(expected)}
    assert sorted(short(found)) == sorted(expected)
    assert [each.subject.id for each in found] == list(oids)
    judged, _ = check_messages(opened, oids, RULES._replace(merges="judge", reverts="judge"))
    assert "skip" not in {each.status for each in judged}


def test_lookups_of_reverts_and_merges_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Repository.create(tmp_path / "repo")
    first = repo.commit("JIRA-1: first")
    text = f'Revert "JIRA-1: first"\n\nThis reverts commit {first}.'
    reverts = [repo.commit(f"{text}\n{number}") for number in range(5)]
    fakes = [repo.commit(f"No merge {number}", parents=[repo.git("rev-parse", "HEAD"), first]) for number in range(5)]
    opened = Opened.discover(repo.path)
    skip, fail = ("verified", "skip"), ("message-ticket", "fail")
    monkeypatch.setattr(messages, "LOOKUPS_MAX", 3)
    assert short(check_messages(opened, reverts, RULES)[0]) == [skip] * 3 + [fail] * 2
    monkeypatch.setattr(messages, "LOOKUPS_MAX", 200)
    monkeypatch.setattr(messages, "WALKS_MAX", 2)
    assert short(check_messages(opened, reverts, RULES)[0]) == [skip] * 5
    assert short(check_messages(opened, fakes, RULES)[0]) == [fail] * 2 + [skip] * 3
    monkeypatch.setattr(messages, "NEAR", 3)  # the commit itself and two before it
    assert short(check_messages(opened, reverts, RULES)[0]) == [skip] * 4 + [fail]


def test_large_messages_cost_little(tmp_path: Path) -> None:
    repo = Repository.create(tmp_path / "repo")
    head = repo.read(repo.commit("x")).partition(b"\n\n")[0] + b"\n\n"
    texts = [
        b"JIRA-1: x\n" + b"y\n" * (6 << 20), b"JIRA-1: x\n\n" + "\u202e".encode() * (4 << 20), b"y" * (12 << 20),
        b'Revert "x"\n\n' + b"This reverts commit \n" * (600 << 10),
    ]  # fmt: skip
    oids = [repo.write("commit", head + text) for text in texts]
    opened = Opened.discover(repo.path)
    start = time.process_time()
    found, _ = check_messages(opened, oids, RULES._replace(pattern="^JIRA", body_line_max=72))
    assert time.process_time() - start < 2  # it is 0.5 s here; the subjects alone took ten times as long
    large = {"message-characters", "message-body", "message-encoding"}
    assert [large <= {each.rule for each in found if each.subject.id == oid} for oid in oids] == [True] * 4
    last = [{each.rule for each in found if each.subject.id == oid} - large for oid in oids]
    form = {"message-ticket", "message-pattern"}
    assert last == [{"message-subject", "message-pattern"}, set(), {"message-subject", *form}, form]



def test_progress_may_end_the_check(tmp_path: Path) -> None:
    repo = Repository.create(tmp_path / "repo")
    oids = [repo.commit(f"JIRA-{number}: x") for number in range(3)]
    seen: list[tuple[int, int]] = []
    check_messages(Opened.discover(repo.path), oids, RULES, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]

    def late(done: int, total: int) -> None:
        if done == 2:
            raise BudgetExceeded("too late")

    with pytest.raises(BudgetExceeded, match="too late"):
        check_messages(Opened.discover(repo.path), oids, RULES, progress=late)


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


def test_the_message_of_a_malformed_commit_is_judged_all_the_same(tmp_path: Path) -> None:
    """A policy that only advises `commit-malformed` does not thereby let every message in."""
    repo = Repository.create(tmp_path / "repo")
    raw = repo.read(repo.commit("no ticket"))
    for spoilt in (raw.replace(b"author ", b"auth0r "), raw.replace(b"\n\n", b"\ntree " + b"0" * 40 + b"\n\n"), raw[:46]):
        found, _ = check_messages(Opened.discover(repo.path), [repo.write("commit", spoilt)], RULES)
        assert ("commit-malformed", "fail") in short(found)
        assert ("message-ticket", "fail") in short(found)


@pytest.mark.parametrize(
    ("header", "message", "expected"),
    [
        (b"", b"JIRA-1: caf\xc3\xa9\n", [("verified", "pass")]),
        (b"", b"JIRA-1: caf\xe9\n", [("message-encoding", "fail")]),
        (b"encoding ISO-8859-1\n", b"JIRA-1: caf\xe9\n", [("verified", "pass")]),
        (b"encoding unicode_escape\n", b"\\x4aIRA-1: x\n", [("message-encoding", "fail"), ("message-ticket", "fail")]),
        (b"", b"\xff", [("message-encoding", "fail"), ("message-ticket", "fail")]),
        (b"", b"", [("message-subject", "fail"), ("message-ticket", "fail")]),
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
