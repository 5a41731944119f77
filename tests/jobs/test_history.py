"""Verdicts on real histories, end to end: selection, signatures by real keys, workers, cuts, damage, and attacks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import NamedTuple

import pytest

from chainverify.errors import PolicyError, UsageError
from chainverify.git.repository import Repository
from chainverify.jobs import history, parallel
from chainverify.jobs.history import Selection, Verdicts
from chainverify.model.report import Finding
from chainverify.model.signing import KeyMaterial, SigningMaterial
from chainverify.policy.model import CommitsPolicy, Policy, Signer
from chainverify.signatures import backends
from tests.world.bulk import EMAIL, NAME, make, ssh_signer
from tests.world.bulk import Signer as Maker
from tests.world.repository import ALICE, BOB, START, signed_commit
from tests.world.repository import Repository as World
from tests.world.ssh import SshKey

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen")]

NOW = START + 10_000_000


class Keys(NamedTuple):
    alice: SshKey
    bob: SshKey
    mallory: SshKey


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    root = tmp_path_factory.mktemp("keys")
    return Keys(*(SshKey.create(root, name) for name in Keys._fields))


def policy_of(tags: str = "off", **commits: object) -> Policy:
    people = (Signer(ALICE.name, (ALICE.email,)), Signer(BOB.name, (BOB.email,)))
    return Policy("p", "d", CommitsPolicy(**commits), tags, people)  # type: ignore[arg-type]


def material_of(keys: Keys) -> SigningMaterial:
    return SigningMaterial(ssh=(
        KeyMaterial(ALICE.name, keys.alice.public.encode(), "signers[0].ssh[0]"),
        KeyMaterial(BOB.name, keys.bob.public.encode(), "signers[1].ssh[0]"),
    ))


def judge(path: Path, keys: Keys, *revisions: str, policy: Policy | None = None, environ: dict[str, str] | None = None,
          **options: object) -> Verdicts:
    repo = Repository.discover(path, environ)
    policy = policy or policy_of()
    selection = history.select(repo, revisions, policy)
    return history.check_commits(repo, selection, policy, material_of(keys), NOW, **options)  # type: ignore[arg-type]


def rules(verdicts: Verdicts) -> list[str]:
    return [finding.rule for finding in verdicts.findings]


def by_id(verdicts: Verdicts) -> dict[str, str]:
    assert len({finding.subject.id for finding in verdicts.findings}) == len(verdicts.findings)
    return {finding.subject.id: finding.rule for finding in verdicts.findings}


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
@pytest.mark.parametrize("bare", [True, False])
def test_each_kind_of_commit(tmp_path: Path, keys: Keys, algorithm: str, bare: bool) -> None:
    world = World.create(tmp_path / "r", bare=bare, algorithm=algorithm)  # type: ignore[arg-type]
    expected = {
        world.commit("root", {"a": b"1"}, key=keys.alice): "verified",
        world.commit("by bob", {"a": b"2"}, key=keys.bob, author=BOB): "verified",
        world.commit("unsigned", {"a": b"3"}): "commit-unsigned",
        world.commit("unknown key", {"a": b"4"}, key=keys.mallory): "signer-unknown",
        world.commit("bob as alice", {"a": b"5"}, key=keys.bob): "identity-mismatch",
    }
    good = world.read(world.commit("good", {"a": b"6"}, key=keys.alice, ref=None, parents=[world.tip() or ""]))
    forged = world.write("commit", good.replace(b"\n\ngood", b"\n\nevil"))
    world.update("HEAD", forged)
    expected[forged] = "signature-bad"
    found = judge(world.path, keys)
    assert by_id(found) == expected
    assert found.counts == {"commits": 6}
    assert [finding.subject.id for finding in found.findings] == list(expected)
    assert found.findings[0].subject.title == "root"


def test_swapped_keys_are_all_found(tmp_path: Path, keys: Keys) -> None:
    world = World.create(tmp_path / "r", bare=True)
    oids = [world.commit(f"c{at}", tree=world.tree({}), key=keys.alice if at % 5 else keys.mallory) for at in range(20)]
    assert by_id(judge(world.path, keys)) == {oid: "verified" if at % 5 else "signer-unknown" for at, oid in enumerate(oids)}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> tuple[World, list[str]]:
    """Unsigned, then the introduction, then a signed line with a merged side branch."""
    world = World.create(tmp_path_factory.mktemp("line") / "r")
    oids = [world.commit(f"c{at}", {"a": str(at)}, key=keys.alice if at > 1 else None) for at in range(5)]
    oids.append(world.commit("side", {"s": b""}, key=keys.bob, author=BOB, ref="refs/heads/side", parents=[oids[2]]))
    oids.append(world.merge("merge", oids[5], key=keys.alice))
    return world, oids


def test_ranges_mean_what_git_means(line: tuple[World, list[str]]) -> None:
    world, oids = line
    repo = Repository.discover(world.path)
    for revisions in (["HEAD"], ["HEAD~1..HEAD"], ["side"], ["^side", "HEAD"], ["side..HEAD~1", "side"], ["side...HEAD~1"],
                      ["HEAD^!"], ["..side"], ["side.."], [oids[4][:10]], ["^side HEAD"], ["HEAD..HEAD"]):
        words = [word for revision in revisions for word in revision.split()]
        assert set(history.select(repo, revisions, policy_of()).oids) == set(world.git("rev-list", *words).split()), revisions
    assert set(history.select(repo, [], policy_of()).oids) == set(oids)


@pytest.mark.parametrize("revision", ["nope", "--all", "^HEAD", "HEAD^{tree}", "", "HEAD..nope", "-n1", "HEAD:a"])
def test_what_is_no_range(line: tuple[World, list[str]], revision: str) -> None:
    with pytest.raises(UsageError):
        history.select(Repository.discover(line[0].path), [revision], policy_of())


def test_introduction(line: tuple[World, list[str]], keys: Keys) -> None:
    world, oids = line
    policy = policy_of(introduction=oids[1])
    assert set(by_id(judge(world.path, keys, policy=policy))) == set(oids[2:])
    assert set(rules(judge(world.path, keys, policy=policy))) == {"verified"}
    assert set(by_id(judge(world.path, keys, "side", policy=policy))) == {oids[2], oids[5]}
    before = judge(world.path, keys, oids[0], policy=policy)
    assert (before.findings, before.counts) == ([], {"commits": 0})


def test_another_history_is_not_anchored(line: tuple[World, list[str]], keys: Keys, tmp_path: Path) -> None:
    world = World.clone(line[0].path, tmp_path / "c")
    policy = policy_of(introduction=line[1][1])
    orphan = world.commit("orphan", {"a": b"1"}, key=keys.alice, parents=(), ref="refs/heads/orphan")
    assert rules(judge(world.path, keys, "orphan", policy=policy)) == ["history-not-anchored", "verified"]
    assert rules(judge(world.path, keys, f"HEAD..{orphan}", policy=policy)) == ["history-not-anchored", "verified"]
    found = judge(world.path, keys, policy=policy_of(introduction="1" * 40))
    assert rules(found)[0] == "history-not-anchored"
    assert len(found.findings) == 1 + len(line[1])


def test_a_wrong_clock_does_not_unanchor_history(tmp_path: Path, keys: Keys) -> None:
    world = World.create(tmp_path / "r")
    oids = [world.commit("unsigned past", {"a": "0"}), world.commit("introduction", {"a": "1"})]
    oids += [world.commit(f"c{at}", {"a": f"x{at}"}, key=keys.alice, when=1_000_000_000 + at) for at in range(15)]
    side = world.commit("side", {"s": "1"}, key=keys.alice, ref="refs/heads/side", parents=[oids[1]])
    early = world.commit("early", {"e": "1"}, key=keys.alice, ref="refs/heads/early", parents=[oids[0]])
    policy = policy_of(introduction=oids[1])
    assert world.git("rev-list", oids[1], f"^{oids[-1]}") != "", "git's walk is not led astray: nothing is tested"
    found = judge(world.path, keys, policy=policy)
    assert by_id(found) == dict.fromkeys(oids[2:], "verified")
    # a range that leaves the skewed line out holds what is new, and not the unsigned past again
    assert by_id(judge(world.path, keys, "main..side", policy=policy)) == {side: "verified"}
    assert by_id(judge(world.path, keys, "main..side")) == {side: "verified"}
    merge = world.commit("merge", {"m": "1"}, key=keys.alice, ref=None, parents=[oids[-1], early])
    assert by_id(judge(world.path, keys, f"main..{merge}")) == {merge: "verified", early: "verified"}
    assert rules(judge(world.path, keys, "main..early", policy=policy)) == ["history-not-anchored", "verified"]


def test_anchors_over_damaged_history(tmp_path: Path, keys: Keys) -> None:
    """Where git refuses to tell ancestry over a damaged commit, raw parents do."""
    world = World.create(tmp_path / "r")
    root = world.commit("root", {"a": b"1"})
    tree = world.git("rev-parse", f"{root}^{{tree}}")
    bad = world.write("commit", f"tree {tree}\nparent {root}\nauthor broken\n\nx".encode())
    tip = world.commit("tip", {"a": "2"}, key=keys.alice, ref=None, parents=[root])
    tip = world.write("commit", world.read(tip).replace(b"parent " + root.encode(), b"parent " + bad.encode()))
    found = judge(world.path, keys, tip, policy=policy_of(introduction=root))
    assert "history-not-anchored" not in rules(found)
    assert by_id(found)[bad] == "commit-malformed"


def test_exceptions_are_skipped_by_exact_id(line: tuple[World, list[str]], keys: Keys) -> None:
    world, oids = line
    found = judge(world.path, keys, policy=policy_of(exceptions=frozenset(oids[:1])))
    assert [(one.status, one.waived) for one in found.findings if one.subject.id == oids[0]] == [("skip", "[commits] exceptions")]
    assert by_id(found)[oids[1]] == "commit-unsigned"


def test_no_commits_yet(tmp_path: Path, keys: Keys) -> None:
    world = World.create(tmp_path / "r")
    assert judge(world.path, keys).counts == {"commits": 0}


def test_shallow_partial_and_grafted_are_undecided(line: tuple[World, list[str]], keys: Keys, tmp_path: Path) -> None:
    source, oids = line
    source.configure(uploadpack__allowFilter="true")
    shallow = World.clone(f"file://{source.path}", tmp_path / "s", "--depth=1")
    partial = World.clone(f"file://{source.path}", tmp_path / "p", "--filter=tree:0", "--no-checkout")
    grafted = World.clone(source.path, tmp_path / "g")
    (grafted.git_dir / "info").mkdir(exist_ok=True)
    (grafted.git_dir / "info/grafts").write_text(f"{oids[-1]}\n")
    for world, judged in ((shallow, 1), (partial, len(oids)), (grafted, len(oids))):
        found = judge(world.path, keys)
        cut = [one for one in found.findings if one.rule == "history-incomplete"]
        assert {one.status for one in cut} == {"unknown"}
        assert found.counts == {"commits": judged}
    assert "history-incomplete" in rules(judge(shallow.path, keys, policy=policy_of(introduction=oids[1])))
    assert "history-not-anchored" not in rules(judge(shallow.path, keys, policy=policy_of(introduction=oids[1])))


def test_a_hidden_cut_is_found_by_the_raw_parents(line: tuple[World, list[str]], keys: Keys) -> None:
    """Whatever led the walk astray: a parent that was neither judged nor excluded is told."""
    world, oids = line
    repo = Repository.discover(world.path)

    def check(*arguments: tuple[str, ...]) -> list[Finding]:
        found = history.check_commits(repo, Selection(*arguments), policy_of(), material_of(keys), NOW)
        return [one for one in found.findings if one.rule == "history-incomplete"]

    assert check(tuple(oids)) == []
    assert [one.status for one in check(tuple(oids[2:]))] == ["unknown"]
    assert check(tuple(oids[2:]), (oids[1],)) == []
    assert len(check(tuple(oids[3:]), (oids[1],))) == 1
    assert len(check((*oids[:3], *oids[4:]))) == 1


def put_in_place(world: World, oid: str, raw: bytes) -> None:
    """Another commit where git looks for this one, as a copied git directory may hold it: git only checks what it receives."""
    path = world.git_dir / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    path.write_bytes(zlib.compress(b"commit %d\0" % len(raw) + raw))


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
@pytest.mark.parametrize("damaged", ["what is excluded", "its past"])
def test_an_object_under_another_id_excludes_nothing(tmp_path: Path, keys: Keys, damaged: str, algorithm: str) -> None:
    """git's walk follows the parents of whatever lies under an id: an unsigned commit seems to be older than the introduction."""
    world = World.create(tmp_path / "repo", algorithm=algorithm)  # type: ignore[arg-type]
    root = world.commit("root", key=keys.alice)
    introduction = world.commit("introduction", key=keys.alice)
    base = world.commit("base", key=keys.alice)
    evil = world.commit("not signed")
    side = world.commit("side", ref="refs/heads/side", parents=[evil], key=keys.alice)
    tip = world.commit("tip", key=keys.alice)
    anchored = policy_of(introduction=introduction)
    assert rules(judge(world.path, keys, policy=anchored)) == ["verified", "commit-unsigned", "verified"]
    assert "history-incomplete" not in rules(judge(world.path, keys, f"{tip}~2..{tip}"))
    liar = introduction if damaged == "what is excluded" else root
    raw = world.read(liar)
    start, committed = raw.split(b"author ", 1)
    put_in_place(world, liar, start + b"parent " + evil.encode() + b"\nauthor " + committed)
    for revisions, policy in [((), anchored), ((f"{base}..{tip}",), policy_of()), ((side, f"{introduction}..{tip}"), anchored)]:
        found = rules(judge(world.path, keys, *revisions, policy=policy))
        assert "commit-unsigned" in found or "history-incomplete" in found


