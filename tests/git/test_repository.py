"""Finding a repository, what environment git gets, and what says that history is cut."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from chainverify.errors import Unavailable, UsageError
from chainverify.git.repository import Repository, _scrub
from tests.world.repository import Repository as World

pytestmark = pytest.mark.tool("git")


@pytest.fixture
def world(tmp_path: Path) -> World:
    repo = World.create(tmp_path / "repo")
    for number in range(3):
        repo.commit(f"commit {number}", {"a": str(number), "sub/b": "b"})
    repo.tag("v1")
    return repo


def test_found_from_anywhere_inside(world: World) -> None:
    for directory, worktree in ((world.path, world.path), (world.path / "sub", world.path), (world.git_dir, None)):
        found = Repository.discover(directory)
        assert (found.git_dir, found.worktree, found.bare, found.algorithm) == (world.git_dir, worktree, False, "sha1")
        assert found.resolve("HEAD") == world.tip()


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_bare_and_both_object_formats(tmp_path: Path, algorithm: str) -> None:
    world = World.create(tmp_path / "r.git", bare=True, algorithm=algorithm)  # type: ignore[arg-type]
    oid = world.commit("one", {"a": b"1"})
    found = Repository.discover(world.path)
    assert (found.bare, found.worktree, found.algorithm) == (True, None, algorithm)
    assert found.resolve("main") == oid
    assert found.is_oid(oid)
    assert not found.is_oid(oid[:-1])
    assert not found.is_oid(oid.upper())
    assert len(found.zero) == len(oid)


def test_linked_worktree_shares_the_history(world: World, tmp_path: Path) -> None:
    world.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "side")
    found = Repository.discover(tmp_path / "linked")
    assert found.worktree == tmp_path / "linked"
    assert found.git_dir != world.git_dir
    assert found.common_dir == world.git_dir
    assert found.head_ref() == "refs/heads/side"
    assert dict(found.refs("refs/heads")) == {"refs/heads/main": world.tip(), "refs/heads/side": world.tip()}
    (world.git_dir / "shallow").write_text(f"{world.tip()}\n")
    assert found.incomplete() == "this is a shallow clone"


def test_no_repository_and_no_directory(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a git repository") as caught:
        Repository.discover(tmp_path, {"PATH": os.environ["PATH"], "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)})
    assert "-C" in caught.value.hint
    with pytest.raises(UsageError, match="no such directory"):
        Repository.discover(tmp_path / "none")


def test_repository_of_another_owner(world: World, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    tip = world.tip()
    os.chown(world.git_dir, 12345, 12345)
    os.chown(world.path, 12345, 12345)
    with pytest.raises(UsageError, match="another user owns") as caught:
        Repository.discover(world.path)
    assert "safe.directory" in caught.value.hint
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f"[safe]\n\tdirectory = {world.path}\n")
    trusting = {"PATH": os.environ["PATH"], "HOME": str(home)}
    assert Repository.discover(world.path, trusting).resolve("HEAD") == tip


def test_without_git_nothing_is_decided(world: World, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="git was not found") as caught:
        Repository.discover(world.path, {"PATH": str(tmp_path)})
    assert (caught.value.status, "install git" in caught.value.hint) == ("unknown", True)


def test_environment_keeps_the_quarantine_and_drops_the_rest(world: World) -> None:
    hostile = {
        "PATH": os.environ["PATH"], "GIT_DIR": str(world.git_dir), "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": "touch /tmp/owned", "GIT_CONFIG_PARAMETERS": "'a.b=c'", "GIT_SSH_COMMAND": "x", "GIT_TRACE": "1",
        "GIT_EXEC_PATH": "/nowhere", "GIT_SHALLOW_FILE": "/x", "GIT_REPLACE_REF_BASE": "refs/evil", "GIT_INDEX_FILE": "x",
        "GIT_OBJECT_DIRECTORY": "objects/incoming", "GIT_QUARANTINE_PATH": "/q/objects/incoming",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": "objects:/abs", "LC_ALL": "de_DE", "OTHER": "kept",
    }
    given = Repository.discover(world.path, {key: value for key, value in hostile.items() if "DIRECTOR" not in key})
    assert given.resolve("HEAD") == world.tip()
    repo = Repository(world.git_dir, None, "sha1", {}, bare=False)
    assert repo.environment() == {}
    found = _scrub(hostile, world.git_dir)
    kept = {name: value for name, value in found.items() if name.startswith("GIT_")}
    assert kept == {
        "GIT_OBJECT_DIRECTORY": str(world.git_dir / "objects/incoming"),
        "GIT_QUARANTINE_PATH": "/q/objects/incoming",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": f"{world.git_dir / 'objects'}:/abs",
        "GIT_NO_REPLACE_OBJECTS": "1", "GIT_GRAFT_FILE": os.devnull, "GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "",
        "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0",
    }
    assert (found["LC_ALL"], found["OTHER"]) == ("C", "kept")


@pytest.mark.parametrize(
    "revision",
    ["-h", "--help", "--all", "--output=/tmp/x", "nope", "HEAD..main", "", "a\nHEAD", "HEAD\0", "HEAD\r", "0" * 40,
     "HEAD missing", "HEAD ", "HEAD^{tree"],
)
def test_a_revision_that_is_none(world: World, revision: str) -> None:
    with pytest.raises(UsageError) as caught:
        Repository.discover(world.path).resolve(revision)
    assert "revision" in caught.value.message


def test_a_name_of_several_refs_is_none(world: World) -> None:
    """git takes the tag: whoever may push tags would choose what is judged."""
    head = world.git("rev-parse", "HEAD")
    for name in ("refs/remotes/origin/main", "refs/remotes/fork/HEAD", f"refs/heads/{head[:8]}", "refs/heads/HEAD"):
        world.update(name, head)
    # whoever likes may turn the warning off, which is git's only word about it
    world.git("config", "core.warnAmbiguousRefs", "false")
    repo = Repository.discover(world.path)
    assert repo.resolve("origin/main") == repo.resolve("fork") == head
    for name in ("refs/tags/origin/main", "refs/tags/fork", "refs/tags/HEAD", "refs/tags/refs/heads/main"):
        world.update(name, repo.resolve("HEAD~1"))
    for name, shown in [
        ("origin/main", "refs/remotes/origin/main or refs/tags/origin/main"),
        ("fork", "refs/remotes/fork/HEAD or refs/tags/fork"),
        (head[:8], f"refs/heads/{head[:8]} or the start of an object id"),
    ]:
        for revision in (name, f"{name}~0", f"{name}^{{tree}}", f"{name}:a"):
            with pytest.raises(UsageError) as caught:
                repo.resolve(revision)
            assert caught.value.message == f"{name!r} may be {shown}"
    for name in ("HEAD", "refs/heads/main", "refs/remotes/origin/main", head):
        assert repo.resolve(name) == head
    assert repo.resolve("refs/tags/origin/main") == repo.resolve("HEAD~1")


def test_revisions(world: World) -> None:
    repo = Repository.discover(world.path)
    tag = world.git("rev-parse", "refs/tags/v1")
    assert repo.resolve("v1") == tag
    assert repo.resolve("v1^{commit}") == repo.resolve("HEAD") == repo.resolve(world.tip()[:12])  # type: ignore[index]
    assert repo.resolve("HEAD~2") == world.git("rev-parse", "HEAD~2")
    world.update("refs/heads/-h", repo.resolve("HEAD~1"))
    assert repo.resolve("refs/heads/-h") == repo.resolve("-h") == repo.resolve("HEAD~1")


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_ancestry_is_right_whatever_the_dates_say(tmp_path: Path, algorithm: str) -> None:
    world = World.create(tmp_path / "r", algorithm=algorithm)  # type: ignore[arg-type]
    base = [world.commit(f"base {number}", {"a": str(number)}) for number in range(3)]
    old = [world.commit(f"skewed {number}", {"b": str(number)}, when=1_000_000_000 + number) for number in range(15)]
    last = world.commit("last", {"c": "1"})
    side = world.commit("side", {"d": "1"}, ref="refs/heads/side", parents=[base[0]])
    other = world.commit("other root", {"e": "1"}, ref="refs/heads/other", parents=())
    repo = Repository.discover(world.path)
    # the test can fail: by dates, git takes the base for no ancestor
    assert repo.run("rev-list", base[1], f"^{old[-1]}") != b""
    line = [*base, *old, last]
    for at, oid in enumerate(line):
        assert [repo.is_ancestor(oid, later) for later in (line[at], line[-1])] == [True, True]
        assert [repo.is_ancestor(earlier, oid) for earlier in line[:at]] == [True] * at
        if at < len(line) - 1:
            assert not repo.is_ancestor(last, oid)
        assert not repo.is_ancestor(other, oid)
        assert not repo.is_ancestor(side, oid)
        assert repo.is_ancestor(oid, side) == (at == 0)


def test_ancestry_that_cannot_be_told_is_an_error(tmp_path: Path) -> None:
    world = World.create(tmp_path / "r")
    oids = [world.commit(f"{number}", {"a": str(number)}) for number in range(4)]
    other = world.commit("other root", {"e": "1"}, ref="refs/heads/other", parents=())
    tree = world.git("rev-parse", "HEAD^{tree}")
    blob = world.git("rev-parse", "HEAD:a")
    repo = Repository.discover(world.path)
    for name in ("HEAD", "--all", oids[0][:12], "", tree, blob, "0" * 40, "1" * 40):
        with pytest.raises(UsageError):
            repo.is_ancestor(name, oids[3])
        with pytest.raises(UsageError):
            repo.is_ancestor(oids[3], name)
    (world.git_dir / "objects" / oids[1][:2] / oids[1][2:]).unlink()
    assert repo.is_ancestor(oids[2], oids[3])
    for ancestor in (oids[0], other):
        with pytest.raises(UsageError):
            repo.is_ancestor(ancestor, oids[3])


def test_refs_and_head(world: World) -> None:
    repo = Repository.discover(world.path)
    tip, tag = world.tip(), world.git("rev-parse", "refs/tags/v1")
    assert repo.refs() == (("refs/heads/main", tip), ("refs/tags/v1", tag))
    assert repo.refs("refs/tags") == (("refs/tags/v1", tag),)
    assert repo.refs("refs/nothing") == ()
    assert repo.head_ref() == "refs/heads/main"
    world.git("checkout", "-q", "--detach")
    assert repo.head_ref() is None
    name = os.fsencode(world.git_dir) + b"/refs/heads/\xff"
    Path(os.fsdecode(name)).write_text(f"{tip}\n")
    assert ("refs/heads/\\xff", tip) in repo.refs()
    (world.git_dir / "refs/heads/broken").write_text("nonsense\n")
    with pytest.raises(Unavailable, match="cannot be read"):
        repo.refs()


def test_configuration(world: World) -> None:
    world.configure(user__name="Zoë")
    repo = Repository.discover(world.path)
    assert repo.config("user.name") == "Zoë"
    assert repo.config("user.nothing") is None


def test_the_commands_of_a_failed_run_are_named(world: World) -> None:
    with pytest.raises(UsageError, match="git cat-file failed"):
        Repository.discover(world.path).run("cat-file", "blob", "0" * 40)


def test_whole_clones_are_complete(world: World, tmp_path: Path) -> None:
    assert Repository.discover(world.path).incomplete() is None
    clone = World.clone(world.path, tmp_path / "c", "--shared")
    assert Repository.discover(clone.path).incomplete() is None
    assert Repository.discover(clone.path).resolve("HEAD") == world.tip()


def test_shallow(world: World, tmp_path: Path) -> None:
    clone = World.clone(f"file://{world.path}", tmp_path / "c", "--depth=1")
    assert "shallow" in str(Repository.discover(clone.path).incomplete())


def test_partial(world: World, tmp_path: Path) -> None:
    world.configure(uploadpack__allowFilter="true")
    clone = World.clone(f"file://{world.path}", tmp_path / "c", "--filter=blob:none", "--no-checkout")
    repo = Repository.discover(clone.path)
    assert "partial" in str(repo.incomplete())
    blob = world.git("rev-parse", "HEAD:a")
    with pytest.raises(UsageError):
        repo.resolve(blob)
    objects = list((clone.git_dir / "objects").rglob("*.pack"))
    assert len(objects) == 1, "something was fetched"


def test_grafts(world: World) -> None:
    (world.git_dir / "info").mkdir(exist_ok=True)
    (world.git_dir / "info/grafts").write_text(f"{world.tip()}\n")
    assert "grafts" in str(Repository.discover(world.path).incomplete())
    (world.git_dir / "info/grafts").write_text("\n")
    assert Repository.discover(world.path).incomplete() is None


def test_lost_alternate(world: World, tmp_path: Path) -> None:
    middle = World.clone(world.path, tmp_path / "m", "--shared", "--bare")
    clone = World.clone(middle.path, tmp_path / "c", "--shared", "--bare")
    repo = Repository.discover(clone.path)
    assert repo.incomplete() is None
    shutil.move(world.path, tmp_path / "elsewhere")
    assert str(world.git_dir / "objects") in str(repo.incomplete())


def test_no_repository_configuration_runs_a_program(world: World, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {mark}\n")
    script.chmod(0o755)
    for name in ("core.fsmonitor", "core.alternateRefsCommand", "core.sshCommand", "gpg.program", "diff.external", "core.pager"):
        world.git("config", name, str(script))
    repo = Repository.discover(world.path)
    repo.refs()
    repo.run("rev-list", "--all")
    repo.run("ls-files", "-m")
    repo.run("diff-index", "--cached", "HEAD")
    assert not mark.exists()
    # the test can fail: git itself does run it
    subprocess.run(["git", "-C", str(world.path), "ls-files", "-m"], check=True, capture_output=True)
    assert mark.exists()
