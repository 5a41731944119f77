"""The pre-push hook in real pushes, beside the real pre-receive hook of the server: the same verdict, in the same words."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from chainverify.errors import BudgetExceeded, Malformed
from chainverify.formats.push import RefUpdate, parse_outgoing
from tests.hook import test_pre_receive as server_side
from tests.hook.clone import write_hooks
from tests.hook.test_pre_receive import CAROL, POLICY, World, template, world
from tests.world.repository import Repository

__all__ = ["template", "world"]

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen"), pytest.mark.tool("gpg")]

ZERO = "0" * 40
FINDING = re.compile(r"^(?:remote: )?([a-z]+(?:-[a-z]+)+)(?: \(not decided\))?: (.+?) *$", re.MULTILINE)


class Said(NamedTuple):
    """What was said of a push, and whether it was let through."""

    through: bool
    findings: list[tuple[str, str]]
    text: str


@pytest.fixture
def pushing(world: World) -> World:
    """The world, with the hook in the clone, which knows the remote as after `git clone`."""
    write_hooks(world.clone.git_dir / "hooks", ("pre-push",))
    world.clone.git("fetch", "-q", "origin")
    world.clone.git("remote", "set-head", "origin", "--auto")
    return world


def here(world: World, *refspecs: str, options: tuple[str, ...] = (), remote: str = "origin") -> Said:
    """What the hook says of a push that is not carried out."""
    done = world.clone.run("push", "--dry-run", *options, remote, *refspecs, check=False)
    text = done.stderr.decode()
    return Said(done.returncode == 0, FINDING.findall(text), text)


def there(world: World, *refspecs: str) -> Said:
    """What the server says of the push."""
    done = world.clone.run("push", "--no-verify", "origin", *refspecs, check=False)
    text = done.stderr.decode()
    return Said(done.returncode == 0, FINDING.findall(text), text)


def same(world: World, *refspecs: str) -> Said:
    """The hook's verdict on a push, which must be the server's."""
    mine, theirs = here(world, *refspecs), there(world, *refspecs)
    assert (mine.through, mine.findings) == (theirs.through, theirs.findings), (mine.text, theirs.text)
    return mine


def bad_commits() -> list[tuple[Callable[[World], None], str]]:
    """The table of the server's own test."""
    (mark,) = [each for each in server_side.test_one_bad_commit_refuses_the_whole_push.pytestmark if each.name == "parametrize"]
    return list(mark.args[1])


def bad_tags() -> list[tuple[Callable[[World], object], str]]:
    (mark,) = [each for each in server_side.test_bad_tags.pytestmark if each.name == "parametrize"]
    return list(mark.args[1])


def test_a_good_push(pushing: World) -> None:
    pushing.clone.commit("SHOP-2: good", {"a": "1"}, key=pushing.alice)
    said = same(pushing, "main")
    assert said.through
    assert "passed: 1 commit, 1 message, 1 ref checked: 3 good [policy origin/main (" in said.text
    assert "trust base]" in said.text


@pytest.mark.parametrize(("spoil", "rule"), bad_commits(), ids=lambda value: getattr(value, "__name__", value))
def test_every_bad_commit_that_the_server_refuses(pushing: World, spoil: Callable[[World], None], rule: str) -> None:
    pushing.clone.commit("SHOP-2: good", {"a": "1"}, key=pushing.alice)
    spoil(pushing)
    said = same(pushing, "main")
    assert not said.through
    assert rule in {name for name, _ in said.findings}
    assert "nothing was pushed; a server under this policy would refuse it too" in said.text


@pytest.mark.parametrize(("make", "rule"), bad_tags(), ids=["lightweight", "annotated", "unknown key", "another name", "tree"])
def test_every_bad_tag_that_the_server_refuses(pushing: World, make: Callable[[World], object], rule: str) -> None:
    make(pushing)
    said = same(pushing, "refs/tags/v1")
    assert not said.through
    assert rule in {name for name, _ in said.findings}