def test_a_tip_that_only_seems_to_be_excluded_is_undecided(tmp_path: Path, keys: Keys) -> None:
    """Beside another tip that is good, it would be left out without a word."""
    world = World.create(tmp_path / "repo")
    root = world.commit("root", key=keys.alice)
    base = world.commit("base", key=keys.alice)
    world.commit("good", key=keys.alice)
    evil = world.commit("not signed", ref="refs/heads/evil", parents=[base])
    words = ("HEAD", "evil", f"^{base}")
    assert sorted(rules(judge(world.path, keys, *words))) == ["commit-unsigned", "verified"]
    assert rules(judge(world.path, keys, "HEAD", "HEAD~1", f"^{base}")) == ["verified"]
    raw = world.read(root)
    put_in_place(world, root, raw.replace(b"author ", b"parent " + evil.encode() + b"\nauthor ", 1))
    assert rules(judge(world.path, keys, *words)) == ["verified", "history-incomplete"]


def test_replace_refs_change_nothing(line: tuple[World, list[str]], keys: Keys, tmp_path: Path) -> None:
    world = World.clone(line[0].path, tmp_path / "c")
    world.git("replace", line[1][0], line[1][2])
    world.git("replace", "--graft", line[1][3])
    assert by_id(judge(world.path, keys)) == by_id(judge(line[0].path, keys))


