"""Real pushes to a bare repository with the installed hook: what is refused leaves nothing behind, what is good gets in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.world.gpg import GpgHome
from tests.world.repository import ALICE, BOB, GpgKey, Person, Repository
from tests.world.ssh import SshKey

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen"), pytest.mark.tool("gpg")]

CAROL = Person("Carol Example", "carol@example.org")
MALLORY = Person("Mallory Example", "mallory@example.org")

POLICY = """\
version = 1
[policy]
signers = ["role:owner"]
[commits]
[messages]
tickets = ["SHOP"]
[[signers]]
name = "Alice Example"
emails = ["alice@example.org"]
roles = ["owner", "maintainer"]
ssh = ["keys/alice.pub"]
[[signers]]
name = "Bob Example"
emails = ["bob@example.org"]
roles = ["maintainer"]
openpgp = ["keys/bob.asc"]
[[signers]]
name = "Carol Example"
emails = ["carol@example.org"]
ssh = ["keys/carol.pub"]
[[refs]]
match = ["refs/heads/main", "refs/heads/release/*"]
signers = ["role:maintainer"]
[images]
[[images.trust]]
match = "registry.example.org/free/**"
unsafe-unsigned = "a test"
"""


class World(NamedTuple):
    """A server with a policy on main, a clone of it, and everybody's keys."""

    server: Repository
    clone: Repository
    alice: SshKey
    bob: GpgKey
    carol: SshKey
    mallory: SshKey

    def push(self, *refspecs: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
        return self.clone.run("push", "origin", *refspecs, check=False, env=env)

    def state(self) -> tuple[str, list[str]]:
        """All refs, and all objects on disk."""
        objects = self.server.path / "objects"
        found = sorted(str(path.relative_to(objects)) for path in objects.rglob("*") if path.is_file())
        return self.server.git("for-each-ref"), found

    def refused(self, *refspecs: str, rule: str, env: dict[str, str] | None = None) -> str:
        """Push, and see it refused under `rule` with nothing of it kept; what the pusher was told."""
        before = self.state()
        done = self.push(*refspecs, env=env)
        said = done.stderr.decode()
        assert done.returncode == 1, said
        assert f"remote: {rule}" in said, said
        assert self.state() == before
        return said

    def accepted(self, *refspecs: str) -> str:
        done = self.push(*refspecs)
        assert done.returncode == 0, done.stderr.decode()
        return done.stderr.decode()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, GpgHome, GpgKey]]:
    """Made once, copied for each test."""
    root = tmp_path_factory.mktemp("push")
    with GpgHome.create() as gpg:
        bob = gpg.key("Bob Example <bob@example.org>")
        keys = {name: SshKey.create(root / "keys", name) for name in ("alice", "carol", "mallory")}
        repo = Repository.create(root / "clone")
        repo.commit(
            "SHOP-1: start",
            {
                ".chainverify/policy.toml": POLICY,
                ".chainverify/keys/alice.pub": keys["alice"].public + "\n",
                ".chainverify/keys/carol.pub": keys["carol"].public + "\n",
                ".chainverify/keys/bob.asc": gpg.export(bob),
            },
            key=keys["alice"],
        )
        Repository.clone(repo.path, root / "server.git", "--bare")
        yield root, gpg, bob


@pytest.fixture
def world(template: tuple[Path, GpgHome, GpgKey], tmp_path: Path) -> World:
    root, _, bob = template
    shutil.copytree(root, tmp_path / "w")
    keys = [SshKey.of(tmp_path / "w" / "keys" / name) for name in ("alice", "carol", "mallory")]
    server, clone = Repository(tmp_path / "w" / "server.git"), Repository(tmp_path / "w" / "clone")
    clone.git("remote", "add", "origin", str(server.path))
    install(server)
    clone.clock += 1000
    return World(server, clone, keys[0], bob, keys[1], keys[2])


def install(server: Repository, *options: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chainverify", "install", "--server", str(server.path), *options],
        capture_output=True, check=False, timeout=60,
    )
    assert done.returncode == 0, done.stderr


# --- good pushes