def test_all_refs_are_judged(pushing: World) -> None:
    pushing.clone.commit("SHOP-2: good", {"a": "1"}, key=pushing.alice)
    pushing.clone.git("branch", "good")
    pushing.clone.commit("SHOP-3: unsigned", {"b": "1"})
    pushing.clone.git("branch", "last")
    pushing.clone.git("reset", "-q", "--hard", "good")
    for order in (("good", "last"), ("last", "good")):
        assert {rule for rule, _ in same(pushing, "main", *order).findings} == {"commit-unsigned"}
    assert same(pushing, "main", "good").through


def test_new_branches(pushing: World) -> None:
    pushing.clone.commit("SHOP-2: by Carol", {"a": "1"}, key=pushing.carol, author=CAROL)
    assert same(pushing, "main:refs/heads/feature/x").through
    assert not same(pushing, "main").through
    assert not same(pushing, "main:refs/heads/release/1").through
    # the tracking ref is there now, and no way around the rules of another ref
    pushing.clone.git("fetch", "-q", "origin")
    assert not same(pushing, "main:refs/heads/release/1").through
    assert same(pushing, "main~1:refs/heads/release/1").through


def test_deleted_and_rewound_refs(pushing: World) -> None:
    pushing.server.git("config", "receive.denyDeleteCurrent", "ignore")
    pushing.clone.commit("SHOP-2: good", {"a": "1"}, key=pushing.alice)
    assert same(pushing, "main", "main:refs/heads/feature/x", "main:refs/heads/release/1").through
    pushing.clone.git("reset", "-q", "--hard", "HEAD~1")
    assert {rule for rule, _ in same(pushing, "+main").findings} == {"ref-rewind"}
    assert {rule for rule, _ in same(pushing, ":main").findings} >= {"ref-delete"}
    assert {rule for rule, _ in same(pushing, ":refs/heads/release/1", "main:refs/heads/new").findings} == {"ref-delete"}
    assert same(pushing, "+main:refs/heads/feature/x").through
    assert same(pushing, ":refs/heads/feature/x").through


def test_moved_and_deleted_tags(pushing: World) -> None:
    pushing.clone.tag("v1", key=pushing.alice)
    assert same(pushing, "refs/tags/v1").through
    pushing.clone.git("tag", "-d", "v1")
    pushing.clone.tag("v1", key=pushing.alice, message="again")
    assert {rule for rule, _ in same(pushing, "+refs/tags/v1").findings} == {"tag-moved"}
    same(pushing, ":refs/tags/v1")


def test_what_the_user_typed(pushing: World) -> None:
    pushing.clone.commit("SHOP-2: good", {"a": "1"}, key=pushing.alice)
    pushing.clone.commit("SHOP-3: unsigned", {"b": "1"})
    assert here(pushing, "HEAD~1:refs/heads/main").through
    # blanks in what was typed are no more fields
    said = here(pushing, "HEAD@{0 seconds ago}:refs/heads/x")
    assert said.findings == [("commit-unsigned", "commit is not signed")]
    assert here(pushing, "HEAD:refs/heads/main").findings == said.findings


def test_nothing_to_push(pushing: World) -> None:
    said = here(pushing, "main")
    assert said.through
    assert "chainverify: nothing is pushed, so nothing was checked\n" in said.text


def test_a_policy_that_changes_in_the_push_is_not_in_force_for_it(pushing: World) -> None:
    weak = POLICY.replace('tickets = ["SHOP"]\n', "")
    pushing.clone.commit("SHOP-2: weaken", {".chainverify/policy.toml": weak}, key=pushing.alice)
    pushing.clone.commit("no ticket", {"a": "1"}, key=pushing.alice)
    assert {rule for rule, _ in same(pushing, "main").findings} == {"message-ticket"}
    # on its own it may land, and then it is in force
    assert same(pushing, "main~1:main").through
    pushing.clone.git("fetch", "-q", "origin")
    assert same(pushing, "main").through