def loose(world: World) -> World:
    """The repository with every object in a file of its own, so that one can be taken away."""
    for pack in (world.git_dir / "objects/pack").glob("*.pack"):
        data = pack.read_bytes()
        for part in pack.parent.glob(f"{pack.stem}.*"):
            part.unlink()
        world.git("unpack-objects", "-q", stdin=data)
    return world


def object_file(world: World, oid: str) -> Path:
    return world.git_dir / "objects" / oid[:2] / oid[2:]


def damage(world: World, oid: str, how: str) -> None:
    path = object_file(world, oid)
    path.chmod(0o644)
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(b"" if how == "empty" else path.read_bytes()[:20] + b"damage")


def test_missing_objects_are_undecided_and_the_rest_is_judged(line: tuple[World, list[str]], keys: Keys, tmp_path: Path) -> None:
    world = loose(World.clone(line[0].path, tmp_path / "c", "--no-hardlinks"))
    gone = line[1][3]
    damage(world, gone, "missing")
    found = {one.subject.id: (one.rule, one.status) for one in judge(world.path, keys).findings}
    assert found[gone] == ("object-missing", "unknown")
    assert found[line[1][6]] == found[line[1][4]] == found[line[1][2]] == ("verified", "pass")


@pytest.mark.parametrize("how", ["missing", "empty", "damaged"])
def test_what_is_missing_before_the_introduction_leaves_it_open(keys: Keys, tmp_path: Path, how: str) -> None:
    """A lost commit hides whether the tip descends from the introduction: a question, not another history."""
    world = World.create(tmp_path / "r")
    oids = [world.commit(f"c{at}", {"a": str(at)}, key=keys.alice) for at in range(7)]
    policy = policy_of(introduction=oids[2])
    damage(world, oids[4], how)
    found = judge(world.path, keys, policy=policy)
    assert {one.rule for one in found.findings if one.status == "fail"} == set()
    told = {one.subject.id: one for one in found.findings if one.status == "unknown" and one.rule == "history-incomplete"}
    assert oids[4] in told[oids[6]].message
    assert "git fsck" in told[oids[6]].hint
    assert "introduction" not in told[oids[6]].hint
    assert [one.status for one in found.findings if one.rule == "object-missing"] == ["unknown"]
    # a range that does not hold the lost commit is as open
    assert [(one.rule, one.status) for one in judge(world.path, keys, "HEAD^!", policy=policy).findings] == [
        ("history-incomplete", "unknown"), ("verified", "pass"),
    ]
    # where all that is needed can be read nothing is open
    assert rules(judge(world.path, keys, oids[3], policy=policy)) == ["verified"]
    # and a history that can be read whole, without the introduction, is another one
    orphan = world.write("commit", world.read(oids[0]).replace(b"c0", b"cx"))
    assert judge(world.path, keys, orphan, policy=policy).findings[0].rule == "history-not-anchored"