def test_a_good_push_is_let_in(world: World) -> None:
    world.clone.commit("SHOP-2: by Alice", {"a": "1"}, key=world.alice)
    world.clone.commit("SHOP-3: by Bob", {"b": "1"}, key=world.bob, author=BOB)
    said = world.accepted("main")
    assert "passed: 2 commits, 2 messages, 1 ref checked: 5 good" in said
    assert world.server.tip("refs/heads/main") == world.clone.tip()


def test_an_unprotected_branch_takes_every_signer(world: World) -> None:
    world.clone.commit("SHOP-2: by Carol", {"a": "1"}, key=world.carol, author=CAROL)
    world.accepted("main:refs/heads/feature/x")
    world.accepted(":refs/heads/feature/x")


# --- a good and a forged commit in one push


def forged(world: World) -> None:
    world.clone.commit("SHOP-3: forged", {"b": "1"}, key=world.mallory)


def unsigned(world: World) -> None:
    world.clone.commit("SHOP-3: unsigned", {"b": "1"})


def borrowed_name(world: World) -> None:
    world.clone.commit("SHOP-3: in another name", {"b": "1"}, key=world.bob, author=ALICE)


def tampered(world: World) -> None:
    oid = world.clone.commit("SHOP-3: honest", {"b": "1"}, key=world.alice)
    raw = world.clone.read(oid).replace(b"honest", b"forged")
    world.clone.update("HEAD", world.clone.write("commit", raw))


def two_signatures(world: World) -> None:
    oid = world.clone.commit("SHOP-3: twice", {"b": "1"}, key=world.alice)
    raw = world.clone.read(oid)
    start, end = raw.index(b"gpgsig "), raw.index(b"\n\n")
    world.clone.update("HEAD", world.clone.write("commit", raw[:end] + b"\n" + raw[start:end] + raw[end:]))


def not_a_maintainer(world: World) -> None:
    world.clone.commit("SHOP-3: by Carol", {"b": "1"}, key=world.carol, author=CAROL)


def no_ticket(world: World) -> None:
    world.clone.commit("no ticket", {"b": "1"}, key=world.alice)


def unsigned_image(world: World) -> None:
    image = "registry.example.org/other/app@sha256:" + "a" * 64
    pod = f"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    image: {image}\n"
    world.clone.commit("SHOP-3: image", {"pod.yaml": pod}, key=world.alice)


def unpinned_image(world: World) -> None:
    pod = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    image: registry.example.org/free/app:1\n"
    world.clone.commit("SHOP-3: image", {"pod.yaml": pod}, key=world.alice)


def unreadable_manifest(world: World) -> None:
    pod = "apiVersion: v1\nkind: Pod\nspec:\n  containers: [{image: a\n"
    world.clone.commit("SHOP-3: image", {"pod.yaml": pod}, key=world.alice)


def merge_of_unsigned(world: World) -> None:
    tip = world.clone.tip() or ""
    other = world.clone.commit("SHOP-3: unsigned", {"b": "1"}, ref=None, parents=[tip])
    world.clone.commit("SHOP-4: main goes on", {"c": "1"}, key=world.alice)
    world.clone.merge("Merge it", other, key=world.alice)


def second_root(world: World) -> None:
    other = world.clone.commit("SHOP-3: unsigned", {"b": "1"}, ref=None, parents=[])
    world.clone.merge("Merge it", other, key=world.alice)


def policy_by_another(world: World) -> None:
    world.clone.commit("SHOP-3: weaken", {".chainverify/policy.toml": "version = 1\n"}, key=world.bob, author=BOB)


def key_by_another(world: World) -> None:
    world.clone.commit(
        "SHOP-3: my key", {".chainverify/keys/alice.pub": world.mallory.public}, key=world.bob, author=BOB
    )