def test_the_remote_is_further_than_known_here(pushing: World, tmp_path: Path) -> None:
    other = Repository.clone(pushing.server.path, tmp_path / "other")
    other.clock += 5000
    other.commit("SHOP-5: elsewhere", {"z": "1"}, key=pushing.alice)
    other.git("push", "-q", "origin", "main")
    pushing.clone.commit("SHOP-2: good", {"a": "1"}, key=pushing.alice)
    said = here(pushing, "+main")
    assert not said.through
    assert "and that commit is not here: what the push adds cannot be told" in said.text
    assert "help: fetch first: git fetch origin" in said.text
    # deleting what was never fetched asks for nothing of it
    other.git("push", "-q", "origin", "main:refs/heads/feature/z")
    assert here(pushing, ":refs/heads/feature/z").through


def test_without_a_known_default_branch_the_policy_at_hand_serves(pushing: World) -> None:
    pushing.clone.git("remote", "set-head", "origin", "--delete")
    pushing.clone.commit("no ticket", {"a": "1"}, key=pushing.alice)
    said = here(pushing, "main")
    assert not said.through
    assert "note: judged by the policy at hand, not by the server's: the default branch of origin is not known here" in said.text
    assert "(git remote set-head origin --auto)" in said.text
    assert "trust self" in said.text


def test_a_url_in_the_place_of_a_name(pushing: World) -> None:
    pushing.clone.commit("no ticket", {"a": "1"}, key=pushing.alice)
    said = here(pushing, "main", remote=str(pushing.server.path))
    assert {rule for rule, _ in said.findings} == {"message-ticket"}
    assert "[policy origin/main (" in said.text
    unknown = Repository.clone(pushing.server.path, pushing.server.path.parent / "elsewhere.git", "--bare")
    said = here(pushing, "main", remote=str(unknown.path))
    assert "the default branch of the remote is not known here" in said.text