def test_a_tip_before_the_introduction_needs_no_older_history(keys: Keys, tmp_path: Path) -> None:
    world = World.create(tmp_path / "r")
    oids = [world.commit(f"c{at}", {"a": str(at)}, key=keys.alice) for at in range(6)]
    damage(world, oids[0], "missing")
    for introduction in (oids[2], oids[1]):
        assert judge(world.path, keys, oids[1], policy=policy_of(introduction=introduction)).findings == []
    assert set(rules(judge(world.path, keys, policy=policy_of(introduction=oids[2])))) == {"verified"}


def test_another_history_is_not_anchored_whatever_else_is_damaged(keys: Keys, tmp_path: Path) -> None:
    """What is malformed can be read, and leads nowhere: only what cannot be read leaves the question open."""
    world = World.create(tmp_path / "r")
    oids = [world.commit(f"c{at}", {"a": str(at)}, key=keys.alice) for at in range(3)]
    tree = world.git("rev-parse", f"{oids[0]}^{{tree}}")
    bad = world.write("commit", f"tree {tree}\nauthor broken\n\nx".encode())
    tip = world.commit("tip", {"a": "x"}, key=keys.alice, ref=None, parents=[oids[0]])
    tip = world.write("commit", world.read(tip).replace(b"parent " + oids[0].encode(), b"parent " + bad.encode()))
    found = judge(world.path, keys, tip, policy=policy_of(introduction=oids[1]))
    assert found.findings[0].rule == "history-not-anchored"