def policy_and_forged(world: World) -> None:
    """The owner's own change of the policy is not yet in force for the push that brings it."""
    weak = POLICY.replace("[commits]\n", "")
    world.clone.commit("SHOP-3: weaken", {".chainverify/policy.toml": weak}, key=world.alice)
    world.clone.commit("SHOP-4: unsigned", {"c": "1"})


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (forged, "signer-unknown"),
        (unsigned, "commit-unsigned"),
        (borrowed_name, "identity-mismatch"),
        (tampered, "signature-bad"),
        (two_signatures, "signature-ambiguous"),
        (not_a_maintainer, "signer-not-allowed"),
        (no_ticket, "message-ticket"),
        (unsigned_image, "image-not-covered"),
        (unpinned_image, "image-not-pinned"),
        (unreadable_manifest, "manifest-unreadable"),
        (merge_of_unsigned, "commit-unsigned"),
        (second_root, "commit-unsigned"),
        (policy_by_another, "policy-change"),
        (key_by_another, "policy-change"),
        (policy_and_forged, "commit-unsigned"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_one_bad_commit_refuses_the_whole_push(world: World, spoil: Callable[[World], None], rule: str) -> None:
    world.clone.commit("SHOP-2: good", {"a": "1"}, key=world.alice)
    spoil(world)
    said = world.refused("main", rule=rule)
    assert "the push was refused as a whole" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("spoil", "title"), [(not_a_maintainer, "SHOP-3: by Carol"), (policy_by_another, "SHOP-3: weaken")], ids=["signer", "policy"]
)
def test_who_may_not_reads_which_commit_it_was(world: World, spoil: Callable[[World], None], title: str) -> None:
    spoil(world)
    said = world.refused("main", rule="signer-not-allowed" if spoil is not_a_maintainer else "policy-change")
    assert f"--> commit {(world.clone.tip() or '')[:12]} {title}" in said


def test_a_good_ref_beside_a_bad_one_is_refused_too(world: World) -> None:
    world.clone.commit("SHOP-2: good", {"a": "1"}, key=world.alice)
    world.clone.git("branch", "good")
    unsigned(world)
    world.refused("main", "good", rule="commit-unsigned")


# --- two steps


def test_a_weaker_branch_first_does_not_help(world: World) -> None:
    world.clone.commit("SHOP-2: by Carol", {"a": "1"}, key=world.carol, author=CAROL)
    world.accepted("main:refs/heads/feature/x")
    world.refused("main", rule="signer-not-allowed")
    world.refused("main:refs/heads/release/1", rule="signer-not-allowed")


def test_what_lay_there_before_the_hook_does_not_help(world: World) -> None:
    (world.server.path / "hooks" / "pre-receive").rename(world.server.path / "hooks" / "aside")
    unsigned(world)
    world.accepted("main:refs/heads/old")
    (world.server.path / "hooks" / "aside").rename(world.server.path / "hooks" / "pre-receive")
    world.refused("main", rule="commit-unsigned")
    world.refused("main:refs/heads/other", rule="commit-unsigned")


def test_a_release_branch_from_main_is_no_new_history(world: World) -> None:
    world.accepted("main:refs/heads/release/1")


# --- refs


def test_a_protected_ref_keeps_its_history(world: World) -> None:
    world.clone.commit("SHOP-2: good", {"a": "1"}, key=world.alice)
    world.accepted("main")
    world.clone.git("reset", "-q", "--hard", "HEAD~1")
    world.refused("+main", rule="ref-rewind")
    world.server.git("config", "receive.denyDeleteCurrent", "ignore")
    world.refused(":main", rule="ref-delete")


def test_a_replacement_is_refused(world: World) -> None:
    world.refused("main:refs/replace/" + (world.clone.tip() or ""), rule="ref-rewind")


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda w: w.clone.git("tag", "v1"), "tag-unsigned"),
        (lambda w: w.clone.tag("v1"), "tag-unsigned"),
        (lambda w: w.clone.tag("v1", key=w.mallory), "signer-unknown"),
        (lambda w: w.clone.update("refs/tags/v1", w.clone.tag("other", key=w.alice)), "tag-name-mismatch"),
        (lambda w: w.clone.update("refs/tags/v1", w.clone.git("rev-parse", "HEAD^{tree}")), "tag-unsigned"),
    ],
    ids=["lightweight", "annotated", "unknown key", "another name", "tree"],
)
def test_bad_tags(world: World, make: Callable[[World], object], rule: str) -> None:
    make(world)
    world.refused("refs/tags/v1", rule=rule)