def test_a_policy_that_is_named_wins(pushing: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('version = 1\n[messages]\ntickets = ["OTHER"]\n')
    monkeypatch.setenv("CHAINVERIFY_POLICY", str(path))
    pushing.clone.commit("SHOP-2: good", {"a": "1"}, key=pushing.alice)
    said = here(pushing, "main")
    assert {rule for rule, _ in said.findings} == {"message-ticket"}
    assert "CHAINVERIFY_POLICY names another" in said.text
    path.write_text("version = 2\n")
    assert "policy error: " in here(pushing, "main").text


def test_without_any_policy(tmp_path: Path) -> None:
    server = Repository.create(tmp_path / "server.git", bare=True)
    clone = Repository.create(tmp_path / "clone")
    write_hooks(clone.git_dir / "hooks", ("pre-push",))
    clone.commit("anything")
    done = clone.run("push", str(server.path), "main", check=False)
    assert done.returncode == 0
    assert b"chainverify: nothing that is pushed was judged: there is no .chainverify/policy.toml" in done.stderr


def test_a_linked_worktree_and_an_explicit_git_directory(pushing: World, tmp_path: Path) -> None:
    linked = tmp_path / "linked worktree"
    pushing.clone.git("worktree", "add", "-q", "-b", "linked", str(linked))
    pushing.clone.commit("no ticket", {"a": "1"}, key=pushing.alice)
    done = subprocess.run(["git", "push", "--dry-run", "origin", "main"], cwd=linked, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "message-ticket" in done.stderr
    assert "[policy origin/main (" in done.stderr
    done = subprocess.run(
        ["git", f"--git-dir={pushing.clone.git_dir}", f"--work-tree={pushing.clone.path}", "push", "--dry-run", "origin", "main"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )
    assert done.returncode == 1
    assert "message-ticket" in done.stderr


def test_a_shallow_clone_cannot_tell(pushing: World, tmp_path: Path) -> None:
    pushing.clone.commit("SHOP-2: good", {"a": "1"}, key=pushing.alice)
    pushing.clone.git("push", "-q", "origin", "main")
    shallow = Repository.clone(f"file://{pushing.server.path}", tmp_path / "shallow", "--depth=1")
    write_hooks(shallow.git_dir / "hooks", ("pre-push",))
    shallow.clock += 9000
    shallow.commit("SHOP-3: good", {"b": "1"}, key=pushing.alice)
    done = shallow.run("push", "--dry-run", "origin", "main", check=False)
    assert done.returncode == 1
    assert b"history-incomplete (not decided)" in done.stderr


def test_sha256(template: object, tmp_path: Path) -> None:
    server = Repository.create(tmp_path / "server.git", bare=True, algorithm="sha256")
    clone = Repository.create(tmp_path / "clone", algorithm="sha256")
    clone.commit("JIRA-1: x", {".chainverify/policy.toml": 'version = 1\n[messages]\ntickets = ["JIRA"]\n'})
    clone.git("remote", "add", "origin", str(server.path))
    clone.git("push", "-q", "origin", "main")
    clone.git("remote", "set-head", "origin", "--auto")
    write_hooks(clone.git_dir / "hooks", ("pre-push",))
    clone.commit("no ticket", {"a": "1"})
    done = clone.run("push", "--dry-run", "origin", "main", "main:refs/heads/new", check=False)
    assert done.returncode == 1
    assert b"message-ticket" in done.stderr


def test_no_verify_skips_it(pushing: World) -> None:
    shutil.rmtree(pushing.server.path / "hooks")
    pushing.clone.commit("no ticket", {"a": "1"}, key=pushing.alice)
    assert not here(pushing, "main").through
    assert here(pushing, "main", options=("--no-verify",)).through


@pytest.mark.parametrize(
    ("arguments", "env", "status", "words"),
    [
        ([], {}, 2, "expected the remote's name and URL, got 0"),
        (["origin", "url"], {}, 0, "nothing is pushed"),
        (["origin", "url"], {"PRE_COMMIT_REMOTE_BRANCH": "refs/heads/main"}, 3, "shows one ref of a push and not all of them"),
    ],
)
def test_calls(arguments: list[str], env: dict[str, str], status: int, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-m", "chainverify", "hook", "pre-push", *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", **env},
    )
    assert done.returncode == status
    assert words in done.stderr


# --- what git writes on standard input

A, B = "a" * 40, "b" * 40


@pytest.mark.parametrize(
    ("line", "update"),
    [
        (f"refs/heads/x {A} refs/heads/y {B}", RefUpdate("refs/heads/y", B, A)),
        (f"HEAD~1 {A} refs/heads/y {ZERO}", RefUpdate("refs/heads/y", None, A)),
        (f"(delete) {ZERO} refs/heads/y {B}", RefUpdate("refs/heads/y", B, None)),
        (f"HEAD@{{1 day ago}} {A} refs/heads/y {B}", RefUpdate("refs/heads/y", B, A)),
        (f":/a b refs/heads/z {ZERO} {A} refs/heads/y {B}", RefUpdate("refs/heads/y", B, A)),
    ],
)
def test_lines(line: str, update: RefUpdate) -> None:
    assert parse_outgoing(f"{line}\n".encode(), "sha1") == (update,)


@pytest.mark.parametrize(
    "data",
    [
        b"x", b"\n", f"x {A} refs/heads/y\n".encode(), f"x {A} y {B}\n".encode(), f"x {A} refs/heads/y {B}".encode(),
        f"x {A} refs/heads/y {B}\n\n".encode(), f"x {A} refs/heads/a..b {B}\n".encode(),
        f"x {A[:-1]} refs/heads/y {B}\n".encode(),
        f"x {A} refs/heads/y {B}\nx {A} refs/heads/y {B}\n".encode(), f"x {A.upper()} refs/heads/y {B}\n".encode(),
    ],
)  # fmt: skip
def test_lines_that_git_would_not_write(data: bytes) -> None:
    with pytest.raises((Malformed, BudgetExceeded)):
        parse_outgoing(data, "sha1")


def test_no_lines() -> None:
    assert parse_outgoing(b"", "sha1") == ()