def test_malformed_commits_end_to_end(tmp_path: Path, keys: Keys) -> None:
    """The structure table of the object reader, stored and walked over in one history."""
    from tests.formats.test_objects import STRUCTURE

    world = World.create(tmp_path / "r", bare=True)
    root = world.commit("root", {"a": b"1"}, key=keys.alice)
    tree = world.git("rev-parse", f"{root}^{{tree}}")
    stored = list(dict.fromkeys(world.write("commit", raw) for raw, _ in STRUCTURE.values()))
    lines = f"tree {tree}\n" + "".join(f"parent {oid}\n" for oid in [root, *stored])
    who = f"{ALICE.name} <{ALICE.email}> {START} +0000\n"
    payload = f"{lines}author {who}committer {who}\nmerge\n".encode()
    tip = world.write("commit", signed_commit(payload, keys.alice.sign(payload)))
    found = judge(world.path, keys, tip)
    verdicts = {one.subject.id: one.rule for one in found.findings if one.rule != "history-incomplete"}
    assert verdicts[tip] == verdicts[root] == "verified"
    assert {verdicts[oid] for oid in stored} == {"commit-malformed"}
    assert verdicts["2" * 40] == "object-missing"


def test_mutated_commits_end_to_end(tmp_path: Path, keys: Keys) -> None:
    """The table of mutated commits: none of its forgeries passes here either."""
    from tests.signatures.test_table_1c import COMMITS
    from tests.signatures.test_table_1c import World as Signed

    world = World.create(tmp_path / "r", bare=True)
    root = world.commit("root", {"a": b"1"}, key=keys.alice)
    raw = world.read(world.commit("JIRA-1: second\n\nwhy it was made\n", {"a": b"2"}, key=keys.alice))
    payload, armor = _split(raw)
    signed = Signed("ssh", world, backends.Keyrings(), 0, payload, armor, raw, b"")
    repo = Repository.discover(world.path)
    for row in COMMITS:
        oid = world.write("commit", row.change(signed))
        [found] = history.check_commits(repo, Selection((oid,), (root,)), policy_of(), material_of(keys), NOW).findings[:1]
        expected = row.required.split()[-1]
        assert found.rule == {"GOOD": "verified", "UNSIGNED": "commit-unsigned"}.get(expected, expected), row.name
        assert (found.status == "pass") == (expected == "GOOD")