def test_a_good_tag_stays_where_it_is(world: World) -> None:
    world.clone.tag("v1", key=world.alice)
    world.accepted("refs/tags/v1")
    world.clone.git("tag", "-d", "v1")
    world.clone.tag("v1", key=world.alice, message="again")
    world.refused("+refs/tags/v1", rule="tag-moved")


def test_a_tag_does_not_carry_unsigned_commits_in(world: World) -> None:
    unsigned(world)
    world.clone.tag("v1", key=world.alice)
    world.refused("refs/tags/v1", rule="commit-unsigned")


def test_notes_are_judged_like_all_else(world: World) -> None:
    world.clone.git("-c", "user.name=A", "-c", "user.email=alice@example.org", "notes", "add", "-m", "x", "HEAD")
    world.refused("refs/notes/commits", rule="commit-unsigned")


# --- policy


def test_without_a_policy_nothing_gets_in(tmp_path: Path) -> None:
    key = SshKey.create(tmp_path, "k")
    repo = Repository.create(tmp_path / "clone")
    repo.commit("first", key=key)
    server = Repository.create(tmp_path / "server.git", bare=True)
    repo.git("remote", "add", "origin", str(server.path))
    install(server)
    done = repo.run("push", "origin", "main", check=False)
    assert done.returncode == 1
    assert b"policy-missing" in done.stderr
    assert server.git("for-each-ref") == ""
    shutil.rmtree(server.path / "hooks")
    install(server, "--allow-unconfigured")
    done = repo.run("push", "origin", "main", check=False)
    assert done.returncode == 0
    assert b"NOTHING was checked" in done.stderr


def test_taking_the_policy_away_does_not_open_the_server(world: World) -> None:
    shutil.rmtree(world.server.path / "hooks")
    install(world.server, "--allow-unconfigured")
    world.accepted("main:refs/heads/other")
    world.clone.commit("SHOP-2: away", tree=world.clone.tree({"a": "1"}), key=world.alice)
    assert "every later push would be refused" in world.refused("main", rule="policy-change")
    # moving HEAD to a branch that is not there is no way back either
    world.server.git("symbolic-ref", "HEAD", "refs/heads/nothing")
    world.refused("main", rule="chainverify: policy-missing")


def test_the_server_s_own_policy_wins(world: World, tmp_path: Path) -> None:
    policy = tmp_path / "server.toml"
    policy.write_text('version = 1\n[messages]\ntickets = ["OPS"]\n[server]\ndeadline = "30s"\n')
    shutil.rmtree(world.server.path / "hooks")
    install(world.server, "--policy", str(policy))
    world.clone.commit("OPS-1: unsigned is fine here", {"a": "1"})
    assert "trust external" in world.accepted("main")
    world.clone.commit("SHOP-2: not here", {"b": "1"}, key=world.alice)
    world.refused("main", rule="message-ticket")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version = 1\n[commits\n", "policy error"),
        ('version = 1\n[commits]\nkey = 1\n', "commits.key"),
        ('version = 1\n[commits]\n[[signers]]\nname = "A"\nemails = ["a@b.c"]\nssh = ["keys/none.pub"]\n', "signers[0].ssh[0]"),
        ('version = 1\n[commits]\nobserved = true\n', "observed = true"),
    ],
)
def test_a_broken_policy_lets_nothing_in(world: World, tmp_path: Path, text: str, words: str) -> None:
    policy = tmp_path / "server.toml"
    policy.write_text("version = 1\n")
    shutil.rmtree(world.server.path / "hooks")
    install(world.server, "--policy", str(policy))
    policy.write_text(text)
    world.clone.commit("SHOP-2: good", {"a": "1"}, key=world.alice)
    assert words in world.refused("main", rule="chainverify: policy error")


def test_a_deadline_that_passes_refuses(world: World, tmp_path: Path) -> None:
    policy = tmp_path / "server.toml"
    policy.write_text(POLICY.replace("[policy]\nsigners = [\"role:owner\"]\n", "") + '[server]\ndeadline = "1ms"\n')
    shutil.copytree(world.clone.path / ".chainverify" / "keys", tmp_path / "keys")
    shutil.rmtree(world.server.path / "hooks")
    install(world.server, "--policy", str(policy))
    world.clone.commit("SHOP-2: good", {"a": "1"}, key=world.alice)
    assert "within the deadline" in world.refused("main", rule="deadline (not decided)")