def _split(raw: bytes) -> tuple[bytes, bytes]:
    from chainverify.formats.objects import object_id, parse_commit

    commit = parse_commit(object_id("commit", raw, "sha1"), raw, "sha1")
    return commit.payload, commit.signature or b""


def test_a_huge_commit_is_undecided(tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World.create(tmp_path / "r", bare=True)
    good = world.commit("root", {"a": b"1"}, key=keys.alice)
    huge = world.commit("x" * 200_000, {"a": b"2"}, key=keys.alice)
    monkeypatch.setattr("chainverify.git.objects.ObjectReader.__init__.__defaults__", (100_000,))
    found = {one.subject.id: (one.rule, one.status) for one in judge(world.path, keys).findings}
    assert found == {good: ("verified", "pass"), huge: ("deadline", "unknown")}


def test_quarantine_as_in_pre_receive(tmp_path: Path, keys: Keys) -> None:
    """A hook of a real push judges what the push brings, from the environment git gives it."""
    server = World.create(tmp_path / "server.git", bare=True)
    out = tmp_path / "out"
    hook = server.git_dir / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    root = Path(__file__).parent.parent.parent
    script = tmp_path / "hook.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(root)!r})\nfrom pathlib import Path\n"
        "from chainverify.git.repository import Repository\nfrom chainverify.formats import push\n"
        "from chainverify.jobs import history\nfrom chainverify.model.signing import KeyMaterial, SigningMaterial\n"
        "from chainverify.policy.model import *\n"
        "repo = Repository.discover(Path.cwd())\n"
        f"policy = Policy('p', 'd', CommitsPolicy(), 'signed', (Signer({ALICE.name!r}, ({ALICE.email!r},)),))\n"
        f"keys = SigningMaterial(ssh=(KeyMaterial({ALICE.name!r}, {keys.alice.public.encode()!r}, 'k'),))\n"
        "lines = []\n"
        "for update in push.parse(sys.stdin.buffer.read(), repo.algorithm):\n"
        "    chosen = history.select(repo, [update.new], policy)\n"
        f"    found = history.check_commits(repo, chosen, policy, keys, {NOW}, arrival={NOW})\n"
        f"    tags = history.check_tags(repo, [(update.ref, update.new)] if 'tags' in update.ref else [], policy, keys, {NOW})\n"
        "    lines += [f'{update.ref} {f.rule} {f.evidence.get(\"time_source\")}' for f in found.findings + tags.findings]\n"
        f"Path({str(out)!r}).write_text('\\n'.join(lines))\nsys.exit(1)\n"
    )
    hook.write_text(f"#!/bin/sh\nexec {sys.executable} {script}\n")
    hook.chmod(0o755)
    client = World.create(tmp_path / "client")
    client.commit("good", {"a": b"1"}, key=keys.alice)
    client.commit("bad", {"a": b"2"}, key=keys.mallory)
    client.tag("v1", "HEAD~1", key=keys.alice)
    assert client.run("push", str(server.path), "main", "v1", check=False).returncode != 0
    assert sorted(out.read_text().split("\n")) == [
        "refs/heads/main signer-unknown None", "refs/heads/main verified arrival",
        "refs/tags/v1 verified arrival", "refs/tags/v1 verified committer",
    ]
    assert server.git("for-each-ref") == ""


# --- tags


def check_tags(world: World, keys: Keys, tags: str = "signed") -> dict[str, list[str]]:
    repo = Repository.discover(world.path)
    found = {}
    for ref, oid in repo.refs("refs/tags"):
        verdicts = history.check_tags(repo, [(ref, oid)], policy_of(tags), material_of(keys), NOW)
        found[ref.removeprefix("refs/tags/")] = rules(verdicts)
    return found


def test_tags(tmp_path: Path, keys: Keys) -> None:
    world = World.create(tmp_path / "r")
    oid = world.commit("one", {"a": b"1"})
    good = world.tag("good", key=keys.alice)
    world.tag("unsigned")
    world.tag("unknown", key=keys.mallory)
    world.tag("forged", key=keys.bob)
    world.tag("nested", "good", key=keys.alice)
    world.tag("over-unsigned", "unsigned", key=keys.alice)
    world.git("update-ref", "refs/tags/moved", good)
    world.git("update-ref", "refs/tags/light", oid)
    world.tag("tree", "HEAD^{tree}", key=keys.alice)
    evil = world.write("tag", world.read(good).replace(b"release", b"rElease"))
    world.git("update-ref", "refs/tags/good2", evil)
    chain = "good"
    for depth in range(6):
        world.tag(f"chain{depth}", chain, key=keys.alice)
        chain = f"chain{depth}"
    lying = world.write("tag", world.read(good).replace(b"type commit", b"type tree"))
    world.git("update-ref", "refs/tags/lying", lying)
    assert check_tags(world, keys) == {
        "good": ["verified"], "unsigned": ["tag-unsigned"], "unknown": ["signer-unknown"], "forged": ["identity-mismatch"],
        "nested": ["verified", "verified"], "over-unsigned": ["verified", "tag-unsigned"], "moved": ["tag-name-mismatch"],
        "light": ["tag-unsigned"], "tree": ["verified"], "good2": ["tag-name-mismatch", "signature-bad"],
        **{f"chain{at}": ["verified"] * (at + 2) for at in range(4)},
        "chain4": ["verified"] * 5 + ["commit-malformed"], "chain5": ["verified"] * 5 + ["commit-malformed"],
        "lying": ["tag-name-mismatch", "signature-bad", "commit-malformed"],
    }
    assert check_tags(world, keys, "annotated")["unsigned"] == ["verified"]
    assert check_tags(world, keys, "annotated")["light"] == ["tag-unsigned"]
    assert check_tags(world, keys, "annotated")["moved"] == ["tag-name-mismatch"]
    assert set(map(tuple, check_tags(world, keys, "off").values())) == {()}


# --- workers


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Maker]:
    signer = ssh_signer()
    return make(tmp_path_factory.mktemp("long") / "r", signer, 1500), signer


def judge_long(long: tuple[World, Maker], **options: object) -> Verdicts:
    world, maker = long
    repo = Repository.discover(world.path)
    policy = Policy("p", "d", CommitsPolicy(), "off", (Signer(NAME, (EMAIL,)),))
    material = SigningMaterial(ssh=(KeyMaterial(NAME, maker.public, "signers[0].ssh[0]"),))
    return history.check_commits(repo, history.select(repo, [], policy), policy, material, NOW, **options)  # type: ignore[arg-type]


def test_workers_say_what_one_process_says(long: tuple[World, Maker]) -> None:
    seen: list[tuple[int, int]] = []
    many = judge_long(long, jobs=3, progress=lambda done, all_of: seen.append((done, all_of)))
    assert many == judge_long(long, jobs=1)
    assert set(rules(many)) == {"verified"}
    assert len(many.findings) == 1500
    assert seen[-1] == (1500, 1500)
    assert seen == sorted(seen)