# --- a server that lost an object


def lose(world: World, oid: str) -> None:
    """Take a commit that all can reach away from the server; git itself does not look for it in a push."""
    path = world.server.path / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    path.unlink()


def test_a_lost_object_is_no_other_history(world: World) -> None:
    """The introduction is behind it: nobody is told to move that, and nothing gets in."""
    world.accepted("main")
    start = world.clone.tip()
    text = POLICY.replace("[commits]", f'[commits]\nintroduction = "{start}"')
    world.clone.commit("SHOP-2: introduction", {".chainverify/policy.toml": text}, key=world.alice)
    lost = world.clone.commit("SHOP-3: lost", {"a": "1"}, key=world.alice)
    world.clone.commit("SHOP-4: last", {"a": "2"}, key=world.alice)
    world.accepted("main")
    lose(world, lost)
    world.clone.commit("SHOP-5: new", {"a": "3"}, key=world.alice)
    for refspec in ("main", "main:refs/heads/other"):
        said = world.refused(refspec, rule="history-incomplete (not decided)")
        assert f"object {lost} is not in the repository" in said
        assert "history-not-anchored" not in said
        assert "new introduction" not in said


def test_a_rewind_over_a_lost_object_is_one_all_the_same(world: World) -> None:
    lost = world.clone.commit("SHOP-2: lost", {"a": "1"}, key=world.alice)
    world.clone.commit("SHOP-3: last", {"a": "2"}, key=world.alice)
    world.accepted("main")
    lose(world, lost)
    other = world.clone.commit("SHOP-4: other", {"a": "3"}, key=world.alice, parents=(), ref=None)
    said = world.refused(f"+{other}:main", rule="ref-rewind")
    assert "usage" not in said
    other = world.clone.commit("SHOP-4: other", {"a": "3"}, key=world.alice, parents=[f"{lost}^"], ref=None)
    assert "usage" not in world.refused(f"+{other}:main", rule="ref-rewind")


# --- hostile surroundings


def test_the_pusher_s_environment_changes_nothing(world: World) -> None:
    unsigned(world)
    hostile = {
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.commitGraph", "GIT_CONFIG_VALUE_0": "true",
        "PYTHONPATH": str(world.clone.path), "PYTHONSTARTUP": "/nonexistent", "PYTHONHASHSEED": "0", "TZ": "America/New_York",
    }
    (world.clone.path / "chainverify").mkdir()
    (world.clone.path / "chainverify" / "__init__.py").write_text("raise SystemExit(0)\n")
    world.refused("main", rule="commit-unsigned", env=hostile)


def test_escape_sequences_do_not_reach_the_pusher(world: World) -> None:
    world.clone.commit("\x1b[2J\x1b]0;owned\x07 \u202egnp", {"a": "1"})
    said = world.refused("main", rule="commit-unsigned")
    assert not set(said) & set("\x1b\x07\u202e")


def test_sha256_repositories(template: tuple[Path, GpgHome, GpgKey], tmp_path: Path) -> None:
    root, _, _ = template
    key, other = (SshKey.of(root / "keys" / name) for name in ("alice", "mallory"))
    repo = Repository.create(tmp_path / "clone", algorithm="sha256")
    files = {".chainverify/policy.toml": 'version = 1\n[commits]\n[[signers]]\nname = "Alice"\nemails = ["alice@example.org"]\n'
             f'ssh = ["{key.public}"]\n'}
    repo.commit("first", files, key=key)
    server = Repository.clone(repo.path, tmp_path / "server.git", "--bare")
    repo.git("remote", "add", "origin", str(server.path))
    install(server)
    repo.commit("good", {"a": "1"}, key=key)
    assert repo.run("push", "origin", "main", check=False).returncode == 0
    repo.commit("bad", {"b": "1"}, key=other)
    done = repo.run("push", "origin", "main", check=False)
    assert done.returncode == 1
    assert b"signer-unknown" in done.stderr