@pytest.mark.parametrize("way", ["killed", "raised"])
def test_a_crashed_worker_is_never_a_pass(long: tuple[World, Maker], monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    victim = history.select(Repository.discover(long[0].path), [], policy_of()).oids[700]
    judged = history._judge_commit

    def crash(oid: str, *rest: object) -> list[Finding]:
        if oid == victim:
            if way == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("bug")
        return judged(oid, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(history, "_judge_commit", crash)
    found = judge_long(long, jobs=2)
    by = {one.subject.id: (one.rule, one.status) for one in found.findings if one.rule != "history-incomplete"}
    assert by[victim] == ("internal", "unknown")
    assert len(by) == 1500
    lost = [oid for oid, verdict in by.items() if verdict[1] != "pass"]
    assert 0 < len(lost) <= history.CHUNK


def test_workers_that_all_die_end_the_run(long: tuple[World, Maker], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "MAX_LOST", 2)
    monkeypatch.setattr(history, "_judge_commit", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    found = judge_long(long, jobs=2)
    assert {one.status for one in found.findings} == {"unknown"}
    assert len([one for one in found.findings if one.rule == "internal"]) == 1500


def test_a_verifier_that_crashes_is_unknown(line: tuple[World, list[str]], keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("chainverify.signatures.ssh.verify", crash)
    found = judge(line[0].path, keys, "HEAD~1..HEAD")
    assert {(one.rule, one.status) for one in found.findings} == {("internal", "unknown")}
    assert "ZeroDivisionError" in found.findings[0].message


def test_an_interrupt_leaves_no_worker(long: tuple[World, Maker], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(done: int, _: int) -> None:
        raise KeyboardInterrupt

    before = _children()
    with pytest.raises(KeyboardInterrupt):
        judge_long(long, jobs=2, progress=stop)
    time.sleep(0.1)
    assert _children() <= before


def _children() -> set[str]:
    done = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, check=False)
    return {line for line in done.stdout.decode().splitlines() if " ps " not in line}


# --- backends


def test_formats(line: tuple[World, list[str]], keys: Keys) -> None:
    found = judge(line[0].path, keys, "HEAD^!", policy=policy_of(formats=("openpgp",)))
    assert rules(found) == ["signature-format-not-allowed"]
    repo = Repository.discover(line[0].path)
    nobody = history.check_commits(repo, history.select(repo, ["HEAD^!"], policy_of()), policy_of(), SigningMaterial(), NOW)
    assert [(one.rule, one.evidence["code"]) for one in nobody.findings] == [("signer-unknown", "NO_KEY")]
    bad = SigningMaterial(ssh=(KeyMaterial("x", b"ssh-ed25519 nonsense", "signers[0].ssh[0]", "policy.toml", 3),))
    with pytest.raises(PolicyError, match=r"policy.toml:3: signers\[0\]\.ssh\[0\]"):
        history.check_commits(repo, Selection(()), policy_of(), bad, NOW)


@pytest.mark.parametrize(
    ("signature", "name"),
    [(b"-----BEGIN SSH SIGNATURE-----\nx", "ssh"), (b"-----BEGIN PGP SIGNATURE-----", "openpgp"),
     (b"-----BEGIN PGP SIGNATURE-----\r\nx", "openpgp"), (b"-----BEGIN SIGNED MESSAGE-----\n", "x509"), (b"", None),
     (b" -----BEGIN SSH SIGNATURE-----\n", None), (b"-----BEGIN SSH SIGNATURE----- \n", None),
     (b"-----BEGIN PGP MESSAGE-----\n", None),
     (b"\n-----BEGIN SSH SIGNATURE-----\n", None), (b"-----BEGIN SSH SIGNATURE-----x", None)],
)
def test_formats_are_told_by_the_exact_first_line(signature: bytes, name: str | None) -> None:
    assert backends.detect(signature) == name


def test_an_ssh_policy_loads_no_openpgp(line: tuple[World, list[str]], keys: Keys) -> None:
    code = (
        "import sys\nfrom chainverify.signatures import backends\n"
        "from chainverify.model.signing import KeyMaterial, SigningMaterial\n"
        f"backends.load(SigningMaterial(ssh=(KeyMaterial('a', {keys.alice.public.encode()!r}, 'k'),)))\n"
        "print([name for name in sys.modules if 'openpgp' in name])\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"