def test_a_hook_whose_python_is_gone_lets_nothing_in(world: World) -> None:
    hook = world.server.path / "hooks" / "pre-receive"
    hook.write_text(hook.read_text().replace(sys.executable, os.path.join(os.sep, "nonexistent", "python")))
    world.clone.commit("SHOP-2: good", {"a": "1"}, key=world.alice)
    before = world.state()
    assert world.push("main").returncode == 1
    assert world.state() == before


# --- merge rules: who answers for what a merge brings in


def under(world: World, rule: str) -> None:
    """Alice, who may, sets the merge rule."""
    text = POLICY.replace("[commits]\n", f'[commits]\nmerge-rule = "{rule}"\n')
    world.clone.commit("SHOP-2: merge rule", {".chainverify/policy.toml": text}, key=world.alice)
    world.accepted("main")


def side_by(world: World, key: SshKey | None, person: Person) -> None:
    """A side branch that is none of a maintainer's, merged by Alice."""
    tip = world.clone.tip() or ""
    other = world.clone.commit("SHOP-3: side", {"b": "1"}, ref=None, parents=[tip], key=key, author=person)
    world.clone.commit("SHOP-4: main goes on", {"c": "1"}, key=world.alice)
    world.clone.merge("Merge it", other, key=world.alice)


@pytest.mark.parametrize(
    ("rule", "by_carol", "unsigned"),
    [
        ("every-commit", "signer-not-allowed", "commit-unsigned"), ("first-parent", "", "commit-unsigned"),
        ("any-parent", "", ""), ("all-parents", "signer-not-allowed", "commit-unsigned"),
    ],
)
def test_what_a_maintainers_merge_may_bring_in(world: World, rule: str, by_carol: str, unsigned: str) -> None:
    under(world, rule)
    start = world.clone.tip() or ""
    for key, person, expected in ((world.carol, CAROL, by_carol), (None, MALLORY, unsigned)):
        world.clone.git("reset", "-q", "--hard", start)
        side_by(world, key, person)
        if expected:
            world.refused("main", rule=expected)
        else:
            world.accepted(f"main:refs/heads/release/{person.email[:3]}")


@pytest.mark.parametrize("rule", ["every-commit", "all-parents"])
def test_what_another_merge_rule_would_do_is_said_where_it_would(world: World, rule: str) -> None:
    under(world, rule)
    start = world.clone.tip() or ""
    side_by(world, world.carol, CAROL)
    said = world.refused("main", rule="signer-not-allowed")
    assert f"merge-rule is {rule}: under first-parent a merge by them could bring in what others signed" in said
    world.clone.git("reset", "-q", "--hard", start)
    world.clone.commit("SHOP-5: by Carol", {"b": "1"}, key=world.carol, author=CAROL)
    assert "merge-rule" not in world.refused("main", rule="signer-not-allowed")
    # below a commit of a maintainer, but on the branch itself
    world.clone.commit("SHOP-6: by Alice", {"c": "1"}, key=world.alice)
    assert "merge-rule" not in world.refused("main", rule="signer-not-allowed")


@pytest.mark.parametrize("rule", ["first-parent", "any-parent"])
def test_what_is_pushed_itself_is_nobodys_side(world: World, rule: str) -> None:
    under(world, rule)
    world.clone.commit("SHOP-3: by Carol", {"b": "1"}, key=world.carol, author=CAROL)
    world.refused("main", rule="signer-not-allowed")
    # the merge's other side is the branch as it was: nobody may turn the two around
    tip = world.clone.git("rev-parse", "HEAD~1")
    ahead = world.clone.commit("SHOP-4: by Alice", {"c": "1"}, key=world.alice, ref=None, parents=[tip])
    world.clone.merge("Merge", ahead, key=world.carol)
    world.refused("main", rule="identity-mismatch")
    swapped = world.clone.commit(
        "Merge", {"c": "1"}, key=world.carol, author=CAROL, ref=None, parents=[world.clone.git("rev-parse", "HEAD~1"), ahead]
    )
    world.clone.update("HEAD", swapped)
    world.refused("main", rule="signer-not-allowed")
